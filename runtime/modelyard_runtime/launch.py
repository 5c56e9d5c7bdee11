"""From the environment to the exit code: what `python -m modelyard_runtime` does."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import prometheus_client
import uvloop
from pydantic import ValidationError

from modelyard_api.meta import CONFIG_VARIABLE, EXIT_CANNOT_START, Reason
from modelyard_api.serving import ServingConfig, decode_config
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.logs import configure_logging
from modelyard_runtime.process import StartEngine, serve
from modelyard_runtime.reporting import report_failed_start, write_termination_message
from modelyard_runtime.settings import PREFIX, Settings, read_settings

_log = logging.getLogger(__name__)


def launch(environment: Mapping[str, str], start: StartEngine) -> NoReturn:
    """Serve until told to stop, then end the process."""
    configure_logging("json")
    # The time of a counter's first use beside each counter: nobody asked.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        settings = read_settings(environment)
    except CannotStart as error:
        # Where to tell it is most likely not what is wrong with the settings.
        _leave(_explain(error, Settings(termination_log=_termination_log(environment))))
    configure_logging(settings.log_format)
    try:
        config = read_config(environment)
    except CannotStart as error:
        _leave(_explain(error, settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_and_leave(config, settings, start))
    raise AssertionError("the process has been left")


def read_config(environment: Mapping[str, str]) -> ServingConfig:
    """Read what is to be served.

    Raises:
        CannotStart: it is missing, or cannot be read.
    """
    hint = (
        f"{CONFIG_VARIABLE} is written by the operator; without Kubernetes, use `modelyard serve`."
    )
    try:
        return decode_config(environment[CONFIG_VARIABLE])
    except KeyError as error:
        raise CannotStart(
            Reason.CONFIG_INVALID, f"{CONFIG_VARIABLE} is not set", hint=hint
        ) from error
    except ValidationError as error:
        complaints = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        raise CannotStart(
            Reason.CONFIG_INVALID, f"{CONFIG_VARIABLE} is not valid: {complaints}", hint=hint
        ) from error


async def _serve_and_leave(config: ServingConfig, settings: Settings, start: StartEngine) -> None:
    try:
        code = await serve(config, settings, start)
    except CannotStart as error:
        code = _explain(error, settings, model_name=config.model_name)
    # Left from inside: closing the loop would wait for the threads of a load that was given up.
    _leave(code)


def _termination_log(environment: Mapping[str, str]) -> Path:
    return Path(environment.get(f"{PREFIX}TERMINATION_LOG") or Settings().termination_log)


def _explain(error: CannotStart, settings: Settings, *, model_name: str = "") -> int:
    _log.critical(
        "cannot_start",
        extra={"reason": error.reason.value, "explanation": error.message, "hint": error.hint},
    )
    write_termination_message(
        settings.termination_log, report_failed_start(error, model_name=model_name)
    )
    return EXIT_CANNOT_START


def _leave(code: int) -> NoReturn:
    """End the process now; Python's own way out waits for every thread, also for one that loads."""
    _log.info("exit", extra={"code": code})
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
