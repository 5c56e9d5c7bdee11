"""The certificate that clients see, as the mounted Secret has it now."""

import hashlib
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from modelyard_api.meta import TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY_KEY, Reason
from modelyard_runtime.access.fingerprint import Fingerprint, take_fingerprint
from modelyard_runtime.errors import CannotStart

_HINT = (
    "The Secret has the type kubernetes.io/tls: kubectl create secret tls NAME --cert=FILE "
    "--key=FILE; the key must be the certificate's, and not encrypted."
)
#: The kubelet's link to the folder in which all files are of the same moment.
_MOMENT = "..data"

_log = logging.getLogger(__name__)


class PairInvalid(Exception):
    """The two files are no certificate and its key."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and its private key, both as PEM."""

    chain: bytes
    key: bytes = field(repr=False)


class Certificate:
    """A folder with certificate and key. New connections get what `look` has found last.

    Each pair has a context of its own, and a connection takes the newest at its beginning: there is
    no moment at which the certificate is one pair's and the key the other's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: Fingerprint | None = take_fingerprint(folder)
        self._newest, self.pair = _load(folder), _read_pair(folder)
        #: What the server is given, once and for all.
        self.context = _load(folder)
        self.context.sni_callback = self._choose

    def look(self) -> None:
        """Load the pair again, if its files have changed; one that is no good changes nothing."""
        seen = take_fingerprint(self._folder)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._newest, self.pair = _load(self._folder), _read_pair(self._folder)
        except PairInvalid as error:
            explanation = f"{error}; the one before stays"
            _log.error("certificate_refused", extra={"explanation": explanation})
            return
        _log.info("certificate_renewed", extra={"sha256": _digest(self._folder)})

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        # OpenSSL calls this for every new connection, also where the client names no server.
        connection.context = self._newest


def open_certificate(folder: Path) -> Certificate:
    """Load the pair for the first time.

    Raises:
        CannotStart: a file is missing, or they do not belong together.
    """
    try:
        return Certificate(folder)
    except PairInvalid as error:
        raise CannotStart(
            Reason.ACCESS_INVALID,
            f"There is no usable certificate in {folder}: {error}",
            hint=_HINT,
        ) from error


def _load(folder: Path) -> ssl.SSLContext:
    moment = _find_moment(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = moment / TLS_CERTIFICATE_KEY, moment / TLS_PRIVATE_KEY_KEY
    for path in (certificate, key):
        if not path.is_file():
            raise PairInvalid(
                f"it has no {path.name} (the Secret that spec.access.tlsSecretRef names does not "
                "exist in this namespace, or is of another type)"
            )
    try:
        # Without a password, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise PairInvalid(_explain(error)) from error
    except OSError as error:
        raise PairInvalid(f"it cannot be read: {error.strerror}") from error
    return context


def _read_pair(folder: Path) -> Pair:
    """Read the two files, for a server that does not take a context of Python's."""
    moment = _find_moment(folder)
    try:
        return Pair(
            chain=(moment / TLS_CERTIFICATE_KEY).read_bytes(),
            key=(moment / TLS_PRIVATE_KEY_KEY).read_bytes(),
        )
    except OSError as error:
        raise PairInvalid(f"it cannot be read: {error.strerror}") from error


def _find_moment(folder: Path) -> Path:
    link = folder / _MOMENT
    return link.resolve() if link.exists() else folder


def _explain(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{TLS_PRIVATE_KEY_KEY} is not the key of {TLS_CERTIFICATE_KEY}"
    why = (error.reason or str(error)).replace("_", " ").lower()
    files = f"{TLS_CERTIFICATE_KEY} and {TLS_PRIVATE_KEY_KEY}"
    return f"{files} are no certificate and its plain key in PEM ({why})"


def _digest(folder: Path) -> str:
    """Return the fingerprint of the certificate, as `openssl x509 -fingerprint -sha256` has it."""
    try:
        pem = (_find_moment(folder) / TLS_CERTIFICATE_KEY).read_text()
        end = "-----END CERTIFICATE-----"
        first = pem[pem.index("-----BEGIN CERTIFICATE") :].partition(end)[0] + end
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
    except (OSError, ValueError):
        return ""
