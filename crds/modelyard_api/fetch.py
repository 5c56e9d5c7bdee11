"""FetchConfig v1: what the operator tells the downloader (`python -m modelyard_runtime fetch`).

It travels as one JSON document in the environment variable MODELYARD_FETCH of the model pod's init
container, as ServingConfig does for the runtime. A token never travels in it: the Secret is mounted
as files.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from modelyard_api.document import Document
from modelyard_api.meta import DEFAULT_HUB, DOWNLOAD_PATH, SECRET_PATH

#: What stands before the repository in the uri of a model on a hub.
HUB_SCHEME = "hf://"

_URI = re.compile(
    r"hf://(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:/(?P<path>.+))?",
    re.ASCII,
)
#: What a hub takes for no name: a mark at the end of a part, two in a row, or `.git`.
_NO_REPOSITORY = re.compile(r"--|\.\.|[.-](/|$)|\.git$")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of a hub; `path` is a file or folder in it, empty for all of it."""

    repository: str
    path: str = ""


def parse_hub_uri(uri: str) -> HubSource:
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
    return HubSource(found["repository"], found["path"] or "")


def is_plain_path(path: str) -> bool:
    """Tell whether a relative path stays in its folder and has no odd characters."""
    parts = path.split("/")
    return not _UNPRINTABLE.search(path) and not any(part in {"", ".", ".."} for part in parts)


def is_commit(revision: str) -> bool:
    """Tell a full commit from a branch, a tag or a short commit."""
    return _COMMIT.fullmatch(revision) is not None


def _check_uri(uri: str) -> str:
    parse_hub_uri(uri)
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


class FetchConfig(Document):
    """What to fetch, from where, and where to. `patience_seconds`: how long without progress."""

    version: Literal[1] = 1
    uri: Annotated[str, AfterValidator(_check_uri)]
    revision: Annotated[str, AfterValidator(_check_revision)] = ""
    endpoint: Annotated[str, AfterValidator(check_endpoint)] = DEFAULT_HUB
    destination: str = DOWNLOAD_PATH
    secret_path: str = SECRET_PATH
    patience_seconds: Annotated[int, Field(gt=0)] = 300

    @property
    def source(self) -> HubSource:
        """The uri, split."""
        return parse_hub_uri(self.uri)


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
