"""A model over a cluster in memory whose rollouts a test plays: what becomes of its Deployment."""

from modelyard_api.report import ReportedError, RuntimeReport, State, encode_termination_message
from modelyard_operator.projection import project_pod
from tests.support.objects import (
    SCHEDULED,
    UNREADY,
    build_model,
    build_pod,
    condition,
    container,
    ended,
    serving,
    status_of,
    waiting,
)
from tests.support.reconciling import KEY, status

NAME = "modelyard.dev/"
OTHER = {"uri": "oci://registry.example.com/models/qwen:3"}
THIRD = {"uri": "oci://registry.example.com/models/qwen:4"}


def deployment(cluster):
    return cluster.children["Deployment", KEY]


def notes(cluster):
    """The Deployment's annotations about revisions, without the templates."""
    annotations = deployment(cluster)["metadata"]["annotations"]
    return {
        name.removeprefix(NAME): value
        for name, value in annotations.items()
        if name.removeprefix(NAME) in {"good", "replaces"}
    }


def applied(cluster):
    """The hash of the template in the live Deployment."""
    return deployment(cluster)["spec"]["template"]["metadata"]["labels"][f"{NAME}revision"]


def pace(cluster):
    return deployment(cluster)["spec"]["strategy"]["rollingUpdate"]


async def edit(operator, **spec):
    """Somebody edits the spec; returns the revision that starts."""
    body = operator.cluster.models[KEY]
    generation = body["metadata"]["generation"] + 1
    spec = {"update": body["spec"].get("update", {}), **spec}
    fresh = build_model(generation=generation, status=body["status"], **spec)
    fresh["metadata"]["annotations"] = body["metadata"].get("annotations", {})
    operator.cluster.put_model(fresh)
    await operator.reconcile()
    return status(operator.cluster)["revision"]["target"]


def play(cluster, *, replicas, updated, ready, facts=()):
    """The Deployment's controller has come so far."""
    body = deployment(cluster)
    body["status"] = {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "conditions": list(facts),
    }


def crashing(revision, restarts, *, reason="", name="qwen-b"):
    message = "Traceback\nKeyError: 'x'"
    code = 1
    if reason:
        error = ReportedError(reason=reason, message="It said no.", hint="Ask nicely.")
        message = encode_termination_message(RuntimeReport(state=State.FAILED, error=error))
        code = 78
    status = status_of(
        SCHEDULED,
        UNREADY,
        containers=container(
            waiting("CrashLoopBackOff"), ended(code, message=message), restarts=restarts
        ),
    )
    return project_pod(build_pod(name, revision=revision, status=status))


NO_CPU = "0/1 nodes are available: 1 Insufficient cpu."


def homeless(revision, name="qwen-b", message=NO_CPU):
    fact = condition("PodScheduled", "False", reason="Unschedulable", message=message)
    return project_pod(build_pod(name, revision=revision, status=status_of(fact)))


async def fail(operator, old, new, pod=None):
    """A pod of the new revision fails beside one of the old that serves."""
    play(operator.cluster, replicas=2, updated=1, ready=1)
    operator.cluster.pods[KEY] = [serving(revision=old), pod or crashing(new, 2)]
    await operator.reconcile()
