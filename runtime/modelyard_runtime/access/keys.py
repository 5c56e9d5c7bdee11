"""API keys: which there are, and whose one is. Pure, but for the reading of their folder.

The folder is a mounted Secret. Each file is named after an owner, and each of its lines is the
SHA-256 of one of the owner's keys, in hexadecimal digits. Nobody who reads it can ask the model.
"""

import hashlib
import hmac
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Each request's key is compared with all of them.
MAX_KEYS: Final = 1000
#: What a Secret takes as the name of an entry.
_OWNER: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
_DIGEST: Final = re.compile(rb"[0-9a-fA-F]{64}")
#: For 250 keys of one owner.
_MAX_FILE_BYTES: Final = 16 * 1024
#: The kubelet's own links and folders in a mounted Secret.
_KUBELETS: Final = ".."
#: Of a name that is no owner's, in a log.
_MAX_SHOWN: Final = 64

Compare = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Key:
    """The digest of a key, and whose it is."""

    owner: str
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with an owner's entry. It never tells the entry's content."""

    owner: str
    message: str


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that are in force, and what was left out."""

    keys: tuple[Key, ...] = ()
    flaws: tuple[Flaw, ...] = ()

    def find_owner(self, presented: bytes, compare: Compare = hmac.compare_digest) -> str | None:
        """Return whose key it is. How long it takes does not tell how near a guess is.

        All digests are compared, and digests of guesses are not theirs to choose.
        """
        digest = hashlib.sha256(presented).digest()
        matches = [key.owner for key in self.keys if compare(key.digest, digest)]
        return matches[0] if matches else None


def read_keys(folder: Path) -> KeyRing:
    """Read every entry; those that are no good are told, and the others are in force.

    Raises:
        OSError: the folder itself cannot be read.
    """
    keys: list[Key] = []
    flaws: list[Flaw] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(_KUBELETS):
            continue
        for found in _read_entry(path):
            if isinstance(found, Key):
                keys.append(found)
            else:
                flaws.append(found)
    kept, doubles = _without_doubles(keys)
    beyond = sorted({key.owner for key in kept[MAX_KEYS:]})
    too_many = [Flaw(owner, f"there are more than {MAX_KEYS} keys") for owner in beyond]
    return KeyRing(tuple(kept[:MAX_KEYS]), (*flaws, *doubles, *too_many))


def _read_entry(path: Path) -> Iterator[Key | Flaw]:
    owner = path.name
    if not _OWNER.fullmatch(owner):
        yield Flaw(ascii(owner[:_MAX_SHOWN]), "this is no owner's name (letters, digits, . _ -)")
        return
    try:
        # A pipe, say, would keep its reader waiting.
        if not stat.S_ISREG(path.stat().st_mode):
            yield Flaw(owner, "this is no file")
            return
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return  # removed just now
    except OSError as error:
        yield Flaw(owner, f"this cannot be read: {error.strerror}")
        return
    if len(content) > _MAX_FILE_BYTES:
        yield Flaw(owner, f"this is larger than {_MAX_FILE_BYTES} bytes")
        return
    yield from _parse_entry(owner, content)


def _parse_entry(owner: str, content: bytes) -> Iterator[Key | Flaw]:
    lines = [(number, line.strip()) for number, line in enumerate(content.split(b"\n"), start=1)]
    written = [(number, line) for number, line in lines if line]
    if not written:
        yield Flaw(owner, "this is empty")
    for number, line in written:
        if _DIGEST.fullmatch(line):
            yield Key(owner, bytes.fromhex(line.decode()))
        else:
            yield Flaw(owner, f"line {number} is not the 64 hexadecimal digits of a SHA-256")


def _without_doubles(keys: Iterable[Key]) -> tuple[list[Key], list[Flaw]]:
    """Return keys of which each is somebody's alone, and what was the same as another's."""
    kept: dict[bytes, Key] = {}
    flaws: list[Flaw] = []
    for key in keys:
        first = kept.setdefault(key.digest, key)
        if first.owner != key.owner:
            flaws.append(Flaw(key.owner, f"this has a key of {first.owner}"))
    return list(kept.values()), flaws
