"""Kubernetes for Modelyard: the only package that imports the official client."""
