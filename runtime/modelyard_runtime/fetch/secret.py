"""The Secret for the download: a token, and the one host that it is for."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from modelyard_api.meta import DEFAULT_SECRET_HOST, SECRET_HOST_KEY, SECRET_TOKEN_KEY, Reason
from modelyard_runtime.errors import CannotStart

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: What people call the value of a key.
_NOUNS = {SECRET_TOKEN_KEY: "token"}
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """A token and its host, `HOST` or `HOST:PORT`. The token is not part of the repr."""

    token: str = field(repr=False)
    host: str


def read_secret(folder: Path) -> Secret | None:
    """Read the mounted Secret; None where there is none.

    Raises:
        CannotStart: Unauthorized, when its token is missing or is no token.
    """
    if not folder.is_dir():
        return None
    token = read_key(folder, SECRET_TOKEN_KEY)
    if not _TOKEN.fullmatch(token):
        raise CannotStart(
            Reason.UNAUTHORIZED,
            describe_missing_key(folder, SECRET_TOKEN_KEY, has_text=bool(token)),
            hint="Make it anew: kubectl create secret generic NAME "
            f"--from-literal={SECRET_HOST_KEY}=HOST --from-literal={SECRET_TOKEN_KEY}=…",
        )
    return Secret(token, read_key(folder, SECRET_HOST_KEY) or DEFAULT_SECRET_HOST)


def require_host(secret: Secret, endpoint: str) -> None:
    """Refuse to give a token to a host that it is not for.

    Raises:
        CannotStart: SecretHostMismatch.
    """
    require_same_host(secret.host, endpoint, what="token is")


def require_same_host(host: str, endpoint: str, *, what: str) -> None:
    """Refuse an endpoint on another host than the one that a Secret is for.

    Raises:
        CannotStart: SecretHostMismatch; `what` is of the Secret, `token is` for example.
    """
    parts = urlsplit(endpoint)
    actual = (parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
    if _split_host(host, default_port=_DEFAULT_PORTS[parts.scheme]) == actual:
        return
    raise CannotStart(
        Reason.SECRET_HOST_MISMATCH,
        f"The Secret's {what} for {host}, and the model would come from {parts.netloc}; nothing "
        "was sent",
        hint=f"If the {what} meant for {parts.netloc}, say so in the Secret: its key "
        f"{SECRET_HOST_KEY!r} must be {parts.netloc}.",
    )


def describe_missing_key(folder: Path, key: str, *, has_text: bool) -> str:
    """Say what is wrong with a Secret whose key is missing, empty or of odd characters."""
    named = "Secret that spec.model.secretRef names"
    if has_text:
        return f"The key {key!r} of the {named} has characters that no {_NOUNS.get(key, 'key')} has"
    # The mount is optional: the kubelet would wait in silence for a Secret that is not there. What
    # it mounts instead has only links of its own, whose names start with two dots.
    if all(path.name.startswith("..") for path in folder.iterdir()):
        return f"The {named} does not exist in this namespace, or is empty"
    return f"The key {key!r} of the {named} is missing or empty"


def _split_host(text: str, *, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        return (parts.hostname or "", parts.port or default_port)
    except ValueError:
        return ("", 0)


def read_key(folder: Path, key: str) -> str:
    """Return a key's text without white space around it, empty where there is none.

    Raises:
        CannotStart: Unauthorized, when it cannot be read.
    """
    try:
        return (folder / key).read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(
            Reason.UNAUTHORIZED, f"The key {key!r} of the Secret cannot be read: {error}"
        ) from error
