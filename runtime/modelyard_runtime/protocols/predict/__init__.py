"""The plain protocol: text in, what the model makes of it out."""
