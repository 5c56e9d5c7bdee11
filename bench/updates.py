"""Ten updates in a row on a node with a single GPU, under clients that keep asking.

`make bench-updates`: among the ten are a model image that is not there, a model that fails its
verification, and one whose old pod is killed while it drains. Counted: requests that a pod took and
did not answer, seconds without a ready pod, and what is served at the end. The GPU is an extended
resource that the node advertises; the pods that hold it really run, on the CPU.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from bench import running
from bench.figures import Figures
from bench.killing import kill_while_draining
from bench.platform_rig import Platform, following, set_up
from bench.traffic import Outcome, Record, keep_asking
from modelyard_api.meta import LABEL_MODEL, RESOURCE
from modelyard_local import nodes, services
from modelyard_local.progress import to_stderr

CARD = "accelerator.example.com/gpu"
NAME = "sentiment"
PROFILE = {
    f"policy.gpu.profiles.card.{name}": value
    for name, value in (("resourceName", CARD), ("device", "cpu"))
}
PER_SECOND = 10
#: A short question and a long one, which keeps a pod busy for some tenths of a second.
BODIES = [{"text": "a lovely film"}] * 9 + [{"text": ["a dull film", "what fun"] * 32}]

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

    def note(self, ready: str) -> None:
        """Take in a count; the status has none while it is 0."""
        self._changes.append((time.monotonic(), int(ready or 0)))

    def seconds_without(self, since: float, until: float) -> float:
        """Return for how long of a span of the monotonic clock no pod was ready."""
        ends = [at for at, _ in self._changes[1:]] + [until]
        return sum(
            max(min(end, until) - max(at, since), 0.0)
            for (at, ready), end in zip(self._changes, ends, strict=True)
            if not ready
        )


def update(platform: Platform, number: int, change: Change) -> None:
    """Apply one update and wait for its end, and for a pod that serves."""
    old = find_pod(platform) if change.kills else None
    platform.apply(NAME, build_spec(number, change))
    if old is not None:
        kill_while_draining(platform.cluster.name, old, platform.report)
    platform.wait_condition(NAME, *change.end)
    platform.wait_condition(NAME, "Available", ("True", "Serving"))


def find_pod(platform: Platform) -> dict[str, Any]:
    """Return the model's only pod."""
    text = platform.kubectl("get", "pods", "-l", f"{LABEL_MODEL}={NAME}", "-o", "json")
    (pod,) = json.loads(text)["items"]
    found: dict[str, Any] = pod
    return found


async def measure(platform: Platform) -> Figures:
    """Update ten times under traffic."""
    platform.apply(NAME, build_spec(0, Change("the first")))
    await asyncio.to_thread(platform.wait_condition, NAME, *SERVED)
    rows: dict[str, Figures] = {}
    pods = ReadyPods()
    with (
        following(platform, NAME, "{.status.readyReplicas}", pods.note),
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
    """Measure and keep."""
    options = build_parser().parse_args()
    running.run(
        "updates",
        "bench.updates",
        options,
        lambda: measure_all(options),
        packages=("torch", "transformers", "aiohttp", "kopf"),
        settings={"per_second": PER_SECOND},
    )


if __name__ == "__main__":
    main()
