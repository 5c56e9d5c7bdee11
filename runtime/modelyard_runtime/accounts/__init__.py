"""What is written down of requests: usage, to be billed, and an audit, where it is wanted."""
