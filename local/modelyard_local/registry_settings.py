"""How this machine reaches a package registry, carried into image builds and left in no image and no file of ours."""

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PREFIXES = ("PIP_", "UV_")
_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_NOT = ("UV_CACHE_DIR", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_LINK_MODE", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_UV_CACHE = "/var/cache/uv"


@dataclass(frozen=True)
class Settings:
    """Shell lines to read, and files of the host to see, during a build."""

    lines: str
    volumes: tuple[str, ...]


def read_settings(uv_cache: Path) -> Settings:
    """This machine's settings."""
    authorities = os.environ.get("SSL_CERT_FILE") or _AUTHORITIES
    present = [(authorities, _AUTHORITIES)] if Path(authorities).exists() else []
    pip = [Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf", Path("/etc/pip.conf")]
    present += [(str(path), "/etc/pip.conf") for path in pip if path.exists()][:1]
    find_links = os.environ.get("PIP_FIND_LINKS", "")
    present += [(path, path) for path in find_links.split() if Path(path).is_dir()]
    volumes = [f"{source}:{target}:ro" for source, target in present]
    uv_cache.mkdir(parents=True, exist_ok=True)
    return Settings(build_lines(os.environ), (*volumes, f"{uv_cache}:{_UV_CACHE}:rw"))


def build_lines(environment: Mapping[str, str]) -> str:
    """The shell lines for a build: what of the environment concerns registries."""
    chosen = {name: value for name, value in environment.items() if _concerns_registry(name)}
    # The paths of certificates are the build's, not the host's.
    chosen |= {name: _AUTHORITIES for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")}
    chosen["UV_CACHE_DIR"] = _UV_CACHE
    return "".join(_export(sorted(chosen.items())))


def _concerns_registry(name: str) -> bool:
    return (name.startswith(_PREFIXES) or name in _NAMES) and name not in _NOT


def _export(pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"export {name}={shlex.quote(value)}\n" for name, value in pairs)
