"""What models are measured on as pods: a cluster with a real node, the chart, and a namespace."""

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from examples.demo import EXAMPLES, build_models, install_chart, make_namespace
from modelyard_api.meta import API_VERSION, KIND, RESOURCE
from modelyard_local import clusters, images
from modelyard_local.clusters import Cluster
from modelyard_local.progress import Report, wait_until

Json = dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """A namespace of a cluster on which Modelyard is installed, and an example model's image."""

    cluster: Cluster
    namespace: str
    model: str
    report: Report

    def kubectl(self, *args: str, **options: Any) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *args, **options)

    def apply(self, name: str, spec: Mapping[str, Any]) -> None:
        """Apply a ModelDeployment; the model is the example's unless the spec names another."""
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {"model": {"uri": f"oci://{self.model}"}, **spec},
        }
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))

    def read(self, kind: str, name: str) -> Json:
        """Return an object as it is now; empty where there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        found: Json = json.loads(text) if text.strip() else {}
        return found

    def read_condition(self, name: str, condition: str) -> tuple[str, str]:
        """Return status and reason of a condition that speaks of the present spec."""
        body = self.read(RESOURCE, name)
        generation = body.get("metadata", {}).get("generation")
        for found in body.get("status", {}).get("conditions", ()):
            if found["type"] == condition and found["observedGeneration"] == generation:
                return found["status"], found["reason"]
        return "", ""

    def wait_condition(
        self, name: str, condition: str, expected: tuple[str, str], *, timeout_seconds: float = 300
    ) -> None:
        """Wait until a condition has a status and reason.

        Raises:
            LocalError: not in time.
        """
        wait_until(
            lambda: self.read_condition(name, condition) == expected,
            title=f"waiting for {name} {condition}={'/'.join(expected)}",
            timeout_seconds=timeout_seconds,
            report=self.report,
        )


@contextmanager
def following(
    platform: Platform, name: str, fields: str, note: Callable[[str], None]
) -> Iterator[None]:
    """Watch a Deployment while the block runs; `note` gets a line of a jsonpath at each change."""
    command = [
        *(str(platform.cluster.bin / "kubectl"), "-n", platform.namespace, "get", "deployment"),
        *(name, "--watch", "-o", rf'jsonpath={fields}{{"\n"}}'),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=platform.cluster.environment()
    ) as process:

        def follow() -> None:
            for line in process.stdout or ():
                note(line.strip())

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            reader.join()


@contextmanager
def set_up(
    cluster_name: str, example: str, settings: Mapping[str, str], *, keep: bool, report: Report
) -> Iterator[Platform]:
    """Bring up cluster, images and chart, with more chart values; the namespace goes at the end."""
    try:
        cluster = clusters.up(cluster_name, on_progress=report)
        operator, runtime = (
            images.build(part, on_progress=report) for part in ("operator", "runtime")
        )
        (chosen,) = (each for each in EXAMPLES if each.name == example)
        (model,) = build_models((chosen,)).values()
        images.load(cluster, operator, runtime, model, on_progress=report)
        report("installing the chart")
        install_chart(cluster, operator, runtime, settings)
        namespace = f"bench-{uuid.uuid4().hex[:6]}"
        make_namespace(cluster, namespace)
        try:
            yield Platform(cluster, namespace, model, report)
        finally:
            cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    finally:
        if not keep:
            # The images stay: loading them anew takes most of a minute.
            clusters.down(cluster_name, on_progress=report)
