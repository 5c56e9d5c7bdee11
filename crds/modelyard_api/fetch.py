"""FetchConfig v1: what the operator tells the downloader (`python -m modelyard_runtime fetch`).

It travels as one JSON document in the environment variable MODELYARD_FETCH of the model pod's init
container, as ServingConfig does for the runtime. No token or key travels in it: the Secret is
mounted as files.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from modelyard_api.document import Document
from modelyard_api.meta import DEFAULT_HUB, DOWNLOAD_PATH, SECRET_PATH
from modelyard_api.v1alpha1 import Format

#: What stands before the repository in the uri of a model on a hub.
HUB_SCHEME = "hf://"
#: What stands before the bucket in the uri of a model in S3.
S3_SCHEME = "s3://"
#: What each pod fetches for itself.
DOWNLOAD_SCHEMES = (HUB_SCHEME, S3_SCHEME)

_URI = re.compile(
    r"hf://(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:/(?P<path>.+))?",
    re.ASCII,
)
#: What a hub takes for no name: a mark at the end of a part, two in a row, or `.git`.
_NO_REPOSITORY = re.compile(r"--|\.\.|[.-](/|$)|\.git$")
_S3_URI = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<path>.+))?", re.ASCII
)
#: What S3 takes for no bucket: two dots in a row, or an address.
_NO_BUCKET = re.compile(r".*\.\.|\d+(\.\d+){3}$")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}|")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A repository of a hub, or a bucket; `path` is a file or folder in it, empty for all."""

    repository: str
    path: str = ""
    scheme: str = HUB_SCHEME


def parse_hub_uri(uri: str) -> ModelSource:
    """Split `hf://ORG/NAME[/PATH]`.

    Raises:
        ValueError: it is not of that form.
    """
    found = _URI.fullmatch(uri)
    if (
        found is None
        or _NO_REPOSITORY.search(found["repository"])
        or (found["path"] and not is_plain_path(found["path"]))
    ):
        raise ValueError(
            f"{uri!r} is not hf://ORG/NAME or hf://ORG/NAME/FILE-OR-FOLDER, for example "
            "hf://Qwen/Qwen2.5-0.5B-Instruct"
        )
    return ModelSource(found["repository"], found["path"] or "")


def parse_s3_uri(uri: str) -> ModelSource:
    """Split `s3://BUCKET[/PATH]`.

    Raises:
        ValueError: it is not of that form.
    """
    found = _S3_URI.fullmatch(uri)
    if (
        found is None
        or _NO_BUCKET.match(found["bucket"])
        or (found["path"] and not is_plain_path(found["path"]))
    ):
        raise ValueError(
            f"{uri!r} is not s3://BUCKET or s3://BUCKET/FOLDER-OR-FILE, for example "
            "s3://models/qwen2.5-0.5b"
        )
    return ModelSource(found["bucket"], found["path"] or "", S3_SCHEME)


def parse_uri(uri: str) -> ModelSource:
    """Split the uri of a model that is fetched.

    Raises:
        ValueError: it is of no scheme that is fetched, or not of its scheme's form.
    """
    return parse_s3_uri(uri) if uri.startswith(S3_SCHEME) else parse_hub_uri(uri)


def is_plain_path(path: str) -> bool:
    """Tell whether a relative path stays in its folder and has no odd characters."""
    parts = path.split("/")
    return not _UNPRINTABLE.search(path) and not any(part in {"", ".", ".."} for part in parts)


def is_commit(revision: str) -> bool:
    """Tell a full commit from a branch, a tag or a short commit."""
    return _COMMIT.fullmatch(revision) is not None


def is_digest(revision: str) -> bool:
    """Tell whether a revision is the SHA-256 of a manifest, as models in S3 have it."""
    return _DIGEST.fullmatch(revision) is not None


def _check_uri(uri: str) -> str:
    parse_uri(uri)
    return uri


def _check_revision(revision: str) -> str:
    if revision and not _REVISION.fullmatch(revision):
        raise ValueError(f"{revision!r} is no branch, tag or commit")
    return revision


def check_endpoint(endpoint: str) -> str:
    """Return the address of a hub as it is used, without a slash at its end.

    Raises:
        ValueError: it is not http(s)://HOST[:PORT][/PATH].
    """
    parts = urlsplit(endpoint)
    odd = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or odd:
        raise ValueError(f"{endpoint!r} is not http(s)://HOST[:PORT][/PATH]")
    if parts.port == 0:
        raise ValueError(f"{endpoint!r} has no usable port")
    return endpoint.rstrip("/")


def check_optional_endpoint(endpoint: str) -> str:
    """Return an address as `check_endpoint` does, or nothing for nothing.

    Raises:
        ValueError: it is not http(s)://HOST[:PORT][/PATH].
    """
    return check_endpoint(endpoint) if endpoint else ""


def check_region(region: str) -> str:
    """Return the name of a region, which may be empty.

    Raises:
        ValueError: it is none; it becomes part of a host's name.
    """
    if not _REGION.fullmatch(region):
        raise ValueError(f"{region!r} is no region, such as eu-central-1")
    return region


class S3Settings(Document):
    """Where s3:// leads when the Secret does not say: nothing is AWS, in `DEFAULT_S3_REGION`.

    Where `own_endpoints` is false, no Secret may lead elsewhere.
    """

    endpoint: Annotated[str, AfterValidator(check_optional_endpoint)] = ""
    region: Annotated[str, AfterValidator(check_region)] = ""
    own_endpoints: bool = True


class FetchConfig(Document):
    """What to fetch, from where, and where to. `patience_seconds`: how long without progress.

    `endpoint` is the hub's.
    """

    version: Literal[1] = 1
    uri: Annotated[str, AfterValidator(_check_uri)]
    revision: Annotated[str, AfterValidator(_check_revision)] = ""
    endpoint: Annotated[str, AfterValidator(check_endpoint)] = DEFAULT_HUB
    s3: S3Settings = S3Settings()
    #: What the spec says of the model, where more than its safetensors or GGUF is wanted.
    format: Format = Format.AUTO
    entrypoint: str = ""
    #: What is fetched is not a model but the LoRA adapter that clients call so.
    adapter: str = ""
    destination: str = DOWNLOAD_PATH
    secret_path: str = SECRET_PATH
    patience_seconds: Annotated[int, Field(gt=0)] = 300

    @property
    def source(self) -> ModelSource:
        """The uri, split."""
        return parse_uri(self.uri)


def encode_config(config: FetchConfig) -> str:
    """Return the value of MODELYARD_FETCH as it stands in a pod template."""
    return config.encode_variable()


def decode_config(text: str) -> FetchConfig:
    """Read MODELYARD_FETCH as the process sees it, after the kubelet's expansion.

    Raises:
        ValueError: not JSON, not an object of this version, or a field that is not valid
            (pydantic.ValidationError is a ValueError).
    """
    return FetchConfig.model_validate_json(text)
