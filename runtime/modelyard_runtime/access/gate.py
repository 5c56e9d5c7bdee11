"""Keys and certificate of a process, opened together and watched while it serves."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelyard_api.serving import AccessConfig
from modelyard_runtime.access.certificate import Certificate, open_certificate
from modelyard_runtime.access.key_folder import KeyFolder, open_keys


@dataclass(frozen=True, slots=True)
class Gate:
    """What clients have to present, and what they are shown. None: nothing."""

    keys: KeyFolder | None = None
    certificate: Certificate | None = None

    @property
    def looks(self) -> tuple[Callable[[], None], ...]:
        """What is to be called again and again, for changes to be seen."""
        return tuple(part.look for part in (self.keys, self.certificate) if part is not None)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the server speaks TLS with, if it does."""
        return self.certificate.context if self.certificate is not None else None


def open_gate(config: AccessConfig) -> Gate:
    """Read what the configuration names.

    Raises:
        CannotStart: it is not there, or no good.
    """
    return Gate(
        keys=open_keys(Path(config.keys_path)) if config.keys_path else None,
        certificate=open_certificate(Path(config.tls_path)) if config.tls_path else None,
    )
