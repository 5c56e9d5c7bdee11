"""Kubernetes objects as the API server would return them, with as little said as a test needs."""

from datetime import UTC, datetime, timedelta

from modelyard_api.meta import API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_MODEL, LABEL_REVISION
from modelyard_operator.desired.ledger import Ledger
from modelyard_operator.desired.rendering import Rendering
from modelyard_operator.parsing import parse_model
from modelyard_operator.policy import parse_policy
from modelyard_operator.projection import project_pod

NOW = "2026-11-22T10:00:00Z"
START = datetime(2026, 11, 22, 9, 59, 0, tzinfo=UTC)
URI = "oci://registry.example.com/models/qwen:2.5"
POLICY = "runtime: {image: example.com/runtime:1}"


def at(seconds):
    """A time so many seconds after a pod's creation."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_policy(text=POLICY):
    return parse_policy(text, "of the test")


def build_model(name="qwen", namespace="team", uid="uid-1", generation=1, status=None, **spec):
    """A ModelDeployment's body."""
    spec.setdefault("model", {"uri": URI})
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": generation,
            "resourceVersion": "1",
        },
        "spec": spec,
        "status": status or {},
    }


def parse(**kwargs):
    """A ModelDeployment, read."""
    return parse_model(build_model(**kwargs))


def rendering(revision="r1", device="cpu", commit=""):
    """A rendering, as far as a status goes."""
    labels = {LABEL_REVISION: revision}
    return Rendering(template={"metadata": {"labels": labels}}, device=device, commit=commit)


def target(revision="r1", **known):
    """What is to be served, as far as a status goes; keywords are of the Ledger."""
    return Ledger("input", rendering(revision), **known)


def build_pod(name="qwen-a", *, revision="r1", model="qwen", namespace="team", status=None, **more):
    """A model pod's body. Keywords besides: limits, leaving."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-of-{name}",
        "resourceVersion": "1",
        "creationTimestamp": at(0),
        "labels": {LABEL_MANAGED_BY: "modelyard", LABEL_MODEL: model, LABEL_REVISION: revision},
    }
    if more.get("leaving"):
        metadata["deletionTimestamp"] = NOW
    resources = {"limits": more["limits"]} if "limits" in more else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "runtime", "resources": resources}]},
        "status": {"phase": "Pending", **(status or {})},
    }


def pod(name="qwen-a", **kwargs):
    """A model pod, as a record."""
    return project_pod(build_pod(name, **kwargs))


def condition(kind, status="True", since=0, **more):
    return {"type": kind, "status": status, "lastTransitionTime": at(since), **more}


def container(state=None, last=None, restarts=0):
    """A pod's containerStatuses."""
    return [
        {
            "name": "runtime",
            "state": state or {},
            "lastState": last or {},
            "restartCount": restarts,
        }
    ]


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def ended(code, reason="Error", message="", started=10, finished=20):
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": at(started),
            "finishedAt": at(finished),
        }
    }


UNREADY = condition("Ready", "False")
SCHEDULED = condition("PodScheduled", since=1)
SANDBOX = condition("PodReadyToStartContainers", since=3)


def status_of(*conditions, containers=None, phase="Pending", **more):
    """A pod's status."""
    return {
        "phase": phase,
        "conditions": list(conditions),
        "containerStatuses": containers or [],
        **more,
    }


def serving(name="qwen-a", ready=12, downloads=(), **kwargs):
    """A pod that serves."""
    status = status_of(
        SCHEDULED,
        SANDBOX,
        condition("Ready", since=ready),
        containers=container({"running": {"startedAt": at(7)}}),
        phase="Running",
        podIP="10.0.0.7",
        initContainerStatuses=list(downloads),
    )
    return pod(name, status=status, **kwargs)
