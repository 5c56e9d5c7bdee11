"""A bucket, spoken to by obstore. Its stores read the environment: see `isolation`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePosixPath
from threading import Event
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import S3Store

from modelyard_api.fetch import ModelSource
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Changed
from modelyard_runtime.fetch.listing import Listing, RemoteFile
from modelyard_runtime.fetch.manifest import digest_manifest
from modelyard_runtime.fetch.s3_errors import explain_body, explain_listing, explain_odd_name
from modelyard_runtime.fetch.s3_secret import S3Address
from modelyard_runtime.fetch.selection import WEIGHTS
from modelyard_runtime.fetch.transfer import Body

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import S3Config

_CONNECT_SECONDS = 10
#: For each pause between two bytes.
_READ_SECONDS = 30
#: Of a whole answer: large files take long, and the pauses between their bytes are limited.
_ANSWER_SECONDS = 7 * 24 * 3600
#: As it comes: what waits for a larger chunk is lost when the connection is cut.
_CHUNK_BYTES = 1
_PAGE = 1000
#: A model has hundreds of files at most; more is a bucket whose folder was forgotten.
_MOST_FILES = 20_000
#: obstore's own, and what it raises for an object that is not there.
_ERRORS = (BaseError, FileNotFoundError)


class Buckets:
    """The buckets at one address."""

    def __init__(self, address: S3Address) -> None:
        self._address = address
        self._has_changed = Event()
        self._stores: dict[str, S3Store] = {}

    def resolve(self, source: ModelSource, revision: str) -> str:
        """Return the digest of what is there.

        Raises:
            Transient: it may work later.
            CannotStart: the server refuses, or it is another digest than `revision`.
        """
        return self.list_files(source, revision).revision

    def list_files(self, source: ModelSource, revision: str) -> Listing:
        """Return what is there, which must have the digest `revision` unless that is empty.

        Raises:
            Transient: it may work later.
            CannotStart: the server refuses, there is nothing, or it is another digest.
        """
        self._has_changed.clear()
        uri = _name(source)
        try:
            entries = self._list(source)
        except InvalidPathError as error:
            raise explain_odd_name(str(error)) from error
        except _ERRORS as error:
            raise explain_listing(str(error), uri, self._address) from error
        files = choose_files([_read_file(entry) for entry in entries], source.path)
        if not files:
            raise CannotStart(
                Reason.MODEL_NOT_FOUND,
                f"There is nothing at {uri} ({self._address.endpoint})",
                hint="Correct spec.model.uri, s3://BUCKET/FOLDER; upper and lower case count.",
            )
        listing = Listing(digest_manifest(files), files)
        _require_revision(listing, revision, uri)
        return listing

    @contextmanager
    def open_body(
        self, source: ModelSource, revision: str, file: RemoteFile, offset: int
    ) -> Iterator[Body]:
        """Ask for an object from an offset, as long as it has the ETag that was listed.

        Raises:
            Transient: it may work later; also while the body is read.
            Damaged: the server has less of it than is here already, or gives no parts.
            Changed: this object or another one of the list is not what was listed any more.
            CannotStart: the server refuses.
        """
        self._require_unchanged(revision)
        options: GetOptions = {"if_match": file.etag}
        if offset:
            options["range"] = {"offset": offset}
        try:
            result = obstore.get(self._find(source.repository), file.name, options=options)
        except _ERRORS as error:
            raise self._explain_body(error, file) from error
        # What the volume raises while it takes the chunks is none of ours.
        yield Body(result.range[0], self._read(result, file, revision))

    def _read(self, result: "GetResult", file: RemoteFile, revision: str) -> Iterator[bytes]:
        try:
            for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                self._require_unchanged(revision)
                yield bytes(chunk)
        except _ERRORS as error:
            raise self._explain_body(error, file) from error

    def _explain_body(self, error: Exception, file: RemoteFile) -> Exception:
        fault = explain_body(str(error), file.name, self._address)
        if isinstance(fault, Changed):
            self._has_changed.set()
        return fault

    def _require_unchanged(self, revision: str) -> None:
        """End the others, too, once one object has changed: the list is of no use any more."""
        if self._has_changed.is_set():
            raise Changed(f"another object of {revision} was changed")

    def _list(self, source: ModelSource) -> "list[ObjectMeta]":
        store = self._find(source.repository)
        if is_file(source.path):
            # The folder, for what stands beside the weights, without its folders.
            folder = source.path.rpartition("/")[0]
            return list(obstore.list_with_delimiter(store, folder or None)["objects"])
        entries: list[ObjectMeta] = []
        for page in obstore.list(store, source.path or None, chunk_size=_PAGE):
            entries += page
            if len(entries) > _MOST_FILES:
                raise CannotStart(
                    Reason.MODEL_UNSUPPORTED,
                    f"There are more than {_MOST_FILES} objects at {_name(source)}",
                    hint="Name the model's own folder in spec.model.uri.",
                )
        return entries

    def _find(self, bucket: str) -> S3Store:
        """Return the bucket's store, which keeps connections."""
        if bucket not in self._stores:
            self._stores[bucket] = self._open(bucket)
        return self._stores[bucket]

    def _open(self, bucket: str) -> S3Store:
        keys, endpoint = self._address.keys, self._address.endpoint
        config: S3Config = {"endpoint": endpoint, "region": self._address.region}
        if keys is None:
            config["skip_signature"] = True
        else:
            config["access_key_id"] = keys.access_key_id
            config["secret_access_key"] = keys.secret_access_key
        if keys is not None and keys.session_token:
            config["session_token"] = keys.session_token
        return S3Store(
            bucket,
            config=config,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                "read_timeout": timedelta(seconds=_READ_SECONDS),
                "timeout": timedelta(seconds=_ANSWER_SECONDS),
                "user_agent": "modelyard/fetch",
            },
            # Patience decides when to try again, and tells of it.
            retry_config={"max_retries": 0, "retry_timeout": timedelta(0)},
        )


