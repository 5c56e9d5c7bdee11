"""Chats to text by the template that a model brings, in a process of its own that is bounded."""
