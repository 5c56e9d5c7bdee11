"""A model that cannot start says why, and what to do, on the object: real pods, all side by side.

docs/explanations.md has a row for each sentence here.
"""

import base64
import json
import re
import time
import uuid
from dataclasses import replace
from datetime import datetime

import pytest
import yaml

from examples import demo
from modelyard_local import state
from tests.e2e.conftest import MDL, Namespace
from tests.support.registry_server import RegistryServer
from tests.support.situations import SITUATIONS, SLOW
from tests.support.tiny_models import edit_json, write_model

TOKEN = "hf_of-a-stranger"
#: From the moment that a pod shows the cause until the object names it.
PROMISED_SECONDS = 15
#: Until all have failed: the last is the one with a deadline of 30 s.
PATIENCE_SECONDS = 300
DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def registry(installed):
    """A registry that has no image, on the node."""
    with RegistryServer(state.files_of(installed.name).namespace) as registry:
        yield registry


@pytest.fixture(scope="module")
def repositories(hub, tiny, tmp_path_factory):
    """Everything that can be wrong with a repository; commits by its name."""

    def make(name, weights="model.safetensors"):
        folder = tmp_path_factory.mktemp(name)
        for path in tiny.iterdir():
            target = weights if path.suffix == ".safetensors" else path.name
            (folder / target).write_bytes(path.read_bytes())
        return hub.publish(f"acme/{name}", folder)

    names = ("private", "gated", "limited", "huge")
    commits = {"tiny": hub.commit, **{name: make(name) for name in names}}
    commits |= {name: make(name, f"{name}.safetensors") for name in ("damaged", "slow")}
    hub.protect("acme/private", "owner")
    hub.protect("acme/gated", "owner", gated=True)
    files = hub.repositories["acme/huge"].commits[commits["huge"]]
    files["model.safetensors"] = replace(files["model.safetensors"], size=10**15)
    odd = write_model(tmp_path_factory.mktemp("odd"), "LlamaForCausalLM")
    edit_json(odd / "config.json", architectures=["DPTForDepthEstimation"])
    commits["odd"] = hub.publish("acme/odd", odd)
    coded = write_model(tmp_path_factory.mktemp("coded"), "LlamaForCausalLM")
    edit_json(coded / "config.json", auto_map={"AutoModelForCausalLM": "modeling.Model"})
    commits["coded"] = hub.publish("acme/coded", coded)
    commits["pickled"] = make("pickled", "pytorch_model.bin")
    for revision in ("main", commits["limited"]):
        hub.fail(
            f"acme/limited/revision/{revision}",
            status=429,
            headers={"Retry-After": "60"},
            times=DAY,
        )
    hub.fail("damaged.safetensors", at="storage", corrupt=True, times=DAY)
    hub.fail("slow.safetensors", at="storage", bytes_per_second=500, times=DAY)
    return commits


@pytest.fixture(scope="module")
def places(hub, registry, repositories, model_images, broken_image):
    """What specs and texts name, by what they call it."""
    return {
        "hub": hub.host,
        "registry": registry.host,
        "images": model_images,
        "truncated": broken_image,
        **repositories,
    }


@pytest.fixture(scope="module")
def scene(installed, places):
    """All of them applied at once in a namespace of their own, and what was seen of them."""
    scene = Scene(installed, f"test-{uuid.uuid4().hex[:8]}", places)
    demo.make_namespace(installed, scene.namespace.name)
    try:
        scene.put_secret("token", token=TOKEN, host=places["hub"])
        specs = {situation.name: situation.spec for situation in SITUATIONS.values()}
        scene.apply({**specs, "slow": SLOW})
        scene.watch({situation.name: situation.reason for situation in SITUATIONS.values()})
        yield scene
    finally:
        installed.kubectl("delete", "namespace", scene.namespace.name, "--wait=false")


