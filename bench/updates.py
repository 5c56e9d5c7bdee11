"""Ten updates in a row on a node with a single GPU, under clients that keep asking.

`make bench-updates`: among the ten are a model image that is not there, a model that fails its
verification, and one whose old pod is killed while it drains. Counted: requests that a pod took and
did not answer, seconds without a ready pod, and what is served at the end. The GPU is an extended
resource that the node advertises; the pods that hold it really run, on the CPU.
"""

import argparse
import asyncio
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from bench import machine, results
from bench.figures import Figures
from bench.platform_rig import Platform, set_up
from bench.traffic import Outcome, Record, keep_asking
from modelyard_api.meta import LABEL_MODEL, RESOURCE
from modelyard_local import nodes, services
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr, wait_until

CARD = "accelerator.example.com/gpu"
NAME = "sentiment"
PROFILE = {
    f"policy.gpu.profiles.card.{name}": value
    for name, value in (("resourceName", CARD), ("device", "cpu"))
}
PER_SECOND = 10
#: A short question and a long one, which keeps a pod busy for some tenths of a second.
BODIES = [{"text": "a lovely film"}] * 9 + [{"text": ["a dull film", "what fun"] * 32}]
#: Of the old pod's time to drain: its clients have gone elsewhere, and it still runs.
KILL_AFTER_SECONDS = 3.0

SERVED = ("Ready", ("True", "Serving"))
ROLLED_BACK = ("Progressing", ("False", "RolledBack"))


@dataclass(frozen=True)
class Change:
    """One update: what is applied, how it is to end, and what happens on the way."""

    title: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    end: tuple[str, tuple[str, str]] = SERVED
    kills: bool = False


def expecting(label: str) -> dict[str, Any]:
    """Return an update whose pods must answer with a label."""
    request = {"path": "/predict", "body": {"text": "a lovely film"}}
    return {"verify": {"request": request, "expect": [{"path": "$.label", "equals": label}]}}


CHANGES = (
    Change("another annotation"),
    Change("another memory size", {"resources": {"memory": "1100Mi"}}),
    Change(
        "a model image that is not there",
        {"model": {"uri": "oci://localhost/models/no-such-model:1"}},
        ROLLED_BACK,
    ),
    Change("a good one after the bad", {"update": expecting("positive")}),
    Change("a failed verification", {"update": expecting("no such label")}, ROLLED_BACK),
    Change("a good one again", {"update": expecting("positive")}),
    Change("the old pod is killed while it drains", kills=True),
    Change("strategy replace", {"update": {"strategy": "replace"}}),
    Change("another number type", {"runtime": {"dtype": "bfloat16"}}),
    Change("a longer drain", {"update": {"drainTimeout": "30s"}}),
)


def build_spec(number: int, change: Change) -> dict[str, Any]:
    """Return the whole spec of the n-th update; an annotation makes each a new revision."""
    gpu = {"count": 1, "profile": "card"}
    resources = {"cpu": "100m", "gpu": gpu, **change.spec.get("resources", {})}
    update = {"surgeTimeout": "3s", "drainTimeout": "20s", **change.spec.get("update", {})}
    template = {"annotations": {"example.com/update": str(number)}}
    return {**change.spec, "resources": resources, "update": update, "podTemplate": template}


class ReadyPods:
    """The times at which the Deployment had no ready pod, as its watch tells."""

    def __init__(self) -> None:
        self._changes: list[tuple[float, int]] = [(time.monotonic(), 0)]

    def note(self, ready: int) -> None:
        """Take in a count."""
        self._changes.append((time.monotonic(), ready))

    def seconds_without(self, since: float, until: float) -> float:
        """Return for how long of a span of the monotonic clock no pod was ready."""
        ends = [at for at, _ in self._changes[1:]] + [until]
        return sum(
            max(min(end, until) - max(at, since), 0.0)
            for (at, ready), end in zip(self._changes, ends, strict=True)
            if not ready
        )


@contextmanager
def watching(platform: Platform) -> Iterator[ReadyPods]:
    """Follow the Deployment's count of ready pods."""
    pods = ReadyPods()
    command = [
        *(str(platform.cluster.bin / "kubectl"), "-n", platform.namespace, "get", "deployment"),
        *(NAME, "--watch", "-o", r'jsonpath={.status.readyReplicas}{"\n"}'),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=platform.cluster.environment()
    ) as process:

        def follow() -> None:
            for line in process.stdout or ():
                pods.note(int(line.strip() or 0))

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        try:
            yield pods
        finally:
            process.terminate()
            reader.join()


def update(platform: Platform, number: int, change: Change) -> None:
    """Apply one update and wait for its end, and for a pod that serves."""
    old = list_pods(platform)
    platform.apply(NAME, build_spec(number, change))
    if change.kills:
        kill_draining(platform, old)
    platform.wait_condition(NAME, *change.end)
    platform.wait_condition(NAME, "Available", ("True", "Serving"))


