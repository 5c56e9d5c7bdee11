"""A real Kubernetes on this machine for Modelyard's tests, demo and daily work.

With a Docker engine it is a kind cluster; without one, the upstream programs run directly on this
Linux machine, each cluster in a network namespace of its own. `python -m modelyard_local --help`
teaches the commands. Only the standard library is used, so that it runs before anything is
installed.
"""
