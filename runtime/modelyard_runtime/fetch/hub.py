"""The hub, spoken to by huggingface_hub. Importing it reads the environment: see `isolation`.

The library's own `hf_hub_download` is not used: it (2.4) writes to a file of a random name and
deletes that when it is cut short, so nothing is left to resume. What it is made of is used: the API
client, addresses, headers, the session, and the meaning of the hub's errors.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx2
from huggingface_hub import HfApi, ModelInfo, get_session, hf_hub_url, set_client_factory
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but not in __all__
    build_hf_headers,
    hf_raise_for_status,
)

from modelyard_api.fetch import ModelSource
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Damaged, Transient
from modelyard_runtime.fetch.hub_errors import translated_hub_errors
from modelyard_runtime.fetch.listing import Listing, RemoteFile
from modelyard_runtime.fetch.transfer import Body

#: How we name ourselves in the user agent.
_LIBRARY, _PART = "modelyard", "fetch"
#: What a revision that is left out means.
_DEFAULT_REVISION = "main"
#: For each connection, and for each pause between two bytes.
_TIMEOUT_SECONDS = 30.0
_PARTIAL = 206
_NO_SUCH_RANGE = 416


class Hub:
    """One endpoint, and the token for it, if there is one."""

    def __init__(self, endpoint: str, token: str | None) -> None:
        self._endpoint = endpoint
        self._token = token
        self._api = HfApi(
            endpoint=endpoint,
            token=token or False,
            library_name=_LIBRARY,
            library_version=_PART,
        )
        _quieten()
        origin = httpx2.URL(endpoint).origin
        set_client_factory(lambda: _build_client(_guard(origin)))

    def resolve(self, source: ModelSource, revision: str) -> str:
        """Return the commit that a branch, tag or commit stands for; `main` where none is named.

        Raises:
            Transient: it may work later.
            CannotStart: the hub refuses.
        """
        repository, revision = source.repository, revision or _DEFAULT_REVISION
        with self._translated(f"{repository} at {revision}"):
            return _read_commit(
                self._api.model_info(repository, revision=revision, timeout=_TIMEOUT_SECONDS)
            )

    def list_files(self, source: ModelSource, commit: str) -> Listing:
        """Return what the commit holds.

        Raises:
            Transient: it may work later.
            CannotStart: the hub refuses, or does not say sizes and hashes.
        """
        repository = source.repository
        with self._translated(f"{repository} at {commit}"):
            info = self._api.model_info(
                repository, revision=commit, files_metadata=True, timeout=_TIMEOUT_SECONDS
            )
            if _read_commit(info) != commit:
                raise ValueError(f"asked for the commit {commit}, it answers with {info.sha}")
            files = tuple(_read_file(sibling) for sibling in info.siblings or ())
        return Listing(commit, files)

    @contextmanager
    def open_body(
        self, source: ModelSource, commit: str, file: RemoteFile, offset: int
    ) -> Iterator[Body]:
        """Ask for a file from an offset.

        Raises:
            Transient: it may work later; also while the body is read.
            Damaged: the hub has less of it than is here already.
            CannotStart: the hub refuses.
        """
        url = hf_hub_url(source.repository, file.name, revision=commit, endpoint=self._endpoint)
        headers = build_hf_headers(
            token=self._token or False, library_name=_LIBRARY, library_version=_PART
        )
        # Offsets count the bytes of the file, so nothing may be packed on the way.
        headers["Accept-Encoding"] = "identity"
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with (
            self._translated(file.name),
            get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT_SECONDS) as response,
        ):
            if response.status_code == _NO_SUCH_RANGE:
                raise Damaged(f"{file.name}: the hub has fewer than {offset} bytes of it")
            hf_raise_for_status(response)
            yield Body(_read_offset(response), response.iter_bytes())

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        with translated_hub_errors(
            what, endpoint=self._endpoint, has_token=self._token is not None
        ):
            try:
                yield
            except (KeyError, TypeError, ValueError) as error:
                host = httpx2.URL(self._endpoint).netloc.decode()
                raise CannotStart(
                    Reason.DOWNLOAD_FAILED,
                    f"{host} does not answer as a hub does: {type(error).__name__}: {error}",
                    hint="Check the endpoint in the platform's policy. A mirror must speak the "
                    "hub's API with sizes and hashes (/api/models/…/revision/…?blobs=true).",
                ) from error


def _read_commit(info: ModelInfo) -> str:
    if not info.sha:
        raise ValueError("it names no commit (sha)")
    return str(info.sha)


def _read_file(sibling: RepoSibling) -> RemoteFile:
    name, lfs = sibling.rfilename, sibling.lfs
    sha256 = lfs.sha256 if lfs is not None else ""
    size = lfs.size if lfs is not None else sibling.size
    blob_sha1 = "" if sha256 else sibling.blob_id or ""
    if size is None or not (sha256 or blob_sha1):
        raise ValueError(f"it gives no size or no hash of {name!r}")
    return RemoteFile(name, size, sha256=sha256, blob_sha1=blob_sha1)


def _read_offset(response: httpx2.Response) -> int:
    if response.status_code != _PARTIAL:
        return 0
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    start = rest.partition("-")[0]
    if unit != "bytes" or not start.isdigit():
        raise Transient(f"{response.url.host} sent a part of the file, and not which part")
    return int(start)


def _guard(origin: httpx2.Origin) -> Callable[[httpx2.Request], None]:
    """Return what is done to each request before it is sent, redirected ones included."""

    def keep_token_home(request: httpx2.Request) -> None:
        if request.url.origin != origin:
            request.headers.pop("Authorization", None)

    return keep_token_home


def _build_client(guard: Callable[[httpx2.Request], None]) -> httpx2.Client:
    hooks: Mapping[str, list[Callable[..., None]]] = {"request": [guard]}
    return httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=_TIMEOUT_SECONDS)


def _quieten() -> None:
    """Let the library's warnings through our own handler, and no line for each request."""
    library = logging.getLogger("huggingface_hub")
    library.handlers.clear()
    # Addresses after a redirect are signed: whoever reads them in a log can fetch the file.
    for name in ("httpx2", "httpcore2", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