def list_pods(platform: Platform) -> list[str]:
    """Return the model's pods as `pod/NAME`."""
    return platform.kubectl("get", "pods", "-l", f"{LABEL_MODEL}={NAME}", "-o", "name").split()


def kill_draining(platform: Platform, pods: list[str]) -> None:
    """End the old pod by SIGKILL some seconds after it was asked to stop."""
    leaving = "{.metadata.deletionTimestamp}"
    for pod in pods:
        wait_until(
            lambda pod=pod: bool(  # type: ignore[misc]
                platform.kubectl("get", pod, "-o", f"jsonpath={leaving}").strip()
            ),
            title="waiting for the old pod to drain",
            timeout_seconds=120,
            report=platform.report,
        )
        time.sleep(KILL_AFTER_SECONDS)
        platform.kubectl("delete", pod, "--grace-period=0", "--force", "--ignore-not-found")


async def measure(platform: Platform) -> Figures:
    """Update ten times under traffic."""
    platform.apply(NAME, build_spec(0, Change("the first")))
    await asyncio.to_thread(platform.wait_condition, NAME, *SERVED)
    rows: dict[str, Figures] = {}
    with (
        watching(platform) as pods,
        services.service_url(platform.cluster, platform.namespace, NAME) as url,
    ):
        async with keep_asking(url, BODIES, per_second=PER_SECOND) as record:
            await asyncio.sleep(2)
            for number, change in enumerate(CHANGES, start=1):
                to_stderr(f"update {number} of {len(CHANGES)}: {change.title}")
                rows[f"{number:02} {change.title}"] = await measure_one(
                    record,
                    pods,
                    lambda n=number, c=change: update(platform, n, c),  # type: ignore[misc]
                )
    return {"updates": rows, **summarise(record, rows), **describe_end(platform)}


async def measure_one(record: Record, pods: ReadyPods, act: Callable[[], None]) -> Figures:
    """Return what an update cost."""
    before, since = dict(record.outcomes), time.monotonic()
    await asyncio.to_thread(act)
    await asyncio.sleep(1)  # so that the first answers of the new pod are in this row
    until = time.monotonic()
    counts = {
        outcome.value.replace(" ", "_"): record.outcomes[outcome] - before.get(outcome, 0)
        for outcome in Outcome
    }
    return {
        "seconds": round(until - since - 1, 1),
        "seconds_without_a_ready_pod": round(pods.seconds_without(since, until), 1),
        "longest_without_an_answer_seconds": round(record.longest_gap(since, until), 1),
        **counts,
    }


def summarise(record: Record, rows: Mapping[str, Figures]) -> Figures:
    """Return the totals."""
    return {
        "requests_accepted": record.accepted,
        "requests_lost": record.outcomes[Outcome.LOST],
        "requests_turned_away": record.outcomes[Outcome.TURNED_AWAY],
        "updates_done": len(rows),
        **({"losses": "; ".join(record.losses[:5])} if record.losses else {}),
    }


def describe_end(platform: Platform) -> Figures:
    """Return what is served when all is over."""
    revision = platform.read(RESOURCE, NAME)["status"]["revision"]
    return {
        "revision_served": revision["current"],
        "revision_last_good": revision["lastGood"],
        "served_is_last_good": str(revision["current"] == revision["lastGood"]),
    }


def build_parser() -> argparse.ArgumentParser:
    """The options, and what they are for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.updates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cluster", default="bench-updates", help="its name (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up")
    return parser


def measure_all(options: argparse.Namespace) -> Figures:
    """Set up, measure, clean up."""
    with (
        redirect_stdout(sys.stderr),
        set_up(options.cluster, NAME, PROFILE, keep=options.keep, report=to_stderr) as platform,
    ):
        nodes.claim_resource(platform.cluster, CARD, 1)
        try:
            return asyncio.run(measure(platform))
        finally:
            nodes.claim_resource(platform.cluster, CARD, 0)


def main() -> None:
    """Measure; a failure is told in words, and nothing is left running."""
    options = build_parser().parse_args()
    # A stop cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setting = machine.describe_machine()
    try:
        found = measure_all(options)
    except LocalError as error:
        sys.exit(f"\nbench-updates: {error}")
    except KeyboardInterrupt:
        sys.exit("\nbench-updates: interrupted; nothing is left running")
    results.report(
        results.Result(
            benchmark="updates",
            at=results.stamp(),
            commit=machine.find_commit(),
            command=shlex.join(["python", "-m", "bench.updates", *sys.argv[1:]]),
            machine=setting,
            versions=machine.find_versions(("torch", "transformers", "aiohttp", "kopf")),
            settings={**vars(options), "per_second": PER_SECOND},
            figures=found,
        )
    )


if __name__ == "__main__":
    main()
