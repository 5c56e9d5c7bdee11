"""What the policy says about a spec."""

import pytest

from modelyard_operator.validation import find_missing_gateway, find_violations
from tests.support.objects import build_policy, parse

SOURCES = [
    # allowed sources, uri, whether it is under one
    (["oci://"], "oci://any.example.com/x:1", True),
    (["oci://r.io"], "oci://r.io/x", True),
    (["oci://r.io"], "oci://R.IO/x", True),
    (["oci://r.io"], "oci://r.io.evil.com/x", False),
    (["oci://r.io"], "oci://r.io:5000/x", False),
    (["oci://r.io:5000"], "oci://r.io:5000/x", True),
    (["oci://r.io/team"], "oci://r.io/team/x:1", True),
    (["oci://r.io/team/"], "oci://r.io/team/x:1", True),
    (["oci://r.io/team"], "oci://r.io/teams/x:1", False),
    (["oci://r.io/team/qwen"], "oci://r.io/team/qwen:2.5", True),
    (["oci://r.io/team/qwen"], "oci://r.io/team/qwen@sha256:00", True),
    (["oci://r.io/team/qwen"], "oci://r.io/team/qwen-evil:1", False),
    (["oci://r.io/team"], "oci://r.io/team/../other/x", False),
    (["hf://"], "oci://r.io/x", False),
    (["s3://"], "s3://models/qwen", True),
    (["s3://models"], "s3://models/qwen", True),
    (["s3://models/team"], "s3://models/team/qwen", True),
    (["s3://models/team"], "s3://models/teams/qwen", False),
    (["s3://models"], "s3://models-of-others/qwen", False),
    (["hf://", "oci://r.io"], "oci://r.io/x", True),
    ([], "oci://r.io/x", False),
]


@pytest.mark.parametrize(("allowed", "uri", "is_allowed"), SOURCES)
def test_sources_match_on_whole_segments(allowed, uri, is_allowed):
    policy = build_policy(f"runtime: {{image: x}}\nallowedSources: {allowed}")
    found = find_violations(parse(model={"uri": uri}).spec, policy)
    assert (found == ()) == is_allowed


def test_every_violation_is_told_at_once():
    policy = build_policy("runtime: {image: x}\nlimits: {maxReplicas: 2, maxGpus: 1}")
    spec = parse(scaling={"replicas": 3}, resources={"gpu": {"count": 2}}).spec
    assert find_violations(spec, policy) == (
        "spec.scaling.replicas: 3 is more than the 2 that the platform allows",
        "spec.resources.gpu.count: 2 is more than the 1 that the platform allows",
    )


def test_what_reaches_a_limit_is_within_it():
    policy = build_policy("runtime: {image: x}\nlimits: {maxReplicas: 2, maxGpus: 1}")
    spec = parse(scaling={"replicas": 2}, resources={"gpu": {"count": 1}}).spec
    assert find_violations(spec, policy) == ()


NO_CODE = (
    "spec.model.allowCode: the platform runs no code that models bring (policy.allowCode of its "
    "chart)"
)


@pytest.mark.parametrize(
    ("policy", "allow_code", "violations"),
    [("", False, ()), ("", True, (NO_CODE,)), ("\nallowCode: true", True, ())],
)
def test_code_of_models_is_the_administrators_to_allow(policy, allow_code, violations):
    model = {"uri": "oci://r.io/x:1", "allowCode": allow_code}
    spec = parse(model=model).spec
    assert find_violations(spec, build_policy(f"runtime: {{image: x}}{policy}")) == violations


LISTS = """
runtime: {image: x, allowedImages: [r.io/rt, r.io/exact:1, "r.io:5000/rt"], deniedEnv: [LD_]}
gpu: {profiles: {l4: {}}}
pods: {serviceAccounts: [sa], priorityClasses: [high], runtimeClasses: [gvisor], schedulers: [s]}
"""

