"""How long a model takes to start as a pod of a real node, step by step, as its status says."""

import re
import sys
import time
from contextlib import redirect_stdout
from typing import Any

import yaml

from bench.figures import Figures, merge_runs
from examples.demo import (
    EXAMPLES,
    NAMESPACE,
    Example,
    apply_models,
    build_models,
    install_chart,
    wait_ready,
)
from modelyard_api.meta import GROUP, PLURAL
from modelyard_local import clusters, images
from modelyard_local.clusters import Cluster
from modelyard_local.progress import Report, wait_until

REPEATS = 3

#: As the status writes them: 0.4s, 12.3s, 2m5s.
_STEP = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def measure_pods(name: str, cluster_name: str, *, keep: bool, report: Report) -> Figures:
    """Bring up a cluster with a node, start an example's model in it some times, and remove it."""
    examples = tuple(example for example in EXAMPLES if example.name == name)
    try:
        cluster = clusters.up(cluster_name, on_progress=report)
        operator, runtime = (
            images.build(part, on_progress=report) for part in ("operator", "runtime")
        )
        references = build_models(examples)
        images.load(cluster, operator, runtime, *references.values(), on_progress=report)
        report("installing the chart")
        install_chart(cluster, operator, runtime)
        runs = []
        for number in range(REPEATS):
            report(f"pod start {number + 1} of {REPEATS}")
            with redirect_stdout(sys.stderr):  # what the demo tells its users is progress here
                runs.append(_measure_once(cluster, examples, references, report))
        return merge_runs(runs)
    finally:
        if not keep:
            # The images stay: loading them anew takes most of a minute.
            clusters.down(cluster_name, on_progress=report)


def parse_step(text: str) -> float:
    """Return the seconds of a step of `status.startup`.

    Raises:
        ValueError: it is written in another way.
    """
    match = _STEP.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is no time of a step, such as 0.4s or 2m5s")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _measure_once(
    cluster: Cluster, examples: tuple[Example, ...], references: dict[str, str], report: Report
) -> Figures:
    (example,) = examples
    began = time.monotonic()
    apply_models(cluster, examples, references)
    wait_ready(cluster, [example.name])
    seconds = time.monotonic() - began
    kind = f"{PLURAL}.{GROUP}"
    shown = cluster.kubectl("get", kind, example.name, "-n", NAMESPACE, "-o", "yaml")
    body: dict[str, Any] = yaml.safe_load(shown)
    cluster.kubectl("delete", kind, example.name, "-n", NAMESPACE)
    wait_until(
        lambda: not cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name"),
        title="waiting for the pod to be gone",
        timeout_seconds=120,
        report=report,
    )
    steps: dict[str, str] = body["status"].get("startup", {})
    return {
        **{f"{step}_seconds": parse_step(value) for step, value in steps.items()},
        "apply_to_ready_seconds": seconds,
    }
