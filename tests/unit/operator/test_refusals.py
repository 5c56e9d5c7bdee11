"""What the API server refuses, in plain words."""

import pytest

from modelyard_operator.errors import ChildRefused
from modelyard_operator.refusals import read_refusal

POD = 'pods "qwen-6c9-" is forbidden: '

REFUSALS = {
    "a quota": (
        (
            f"{POD}exceeded quota: small, requested: requests.memory=1Gi, used: requests.memory=0, "
            "limited: requests.memory=512Mi"
        ),
        (
            "The namespace's quota small has no room for a pod of this model (requests.memory: "
            "asked 1Gi, used 0, limited to 512Mi)."
        ),
        (
            "Lower spec.resources.memory, free some of it in this namespace, or ask whoever set "
            "the quota for more: kubectl describe quota small (in this namespace)."
        ),
    ),
    "a quota of several things": (
        (
            f"{POD}exceeded quota: team, requested: pods=1,requests.nvidia.com/gpu=2, used: "
            "pods=4,requests.nvidia.com/gpu=7, limited: pods=4,requests.nvidia.com/gpu=8"
        ),
        (
            "The namespace's quota team has no room for a pod of this model (pods: asked 1, used "
            "4, limited to 4; requests.nvidia.com/gpu: asked 2, used 7, limited to 8)."
        ),
        (
            "Lower spec.resources.gpu.count or spec.scaling.replicas, free some of it in this "
            "namespace, or ask whoever set the quota for more: kubectl describe quota team (in "
            "this namespace)."
        ),
    ),
    "a quota of Deployments": (
        (
            'Deployment qwen: deployments.apps "qwen" is forbidden: exceeded quota: few, '
            "requested: "
            "count/deployments.apps=1, used: count/deployments.apps=3, limited: "
            "count/deployments.apps=3"
        ),
        (
            "The namespace's quota few has no room for this model's Deployment "
            "(count/deployments.apps: asked 1, used 3, limited to 3)."
        ),
        (
            "Free some of it in this namespace, or ask whoever set the quota for more: kubectl "
            "describe quota few (in this namespace)."
        ),
    ),
    "a quota of budgets": (
        (
            'PodDisruptionBudget qwen: poddisruptionbudgets.policy "qwen" is forbidden: exceeded '
            "quota: few, requested: count/poddisruptionbudgets.policy=1, used: "
            "count/poddisruptionbudgets.policy=0, limited: count/poddisruptionbudgets.policy=0"
        ),
        (
            "The namespace's quota few has no room for this model's PodDisruptionBudget "
            "(count/poddisruptionbudgets.policy: asked 1, used 0, limited to 0)."
        ),
        (
            "Free some of it in this namespace, or ask whoever set the quota for more: kubectl "
            "describe quota few (in this namespace)."
        ),
    ),
    "a quota that wants limits": (
        f"{POD}failed quota: small: must specify limits.cpu for: runtime",
        (
            "The namespace's quota small refuses a pod of this model: every container must set "
            "limits.cpu for: runtime."
        ),
        (
            "Modelyard sets no CPU limit, and a memory limit only from spec.resources.memory: set "
            "that, or let a LimitRange of the namespace give what is missing by default."
        ),
    ),
    "a limit range": (
        f"{POD}maximum memory usage per Container is 1Gi, but limit is 2Gi",
        (
            "A LimitRange of the namespace refuses a pod of this model: at most 1Gi of memory per "
            "container is allowed, and it has 2Gi."
        ),
        (
            "Change spec.resources.memory, or ask whoever set the limits: kubectl describe "
            "limitrange (in this namespace)."
        ),
    ),
    "an admission policy": (
        (
            'Deployment qwen: deployments.apps "qwen" is forbidden: ValidatingAdmissionPolicy '
            "'team-label' with binding 'models' denied request: every Deployment needs the label "
            "team"
        ),
        (
            "The cluster's admission policy team-label refuses this model's Deployment: every "
            "Deployment needs the label team"
        ),
        (
            "Change the object as the policy says, or ask whoever set it: kubectl describe "
            "validatingadmissionpolicy team-label"
        ),
    ),
    "an admission webhook": (
        'Service qwen: admission webhook "guard.example.com" denied the request: no',
        "The cluster's admission webhook guard.example.com refuses this model's Service: no",
        "Change the object as the webhook says, or ask whoever runs it.",
    ),
    "an admission webhook that does not answer": (
        (
            'Deployment qwen: Internal error occurred: failed calling webhook "guard.example.com": '
            "connection refused"
        ),
        (
            "The cluster's admission webhook guard.example.com must agree to this model's "
            "Deployment, and gives no usable answer: connection refused"
        ),
        "Whoever runs that webhook must mend it; it is tried again by itself.",
    ),
    "Pod Security": (
        f'{POD}violates PodSecurity "restricted:latest": runAsUser=0',
        (
            "The namespace's Pod Security level (restricted:latest) refuses a pod of this model: "
            "runAsUser=0"
        ),
        (
            "A model's pods by themselves meet even `restricted`: look at what the cluster adds to "
            "them, and at spec.podTemplate."
        ),
    ),
    "a ServiceAccount that is missing": (
        f'{POD}error looking up service account team/models: serviceaccount "models" not found',
        "The ServiceAccount models does not exist in this namespace.",
        "Make it (kubectl create serviceaccount), or correct spec.podTemplate.serviceAccountName.",
    ),
    "a PriorityClass that is missing": (
        f"{POD}no PriorityClass with name high was found",
        "The PriorityClass high does not exist in this cluster.",
        (
            "Correct spec.podTemplate.priorityClassName (kubectl get priorityclass), or have the "
            "administrator make it."
        ),
    ),
    "a RuntimeClass that is missing": (
        f'{POD}pod rejected: RuntimeClass "nvidia" not found',
        "The RuntimeClass nvidia does not exist in this cluster.",
        (
            "Correct spec.podTemplate.runtimeClassName or the GPU profile (kubectl get "
            "runtimeclass), or have the administrator make it."
        ),
    ),
    "what nobody here knows": (
        "Deployment qwen: no",
        "Deployment qwen: no",
        (
            "The API server refuses what this model needs. Change the object as the message says, "
            "or ask whoever set the namespace's quota or admission policy."
        ),
    ),
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_it_says_who_refuses_what_and_what_helps(sentence):
    said, message, hint = REFUSALS[sentence]
    refusal = read_refusal(said)
    assert (refusal.message, refusal.hint) == (message, hint)


def test_a_child_that_is_refused_is_told_so():
    error = ChildRefused(f"{POD}no PriorityClass with name high was found")
    assert (error.reason, error.message) == (
        "ApplyRefused",
        "The PriorityClass high does not exist in this cluster.",
    )