ASKED = [
    # what a spec asks for, and the field that is not allowed
    ({"runtime": {"image": "r.io/rt:2"}}, None),
    ({"runtime": {"image": "r.io/rt@sha256:00"}}, None),
    ({"runtime": {"image": "r.io:5000/rt:1"}}, None),
    ({"runtime": {"image": "r.io/rt-evil:2"}}, "runtime.image"),
    ({"runtime": {"image": "r.io/rt:5000/evil"}}, "runtime.image"),
    ({"runtime": {"image": "r.io/exact:12"}}, "runtime.image"),
    ({"runtime": {"env": [{"name": "OMP_NUM_THREADS", "value": "1"}]}}, None),
    ({"runtime": {"env": [{"name": "LD_PRELOAD", "value": "/model/x.so"}]}}, "runtime.env"),
    ({"runtime": {"env": [{"name": "MODELYARD_CONFIG"}]}}, "runtime.env"),
    ({"resources": {"gpu": {"count": 1, "profile": "l4"}}}, None),
    ({"resources": {"gpu": {"count": 1, "profile": "h100"}}}, "resources.gpu.profile"),
    ({"podTemplate": {"serviceAccountName": "sa"}}, None),
    ({"podTemplate": {"serviceAccountName": "admin"}}, "podTemplate.serviceAccountName"),
    ({"podTemplate": {"priorityClassName": "top"}}, "podTemplate.priorityClassName"),
    ({"podTemplate": {"runtimeClassName": "runc"}}, "podTemplate.runtimeClassName"),
    ({"podTemplate": {"schedulerName": "mine"}}, "podTemplate.schedulerName"),
]


@pytest.mark.parametrize(("asked", "field"), ASKED)
def test_only_what_the_policy_lists_may_be_asked_for(asked, field):
    found = find_violations(parse(**asked).spec, build_policy(LISTS))
    assert [violation.split(":")[0] for violation in found] == ([f"spec.{field}"] if field else [])


def test_a_violation_names_what_is_allowed():
    spec = parse(podTemplate={"schedulerName": "mine"}).spec
    assert find_violations(spec, build_policy(LISTS)) == (
        "spec.podTemplate.schedulerName: 'mine' is not among those that the platform allows (s)",
    )


SCALED = [
    # scaling, what is said against it under a policy that allows five pods
    ({"replicas": 9, "max": 5}, None),
    ({"max": 6}, "spec.scaling.max: 6 is more than the 5 that the platform allows"),
    (
        {"mode": "hpa", "min": 9, "max": 9},
        "spec.scaling.max: 9 is more than the 5 that the platform allows",
    ),
    (
        {"mode": "none", "replicas": 6, "max": 5},
        "spec.scaling.replicas: 6 is more than the 5 that the platform allows",
    ),
    (
        {"mode": "keda", "max": 5},
        (
            "spec.scaling.mode: keda reads a model's load from Prometheus, and the platform's "
            "policy names none (policy.prometheus.address of the chart); builtin needs none"
        ),
    ),
]


@pytest.mark.parametrize(("scaling", "said"), SCALED)
def test_what_a_model_may_be_scaled_to(scaling, said):
    policy = build_policy("runtime: {image: x}\nlimits: {maxReplicas: 5}")
    found = find_violations(parse(scaling=scaling).spec, policy)
    assert found == ((said,) if said else ())


def test_keda_reads_from_the_policys_prometheus():
    policy = build_policy("runtime: {image: x}\nprometheus: {address: 'https://prom:9090/x'}")
    assert find_violations(parse(scaling={"mode": "keda", "max": 5}).spec, policy) == ()


@pytest.mark.parametrize(
    ("gateway", "idle_after", "is_missing"),
    [("", "10m", True), ("", "", False), ("gateways/gateway", "10m", False)],
)
def test_sleep_needs_a_gateway(gateway, idle_after, is_missing):
    policy = build_policy(f"runtime: {{image: x}}\ngateway: {{serviceAccount: '{gateway}'}}")
    spec = parse(scaling={"max": 3, "idleAfter": idle_after}).spec
    said = find_missing_gateway(spec, policy)
    assert (said is not None) == is_missing
    assert said is None or said.startswith("spec.scaling.idleAfter: ")
