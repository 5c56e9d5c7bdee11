"""Children and status of whole cases, as files: tests/golden/<case>/.

input.yaml is the ModelDeployment. The rest is optional: policy.yaml; commit, which the hub says;
live.yaml, the Deployment in the cluster (laid over the children's own); pods.yaml; reports.yaml by
pod name. TARGET in them stands for the target revision. children.yaml and status.yaml are what must
come out:

    UPDATE_GOLDEN=1 pytest tests/unit/operator/test_golden.py     writes them anew, to be reviewed
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from modelyard_api.meta import Reason
from modelyard_api.report import RuntimeReport
from modelyard_operator.desired import build_children
from modelyard_operator.desired.ledger import read_ledger, recall, turn_to
from modelyard_operator.desired.rendering import find_commits, render
from modelyard_operator.errors import Refused
from modelyard_operator.observed import Observed
from modelyard_operator.parsing import parse_model
from modelyard_operator.policy import parse_policy
from modelyard_operator.projection import project_deployment, project_pod
from modelyard_operator.status import dump_status, summarise, summarise_refused
from modelyard_operator.validation import find_violations
from tests.support.objects import NOW, POLICY

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice, instead of an anchor and an alias."""

    def ignore_aliases(self, data):
        return True


def read(case, name, default=None):
    path = GOLDEN / case / name
    return path.read_text() if path.exists() else default


def read_live(case, revision="TARGET"):
    text = read(case, "live.yaml")
    if text is None:
        return None
    body = yaml.safe_load(text.replace("TARGET", revision))
    metadata = {
        "name": "qwen",
        "namespace": "team",
        "uid": "uid-of-deployment",
        "resourceVersion": "1",
        "generation": 1,
        "ownerReferences": [
            {"kind": "ModelDeployment", "name": "qwen", "uid": "uid-1", "controller": True}
        ],
    }
    return project_deployment({**body, "metadata": {**metadata, **body.get("metadata", {})}})


def read_observed(case, revision):
    pods = yaml.safe_load(read(case, "pods.yaml", "[]").replace("TARGET", revision))
    defaults = {"namespace": "team", "resourceVersion": "1"}
    records = [
        project_pod(
            {
                "spec": {"containers": [{"name": "runtime"}]},
                **pod,
                "metadata": {"uid": pod["metadata"]["name"], **defaults, **pod["metadata"]},
            }
        )
        for pod in pods
    ]
    reports = yaml.safe_load(read(case, "reports.yaml", "{}"))
    return Observed(
        deployment=read_live(case, revision),
        pods=tuple(records),
        reports={name: RuntimeReport.model_validate(body) for name, body in reports.items()},
    )


def produce(case):
    """Run a case; returns children and status as plain data."""
    body = yaml.safe_load(read(case, "input.yaml"))
    policy = parse_policy(read(case, "policy.yaml", POLICY), case)
    md = parse_model(body)
    violations = find_violations(md.spec, policy)
    if violations:
        refused = Refused(Reason.POLICY_FORBIDS, "; ".join(violations))
        observed = read_observed(case, "none")
        return [], dump_status(summarise_refused(md.metadata, md.status, refused, observed, NOW))
    live = read_live(case)
    before = read_ledger(live)
    commits = find_commits(md, before and before.rendering)
    if not commits.model:
        commits = replace(commits, model=read(case, "commit", "").strip())
    ledger = turn_to(md, recall(md, before) or render(md, policy, commits), before)
    observed = read_observed(case, ledger.revision)
    status = summarise(md, ledger, observed, NOW)
    children = build_children(md, ledger, policy)
    return [manifest.body for manifest in children], dump_status(status)


def check(case, name, data):
    path = GOLDEN / case / name
    if os.environ.get("UPDATE_GOLDEN"):
        text = yaml.dump(data, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
        path.write_text(text)
    assert yaml.safe_load(path.read_text()) == data


@pytest.mark.parametrize("case", CASES)
def test_children_and_status_are_as_written_down(case):
    children, status = produce(case)
    check(case, "children.yaml", children)
    check(case, "status.yaml", status)