def is_file(path: str) -> bool:
    """Tell a file from a folder, which a bucket cannot: by the suffixes that weights have."""
    return PurePosixPath(path).suffix.lower() in WEIGHTS


def choose_files(files: list[RemoteFile], path: str) -> tuple[RemoteFile, ...]:
    """Return the files that a path speaks of.

    Objects of no bytes are none: programs make them to show a folder. A GGUF file stands alone;
    other weights need what is beside them.

    Raises:
        CannotStart: ModelUnsafe, when the server lists what was not asked for.
    """
    folder = path.rpartition("/")[0] if is_file(path) else path
    for file in files:
        if folder and not file.name.startswith(f"{folder}/"):
            raise explain_odd_name(f'Path "{file.name}"')
    named = [file for file in files if file.name == path and path.lower().endswith(".gguf")]
    return tuple(file for file in named or files if file.size)


def _name(source: ModelSource) -> str:
    return f"{source.scheme}{'/'.join(filter(None, (source.repository, source.path)))}"


def _read_file(entry: "ObjectMeta") -> RemoteFile:
    if not entry["e_tag"]:
        raise CannotStart(
            Reason.DOWNLOAD_FAILED,
            f"The server lists {entry['path']!r} without an ETag",
            hint="A server must speak S3's API with ETags, which tell when an object has changed.",
        )
    return RemoteFile(entry["path"], entry["size"], etag=entry["e_tag"])


def _require_revision(listing: Listing, revision: str, uri: str) -> None:
    if revision in {"", listing.revision}:
        return
    raise CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{uri} is {listing.revision} now, and spec.model.revision asks for {revision}",
        hint="Somebody changed its objects. Put the old ones back, or set spec.model.revision to "
        "what is there now.",
    )
