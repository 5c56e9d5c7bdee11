"""One real cluster with the chart installed, for all tests that need pods that run."""

import os
import socket
import uuid
from base64 import b64encode
from contextlib import contextmanager

import pytest
import yaml

from examples import demo
from modelyard_local import clusters, images, state
from modelyard_local.control_plane_config import Options
from tests.support.api_reader import ApiReader
from tests.support.hub_server import HubServer
from tests.support.tiny_models import write_model
from tests.support.waiting import wait_for

MDL = "modeldeployments.modelyard.dev"


@pytest.fixture(scope="session")
def cluster():
    """A cluster with a real node. MODELYARD_KEEP=1 leaves it up for a look afterwards."""
    name = os.environ.get("MODELYARD_TEST_CLUSTER", "e2e")
    yield clusters.up(name, options=Options(audit=True))
    if not os.environ.get("MODELYARD_KEEP"):
        clusters.down(name)


@pytest.fixture(scope="session")
def installed(cluster):
    """The cluster with images built and loaded, and the chart installed."""
    built = {part: images.build(part) for part in ("operator", "runtime")}
    images.load(cluster, *built.values())
    demo.install_chart(cluster, built["operator"], built["runtime"])
    return cluster


@contextmanager
def changing_values(cluster):
    """Yield what changes values of the chart, as an administrator does; undone afterwards."""
    where = ("--namespace", demo.SYSTEM_NAMESPACE, "--wait", "--timeout", "3m")

    def change(*settings):
        values = (part for setting in settings for part in ("--set", setting))
        chart = str(demo.ROOT / "charts" / "modelyard")
        cluster.helm("upgrade", "modelyard", chart, "--reuse-values", *where, *values)

    before = find_release(cluster)["revision"]
    yield change
    if find_release(cluster)["revision"] != before:
        cluster.helm("rollback", "modelyard", before, *where)


@pytest.fixture
def change_values(installed):
    """What changes values of the chart for one test."""
    with changing_values(installed) as change:
        yield change


@pytest.fixture(scope="module")
def change_values_of_module(installed):
    """What changes values of the chart for the tests of one module."""
    with changing_values(installed) as change:
        yield change


def find_release(cluster):
    """The chart's release, as helm lists it."""
    listed = cluster.helm("list", "--namespace", demo.SYSTEM_NAMESPACE, "-o", "yaml")
    return yaml.safe_load(listed)[0]


@pytest.fixture(scope="session")
def model_images(installed):
    """References of the example models' images, on the node, by name."""
    references = demo.build_models(demo.EXAMPLES)
    images.load(installed, *references.values())
    return references


@pytest.fixture(scope="session")
def broken_image(installed, tmp_path_factory):
    """MiniLM with the second half of its weights cut off."""
    folder = tmp_path_factory.mktemp("broken")
    minilm = next(e for e in demo.EXAMPLES if e.name == "minilm")
    demo.make_model(minilm, folder)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size // 2)
    reference = images.build_model(folder, "truncated")
    images.load(installed, reference)
    return reference


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A small model's folder."""
    return write_model(tmp_path_factory.mktemp("tiny"), "LlamaForCausalLM")


@pytest.fixture(scope="module")
def hub(installed, tiny):
    """A hub that pods and operator reach, with one repository; the platform's mirror."""
    with HubServer(host=installed.gateway_address) as hub, changing_values(installed) as change:
        hub.commit = hub.publish("acme/tiny", tiny)
        change(f"policy.huggingFace.endpoint={hub.endpoint}")
        yield hub


@contextmanager
def new_namespace(installed):
    """Yield a namespace that enforces Pod Security `restricted`; removed afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    demo.make_namespace(installed, name)
    yield Namespace(installed, name)
    installed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(installed):
    """A namespace of the test's own."""
    with new_namespace(installed) as made:
        yield made


class Namespace:
    """What tests do in a namespace."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self._reader = ApiReader(cluster.kubeconfig)

    def kubectl(self, *args, **options):
        return self.cluster.kubectl("-n", self.name, *args, **options)

    def apply(self, name, reference, **spec):
        """Apply a ModelDeployment of the image `reference`; small, since the node is."""
        spec["resources"] = {"cpu": "100m", **spec.get("resources", {})}
        body = {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": {"model": {"uri": f"oci://{reference}"}, **spec},
        }
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))

    def apply_model(self, name, **model):
        """Apply a ModelDeployment of any `spec.model`."""
        body = {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": name},
            "spec": {"model": model, "resources": {"cpu": "100m"}},
        }
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))

    def put_secret(self, name, entries, kind="Opaque"):
        """Apply a Secret of these entries, texts by name; others of it are removed."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": kind,
            # Not stringData, of which nothing is ever removed.
            "data": {key: b64encode(text.encode()).decode() for key, text in entries.items()},
        }
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump(body))

    def get(self, kind, name):
        """The object, or None."""
        return self._reader.get(kind, self.name, name)

    def list(self, kind, **selectors):
        """Objects that `labels` and `fields` choose, or all."""
        return self._reader.list(kind, self.name, **selectors)

    def status(self, name):
        return (self.get(MDL, name) or {}).get("status", {})

    def condition(self, name, kind):
        """`(status, reason)` of a condition of the newest generation, else None."""
        body = self.get(MDL, name) or {}
        for condition in body.get("status", {}).get("conditions", ()):
            if (
                condition["type"] == kind
                and condition["observedGeneration"] == body["metadata"]["generation"]
            ):
                return condition["status"], condition["reason"]
        return None

    def describe(self, name):
        return self.kubectl("describe", MDL, name) + self.kubectl("get", "pods", "-o", "wide")

    def wait_failure(self, name, reason):
        """Wait until a model fails for a reason, and return what its status says."""
        wait_for(
            lambda: self.status(name).get("failure", {}).get("reason") == reason,
            what=f"{name} fails with {reason}",
            seconds=180,
            told=lambda: self.describe(name),
        )
        return self.status(name)["failure"]

    def wait_ready(self, name, seconds=240):
        """Wait until a model is ready, and its Service leads to it: the node learns that later."""
        wait_for(
            lambda: self.condition(name, "Ready") == ("True", "Serving"),
            what=f"{name} Ready",
            seconds=seconds,
            told=lambda: self.describe(name),
        )
        if state.read(state.files_of(self.cluster.name)).engine != "kind":  # no route leads there
            wait_for(lambda: self._is_reached(name), what=f"a way to {name}", seconds=60)

    def _is_reached(self, name):
        spec = self.get("service", name)["spec"]
        try:
            address = (spec["clusterIP"], spec["ports"][0]["port"])
            socket.create_connection(address, timeout=5).close()
        except OSError:
            return False
        return True
