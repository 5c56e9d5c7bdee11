"""The Helm chart, rendered and linted by the real helm."""

import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "modelyard"
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("defaults", ()), ("everything", ("--values", HERE / "values-everything.yaml"))],
)
def test_the_chart_renders_as_in_its_snapshot(render, name, arguments):
    """`UPDATE_GOLDEN=1 pytest tests/chart` writes the snapshots anew; review the diff."""
    snapshot = HERE / "snapshots" / f"{name}.yaml"
    rendered = render(*arguments, "--show-only", "templates/operator/*.yaml")
    rendered += render(*arguments, "--show-only", "templates/policy/*.yaml")
    if name == "everything":
        rendered += render(*arguments, "--show-only", "templates/gateway/*.yaml")
    if os.environ.get("UPDATE_GOLDEN"):
        snapshot.write_text(rendered)
    assert list(yaml.safe_load_all(rendered)) == list(yaml.safe_load_all(snapshot.read_text()))


def test_lint_finds_nothing(helm):
    done = helm("lint", CHART, "--strict")
    assert (done.returncode, "[ERROR]" in done.stdout, "[WARNING]" in done.stdout) == (
        0,
        False,
        False,
    ), done.stdout


def test_the_chart_carries_the_crd_unchanged(render):
    source = (ROOT / "crds" / "modeldeployment.yaml").read_text()
    assert (CHART / "files" / "modeldeployment.yaml").read_text() == source, "run `make crd`"
    rendered = yaml.safe_load(render("--show-only", "templates/crd.yaml"))
    assert rendered == yaml.safe_load(source)
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"operatr": {}}, "additional properties 'operatr' not allowed"),
        ({"operator": {"replicas": 0}}, "at '/operator/replicas'"),
        ({"operator": {"workers": 0}}, "at '/operator/workers'"),
        ({"operator": {"logLevel": "loud"}}, "at '/operator/logLevel'"),
        ({"runtime": {"image": {"pullPolicy": "Sometimes"}}}, "at '/runtime/image/pullPolicy'"),
        ({"policy": {"defaults": {"cpu": "lots"}}}, "at '/policy/defaults/cpu'"),
        ({"policy": {"defaults": {"memory": "4 GB"}}}, "at '/policy/defaults/memory'"),
        ({"policy": {"gpu": {"resourceName": "gpu"}}}, "at '/policy/gpu/resourceName'"),
        ({"policy": {"allowCode": "yes"}}, "at '/policy/allowCode'"),
        ({"policy": {"allowedSources": []}}, "at '/policy/allowedSources'"),
        ({"policy": {"profiles": []}}, "additional properties 'profiles' not allowed"),
        ({"policy": {"gpu": {"profiles": {"l4": {"node": 1}}}}}, "at '/policy/gpu/profiles/l4'"),
        ({"policy": {"gateway": {"serviceAccount": "gw"}}}, "at '/policy/gateway/serviceAccount'"),
        ({"policy": {"prometheus": {"address": "prom"}}}, "at '/policy/prometheus/address'"),
        ({"policy": {"huggingFace": {"endpoint": "hub"}}}, "at '/policy/huggingFace/endpoint'"),
        ({"policy": {"s3": {"endpoint": "minio"}}}, "at '/policy/s3/endpoint'"),
        ({"policy": {"s3": {"region": "EU"}}}, "at '/policy/s3/region'"),
        ({"policy": {"networkPolicy": {"clients": [{}]}}}, "at '/policy/networkPolicy/clients/0'"),
        ({"imagePullSecrets": ["registry"]}, "at '/imagePullSecrets/0'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_by_name(helm, values, complaint):
    done = helm("template", "m", CHART, "--values", "-", text=yaml.safe_dump(values))
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_operator_may_do_what_it_uses_and_nothing_else(render):
    documents = yaml.safe_load_all(render("--show-only", "templates/operator/rbac.yaml"))
    role = next(d for d in documents if d["kind"] == "ClusterRole")
    allowed = {
        (group, resource): " ".join(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert allowed == {
        ("modelyard.dev", "modeldeployments"): "get list watch",
        ("modelyard.dev", "modeldeployments/status"): "patch",
        ("apps", "deployments"): "get list watch create patch",
        ("apps", "deployments/scale"): "patch",
        ("autoscaling", "horizontalpodautoscalers"): "get list watch create patch delete",
        ("keda.sh", "scaledobjects"): "get list watch create patch delete",
        ("", "services"): "get list watch create patch",
        ("networking.k8s.io", "networkpolicies"): "get list watch create patch delete",
        ("policy", "poddisruptionbudgets"): "get list watch create patch delete",
        ("", "pods"): "list watch",
        ("events.k8s.io", "events"): "create patch",
    }


def test_a_changed_policy_restarts_the_operator_and_nothing_else_does(render):
    def policy_hash(*args):
        text = render(*args, "--show-only", "templates/operator/deployment.yaml")
        template = yaml.safe_load(text)["spec"]["template"]
        return template["metadata"]["annotations"]["modelyard.dev/policy-hash"]

    assert policy_hash() == policy_hash("--set", "users.aggregateRoles=false")
    assert policy_hash() != policy_hash("--set", "policy.defaults.memory=2Gi")
