"""The whole story of a fetch, on one screen."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from modelyard_api.fetch import FetchConfig, ModelSource
from modelyard_api.meta import Reason
from modelyard_api.report import ReportedDownload
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Changed, not_enough_disk, translated_disk_errors
from modelyard_runtime.fetch.listing import Listing, RemoteFile
from modelyard_runtime.fetch.patience import Patience
from modelyard_runtime.fetch.programs import Asked
from modelyard_runtime.fetch.progress import Meter
from modelyard_runtime.fetch.selection import Selected, select_adapter, select_files
from modelyard_runtime.fetch.transfer import Body, OpenBody, fetch_file
from modelyard_runtime.fetch.volume import Marker, StoredFile, Volume

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: How often a model is listed anew whose files change while they are fetched.
_MOST_LISTINGS = 3
_FILES_AT_ONCE = 4
_PROGRESS_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where models come from. Every call may raise Transient or CannotStart."""

    def resolve(self, source: ModelSource, revision: str) -> str:
        """Return what stays the same of a revision: a hub's commit, the digest of a bucket."""

    def list_files(self, source: ModelSource, revision: str) -> Listing:
        """Return what the resolved revision holds."""

    def open_body(
        self, source: ModelSource, revision: str, file: RemoteFile, offset: int
    ) -> AbstractContextManager[Body]:
        """Ask for a file from an offset. May raise Changed besides."""


def resolve(config: FetchConfig, source: Source) -> ReportedDownload:
    """Ask what the revision stands for.

    Raises:
        CannotStart: the server refuses or does not answer.
    """
    resolved = Patience(config.patience_seconds).insist(
        lambda: source.resolve(config.source, config.revision), what=_name(config)
    )
    _log.info(
        "resolved", extra={"uri": config.uri, "revision": config.revision, "resolved": resolved}
    )
    return ReportedDownload(resolved_revision=resolved)


def fetch_if_missing(config: FetchConfig, open_source: Callable[[], Source]) -> ReportedDownload:
    """Have the model on the volume, whole and verified; the source is opened only if needed.

    Raises:
        CannotStart: it cannot be had; what was fetched stays on the volume.
    """
    volume = Volume(Path(config.destination))
    with translated_disk_errors(volume.root), volume.locked():
        there = volume.find_model(config.uri, config.revision)
        if there is not None:
            _log.info("already_there", extra={"folder": str(volume.model)})
            return ReportedDownload(bytes=0, seconds=0.0, resolved_revision=there.revision)
        return _fetch(config, volume, open_source())


def _fetch(config: FetchConfig, volume: Volume, source: Source) -> ReportedDownload:
    """Fetch what is listed, and list anew when that has changed meanwhile."""
    patience = Patience(config.patience_seconds)
    for listings in range(1, _MOST_LISTINGS + 1):
        try:
            return _fetch_listed(config, volume, source, patience)
        except Changed as fault:
            _log.warning("listing_again", extra={"explanation": str(fault), "listings": listings})
            last = fault
    raise CannotStart(
        Reason.DOWNLOAD_FAILED,
        f"{config.uri} keeps changing while it is fetched: {last}",
        hint="Write a model to a place of its own that nobody changes, and name that place once "
        "it is complete.",
    ) from last


def _fetch_listed(
    config: FetchConfig, volume: Volume, source: Source, patience: Patience
) -> ReportedDownload:
    listing = patience.insist(
        lambda: source.list_files(config.source, config.revision), what=_name(config)
    )
    revision, chosen = listing.revision, _select(config, listing)
    wanted = Marker(
        uri=config.uri,
        revision=revision,
        files=tuple(StoredFile(name=one.target, size=one.file.size) for one in chosen),
        boot=_find_boot(chosen),
    )
    volume.prepare(wanted)
    missing, free = volume.missing_bytes(wanted), volume.free_bytes()
    if missing > free:
        raise not_enough_disk(missing, free, volume.root)
    meter = Meter(sum(one.file.size for one in chosen), patience.renew)
    _log.info(
        "fetching",
        extra={
            "uri": config.uri,
            "revision": revision,
            "files": len(chosen),
            "total_bytes": meter.total_bytes,
            "missing_bytes": missing,
        },
    )
    open_body = partial(source.open_body, config.source, revision)
    _fetch_all(chosen, volume.incoming, open_body, patience, meter)
    volume.publish(wanted)
    _log.info("fetched", extra={"folder": str(volume.model), **meter.describe()})
    return ReportedDownload(
        bytes=meter.received_bytes, seconds=round(meter.seconds, 3), resolved_revision=revision
    )


def _select(config: FetchConfig, listing: Listing) -> Sequence[Selected]:
    if config.adapter:
        return select_adapter(listing.files, config.source)
    asked = Asked(config.format, config.entrypoint)
    return select_files(listing.files, config.source, asked)


def _fetch_all(
    chosen: Sequence[Selected],
    folder: Path,
    open_body: OpenBody,
    patience: Patience,
    meter: Meter,
) -> None:
    """Fetch a few files at a time, and tell from time to time how far it is.

    The first failure is raised at once; the process ends with it, and other files on their way
    with the process. After Changed nobody writes any more when it is raised: the source lets all
    others fail with it, too.
    """
    pool = ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="fetch")
    try:
        waiting = {
            pool.submit(fetch_file, one.file, folder / one.target, open_body, patience, meter)
            for one in chosen
        }
        while waiting:
            done, waiting = wait(waiting, _PROGRESS_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            if waiting:
                _log.info("downloading", extra=dict(meter.describe()))
    except Changed:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _name(config: FetchConfig) -> str:
    """Return how messages call what is asked for."""
    source = config.source
    return f"{source.repository} at {config.revision}" if config.revision else source.repository


def _find_boot(chosen: Sequence[Selected]) -> str | None:
    if all(one.file.sha256 or one.file.blob_sha1 for one in chosen):
        return None
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return uuid4().hex  # nobody knows, so nothing is resumed
