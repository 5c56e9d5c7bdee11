"""From the environment to the exit code: what `python -m modelyard_runtime` does."""

import asyncio
from collections.abc import Mapping
from typing import NoReturn

import prometheus_client
import uvloop

from modelyard_api.meta import CONFIG_VARIABLE
from modelyard_api.serving import ServingConfig, decode_config
from modelyard_runtime.configuration import read_variable
from modelyard_runtime.ending import explain_failed_start, find_termination_log, leave
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.logs import configure_logging
from modelyard_runtime.process import StartEngine, serve
from modelyard_runtime.settings import Settings, read_settings


def launch(environment: Mapping[str, str], start: StartEngine) -> NoReturn:
    """Serve until told to stop, then end the process."""
    configure_logging("json")
    # The time of a counter's first use beside each counter: nobody asked.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        settings = read_settings(environment)
    except CannotStart as error:
        # Where to tell it is most likely not what is wrong with the settings.
        leave(
            explain_failed_start(error, Settings(termination_log=find_termination_log(environment)))
        )
    configure_logging(settings.log_format)
    try:
        config = read_config(environment)
    except CannotStart as error:
        leave(explain_failed_start(error, settings))
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
    return read_variable(environment, CONFIG_VARIABLE, decode_config, hint=hint)


async def _serve_and_leave(config: ServingConfig, settings: Settings, start: StartEngine) -> None:
    try:
        code = await serve(config, settings, start)
    except CannotStart as error:
        code = explain_failed_start(error, settings, model_name=config.model_name)
    # Left from inside: closing the loop would wait for the threads of a load that was given up.
    leave(code)
