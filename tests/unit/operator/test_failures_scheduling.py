"""The scheduler's line, as a person would say it."""

import pytest

from modelyard_operator.failures.scheduling import explain_unschedulable
from tests.support.objects import condition, parse, pod, status_of

GPUS = "nvidia.com/gpu"
#: What the scheduler adds when evicting would not help either.
AFTERTHOUGHT = (
    " no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not "
    "helpful for scheduling."
)

LINES = {
    "GPUs that no node has, and nodes that are not for it": (
        (
            f"0/4 nodes are available: 1 Insufficient {GPUS}, 1 node(s) were unschedulable, 2 "
            f"node(s) had untolerated taint(s).{AFTERTHOUGHT}"
        ),
        (
            f"0 of 4 nodes can take the pod: 1 has too few {GPUS} free; 1 is cordoned; 2 have "
            "taints, which the pod does not tolerate."
        ),
        (
            f"Each pod asks for 2 of {GPUS}: add a GPU node, free one, or lower "
            "spec.resources.gpu.count (`kubectl describe nodes` shows what is allocatable). A "
            "cordoned node takes pods again after `kubectl uncordon NODE`. Tolerate the taint in "
            "spec.podTemplate.tolerations, if the model may run there."
        ),
    ),
    "memory and CPU": (
        "0/3 nodes are available: 1 Insufficient cpu, 3 Insufficient memory.",
        "0 of 3 nodes can take the pod: 1 has too little CPU free; 3 have too little memory free.",
        (
            "Lower spec.resources.cpu (now the platform's default), or add a node with as much "
            "free. Lower spec.resources.memory (now 64Gi), or add a node with as much free."
        ),
    ),
    "disk": (
        "0/1 nodes are available: 1 Insufficient ephemeral-storage.",
        "0 of 1 nodes can take the pod: 1 has too little disk (ephemeral-storage) free.",
        "Free disk (ephemeral-storage), or add a node.",
    ),
    "a taint that is named": (
        "0/2 nodes are available: 2 node(s) had untolerated taint {dedicated: large}.",
        (
            "0 of 2 nodes can take the pod: 2 have the taint dedicated: large, which the pod does "
            "not tolerate."
        ),
        "Tolerate the taint in spec.podTemplate.tolerations, if the model may run there.",
    ),
    "labels": (
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
        + AFTERTHOUGHT,
        (
            "0 of 2 nodes can take the pod: 2 have not the labels that the pod wants (disk=nvme, "
            "those of the GPU profile l4)."
        ),
        (
            "Correct spec.podTemplate.nodeSelector or spec.resources.gpu.profile, or label a node: "
            "`kubectl get nodes --show-labels` shows what there is."
        ),
    ),
    "neighbours": (
        (
            "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) "
            "didn't match pod topology spread constraints."
        ),
        (
            "0 of 2 nodes can take the pod: 1 is ruled out by rules on which pods may share a "
            "node or zone; 1 is ruled out by rules on which pods may share a node or zone."
        ),
        "Loosen spec.podTemplate.affinity or topologySpreadConstraints, or add a node.",
    ),
    "nodes that are full": (
        "0/1 nodes are available: 1 Too many pods.",
        "0 of 1 nodes can take the pod: 1 runs as many pods as it may.",
        "Add a node, or remove pods that nobody needs.",
    ),
    "a plugin that nobody here knows": (
        "0/1 nodes are available: 1 node(s) had no moon.",
        "0 of 1 nodes can take the pod: 1 had no moon.",
        "No node fits; the scheduler's own words: kubectl -n team describe pod qwen-a",
    ),
    "a cluster without nodes": (
        "no nodes available to schedule pods",
        "no nodes available to schedule pods",
        "The cluster has no node that is ready: kubectl get nodes.",
    ),
    "a line of another kind": (
        "running PreFilter plugin: no",
        "running PreFilter plugin: no",
        "No node fits; the scheduler's own words: kubectl -n team describe pod qwen-a",
    ),
}


@pytest.fixture
def md():
    return parse(
        resources={"gpu": {"count": 2, "profile": "l4"}, "memory": "64Gi"},
        podTemplate={"nodeSelector": {"disk": "nvme"}},
    )


@pytest.mark.parametrize("sentence", LINES)
def test_it_says_what_how_many_nodes_lack_and_what_helps(md, sentence):
    line, message, hint = LINES[sentence]
    fact = condition("PodScheduled", "False", reason="Unschedulable", message=line)
    cause = explain_unschedulable(md, pod(status=status_of(fact)))
    assert (cause.reason, cause.message, cause.hint) == ("Unschedulable", message, hint)


def test_affinity_and_a_profile_by_default_are_named_too():
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}
    md = parse(resources={"gpu": {"count": 1}}, podTemplate={"affinity": affinity})
    line = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    fact = condition("PodScheduled", "False", reason="Unschedulable", message=line)
    cause = explain_unschedulable(md, pod(status=status_of(fact)))
    assert "wants (the GPU profile's)" in cause.message
    assert cause.hint.startswith("Correct spec.podTemplate.affinity or spec.resources.gpu.profile,")


def test_a_pod_that_waits_for_the_scheduler_has_not_failed(md):
    fact = condition("PodScheduled", "False", reason="SchedulingGated")
    assert explain_unschedulable(md, pod(status=status_of(fact))) is None
