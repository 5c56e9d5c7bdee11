"""Tables of texts for a terminal."""

from collections.abc import Sequence


def lay_out(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Return the rows as lines, each column as wide as its widest text.

    Raises:
        ValueError: rows have different numbers of cells.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)
