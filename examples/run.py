"""Makes every example's model, serves it on the local cluster, asks it, checks it: `make examples`.

The models are served one after the other, since a small machine holds not all at once. The cluster
is that of `make demo`; `make down` removes it.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import httpx
import yaml

from examples import demo, questions
from modelyard_local import clusters, images, services
from modelyard_local.clusters import Cluster
from modelyard_local.errors import LocalError

EXAMPLES = tuple(demo.Example(name, partial(questions.ask, name)) for name in questions.QUESTIONS)
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


def choose(names: Sequence[str]) -> tuple[demo.Example, ...]:
    """Return the examples of these names; without any, all."""
    return tuple(one for one in EXAMPLES if not names or one.name in names)


def brings_code(example: demo.Example) -> bool:
    """Whether the manifest asks for spec.model.allowCode."""
    manifest = yaml.safe_load((example.folder / "modeldeployment.yaml").read_text())
    return bool(manifest["spec"]["model"].get("allowCode"))


def prepare(cluster_name: str, examples: Sequence[demo.Example]) -> Cluster:
    """Bring up the cluster, build both images, install the chart."""
    cluster = clusters.up(cluster_name, on_progress=demo.say)
    operator_image, runtime_image = (
        images.build(part, on_progress=demo.say) for part in ("operator", "runtime")
    )
    images.load(cluster, operator_image, runtime_image, on_progress=demo.say)
    # The policy refuses models that bring code, unless an administrator allows them.
    values = {"policy.allowCode": "true"} if any(map(brings_code, examples)) else {}
    demo.install_chart(cluster, operator_image, runtime_image, values)
    demo.make_namespace(cluster, demo.NAMESPACE)
    return cluster


def serve(cluster: Cluster, example: demo.Example) -> Row:
    """Make one example's model, serve it, and ask it.

    Raises:
        LocalError: it cannot be made or served, or answers wrongly.
    """
    began = time.monotonic()
    reference = demo.build_model(example)
    images.load(cluster, reference, on_progress=demo.say)
    made = time.monotonic()
    demo.apply_models(cluster, (example,), {example.name: reference})
    demo.wait_ready(cluster, [example.name])
    ready = time.monotonic()
    with services.service_url(cluster, demo.NAMESPACE, example.name) as url:
        try:
            answer = questions.ask(example.name, url)
        except (ValueError, httpx.HTTPError) as error:
            raise LocalError(f"{example.name} does not answer as it should: {error}") from error
    answered = time.monotonic()
    demo.say(f"{example.name} answers: {answer}")
    return Row(example.name, made - began, ready - made, answered - ready, answer)


def list_served(cluster: Cluster) -> set[str]:
    """Return the names of the models that are there."""
    told = cluster.kubectl("get", KIND, "-n", demo.NAMESPACE, "-o", "name")
    return {line.rpartition("/")[2] for line in told.split()}


def remove(cluster: Cluster, name: str) -> None:
    """Delete a model; its pods are gone, and their room is free, when this returns."""
    cluster.kubectl("delete", KIND, name, "-n", demo.NAMESPACE, "--cascade=foreground")


def show(rows: Sequence[Row]) -> str:
    """Return the table."""
    table = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table)


def run(cluster_name: str, names: Sequence[str], *, keeps: bool) -> None:
    """Serve one example after the other; those that were there before stay."""
    examples = choose(names)
    print("\nthe cluster, both images, the chart", flush=True)
    cluster = prepare(cluster_name, examples)
    before = list_served(cluster)
    rows = []
    for number, example in enumerate(examples, start=1):
        print(f"\n[{number}/{len(examples)}] {example.name}", flush=True)
        rows.append(serve(cluster, example))
        if not keeps and example.name not in before:
            remove(cluster, example.name)
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
        choices=list(questions.QUESTIONS),
        metavar="NAME",
        help=f"this one; may be repeated ({', '.join(questions.QUESTIONS)})",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the models running, as far as they fit"
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
