"""Protocols only translate. Each has its own schemas, routes, conversion and errors."""
