"""`modelyard key`: a new API key, and what a Secret holds of it."""

import argparse
import hashlib
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other name

_DESCRIPTION = """\
Make an API key, at random. It is printed once and kept nowhere: give it to its owner. The Secret
of spec.access.keysSecretRef (or the folder of `modelyard serve --keys`) holds its hash only, with
which nobody can ask the model.
"""

_EPILOG = """\
A Secret with a first owner, a further one, and a key that is taken back:
  kubectl create secret generic qwen-keys --from-literal=alice=HASH
  kubectl patch secret qwen-keys -p '{"stringData": {"bob": "HASH"}}'
  kubectl patch secret qwen-keys --type=json -p '[{"op": "remove", "path": "/data/alice"}]'
"""

#: Tells a key from a hash, should one ever stand where the other belongs.
_PREFIX: Final = "mdl_"
_RANDOM_BYTES: Final = 32


def add_command(commands: "Commands") -> None:
    """Add `key` to the commands."""
    parser = commands.add_parser(
        "key",
        help="make an API key, and the hash of it that a Secret holds",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)


def run(_options: argparse.Namespace) -> None:
    """Print a new key and its hash."""
    key = make_key()
    print(f"key:  {key}\nhash: {hash_key(key)}")


def make_key() -> str:
    """Return a new key, at random."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_key(key: str) -> str:
    """Return what stands in the Secret: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()