class Scene:
    """One namespace full of broken models."""

    def __init__(self, cluster, name, places):
        self.namespace = Namespace(cluster, name)
        self.places = {**places, "namespace": name}
        #: Every object by its name, and Events about them, after all have said why.
        self.bodies, self.events = {}, []
        #: When a pod first showed why it does not start, and when the object first named it.
        self.shown, self.told = {}, {}

    def fill(self, value):
        """Put what the scene has into a text, or into all texts of a spec."""
        if isinstance(value, dict):
            return {key: self.fill(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return value.format(**self.places) if isinstance(value, str) else value

    def apply(self, specs):
        manifests = []
        for name, spec in specs.items():
            # The node is small, and pods that cannot start need little.
            resources = {"cpu": "50m", "memory": "600Mi", **spec.get("resources", {})}
            manifests.append(
                {
                    "apiVersion": "modelyard.dev/v1alpha1",
                    "kind": "ModelDeployment",
                    "metadata": {"name": name},
                    "spec": {**self.fill(spec), "resources": resources},
                }
            )
        self.namespace.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(manifests))

    def put_secret(self, name, **data):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        self.namespace.kubectl("apply", "-f", "-", input=json.dumps(body))

    def watch(self, reasons):
        """Look until every object has named its failure, and note when who said so first.

        Another may come before it, and rightly: pods find no node until others have gone.
        """
        began = time.monotonic()
        while not self._is_over(reasons) and time.monotonic() - began < PATIENCE_SECONDS:
            self._look(reasons, time.monotonic() - began)
            time.sleep(0.5)
        self.bodies = {each["metadata"]["name"]: each for each in self.namespace.list(MDL)}
        self.events = self._list_events()

    def _look(self, reasons, now):
        pods = [pod for pod in self.namespace.list("pods") if shows_cause(pod)]
        showing = {pod["metadata"]["labels"]["modelyard.dev/model"] for pod in pods}
        # One that was without a node for a while, and shows nothing now, has not failed yet.
        passing = self.shown.keys() - showing - self.told.keys()
        kept = {name: at for name, at in self.shown.items() if name not in passing}
        self.shown = dict.fromkeys(showing, now) | kept
        for body in self.namespace.list(MDL):
            name, failure = body["metadata"]["name"], body.get("status", {}).get("failure")
            if failure and failure["reason"] == reasons.get(name):
                self.told.setdefault(name, now)

    def _is_over(self, reasons):
        """Whether all have failed, and the Events, which come after the status, are there."""
        if not reasons.keys() <= self.told.keys():
            return False
        told = {(each["involvedObject"]["name"], each["reason"]) for each in self._list_events()}
        return reasons.items() <= told

    def _list_events(self):
        return self.namespace.list("events", fields="involvedObject.kind=ModelDeployment")

    def conditions(self, name):
        """Conditions of an object, by their type."""
        return {each["type"]: each for each in self.bodies[name]["status"]["conditions"]}


def shows_cause(pod):
    """Whether Kubernetes knows by now why the pod does not start."""
    status = pod["status"]
    if any(each.get("reason") == "Unschedulable" for each in status.get("conditions", ())):
        return True
    for container in (
        *status.get("initContainerStatuses", ()),
        *status.get("containerStatuses", ()),
    ):
        states = (container.get("state", {}), container.get("lastState", {}))
        if any(each.get("terminated", {}).get("exitCode") for each in states):
            return True
        if "Image" in states[0].get("waiting", {}).get("reason", ""):
            return True
    return False


@pytest.mark.parametrize("sentence", SITUATIONS)
def test_the_object_names_cause_and_cure(scene, sentence):
    situation = SITUATIONS[sentence]
    status = scene.bodies[situation.name]["status"]
    failure = status.get("failure")
    assert failure, status
    assert failure["reason"] == situation.reason, failure
    assert scene.fill(situation.message) in failure["message"]
    assert scene.fill(situation.hint) in failure["hint"]
    assert failure.get("exitCode") == situation.exit_code
    conditions = scene.conditions(situation.name)
    for kind in ("Available", "Ready"):
        told = conditions[kind]
        assert (told["status"], told["reason"]) == ("False", situation.reason)
    assert failure["message"].rstrip(".") in conditions["Ready"]["message"]
    assert conditions["Ready"]["message"].endswith(failure["hint"])


@pytest.mark.parametrize("sentence", SITUATIONS)
def test_the_cause_is_named_in_time(scene, sentence):
    name = SITUATIONS[sentence].name
    assert name in scene.told, scene.bodies[name]["status"]
    # Where no pod is named, the operator found it out itself, right after the object was applied;
    # a pod that was not seen failing before had failed since the look before.
    unseen = scene.told[name] if scene.bodies[name]["status"]["failure"].get("pod") else 0.0
    seconds = scene.told[name] - scene.shown.get(name, unseen)
    if SITUATIONS[sentence].reason != "ProgressDeadlineExceeded":
        assert seconds <= PROMISED_SECONDS


@pytest.mark.parametrize("sentence", SITUATIONS)
def test_a_failure_that_lasts_is_told_once(scene, sentence):
    """However often the pod ends, pulls or is looked at: one Event, with the cause and the cure."""
    situation = SITUATIONS[sentence]
    told = [
        event["message"]
        for event in scene.events
        if (event["involvedObject"]["name"], event["reason"]) == (situation.name, situation.reason)
    ]
    assert len(told) == 1, told
    assert scene.fill(situation.message) in told[0]
    assert scene.fill(situation.hint) in told[0]


def test_the_last_lines_of_a_crash_are_kept(scene):
    log = scene.bodies["crash"]["status"]["failure"]["logTail"]
    assert "metrics.py" in log
    assert log.splitlines()[-1].startswith("FileNotFoundError: [Errno 2]")


def test_a_slow_model_is_not_a_failed_one(scene):
    """It says what it does, since when, and until when it may."""
    status, ready = scene.bodies["slow"]["status"], scene.conditions("slow")["Ready"]
    assert "failure" not in status
    assert status["phase"] == "Starting"
    assert ready["reason"] == "Starting"
    assert re.search(
        r"downloading the model since \S+Z, for which it has until \S+Z "
        r"\(spec\.update\.progressDeadline\)\.$",
        ready["message"],
    )


def test_a_deadline_is_not_missed_before_it_has_passed(scene):
    body = scene.bodies["late"]
    times = (body["metadata"]["creationTimestamp"], body["status"]["failure"]["at"])
    created, failed = map(datetime.fromisoformat, times)
    # Kubernetes' times are whole seconds.
    assert (failed - created).total_seconds() >= 29


def test_no_secret_is_shown(scene):
    assert TOKEN not in json.dumps([scene.bodies, scene.events])
