"""Pictures and sounds that clients send: bounded by their headers first, and only then decoded."""
