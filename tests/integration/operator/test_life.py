"""The life of a ModelDeployment on a real API server, with real controllers."""

import json
from dataclasses import replace

import pytest

from modelyard_operator.desired import build_children
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.ledger import begin
from modelyard_operator.desired.rendering import render
from modelyard_operator.parsing import parse_model
from modelyard_operator.policy import parse_policy
from tests.support.kubectl import MDL
from tests.support.operator_process import POLICY

WRONG_PORT = '[{"op":"replace","path":"/spec/ports/0/targetPort","value":1}]'


def missing(wanted, live, path=""):
    """What of a manifest the live object lacks; the API server's defaults are its own."""
    if isinstance(wanted, dict):
        return [
            fault
            for name, value in wanted.items()
            for fault in (
                missing(value, live[name], f"{path}.{name}")
                if isinstance(live, dict) and name in live
                else [f"{path}.{name}"]
            )
        ]
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(wanted) != len(live):
            return [f"{path}: {live!r}"]
        pairs = enumerate(zip(wanted, live, strict=True))
        return [fault for n, pair in pairs for fault in missing(*pair, f"{path}[{n}]")]
    return [] if wanted == live else [f"{path}: {live!r}, not {wanted!r}"]


def test_a_model_becomes_its_children_as_built(team):
    team.apply(
        resources={"memory": "4Gi", "cpu": 2},
        update={"progressDeadline": "10m", "drainTimeout": "30s"},
    )
    team.wait_ready()
    md = parse_model(team.get(MDL))
    policy = parse_policy(POLICY, "test")
    ledger = begin(md, render(md, policy, Commits()))
    team.wait_good()
    for manifest in build_children(md, replace(ledger, good=ledger.revision), policy):
        assert missing(manifest.body, team.get(manifest.kind)) == []


def test_a_served_model_says_so(team):
    team.apply()
    team.wait_ready()
    status = team.status()
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "Accepted": ("True", "Accepted"),
        "Progressing": ("False", "RolloutComplete"),
        "Available": ("True", "Serving"),
        "Ready": ("True", "Serving"),
    }
    assert status["phase"] == "Ready"
    assert status["url"] == f"http://qwen.{team.name}.svc"
    assert status["revision"]["current"] == status["revision"]["target"]
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (1, 1, 1)
    # kwok's pods answer no request for a report: what is unknown stays unsaid.
    assert status["device"] == {"requested": "cpu"}
    assert "model" not in status


def test_the_operator_leaves_no_mark_on_the_object(team):
    team.apply()
    team.wait_ready()
    body = json.loads(team.kubectl("get", MDL, "qwen", "-o", "json", "--show-managed-fields"))
    metadata = body["metadata"]
    assert "finalizers" not in metadata
    assert list(metadata["annotations"]) == ["kubectl.kubernetes.io/last-applied-configuration"]
    managers = {
        claim["manager"]: claim.get("subresource", "") for claim in metadata["managedFields"]
    }
    assert managers == {"kubectl-client-side-apply": "", "modelyard-status": "status"}


def test_readiness_is_told_in_an_event(team):
    team.apply()
    team.wait_ready()
    events = team.wait(
        lambda: json.loads(
            team.kubectl(
                "get", "events.v1.events.k8s.io", "-o", "json", "--field-selector", "reason=Ready"
            )
        )["items"],
        "an Event",
    )
    revision = team.status()["revision"]["target"]
    assert [(e["regarding"]["name"], e["type"], e["note"]) for e in events] == [
        (
            "qwen",
            "Normal",
            (
                f"1 of 1 pod ready, all of the target revision. Revision {revision} serves at "
                f"http://qwen.{team.name}.svc."
            ),
        )
    ]


def test_another_model_is_rolled_out_as_a_new_revision(team):
    team.apply()
    team.wait_ready()
    before = team.status()["revision"]["current"]
    team.apply(uri="oci://registry.example.com/models/other:1")
    team.wait_ready()
    revision = team.status()["revision"]
    assert revision["current"] == revision["target"] != before
    image = team.get("deployment")["spec"]["template"]["spec"]["volumes"][0]["image"]
    assert image["reference"] == "registry.example.com/models/other:1"


def test_scaling_keeps_the_revision(team):
    team.apply()
    team.wait_ready()
    before = team.wait_good()
    team.apply(scaling={"replicas": 3})
    team.wait_ready()
    assert (team.status()["readyReplicas"], team.status()["revision"]) == (3, before)
    team.apply(scaling={"replicas": 0})
    team.wait(lambda: team.status()["phase"] == "ScaledToZero", "scaled to zero")
    team.wait(lambda: team.status()["replicas"] == 0, "no pods")
    assert team.condition("Ready") == ("False", "ScaledToZero")
    team.apply(scaling={"replicas": 1})
    team.wait_ready()


