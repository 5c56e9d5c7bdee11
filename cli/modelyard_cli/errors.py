"""What a command says when it cannot do its work."""


class CommandFailed(Exception):
    """A command cannot go on: what is wrong, and what to do about it."""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
