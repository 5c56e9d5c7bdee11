"""`python -m modelyard_runtime fetch`: from the environment to the exit code."""

import logging
import os
import signal
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from threading import Thread
from typing import NoReturn

from modelyard_api.fetch import S3_SCHEME, FetchConfig, decode_config, is_commit, is_digest
from modelyard_api.meta import FETCH_VARIABLE, Reason
from modelyard_api.report import ReportedDownload, RuntimeReport, State, encode_termination_message
from modelyard_runtime.adapter_faults import naming_adapter
from modelyard_runtime.configuration import read_variable
from modelyard_runtime.ending import (
    explain_failed_start,
    find_termination_log,
    leave,
    write_termination_message,
)
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.fetching import Source, fetch_if_missing, resolve
from modelyard_runtime.fetch.isolation import isolate
from modelyard_runtime.fetch.s3_secret import find_address, read_s3_secret
from modelyard_runtime.fetch.secret import read_secret, require_host
from modelyard_runtime.logs import configure_logging
from modelyard_runtime.settings import Settings, read_settings

_log = logging.getLogger(__name__)


def run_fetch(environment: MutableMapping[str, str], *, only_resolve: bool) -> NoReturn:
    """Fetch the model, or only ask for its commit or digest; then end the process."""
    configure_logging("json")
    _end_on_signals()
    isolate(environment)
    settings = Settings(termination_log=find_termination_log(environment))
    try:
        settings = read_settings(environment)
        configure_logging(settings.log_format)
        config = _read_config(environment, only_resolve=only_resolve)
        with naming_adapter(config.adapter):
            download = _work(config, only_resolve=only_resolve)
    except CannotStart as error:
        leave(explain_failed_start(error, settings))
    report = RuntimeReport(state=State.DONE, download=download)
    write_termination_message(settings.termination_log, report)
    if only_resolve:
        sys.stdout.write(f"{encode_termination_message(report)}\n")
    leave(0)


def _work(config: FetchConfig, *, only_resolve: bool) -> ReportedDownload:
    try:
        is_s3 = config.source.scheme == S3_SCHEME
        open_source = _prepare_buckets(config) if is_s3 else _prepare_hub(config)
        if only_resolve:
            return resolve(config, open_source())
        return fetch_if_missing(config, open_source)
    except CannotStart:
        raise
    except Exception as error:
        _log.exception("download_failed")
        raise CannotStart(Reason.DOWNLOAD_FAILED, f"{type(error).__name__}: {error}") from error


def _read_config(environment: MutableMapping[str, str], *, only_resolve: bool) -> FetchConfig:
    hint = (
        f"{FETCH_VARIABLE} is written by the operator; by hand, for example: "
        f'{FETCH_VARIABLE}=\'{{"uri": "hf://ORG/NAME", "revision": "<40 hex digits>"}}\''
    )
    config = read_variable(environment, FETCH_VARIABLE, decode_config, hint=hint)
    if config.source.scheme == S3_SCHEME:
        _require_digest(config)
    elif not only_resolve and not is_commit(config.revision):
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"{FETCH_VARIABLE}: the revision {config.revision!r} is not a commit",
            hint="Fetching takes the 40 hex digits of a commit, so that all pods serve the same "
            "weights; `fetch --resolve` finds that of a branch or tag.",
        )
    return config


def _require_digest(config: FetchConfig) -> None:
    if config.revision and not is_digest(config.revision):
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"{FETCH_VARIABLE}: the revision {config.revision!r} is not a digest",
            hint="The revision of a model in S3 is empty, for what is there, or the 64 hex digits "
            "that `fetch --resolve` prints.",
        )


def _prepare_hub(config: FetchConfig) -> Callable[[], Source]:
    """Return what opens the hub; a token for another host is refused before that."""
    secret = read_secret(Path(config.secret_path))
    if secret is not None:
        require_host(secret, config.endpoint)

    def open_hub() -> Source:
        # Late: it takes half a second, and reads the environment that was made ready for it.
        from modelyard_runtime.fetch.hub import Hub  # noqa: PLC0415

        return Hub(config.endpoint, secret.token if secret is not None else None)

    return open_hub


def _prepare_buckets(config: FetchConfig) -> Callable[[], Source]:
    """Return what opens S3; keys for another host are refused before that."""
    address = find_address(read_s3_secret(Path(config.secret_path)), config.s3)

    def open_buckets() -> Source:
        # Late, as the hub's.
        from modelyard_runtime.fetch.s3 import Buckets  # noqa: PLC0415

        return Buckets(address)

    return open_buckets


def _end_on_signals() -> None:
    """End at once when asked: what is on the volume is where the next process goes on.

    A container's first process ignores signals that it does not handle. A thread of its own waits
    for them, since Python would handle none while the main one is inside of a library.
    """
    awaited = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)

    def end() -> None:
        number = signal.sigwait(awaited)
        _log.info("asked_to_stop", extra={"signal": signal.Signals(number).name})
        os._exit(128 + number)

    Thread(target=end, name="signals", daemon=True).start()
