"""Protocols: each its own package of schemas, routes, conversion and errors. They only translate."""
