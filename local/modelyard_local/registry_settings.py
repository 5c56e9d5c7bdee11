"""How this machine reaches a package registry, carried into builds and left in no image."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PREFIXES = ("PIP_", "UV_")
_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Paths of this machine, which mean nothing inside a build.
_NOT = {"PIP_CERT", "PIP_PREFIX", "PIP_TARGET", "PIP_USER", "UV_CACHE_DIR", "UV_LINK_MODE"}
_NOT |= {"UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}
_AUTHORITY_NAMES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_UV_CACHE = "/var/cache/uv"


@dataclass(frozen=True)
class Settings:
    """Shell lines to read, and files of the host to see, during a build."""

    lines: str
    volumes: tuple[str, ...]
    proxy_lines: str  # those that hold without the volumes


def read_settings(uv_cache: Path) -> Settings:
    """This machine's settings."""
    authorities = os.environ.get("SSL_CERT_FILE") or _AUTHORITIES
    present = [(authorities, _AUTHORITIES)] if Path(authorities).exists() else []
    pip = [
        Path.home() / ".config/pip/pip.conf",
        Path.home() / ".pip/pip.conf",
        Path("/etc/pip.conf"),
    ]
    present += [(str(path), "/etc/pip.conf") for path in pip if path.exists()][:1]
    find_links = os.environ.get("PIP_FIND_LINKS", "")
    present += [(path, path) for path in find_links.split() if Path(path).is_dir()]
    volumes = [f"{source}:{target}:ro" for source, target in present]
    uv_cache.mkdir(parents=True, exist_ok=True)
    pairs = choose(os.environ)
    # The paths of certificates and of the cache are the build's, not the host's.
    inside = dict.fromkeys(_AUTHORITY_NAMES, _AUTHORITIES) | {"UV_CACHE_DIR": _UV_CACHE}
    return Settings(
        lines=build_lines(pairs | inside),
        volumes=(*volumes, f"{uv_cache}:{_UV_CACHE}:rw"),
        proxy_lines=build_lines(pairs),
    )


def choose(environment: Mapping[str, str]) -> dict[str, str]:
    """What of the environment concerns registries, and holds inside a build as well."""
    return {name: value for name, value in environment.items() if _concerns_registry(name)}


def build_lines(pairs: Mapping[str, str]) -> str:
    """The shell lines for a build."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(pairs.items()))


def _concerns_registry(name: str) -> bool:
    return (name.startswith(_PREFIXES) or name in _NAMES) and name not in _NOT
