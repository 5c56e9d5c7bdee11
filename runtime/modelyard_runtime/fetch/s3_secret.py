"""The Secret for a model in S3: keys, the one host that they are for, and where that may be."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from modelyard_api.fetch import S3Settings, check_optional_endpoint, check_region
from modelyard_api.meta import (
    DEFAULT_S3_REGION,
    SECRET_ACCESS_KEY_ID_KEY,
    SECRET_ACCESS_KEY_KEY,
    SECRET_ENDPOINT_KEY,
    SECRET_HOST_KEY,
    SECRET_REGION_KEY,
    SECRET_SESSION_TOKEN_KEY,
    Reason,
)
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.secret import describe_missing_key, read_key, require_same_host

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HINT = (
    f"Make it anew: kubectl create secret generic NAME --from-literal={SECRET_HOST_KEY}=HOST "
    f"--from-literal={SECRET_ACCESS_KEY_ID_KEY}=… --from-literal={SECRET_ACCESS_KEY_KEY}=…"
)


@dataclass(frozen=True, slots=True)
class S3Keys:
    """What signs a request. Only the id is part of the repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class S3Secret:
    """Keys, and what the Secret says of where they belong; texts may be empty."""

    keys: S3Keys
    host: str = ""
    endpoint: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class S3Address:
    """Where a bucket is, and what signs the requests there; nothing signs them without keys."""

    endpoint: str
    region: str
    keys: S3Keys | None = None

    @property
    def host(self) -> str:
        """`HOST[:PORT]`."""
        return urlsplit(self.endpoint).netloc


def read_s3_secret(folder: Path) -> S3Secret | None:
    """Read the mounted Secret; None where there is none.

    Raises:
        CannotStart: Unauthorized, when a key is missing or is not what it should be.
    """
    if not folder.is_dir():
        return None
    keys = S3Keys(
        _read_printable(folder, SECRET_ACCESS_KEY_ID_KEY),
        _read_printable(folder, SECRET_ACCESS_KEY_KEY),
        _read_printable(folder, SECRET_SESSION_TOKEN_KEY, is_optional=True),
    )
    try:
        endpoint = check_optional_endpoint(read_key(folder, SECRET_ENDPOINT_KEY))
        region = check_region(read_key(folder, SECRET_REGION_KEY))
    except ValueError as error:
        raise CannotStart(
            Reason.UNAUTHORIZED, f"The Secret that spec.model.secretRef names: {error}", hint=_HINT
        ) from error
    return S3Secret(keys, read_key(folder, SECRET_HOST_KEY), endpoint, region)


def find_address(secret: S3Secret | None, settings: S3Settings) -> S3Address:
    """Decide where s3:// leads: the Secret's word comes first, then the policy's, then AWS.

    Without a word of its own about a host the Secret is for the endpoint that it names, or for AWS.

    Raises:
        CannotStart: SecretHostMismatch.
    """
    region = (secret.region if secret else "") or settings.region or DEFAULT_S3_REGION
    aws = _build_aws_endpoint(region)
    given = settings.endpoint or aws
    if secret is None:
        return S3Address(given, region)
    if secret.endpoint and not settings.own_endpoints and secret.endpoint != given:
        raise CannotStart(
            Reason.SECRET_HOST_MISMATCH,
            f"The Secret leads to {secret.endpoint}, and the platform's policy keeps s3:// to "
            f"{given}; nothing was sent",
            hint=f"Take the key {SECRET_ENDPOINT_KEY!r} out of the Secret, or ask the platform's "
            "administrator for policy.s3.ownEndpoints.",
        )
    endpoint = secret.endpoint or given
    host = secret.host or urlsplit(secret.endpoint or aws).netloc
    require_same_host(host, endpoint, what="keys are")
    return S3Address(endpoint, region, secret.keys)


def _build_aws_endpoint(region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}"


def _read_printable(folder: Path, key: str, *, is_optional: bool = False) -> str:
    text = read_key(folder, key)
    if _PRINTABLE.fullmatch(text) or (is_optional and not text):
        return text
    raise CannotStart(
        Reason.UNAUTHORIZED, describe_missing_key(folder, key, has_text=bool(text)), hint=_HINT
    )
