"""The keys in force, as the mounted Secret has them now."""

import logging
from collections.abc import Iterable
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_runtime.access.credentials import find_key, find_page_key
from modelyard_runtime.access.fingerprint import Fingerprint, take_fingerprint
from modelyard_runtime.access.keys import Flaw, KeyRing, read_keys
from modelyard_runtime.errors import CannotStart

_HINT = (
    "`modelyard key` makes a key and its hash; put the hash into the Secret: kubectl create secret "
    "generic NAME --from-literal=OWNER=HASH (without Kubernetes: into the file FOLDER/OWNER)."
)
#: As many are told of in an error.
_MAX_TOLD = 5

_log = logging.getLogger(__name__)


class KeyFolder:
    """A folder of keys. `look` is for another thread than the one that asks for owners."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring = KeyRing()
        self._seen: Fingerprint | None = None

    @property
    def ring(self) -> KeyRing:
        """The keys in force. It is replaced, never changed."""
        return self._ring

    def find_owner(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the owner of the key that a request presents; None where that is nobody's."""
        return self._find(find_key(headers))

    def find_reader(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the owner of the key that a browser presents to read a page."""
        return self._find(find_page_key(headers))

    def look(self) -> None:
        """Read the folder again, if it has changed. What cannot be read opens no door."""
        seen = take_fingerprint(self._path)
        if seen == self._seen:
            return
        self._ring = self._read()
        # Taken before the reading: a change since then shows at the next look.
        self._seen = seen
        self._tell()

    def _find(self, key: bytes | None) -> str | None:
        return None if key is None else self._ring.find_owner(key)

    def _read(self) -> KeyRing:
        try:
            return read_keys(self._path)
        except OSError as error:
            return KeyRing(flaws=(Flaw("", f"the folder cannot be read: {error.strerror}"),))

    def _tell(self) -> None:
        ring = self._ring
        for flaw in ring.flaws:
            _log.warning("key_ignored", extra={"owner": flaw.owner, "explanation": flaw.message})
        owners = len({key.owner for key in ring.keys})
        _log.info("keys_in_force", extra={"owners": owners, "keys": len(ring.keys)})
        if not ring.keys:
            _log.error("no_key_in_force", extra={"explanation": "every request is refused"})


def open_keys(path: Path) -> KeyFolder:
    """Read the keys for the first time.

    Raises:
        CannotStart: there is none. Nobody could ask, and most likely a name is mistyped.
    """
    folder = KeyFolder(path)
    folder.look()
    ring = folder.ring
    if ring.keys:
        return folder
    told = "; ".join(
        f"{flaw.owner}: {flaw.message}" if flaw.owner else flaw.message
        for flaw in ring.flaws[:_MAX_TOLD]
    )
    raise CannotStart(
        Reason.ACCESS_INVALID,
        f"There is no API key in {path} ({told})"
        if told
        else f"There is no API key in {path}: the Secret that spec.access.keysSecretRef names does "
        "not exist in this namespace, or is empty",
        hint=_HINT,
    )
