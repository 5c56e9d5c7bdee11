"""From nothing to three answering models on this machine: `make demo`.

Starts a real Kubernetes cluster, builds the images, installs the chart, applies three
ModelDeployments and asks each of them through its Service. Run it again: what is there is used.
"""

import argparse
import hashlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from openai import OpenAI

from modelyard_local import clusters, images, services
from modelyard_local.clusters import Cluster
from modelyard_local.errors import LocalError
from modelyard_local.paths import cache_root

ROOT = Path(__file__).parents[1]
SYSTEM_NAMESPACE = "modelyard-system"
NAMESPACE = "models"
READY_TIMEOUT_SECONDS = 600
#: What make.py of the examples use besides their own folder.
SHARED_SOURCES = (
    "requirements/models.lock",
    "examples/names/words.tsv",
    "local/modelyard_local/model_folders.py",
    "local/modelyard_local/packaged_models.py",
)


@dataclass(frozen=True)
class Example:
    """A model folder that a script makes, its manifest, and a question for the served model."""

    name: str
    ask: Callable[[str], object]

    @property
    def folder(self) -> Path:
        """The example's folder: make.py and modeldeployment.yaml."""
        return ROOT / "examples" / self.name.replace("-", "_")


class Steps:
    """Numbers the steps and tells the time of each."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step, announced before and timed after."""
        print(f"\n[{len(self.times) + 1}/5] {title}", flush=True)
        began = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - began))
        print(f"      done in {self.times[-1][1]:.1f} s", flush=True)

    def summary(self) -> str:
        """The table of steps and times."""
        rows = [*self.times, ("everything", sum(seconds for _, seconds in self.times))]
        return "\n".join(f"  {title:<50} {seconds:7.1f} s" for title, seconds in rows)


def say(text: str) -> None:
    """Print one line of a step."""
    print(f"      {text}", flush=True)


def build_models(examples: tuple[Example, ...]) -> dict[str, str]:
    """Put each example's model into an image, made anew if its sources changed.

    Returns references by name.
    """
    return {example.name: build_model(example) for example in examples}


def build_model(example: Example) -> str:
    """Return the reference of one example's image."""
    note = cache_root() / "demo" / f"{example.name}-{hash_sources(example)}"
    if note.exists() and images.is_kept(note.read_text()):
        return note.read_text()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / example.name
        say(f"making the model folder of {example.name}")
        make_model(example, folder)
        reference = images.build_model(folder, example.name, on_progress=say)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(reference)
    return reference


