"""A step from 1 to 40 clients and back, with the operator's own scaling: `make bench-scaling`.

The clients ask without a pause, so that as many requests are in flight as there are clients. Kept:
how long the operator took to decide, how often it changed its direction, requests that were
refused, and the pods wanted and ready over time, as a plot beside the result.
"""

import argparse
import asyncio
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import aiohttp
from matplotlib.figure import Figure

from bench import results, running
from bench.figures import Figures
from bench.platform_rig import Platform, following, set_up
from modelyard_local import services
from modelyard_local.progress import to_stderr

NAME = "sentiment"
FEW, MANY = 1, 40
IN_FLIGHT = 8
MOST = 5
WINDOW_SECONDS = 10
DELAY_SECONDS = 20
BEFORE_SECONDS = 15
#: Pods that load share the cores with those that serve and with the clients.
STEP_SECONDS = 150
AFTER_SECONDS = 90
BODY = {"text": ["a dull film", "what fun"] * 8}
_TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the Deployment wanted and had from a time on; seconds of the monotonic clock."""

    at: float
    wanted: int
    ready: int


class Clients:
    """So many clients at once, each asking again as soon as it is answered."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self._running: list[asyncio.Task[None]] = []
        self.answered = 0
        self.refused: list[str] = []

    def set_number(self, number: int) -> None:
        """Have so many from now on; those too many end with their present request."""
        while len(self._running) > number:
            self._running.pop().cancel()
        while len(self._running) < number:
            self._running.append(asyncio.create_task(self._ask_on()))

    async def close(self) -> None:
        """End them all."""
        tasks = list(self._running)
        self.set_number(0)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_on(self) -> None:
        while True:
            await self._ask()

    async def _ask(self) -> None:
        try:
            async with self._session.post(self._url, json=BODY) as response:
                await response.read()
                if response.status == 200:  # noqa: PLR2004 - HTTP's OK
                    self.answered += 1
                    return
                self.refused.append(str(response.status))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.refused.append(repr(error))
        await asyncio.sleep(1)


def read_moment(text: str) -> Moment:
    """Return what a line of the Deployment's watch says, as of now."""
    wanted, _, ready = text.partition(" ")
    return Moment(time.monotonic(), int(wanted), int(ready or 0))


async def measure(platform: Platform, plot: Path) -> Figures:
    """Step up and down, and tell what happened."""
    moments: list[Moment] = []
    fields = "{.spec.replicas} {.status.readyReplicas}"
    with (
        following(platform, NAME, fields, lambda text: moments.append(read_moment(text))),
        services.service_url(platform.cluster, platform.namespace, NAME) as url,
    ):
        # A connection for each request, so that new pods get their share.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
            clients = Clients(session, f"{url}/predict")
            began = time.monotonic()
            marks = []
            for number, seconds in (
                (FEW, BEFORE_SECONDS),
                (MANY, STEP_SECONDS),
                (FEW, AFTER_SECONDS),
            ):
                to_stderr(f"{number} clients for {seconds} s")
                marks.append((time.monotonic(), number))
                clients.set_number(number)
                await asyncio.sleep(seconds)
            ended = time.monotonic()
            await clients.close()
    draw(moments, marks, began, ended, plot)
    (_, _), (up, _), (down, _) = marks
    return {
        "decided_after_step_up_seconds": find_reaction(moments, up, down),
        "replicas_wanted_most": max(moment.wanted for moment in moments),
        "all_ready_after_seconds": find_ready(moments, up, down),
        "first_step_down_after_seconds": find_reaction(moments, down, ended),
        "replicas_at_the_end": moments[-1].wanted,
        "changes": count_changes(moments),
        "changes_of_direction": count_turns(moments),
        "requests_answered": clients.answered,
        "requests_refused": len(clients.refused),
        **({"refusals": "; ".join(sorted(set(clients.refused))[:5])} if clients.refused else {}),
    }


def find_reaction(moments: list[Moment], since: float, until: float) -> float:
    """Return the seconds until another number of pods was wanted; -1 if none was."""
    before = [moment.wanted for moment in moments if moment.at <= since][-1]
    for moment in moments:
        if since < moment.at <= until and moment.wanted != before:
            return round(moment.at - since, 2)
    return -1.0


def find_ready(moments: list[Moment], since: float, until: float) -> float:
    """Return the seconds until as many pods were ready as were wanted most; -1 if never."""
    most = max(moment.wanted for moment in moments)
    for moment in moments:
        if since < moment.at <= until and moment.ready == most:
            return round(moment.at - since, 1)
    return -1.0


def count_changes(moments: list[Moment]) -> int:
    """Return how often the number of wanted pods changed."""
    return sum(one.wanted != other.wanted for one, other in pairwise(moments))


def count_turns(moments: list[Moment]) -> int:
    """Return how often it went down after up, or up after down."""
    steps = [
        other.wanted > one.wanted for one, other in pairwise(moments) if other.wanted != one.wanted
    ]
    return sum(one != other for one, other in pairwise(steps))


def draw(
    moments: list[Moment], marks: list[tuple[float, int]], began: float, ended: float, path: Path
) -> None:
    """Draw clients, wanted and ready pods over time."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    pods = figure.subplots()
    crowd = pods.twinx()
    times = [max(moment.at - began, 0.0) for moment in moments] + [ended - began]
    last = moments[-1]
    crowd.step(
        [at - began for at, _ in marks] + [ended - began],
        [number for _, number in marks] + [marks[-1][1]],
        where="post",
        color="0.75",
        label="clients",
    )
    for label, color, counts in (
        ("pods wanted", "tab:blue", [moment.wanted for moment in moments] + [last.wanted]),
        ("pods ready", "tab:green", [moment.ready for moment in moments] + [last.ready]),
    ):
        pods.step(times, counts, where="post", color=color, label=label)
    pods.set(xlabel="seconds", ylabel="pods", ylim=(0, MOST + 1))
    crowd.set(ylabel="clients", ylim=(0, MANY * (MOST + 1) / MOST))
    pods.set_zorder(crowd.get_zorder() + 1)
    pods.patch.set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path)


def measure_all(options: argparse.Namespace, plot: Path) -> Figures:
    """Set up, measure, clean up."""
    spec = {
        "resources": {"cpu": "100m"},
        "scaling": {
            "max": MOST,
            "target": {"inFlight": IN_FLIGHT},
            "window": f"{WINDOW_SECONDS}s",
            "scaleDownDelay": f"{DELAY_SECONDS}s",
        },
    }
    with (
        redirect_stdout(sys.stderr),
        set_up(options.cluster, NAME, {}, keep=options.keep, report=to_stderr) as platform,
    ):
        platform.apply(NAME, spec)
        platform.wait_condition(NAME, "Ready", ("True", "Serving"))
        return asyncio.run(measure(platform, plot))


def build_parser() -> argparse.ArgumentParser:
    """The options, and what they are for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cluster", default="bench-scaling", help="its name (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up")
    return parser


def main() -> None:
    """Measure and keep, with the plot."""
    options = build_parser().parse_args()
    plot = results.FOLDER / f"{results.stamp().partition('T')[0]}-scaling.svg"
    running.run(
        "scaling",
        "bench.scaling",
        options,
        lambda: measure_all(options, plot),
        packages=("torch", "transformers", "aiohttp", "kopf"),
        settings={
            "clients": f"{FEW} → {MANY} → {FEW}",
            "in_flight": IN_FLIGHT,
            "max": MOST,
            "window_seconds": WINDOW_SECONDS,
            "scale_down_delay_seconds": DELAY_SECONDS,
        },
    )


if __name__ == "__main__":
    main()
