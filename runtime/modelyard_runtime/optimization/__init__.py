"""What `spec.optimize` is measured by: examples, and how far answers agree. Pure."""
