"""Makes every example's model, serves it on the local cluster, asks it, checks it: `make examples`.

The models are served one after the other, since a small machine holds not all at once. The cluster
is that of `make demo`; `make down` removes it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import httpx
import yaml

from examples import demo, questions, variants
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_local import clusters, images, services
from modelyard_local.clusters import Cluster
from modelyard_local.columns import lay_out
from modelyard_local.errors import LocalError

Prepare = Callable[[Cluster], AbstractContextManager[variants.Prepared]]

#: What is run, by the name of its ModelDeployment.
RUNS: Mapping[str, Prepare] = {
    **{name: partial(variants.from_image, name) for name in questions.QUESTIONS},
    "sentiment-s3": partial(variants.from_bucket, "sentiment"),
    "smollm2-keys": partial(variants.with_keys, "smollm2"),
}
MIB = 1024**2
KIND = "modeldeployments.modelyard.dev"
HEADINGS = ("example", "model image", "ready after", "answered in", "answer")


@dataclass(frozen=True)
class Row:
    """How one example went; times in seconds."""

    name: str
    made: float
    ready: float
    answered: float
    answer: str

    def cells(self) -> tuple[str, ...]:
        """The row as it is shown."""
        times = (f"{seconds:.1f} s" for seconds in (self.made, self.ready, self.answered))
        return (self.name, *times, " ".join(self.answer.split()))


def prepare(cluster_name: str) -> Cluster:
    """Bring up the cluster, build both images, install the chart."""
    cluster = clusters.up(cluster_name, on_progress=demo.say)
    operator_image, runtime_image = (
        images.build(part, on_progress=demo.say) for part in ("operator", "runtime")
    )
    images.load(cluster, operator_image, runtime_image, on_progress=demo.say)
    # The policy refuses models that bring code, unless an administrator allows them.
    demo.install_chart(cluster, operator_image, runtime_image, {"policy.allowCode": "true"})
    demo.make_namespace(cluster, demo.NAMESPACE)
    return cluster


def serve(cluster: Cluster, name: str, *, keeps: bool) -> Row:
    """Make one example's model, serve it, and ask it; if it is not kept, remove it again.

    Raises:
        LocalError: it cannot be made or served, or answers wrongly.
    """
    began = time.monotonic()
    with RUNS[name](cluster) as prepared:
        made = time.monotonic()
        for manifest in prepared.manifests:
            text = yaml.safe_dump(manifest)
            demo.say(cluster.kubectl("apply", "-n", demo.NAMESPACE, "-f", "-", input=text).strip())
        demo.wait_ready(cluster, [name])
        ready = time.monotonic()
        tell_optimization(cluster, name)
        with services.service_url(cluster, demo.NAMESPACE, name) as url:
            try:
                answer = prepared.ask(url)
            except (ValueError, httpx.HTTPError) as error:
                raise LocalError(f"{name} does not answer as it should: {error}") from error
        answered = time.monotonic()
        if not keeps:
            remove(cluster, prepared.manifests)
    demo.say(f"{name} answers: {answer}")
    return Row(name, made - began, ready - made, answered - ready, answer)


def tell_optimization(cluster: Cluster, name: str) -> None:
    """Say what spec.optimize did, where there is one."""
    told = cluster.kubectl("get", KIND, name, "-n", demo.NAMESPACE, "-o", "json")
    done = ModelDeployment.model_validate_json(told).status.model.optimization
    if done is None:
        return
    demo.say(f"{done.steps}: {done.agreement:.1%} of {done.examples} answers are as before")
    for when, measured in (("before", done.before), ("after", done.after)):
        accuracy = "" if measured.accuracy is None else f", {measured.accuracy:.1%} right"
        size = f"{measured.size_bytes / MIB:.1f} MiB"
        demo.say(f"{when}: {size}, {measured.milliseconds:.1f} ms for one{accuracy}")


def list_served(cluster: Cluster) -> set[str]:
    """Return the names of the models that are there."""
    told = cluster.kubectl("get", KIND, "-n", demo.NAMESPACE, "-o", "name")
    return {line.rpartition("/")[2] for line in told.split()}


def remove(cluster: Cluster, manifests: Sequence[variants.Manifest]) -> None:
    """Delete what was applied; its pods are gone, and their room is free, when this returns."""
    for manifest in reversed(manifests):
        text = yaml.safe_dump(manifest)
        options = ("-n", demo.NAMESPACE, "--cascade=foreground", "-f", "-")
        cluster.kubectl("delete", *options, input=text)


def show(rows: Sequence[Row]) -> str:
    """Return the table."""
    return lay_out([HEADINGS, *(row.cells() for row in rows)], indent="  ")


def run(cluster_name: str, names: Sequence[str], *, keeps: bool) -> None:
    """Serve one example after the other; those that were there before stay."""
    chosen = [name for name in RUNS if not names or name in names]
    print("\nthe cluster, both images, the chart", flush=True)
    cluster = prepare(cluster_name)
    before = list_served(cluster)
    rows = []
    for number, name in enumerate(chosen, start=1):
        print(f"\n[{number}/{len(chosen)}] {name}", flush=True)
        rows.append(serve(cluster, name, keeps=keeps or name in before))
    print(f"\n{show(rows)}\n")


def main() -> None:
    """Run the examples; a failure is told in words and ends with exit code 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cluster", default="demo", help="name of the cluster (default: demo)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=list(RUNS),
        metavar="NAME",
        help=f"this one; may be repeated ({', '.join(RUNS)})",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the models running, as far as they fit; the bucket of sentiment-s3 goes",
    )
    options = parser.parse_args()
    try:
        run(options.cluster, options.only, keeps=options.keep)
    except LocalError as error:
        sys.exit(f"\nmake examples: {error}")
    except KeyboardInterrupt:
        sys.exit("\nmake examples: interrupted. `make down` cleans up.")


if __name__ == "__main__":
    main()
