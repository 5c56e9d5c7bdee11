"""The option of `modelyard serve` that names LoRA adapters."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from modelyard_api.serving import AdapterConfig
from modelyard_cli.errors import CommandFailed

_CURE = "For example --adapter sql=./sql-adapter, once for each adapter (docs/adapters.md)."


def add_adapter_option(parser: argparse.ArgumentParser) -> None:
    """Add it to the command."""
    parser.add_argument(
        "--adapter",
        dest="adapters",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a LoRA adapter in peft's layout, and what clients call it; may be given repeatedly",
    )


def read_adapters(given: Sequence[str], *, model_name: str) -> tuple[AdapterConfig, ...]:
    """Return the adapters. The runtime reads the folders itself, and says what is wrong in them.

    Raises:
        CommandFailed: a name or folder is missing, or a name is there twice.
    """
    adapters: list[AdapterConfig] = []
    taken: set[str] = set()
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise CommandFailed(f"--adapter {text!r} is not NAME=DIR", cure=_CURE)
        if name == model_name:
            raise CommandFailed(f"--adapter: {name!r} is the model's own name", cure=_CURE)
        if name in taken:
            raise CommandFailed(f"--adapter: the name {name!r} is there twice", cure=_CURE)
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise CommandFailed(f"--adapter {name}: there is no folder {folder!r}", cure=_CURE)
        taken.add(name)
        adapters.append(AdapterConfig(name=name, path=str(path)))
    return tuple(adapters)
