"""What the API server refuses is named on the object: quotas, limits, admission policies."""

import json

import pytest

from modelyard_local.errors import CommandFailed


def make_quota(team, name, limit):
    """Make a quota; it limits nothing until its controller has counted what is used."""
    team.kubectl("create", "quota", name, f"--hard={limit}")
    look = ("get", "quota", name, "-o", "jsonpath={.status.used}")
    team.wait(lambda: team.kubectl(*look), f"the quota {name} is in force")


def test_a_quota_is_named_with_what_was_asked_used_and_limited(team):
    make_quota(team, "small", "requests.memory=512Mi")
    team.apply()
    team.wait_condition("Ready", "False", "ApplyRefused")
    failure = team.status()["failure"]
    assert failure["message"] == (
        "The namespace's quota small has no room for a pod of this model (requests.memory: asked "
        "1Gi, used 0, limited to 512Mi)."
    )
    assert failure["hint"].startswith("Lower spec.resources.memory, free some of it")
    assert failure["hint"].endswith("kubectl describe quota small (in this namespace).")
    team.kubectl("delete", "quota", "small")
    team.apply(scaling={"replicas": 2})
    team.wait_ready(seconds=90)


def test_a_quota_for_the_deployment_itself_is_named_too(team):
    make_quota(team, "few", "count/deployments.apps=0")
    team.apply()
    team.wait_condition("Ready", "False", "ApplyRefused")
    assert team.status()["failure"]["message"] == (
        "The namespace's quota few has no room for this model's Deployment "
        "(count/deployments.apps: asked 1, used 0, limited to 0)."
    )


def test_limits_of_the_namespace_are_named(team):
    limits = {"type": "Container", "max": {"memory": "1Gi"}}
    body = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small"},
        "spec": {"limits": [limits]},
    }
    team.kubectl("apply", "-f", "-", input=json.dumps(body))
    team.apply(resources={"memory": "2Gi"})
    team.wait_condition("Ready", "False", "ApplyRefused")
    failure = team.status()["failure"]
    assert failure["message"] == (
        "A LimitRange of the namespace refuses a pod of this model: at most 1Gi of memory per "
        "container is allowed, and it has 2Gi."
    )
    assert "Change spec.resources.memory" in failure["hint"]


RULE = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [{group}]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [{what}]
  validations:
    - expression: "has(object.metadata.labels) && 'cost-centre' in object.metadata.labels"
      message: everything here needs the label cost-centre
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec:
  policyName: {name}
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}
"""


#: What shows that a policy works already, which is some time after it was made.
PROBES = {
    "deployments": ("create", "deployment", "probe", "--image=x"),
    "pods": ("run", "probe", "--image=x"),
}


def is_refused(team, probe):
    try:
        team.kubectl(*probe, "--dry-run=server")
    except CommandFailed as error:
        return "cost-centre" in str(error)
    return False


@pytest.fixture
def forbid(team):
    """What lets an admission policy refuse a resource of the namespace; removed afterwards."""
    made = []

    def make(group, what):
        made.append(RULE.format(name=team.name, group=json.dumps(group), what=what))
        team.kubectl("apply", "-f", "-", input=made[-1])
        team.wait(lambda: is_refused(team, PROBES[what]), f"{what} are refused")

    yield make
    for text in made:
        team.kubectl("delete", "-f", "-", input=text)


@pytest.mark.parametrize(
    ("group", "what", "refused"),
    [
        pytest.param("apps", "deployments", "this model's Deployment", id="the Deployment"),
        pytest.param("", "pods", "a pod of this model", id="its pods"),
    ],
)
def test_an_admission_policy_that_refuses_is_named(team, forbid, group, what, refused):
    forbid(group, what)
    team.apply()
    team.wait_condition("Ready", "False", "ApplyRefused")
    failure = team.status()["failure"]
    assert failure["message"] == (
        f"The cluster's admission policy {team.name} refuses {refused}: everything here needs the "
        "label cost-centre"
    )
    assert failure["hint"] == (
        "Change the object as the policy says, or ask whoever set it: kubectl describe "
        f"validatingadmissionpolicy {team.name}"
    )
