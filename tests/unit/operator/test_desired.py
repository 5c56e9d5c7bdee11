"""Children: what changes a revision and what does not. Whole manifests are in tests/golden."""

import json
import re

import pytest

from modelyard_api.serving import decode_config
from modelyard_api.v1alpha1 import Verify
from modelyard_operator.desired import build_children
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.ledger import begin
from modelyard_operator.desired.rendering import render
from modelyard_operator.errors import Refused
from tests.support.objects import build_policy, parse


def build(policy=None, **spec):
    md, policy = parse(**spec), policy or build_policy()
    return build_children(md, begin(md, render(md, policy, Commits())), policy)


def revision(policy=None, **spec):
    return render(parse(**spec), policy or build_policy(), Commits()).revision


def deployment(policy=None, **spec):
    return build(policy, **spec)[0].body


def test_the_same_object_gives_the_same_children():
    assert build() == build()


@pytest.mark.parametrize(
    "spec",
    [
        {"model": {"uri": "oci://r.example.com/other:1"}},
        {"model": {"uri": "oci://registry.example.com/models/qwen:2.5", "task": "embeddings"}},
        {"resources": {"cpu": "2"}},
        {"resources": {"gpu": {"count": 1}}},
        {"update": {"drainTimeout": "5m"}},
        {"runtime": {"dtype": "float16"}},
        {"optimize": {"quantization": "int8"}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_shapes_the_pod_is_a_new_revision(spec):
    assert revision(**spec) != revision()


def test_scaling_is_no_new_revision():
    assert revision(scaling={"replicas": 5}) == revision()


def test_another_runtime_image_is_a_new_revision():
    other = build_policy("runtime: {image: example.com/runtime:2}")
    assert revision(policy=other) != revision()


def test_values_equal_to_the_defaults_are_no_new_revision():
    """So that a default written out, or added by a newer schema, restarts nothing."""
    explicit = build(
        model={"uri": "oci://registry.example.com/models/qwen:2.5", "task": "auto", "name": ""},
        resources={"gpu": {"count": 0}, "cpu": "", "memory": ""},
        update={"progressDeadline": "30m", "drainTimeout": "2m"},
        runtime={"dtype": "auto"},
    )
    assert explicit == build()


def test_the_runtime_reads_its_configuration_after_the_kubelets_expansion():
    name = "$(HOME)/qwen"
    pod = deployment(model={"uri": "oci://r.example.com/x:1", "name": name})
    value = pod["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    expanded = re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else "broken", value)
    assert decode_config(expanded).model_name == name


def test_the_verification_travels_with_the_revision():
    verify = {
        "request": {"path": "/predict", "body": {"text": "costs $(HOME) $5", "n": 1.0}},
        "expect": [{"path": "$.flag", "equals": False}, {"path": "$.score", "number": 0}],
        "timeout": "90s",
    }
    pod = deployment(update={"verify": verify})
    value = pod["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    expanded = re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else "broken", value)
    assert decode_config(expanded).verify == Verify.model_validate(verify)


def test_the_selector_holds_nothing_a_user_can_change():
    selectors = {
        json.dumps(deployment(**spec)["spec"]["selector"])
        for spec in ({}, {"scaling": {"replicas": 2}}, {"resources": {"cpu": "3"}})
    }
    assert len(selectors) == 1


def test_pods_have_time_to_leave_drain_and_end():
    template = deployment(update={"drainTimeout": "1m"})["spec"]["template"]["spec"]
    assert template["terminationGracePeriodSeconds"] == 5 + 60 + 10
    assert template["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_loading_may_take_the_whole_deadline():
    spec = deployment(update={"progressDeadline": "45s"})["spec"]
    probe = spec["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 45
    assert spec["progressDeadlineSeconds"] == 45


def test_memory_asked_for_is_also_the_limit_and_the_default_is_not():
    def resources(**asked):
        pod = deployment(resources=asked)["spec"]["template"]["spec"]
        return pod["containers"][0]["resources"]

    assert resources() == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    assert resources(memory="4Gi", cpu=2) == {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"memory": "4Gi"},
    }


def test_a_template_too_large_to_be_remembered_is_refused():
    env = [{"name": f"V{n}", "value": "x" * 4096} for n in range(30)]
    md = parse(runtime={"env": env})
    with pytest.raises(Refused, match=r"spec\.runtime\.env.*the limit is 102400"):
        render(md, build_policy(), Commits())
