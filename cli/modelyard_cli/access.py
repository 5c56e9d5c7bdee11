"""The options of `modelyard serve` that say who may ask."""

import argparse
from pathlib import Path

from modelyard_api.meta import TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY
from modelyard_api.serving import AccessConfig
from modelyard_cli.errors import CommandFailed


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Add them to the command."""
    access = parser.add_argument_group("access (spec.access of a ModelDeployment; docs/access.md)")
    access.add_argument(
        "--keys",
        metavar="FOLDER",
        type=Path,
        help="ask for API keys: one file for each owner, with the hashes of `modelyard key`",
    )
    access.add_argument(
        "--tls",
        metavar="FOLDER",
        type=Path,
        help=f"speak HTTPS only, with the folder's {TLS_CERTIFICATE_KEY} and {TLS_PRIVATE_KEY_KEY}",
    )
    access.add_argument(
        "--audit",
        action="store_true",
        help="write a line of JSON for each request to standard output: who asked for what kind of "
        "answer; with --keys, also what it has used",
    )


def read_access(options: argparse.Namespace) -> AccessConfig:
    """Return who may ask. The runtime reads the folders itself, and says what is wrong in them.

    Raises:
        CommandFailed: a folder is not there.
    """
    return AccessConfig(
        keys_path=str(_check_access_folder("--keys", options.keys)) if options.keys else "",
        tls_path=str(_check_access_folder("--tls", options.tls)) if options.tls else "",
        audit=options.audit,
    )


def _check_access_folder(option: str, path: Path) -> Path:
    # Not resolved: a link may lead to another folder tomorrow.
    folder = path.expanduser().absolute()
    if not folder.is_dir():
        raise CommandFailed(
            f"{option}: there is no folder {str(path)!r}", cure="docs/access.md says what is in it."
        )
    return folder