def hash_sources(example: Example) -> str:
    """Return a short hash of what an example's model is made of."""
    beside = set(example.folder.glob("modeldeployment*.yaml"))
    shared = {ROOT / path for path in SHARED_SOURCES}
    sources = sorted(shared.union(example.folder.glob("*.*")) - beside)
    whole = hashlib.sha256()
    for path in sources:
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def make_model(example: Example, folder: Path, *options: str) -> None:
    """Run the example's make.py; `options` are more of its own.

    Raises:
        LocalError: it failed; with what it said.
    """
    command = [sys.executable, str(example.folder / "make.py"), "--out", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise LocalError(f"examples/{example.folder.name}/make.py failed:\n{done.stderr}")


def install_chart(
    cluster: Cluster,
    operator_image: str,
    runtime_image: str,
    values: Mapping[str, str] | None = None,
) -> None:
    """Install or upgrade the chart in a namespace that enforces Pod Security `restricted`."""
    make_namespace(cluster, SYSTEM_NAMESPACE)
    settings = [f"--set={name}={value}" for name, value in (values or {}).items()]
    for part, reference in (("operator", operator_image), ("runtime", runtime_image)):
        repository, _, tag = reference.rpartition(":")
        settings += ["--set", f"{part}.image.repository={repository}"]
        settings += ["--set-string", f"{part}.image.tag={tag}"]
    chart = str(ROOT / "charts" / "modelyard")
    cluster.helm(
        *("upgrade", "--install", "modelyard", chart, "--namespace", SYSTEM_NAMESPACE),
        *("--wait", "--timeout", "5m", *settings),
    )


def make_namespace(cluster: Cluster, name: str) -> None:
    """Make a namespace that admits only pods without any privilege."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))


def apply_models(
    cluster: Cluster, examples: tuple[Example, ...], references: dict[str, str]
) -> None:
    """Apply each manifest, with the image that was just built as its model."""
    make_namespace(cluster, NAMESPACE)
    for example in examples:
        manifest = yaml.safe_load((example.folder / "modeldeployment.yaml").read_text())
        manifest["spec"]["model"]["uri"] = f"oci://{references[example.name]}"
        told = cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", input=yaml.safe_dump(manifest))
        say(told.strip())


def wait_ready(cluster: Cluster, names: list[str]) -> None:
    """Show the table whenever it changes, until READY is True for all.

    Raises:
        LocalError: not so in time; with what `kubectl describe` says.
    """
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    shown = ""
    while time.monotonic() < deadline:
        table = cluster.kubectl("get", "modeldeployments.modelyard.dev", "-n", NAMESPACE)
        without_age = "\n".join(line.rpartition(" ")[0] for line in table.splitlines())
        if without_age != shown:
            shown = without_age
            print(table, flush=True)
        if all(is_ready(cluster, name) for name in names):
            return
        time.sleep(1)
    told = cluster.kubectl("describe", "modeldeployments.modelyard.dev", "-n", NAMESPACE)
    raise LocalError(f"not ready after {READY_TIMEOUT_SECONDS} s:\n{told}")


def is_ready(cluster: Cluster, name: str) -> bool:
    """Whether Ready is True for the generation that was applied."""
    text = cluster.kubectl(
        *("get", "modeldeployments.modelyard.dev", name, "-n", NAMESPACE, "-o", "yaml")
    )
    body: dict[str, Any] = yaml.safe_load(text)
    ready = [c for c in body.get("status", {}).get("conditions", ()) if c["type"] == "Ready"]
    return any(
        c["status"] == "True" and c["observedGeneration"] == body["metadata"]["generation"]
        for c in ready
    )


def ask_chat(url: str) -> None:
    """Stream one chat answer with OpenAI's own client."""
    question = "What is the capital of France?"
    print(f"\n      smollm2, asked: {question}\n      answers: ", end="", flush=True)
    with OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        stream = client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": question}],
            temperature=0,
            max_tokens=48,
            stream=True,
        )
        for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def ask_embeddings(url: str) -> None:
    """Embed two sentences and say how near they are."""
    texts = ["A cat sits on the mat.", "A kitten rests on a rug."]
    with OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        a, b = (d.embedding for d in client.embeddings.create(model="minilm", input=texts).data)
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
    print(f"\n      minilm, embedding {texts[0]!r} and {texts[1]!r}:")
    print(f"      {len(a)} dimensions each, cosine {cosine:.3f}")


def ask_sentiment(url: str) -> None:
    """Classify one text by a plain POST."""
    text = "The staff were friendly and everything worked at once."
    answer = httpx.post(f"{url}/predict", json={"text": text}, timeout=30).raise_for_status()
    print(f"\n      sentiment, POST /predict {{'text': {text!r}}}:\n      {answer.json()}")


EXAMPLES = (
    Example("smollm2", ask_chat),
    Example("minilm", ask_embeddings),
    Example("sentiment", ask_sentiment),
)

NEXT = f"""
What next?

  eval "$(.venv/bin/python -m modelyard_local env demo)"   # kubectl and helm for this cluster
  kubectl get mdl -n {NAMESPACE}
  kubectl describe mdl smollm2 -n {NAMESPACE}
  make down                                                # remove it all
"""


def run(cluster_name: str) -> None:
    """The five steps, and what to do next."""
    steps = Steps()
    with steps.step("a Kubernetes cluster"):
        cluster = clusters.up(cluster_name, on_progress=say)
    with steps.step("images: operator, runtime, three models"):
        operator_image, runtime_image = (
            images.build(part, on_progress=say) for part in ("operator", "runtime")
        )
        references = build_models(EXAMPLES)
        images.load(cluster, operator_image, runtime_image, *references.values(), on_progress=say)
    with steps.step("the chart, by helm"):
        install_chart(cluster, operator_image, runtime_image)
    with steps.step("three ModelDeployments, until READY is True"):
        apply_models(cluster, EXAMPLES, references)
        wait_ready(cluster, [example.name for example in EXAMPLES])
    with steps.step("a question to each, through its Service"):
        for example in EXAMPLES:
            with services.service_url(cluster, NAMESPACE, example.name) as url:
                example.ask(url)
    print(f"\n{steps.summary()}\n{NEXT}")


def main() -> None:
    """Run the demo; a failure is told in words and ends with exit code 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cluster", default="demo", help="name of the cluster (default: demo)")
    arguments = parser.parse_args()
    try:
        run(arguments.cluster)
    except LocalError as error:
        sys.exit(f"\nmake demo: {error}")
    except KeyboardInterrupt:
        sys.exit("\nmake demo: interrupted. `make demo` goes on from here; `make down` cleans up.")


if __name__ == "__main__":
    main()
