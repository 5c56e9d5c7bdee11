"""From the environment to the exit code: what `python -m modelyard_runtime` does."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import prometheus_client
import uvloop
from pydantic import ValidationError

from modelyard_api.meta import CONFIG_VARIABLE, EXIT_CANNOT_START, Reason
from modelyard_api.serving import ServingConfig, decode_config
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.logs import configure_logging, fields
from modelyard_runtime.process import StartEngine, serve
from modelyard_runtime.reporting import report_failed_start, write_termination_message
from modelyard_runtime.settings import Settings, read_settings

_log = logging.getLogger(__name__)


def launch(environment: Mapping[str, str], start: StartEngine) -> NoReturn:
    """Serve until told to stop, then end the process."""
    configure_logging("json")
    # The time of a counter's first use beside each counter: nobody asked.
    prometheus_client.disable_created_metrics()
    try:
        settings = read_settings(environment)
    except CannotStart as error:
        _leave(_explain(error, Settings(), model_name=""))
    configure_logging(settings.log_format)
    try:
        config = read_config(environment)
    except CannotStart as error:
        _leave(_explain(error, settings, model_name=""))
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


def _explain(error: CannotStart, settings: Settings, *, model_name: str) -> int:
    _log.critical(
        "cannot start",
        extra=fields(reason=error.reason.value, message=error.message, hint=error.hint),
    )
    write_termination_message(
        settings.termination_log, report_failed_start(error, model_name=model_name)
    )
    return EXIT_CANNOT_START


def _leave(code: int) -> NoReturn:
    """End the process now; Python's own way out waits for every thread, also for one that loads."""
    _log.info("exit", extra=fields(code=code))
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
