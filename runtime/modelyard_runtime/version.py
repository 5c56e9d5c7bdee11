"""The version of this runtime."""

from typing import Final

VERSION: Final = "0.1.0"
