"""The whole story of a fetch, on one screen."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

from modelyard_api.fetch import FetchConfig
from modelyard_api.report import ReportedDownload
from modelyard_runtime.fetch.faults import not_enough_disk, translated_disk_errors
from modelyard_runtime.fetch.listing import HubFile, Listing
from modelyard_runtime.fetch.patience import Patience
from modelyard_runtime.fetch.progress import Meter
from modelyard_runtime.fetch.selection import Selected, select_files
from modelyard_runtime.fetch.transfer import Body, OpenBody, fetch_file
from modelyard_runtime.fetch.volume import Marker, StoredFile, Volume

#: What a revision that is left out means on a hub.
_DEFAULT_REVISION = "main"
_FILES_AT_ONCE = 4
_PROGRESS_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where models come from. Every call may raise Transient or CannotStart."""

    def resolve(self, repository: str, revision: str) -> str:
        """Return the commit that a branch, tag or commit stands for."""

    def list_files(self, repository: str, commit: str) -> Listing:
        """Return what the commit holds."""

    def open_body(
        self, repository: str, commit: str, file: HubFile, offset: int
    ) -> AbstractContextManager[Body]:
        """Ask for a file from an offset."""


def resolve(config: FetchConfig, source: Source) -> ReportedDownload:
    """Ask which commit the revision is.

    Raises:
        CannotStart: the hub refuses or does not answer.
    """
    repository, revision = config.source.repository, config.revision or _DEFAULT_REVISION
    commit = Patience(config.patience_seconds).insist(
        lambda: source.resolve(repository, revision), what=f"{repository} at {revision}"
    )
    _log.info("resolved", extra={"uri": config.uri, "revision": revision, "commit": commit})
    return ReportedDownload(resolved_revision=commit)


def fetch_if_missing(config: FetchConfig, open_source: Callable[[], Source]) -> ReportedDownload:
    """Have the model on the volume, whole and verified; the source is opened only if needed.

    Raises:
        CannotStart: it cannot be had; what was fetched stays on the volume.
    """
    volume = Volume(Path(config.destination))
    with translated_disk_errors(volume.root), volume.locked():
        if volume.holds(Marker(uri=config.uri, revision=config.revision)):
            _log.info("already_there", extra={"folder": str(volume.model)})
            return ReportedDownload(bytes=0, seconds=0.0, resolved_revision=config.revision)
        return _fetch(config, volume, open_source())


def _fetch(config: FetchConfig, volume: Volume, source: Source) -> ReportedDownload:
    repository, commit = config.source.repository, config.revision
    patience = Patience(config.patience_seconds)
    listing = patience.insist(
        lambda: source.list_files(repository, commit), what=f"{repository} at {commit}"
    )
    chosen = select_files(listing.files, config.source)
    wanted = Marker(
        uri=config.uri,
        revision=commit,
        files=tuple(StoredFile(name=one.target, size=one.file.size) for one in chosen),
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
            "commit": commit,
            "files": len(chosen),
            "total_bytes": meter.total_bytes,
            "missing_bytes": missing,
        },
    )
    open_body = partial(source.open_body, repository, commit)
    _fetch_all(chosen, volume.incoming, open_body, patience, meter)
    volume.publish(wanted)
    _log.info("fetched", extra={"folder": str(volume.model), **meter.describe()})
    return ReportedDownload(
        bytes=meter.received_bytes, seconds=round(meter.seconds, 3), resolved_revision=commit
    )


def _fetch_all(
    chosen: Sequence[Selected],
    folder: Path,
    open_body: OpenBody,
    patience: Patience,
    meter: Meter,
) -> None:
    """Fetch a few files at a time, and tell from time to time how far it is.

    The first failure is raised at once; the process ends with it, and other files on their way
    with the process.
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
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
