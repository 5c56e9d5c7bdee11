"""What an administrator changes in the chart, and what that does to models that run."""

import time

import yaml

from examples import demo
from modelyard_local import nodes
from tests.support import audit_log
from tests.support.kubectl import MDL, QUIET_SECONDS
from tests.support.waiting import wait_for

RESOURCE = "accelerator.example.com/card"
OPERATOR = f"system:serviceaccount:{demo.SYSTEM_NAMESPACE}:modelyard-operator"


#: Until a process has ended whose pod object is gone; it holds the lease as long.
KUBELET_SECONDS = 15


def is_quiet(namespace, name):
    """Whether nothing is written of a model for a while: all of its start has been noted."""

    def read_versions():
        bodies = (namespace.get(kind, name) for kind in (MDL, "deployment"))
        return [body["metadata"]["resourceVersion"] for body in bodies]

    before = read_versions()
    time.sleep(QUIET_SECONDS)
    return read_versions() == before


def find_pods(namespace):
    return {pod["metadata"]["uid"] for pod in namespace.list("pods")}


def test_upgrading_the_chart_changes_no_model_that_nobody_has_touched(
    namespace, model_images, change_values
):
    namespace.apply("sentiment", model_images["sentiment"])
    namespace.wait_ready("sentiment")
    wait_for(
        lambda: namespace.status("sentiment")["startup"].get("load"),
        what="the runtime's report",
        seconds=60,
    )
    wait_for(lambda: is_quiet(namespace, "sentiment"), what="its start is noted", seconds=60)
    before = (find_pods(namespace), namespace.get("deployment", "sentiment")["spec"]["template"])
    since = audit_log.now()
    change_values(
        "runtime.image.tag=another",
        "policy.defaults.memory=1100Mi",
        "policy.gpu.resourceName=amd.com/gpu",
    )
    # The new operator has looked at everything once it answers to a change.
    namespace.apply("other", model_images["sentiment"], scaling={"replicas": 0})
    wait_for(
        lambda: namespace.condition("other", "Ready") == ("False", "ScaledToZero"),
        what="the new operator works",
        seconds=120,
        told=lambda: namespace.describe("other"),
    )
    after = (find_pods(namespace), namespace.get("deployment", "sentiment")["spec"]["template"])
    assert after == before
    writes = audit_log.AuditLog(namespace.cluster).find_writes(OPERATOR, since)
    assert {write.name for write in writes} >= {"other"}
    assert [write for write in writes if write.name == "sentiment"] == []
    template = namespace.get("deployment", "other")["spec"]["template"]["spec"]
    assert template["containers"][0]["image"].endswith(":another")


def read_leader(cluster):
    """The pod that holds the operators' lease."""
    lease = cluster.kubectl(
        *("get", "lease", "modelyard-operator", "-n", demo.SYSTEM_NAMESPACE, "-o", "yaml")
    )
    holder = yaml.safe_load(lease)["spec"].get("holderIdentity", "")
    pods = cluster.kubectl("get", "pods", "-n", demo.SYSTEM_NAMESPACE, "-o", "name").split()
    names = [pod.removeprefix("pod/") for pod in pods]
    return next((name for name in names if holder.startswith(name)), None)


def test_the_other_operator_takes_over_when_the_leaders_pod_is_deleted(namespace, model_images):
    cluster = namespace.cluster
    leader = wait_for(lambda: read_leader(cluster), what="a leader", seconds=60)
    cluster.kubectl(
        *("delete", "pod", leader, "-n", demo.SYSTEM_NAMESPACE),
        *("--grace-period=0", "--force", "--wait=false"),
    )
    wait_for(
        lambda: read_leader(cluster) not in {leader, None},
        what="another pod holds the lease",
        seconds=15 + KUBELET_SECONDS,
    )
    namespace.apply("late", model_images["sentiment"], scaling={"replicas": 0})
    wait_for(
        lambda: namespace.get("deployment", "late"),
        what="the other operator works",
        seconds=60,
        told=lambda: namespace.describe("late"),
    )


def test_a_gpu_profile_runs_on_the_real_node(namespace, model_images, change_values):
    """With an extended resource that the node offers and a device that this machine has."""
    cluster = namespace.cluster
    nodes.claim_resource(cluster, RESOURCE, 1)
    try:
        change_values(
            f"policy.gpu.profiles.card.resourceName={RESOURCE}",
            "policy.gpu.profiles.card.device=cpu",
            f"policy.gpu.profiles.card.nodeSelector.kubernetes\\.io/hostname={cluster.node_name}",
        )
        gpu = {"gpu": {"count": 1, "profile": "card"}}
        namespace.apply("sentiment", model_images["sentiment"], resources=gpu)
        namespace.wait_ready("sentiment")
        assert namespace.status("sentiment")["device"]["requested"] == "cpu"
        limits = namespace.list("pods")[0]["spec"]["containers"][0]["resources"]["limits"]
        assert limits == {RESOURCE: "1"}
        # Its one card is taken: the next model says so.
        namespace.apply("second", model_images["sentiment"], resources=gpu)
        wait_for(
            lambda: namespace.condition("second", "Ready") == ("False", "Unschedulable"),
            what="no card is free",
            seconds=60,
            told=lambda: namespace.describe("second"),
        )
        namespace.kubectl("delete", MDL, "sentiment", "second")
    finally:
        nodes.claim_resource(cluster, RESOURCE, 0)
