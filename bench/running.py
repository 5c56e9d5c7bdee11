"""One benchmark from the command line to its kept result; a failure is told in words."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench import machine, results
from bench.figures import Figures
from modelyard_local.errors import LocalError


def run(
    name: str,
    module: str,
    options: argparse.Namespace,
    measure: Callable[[], Figures],
    *,
    packages: tuple[str, ...],
    settings: Mapping[str, Any],
    show: Callable[[Figures], str] = results.build_table,
) -> Figures:
    """Measure, print, keep and return; nothing is left running, however it ends."""
    # A stop cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setting = machine.describe_machine()
    try:
        found = measure()
    except LocalError as error:
        sys.exit(f"\nbench-{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nbench-{name}: interrupted; nothing is left running")
    results.report(
        results.Result(
            benchmark=name,
            at=results.stamp(),
            commit=machine.find_commit(),
            command=shlex.join(["python", "-m", module, *sys.argv[1:]]),
            machine=setting,
            versions=machine.find_versions(packages),
            settings={**vars(options), **settings},
            figures=found,
        ),
        show=show,
    )
    return found
