"""Certificates that an authority of the test's own has signed, made by `openssl`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:qwen.team.svc"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Authority:
    """An authority, and its certificates for this machine."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file of its own certificate."""
        return self.folder / "ca.crt"

    def issue(self, name: str) -> dict[str, bytes]:
        """Return the entries of a Secret of the type kubernetes.io/tls, for a common name."""
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        _openssl(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", NAMES),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", self.path, "-CAkey", self.folder / "ca.key"),
            *("-keyout", key, "-out", certificate),
        )
        return {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}


def make_authority(folder: Path) -> Authority:
    """Make an authority in a folder."""
    _openssl(
        *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=an authority"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.crt"),
    )
    return Authority(folder)


def encrypt_key(key: bytes) -> bytes:
    """Return a key that needs a password."""
    return _openssl("pkcs8", "-topk8", "-passout", "pass:secret", input=key)


def _openssl(*arguments: str | Path, input: bytes | None = None) -> bytes:  # noqa: A002 - as subprocess
    return subprocess.run(
        ["openssl", *arguments], input=input, capture_output=True, check=True
    ).stdout