@pytest.mark.parametrize(
    ("kind", "edit", "is_reverted"),
    [
        (
            "deployment",
            ["scale", "deployment", "qwen", "--replicas=5"],
            lambda body: body["spec"]["replicas"] == 1,
        ),
        (
            "deployment",
            ["set", "image", "deployment/qwen", "runtime=example.com/evil:1"],
            lambda body: "evil" not in json.dumps(body["spec"]),
        ),
        (
            "deployment",
            ["label", "deployment", "qwen", "modelyard.dev/model-"],
            lambda body: body["metadata"]["labels"].get("modelyard.dev/model") == "qwen",
        ),
        (
            "deployment",
            ["label", "deployment", "qwen", "app.kubernetes.io/managed-by=me", "--overwrite"],
            lambda body: body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "modelyard",
        ),
        (
            "service",
            ["patch", "service", "qwen", "-p", '{"spec":{"selector":{"app":"evil"}}}'],
            lambda body: body["spec"]["selector"]["modelyard.dev/model"] == "qwen",
        ),
        (
            "service",
            ["patch", "service", "qwen", "--type=json", "-p", WRONG_PORT],
            lambda body: body["spec"]["ports"][0]["targetPort"] == 8080,
        ),
        (
            "networkpolicy",
            ["patch", "networkpolicy", "qwen", "-p", '{"spec":{"ingress":[{}]}}'],
            lambda body: body["spec"]["ingress"] != [{}],
        ),
        ("networkpolicy", ["delete", "networkpolicy", "qwen"], lambda body: body is not None),
        ("service", ["delete", "service", "qwen"], lambda body: body is not None),
        ("deployment", ["delete", "deployment", "qwen"], lambda body: body is not None),
    ],
    ids=[
        "scale",
        "image",
        "our label removed",
        "the watched label changed",
        "selector",
        "port",
        "network policy",
        "network policy deleted",
        "service deleted",
        "deployment deleted",
    ],
)
def test_what_others_do_to_a_child_is_undone(team, kind, edit, is_reverted):
    team.apply()
    team.wait_ready()
    team.kubectl(*edit)
    team.wait(lambda: is_reverted(team.get(kind)), f"{edit} undone")
    team.wait_ready()


def test_what_others_add_to_a_child_stays(team):
    team.apply()
    team.wait_ready()
    team.kubectl("annotate", "deployment", "qwen", "theirs.example.com/note=kept")
    team.apply(scaling={"replicas": 2})
    team.wait_ready()
    assert team.get("deployment")["metadata"]["annotations"]["theirs.example.com/note"] == "kept"


def test_an_object_that_is_not_ours_is_not_touched(team):
    team.kubectl("create", "service", "clusterip", "qwen", "--tcp=1:1")
    before = team.get("service")
    team.apply()
    team.wait_condition("Accepted", "False", "NameTaken")
    assert "Service qwen" in team.status()["conditions"][0]["message"]
    assert team.get("service") == before
    team.kubectl("delete", "service", "qwen")
    team.apply(scaling={"replicas": 2})
    team.wait_ready()


def test_a_deleted_model_takes_its_children_along(team):
    team.apply()
    team.wait_ready()
    team.kubectl("delete", MDL, "qwen")
    team.wait(lambda: not team.list("deployments") and not team.list("services"), "collected")


def test_a_model_made_again_under_its_old_name_serves(team):
    team.apply()
    team.wait_ready()
    old = team.get("deployment")["metadata"]["uid"]
    team.kubectl("delete", MDL, "qwen", "--wait=false")
    team.apply()
    team.wait_ready()
    assert team.get("deployment")["metadata"]["uid"] != old


def test_a_namespace_that_goes_takes_everything_along(make_team, operator):
    team = make_team()
    team.apply()
    team.wait_ready()
    team.cluster.kubectl("delete", "namespace", team.name, "--timeout=180s")
    faults = [line for line in operator.log_lines() if "traceback" in line]
    assert faults == []


def test_the_rights_that_the_chart_gives_are_enough(team, operator):
    team.apply()
    team.wait_ready()
    messages = [line["message"] for line in operator.log_lines()]
    # A namespace that goes refuses with the same word.
    refused = [text for text in messages if "Forbidden" in text and "terminat" not in text]
    assert refused == []


def test_one_namespaces_model_is_no_other_namespaces_business(team, make_team):
    other = make_team()
    team.apply()
    other.apply()
    team.wait_ready()
    before = other.wait_settled()
    team.apply(scaling={"replicas": 2})
    team.wait_ready()
    team.kubectl("delete", MDL, "qwen")
    team.wait(lambda: not team.list("deployments"), "collected")
    assert other.versions() == before


def test_pods_meet_pod_security_restricted(team):
    team.cluster.kubectl(
        "label",
        "namespace",
        team.name,
        "pod-security.kubernetes.io/enforce=restricted",
        "pod-security.kubernetes.io/enforce-version=latest",
    )
    team.apply(resources={"memory": "1Gi"})
    team.wait_ready()
