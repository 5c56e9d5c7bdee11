"""Upgrading Modelyard restarts no model: what earlier versions have applied stays as it is."""

from pathlib import Path

import pytest
import yaml

from modelyard_operator.desired import build_children
from modelyard_operator.desired.ledger import read_ledger, recall, turn_to
from modelyard_operator.desired.rendering import render
from modelyard_operator.parsing import parse_model
from modelyard_operator.policy import parse_policy
from modelyard_operator.projection import project_deployment
from tests.support.objects import POLICY

RELEASED = Path(__file__).parents[2] / "golden-released"
CASES = sorted(path.parent for path in RELEASED.glob("*/*/children.yaml"))
#: What an administrator may change on the way.
CHANGES = {
    "defaults": {"cpu": "3", "memory": "7Gi"},
    "huggingFace": {"endpoint": "https://mirror.example.com"},
    "networkPolicy": {"enabled": False},
}


def read(case):
    """The object, the Deployment as it was applied, and the policy of today."""
    policy = yaml.safe_load((case / "policy.yaml").read_text()) if _has_policy(case) else None
    policy = policy or yaml.safe_load(POLICY)
    policy["runtime"]["image"] = "example.com/runtime:of-today"
    (deployment,) = (
        child
        for child in yaml.safe_load((case / "children.yaml").read_text())
        if child["kind"] == "Deployment"
    )
    deployment["metadata"] |= {"uid": "uid-of-deployment", "resourceVersion": "1", "generation": 1}
    md = parse_model(yaml.safe_load((case / "input.yaml").read_text()))
    return md, deployment, parse_policy(yaml.safe_dump({**policy, **CHANGES}), case.name)


def _has_policy(case):
    return (case / "policy.yaml").exists()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name} {case.name}")
def test_an_upgrade_changes_no_pod_template(case):
    md, live, policy = read(case)
    before = read_ledger(project_deployment(live))
    kept = recall(md, before)
    assert kept is not None
    assert kept.revision != render(md, policy, kept.commits).revision, "nothing was to be kept"
    deployment = build_children(md, turn_to(md, kept, before), policy)[0].body
    assert deployment["spec"]["template"] == live["spec"]["template"]
    assert deployment["spec"]["selector"] == live["spec"]["selector"]


def test_there_are_cases():
    assert len(CASES) >= 4
