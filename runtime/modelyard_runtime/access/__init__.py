"""Who may ask, and over what kind of connection: API keys and a certificate, both renewable."""
