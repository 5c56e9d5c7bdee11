"""What we make for KEDA and for autoscalers, taken strictly by a server that knows their types."""

import json

import pytest

from modelyard_local.errors import CommandFailed
from modelyard_operator.desired.autoscaling import build_autoscaler, build_scaled_object
from modelyard_operator.policy import parse_policy
from tests.support.objects import parse
from tests.support.scaling_apis import keda_objects

POLICY = parse_policy(
    "runtime: {image: x}\nprometheus: {address: 'http://prometheus:9090'}", "of the test"
)
LEAST = {"max": 3}
MOST = {
    "min": 2,
    "max": 9,
    "target": {"inFlight": 3},
    "window": "30s",
    "scaleDownDelay": "24h",
}


@pytest.fixture(scope="module")
def _keda(control_plane):
    with keda_objects(control_plane):
        yield


@pytest.fixture
def take(control_plane, namespace):
    """Have the API server judge an object, as applied; returns it with the server's defaults."""

    def take(body):
        body["metadata"]["namespace"] = namespace
        text = control_plane.kubectl(
            *("apply", "--server-side", "--validate=strict", "--dry-run=server"),
            *("-o", "json", "-f", "-"),
            input=json.dumps(body),
        )
        return json.loads(text)

    return take


@pytest.mark.usefixtures("_keda")
@pytest.mark.parametrize("scaling", [LEAST, MOST, {**MOST, "idleAfter": "10m"}])
@pytest.mark.parametrize("is_awake", [False, True], ids=["asleep", "awake"])
def test_a_scaled_object_is_one_that_keda_takes(take, scaling, is_awake):
    md = parse(scaling={"mode": "keda", **scaling})
    body = build_scaled_object(md, POLICY, is_awake=is_awake)
    assert take(body)["spec"] == body["spec"]


@pytest.mark.usefixtures("_keda")
def test_what_keda_does_not_know_is_refused(take):
    """So that the test above can fail."""
    body = build_scaled_object(parse(scaling={"mode": "keda", **LEAST}), POLICY, is_awake=False)
    body["spec"]["minReplicas"] = 1
    with pytest.raises(CommandFailed, match=r"\.spec\.minReplicas: field not declared in schema"):
        take(body)


@pytest.mark.parametrize(
    "target", [{}, {"cpu": 80}, {"cpu": 80, "memory": 70}], ids=["requests", "cpu", "both"]
)
@pytest.mark.parametrize("scaling", [LEAST, MOST], ids=["least", "most"])
def test_an_autoscaler_is_one_that_the_server_takes(take, scaling, target):
    asked = {**scaling, "target": {**scaling.get("target", {}), **target}}
    body = build_autoscaler(parse(scaling={"mode": "hpa", **asked}))
    spec = take(body)["spec"]
    for direction in spec["behavior"].values():
        direction.pop("selectPolicy")
    assert spec == body["spec"]
