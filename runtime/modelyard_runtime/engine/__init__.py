"""Engines: from admitted requests to answers, one thread owning the model."""
