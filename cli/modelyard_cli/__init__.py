"""The command line: `modelyard`."""
