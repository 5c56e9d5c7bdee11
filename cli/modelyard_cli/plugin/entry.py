"""How a model is spoken to: with a key where it asks for one, and over TLS where it speaks that."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from modelyard_api.meta import SERVICE_PORT, TLS_SERVICE_PORT
from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.model import Model

#: Where the key is looked for if the command line has none: there, other users could read it.
KEY_VARIABLE: Final = "MODELYARD_API_KEY"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is shown at the door. `host` is what the model's certificate is for."""

    key: str = field(default="", repr=False)
    is_tls: bool = False
    host: str = ""
    authority: ssl.SSLContext | None = None

    @property
    def scheme(self) -> str:
        """Of the model's address."""
        return "https" if self.is_tls else "http"

    @property
    def port(self) -> int:
        """Of the model's Service."""
        return TLS_SERVICE_PORT if self.is_tls else SERVICE_PORT

    @property
    def headers(self) -> dict[str, str]:
        """The key, if there is one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def build_options(self) -> dict[str, Any]:
        """Return what aiohttp is told of TLS.

        Without an authority the certificate is not verified: the address is a port of this machine
        that leads to the model's pod through the API server, whom kubectl has verified.
        """
        if not self.is_tls:
            return {}
        if self.authority is None:
            return {"ssl": False}
        return {"ssl": self.authority, "server_hostname": self.host}


def form_entry(model: Model, *, key: str, authority: str) -> Entry:
    """Return how to speak to a model; `authority` is a file of certificates, or empty.

    Raises:
        CommandFailed: the key is none, or the file has no certificates.
    """
    if key and not _KEY.fullmatch(key):
        raise CommandFailed(
            "the API key has characters that no key has", cure=f"Look at --key or ${KEY_VARIABLE}."
        )
    return Entry(
        key=key,
        is_tls=model.status.url.startswith("https://"),
        host=f"{model.name}.{model.namespace}.svc",
        authority=_read_authority(authority) if authority else None,
    )


def _read_authority(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise CommandFailed(
            f"--ca {path!r} cannot be read: {error.strerror or error}",
            cure="It is a file of certificates in PEM.",
        ) from error
