"""The policy: defaults, and every mistake in it ends the process with a message."""

import pytest

from modelyard_operator.errors import SettingsInvalid
from modelyard_operator.policy import load_policy, parse_policy

FULL = """
runtime: {image: "r.example.com/runtime:1", imagePullPolicy: Always}
gpu: {resourceName: amd.com/gpu}
defaults: {cpu: 250m, memory: 512Mi}
allowedSources: ["oci://r.example.com/models"]
limits: {maxReplicas: 3, maxGpus: 2}
"""


def test_everything_but_the_image_has_a_default():
    policy = parse_policy("runtime: {image: x}", "test")
    assert policy.model_dump(by_alias=True) == {
        "runtime": {"image": "x", "imagePullPolicy": "IfNotPresent"},
        "gpu": {"resourceName": "nvidia.com/gpu"},
        "defaults": {"cpu": "500m", "memory": "1Gi"},
        "allowedSources": ("oci://",),
        "limits": {"maxReplicas": 100, "maxGpus": 8},
    }


def test_every_value_can_be_set():
    policy = parse_policy(FULL, "test")
    assert (policy.gpu.resource_name, policy.defaults.memory, policy.limits.max_gpus) == (
        "amd.com/gpu",
        "512Mi",
        2,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "runtime: Field required"),
        ("runtime: {image: ''}", "runtime.image"),
        ("runtime: {image: x}\nlimit: {}", "limit: Extra inputs are not permitted"),
        ("runtime: {image: x, pull: y}", "runtime.pull: Extra inputs"),
        ("runtime: {image: x}\ndefaults: {cpu: lots}", "500m, 2 or 1Gi"),
        ("runtime: {image: x}\nallowedSources: [registry]", "allowedSources.0"),
        ("runtime: {image: x}\nlimits: {maxGpus: -1}", "limits.maxGpus"),
        ("runtime: [x", "is not YAML"),
        ("- 1", "policy: Input should be"),
    ],
)
def test_a_mistake_is_named(text, said):
    with pytest.raises(SettingsInvalid) as caught:
        parse_policy(text, "/etc/policy.yaml")
    assert said in str(caught.value)
    assert "/etc/policy.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsInvalid, match="cannot be read: No such file"):
        load_policy(tmp_path / "policy.yaml")


def test_the_file_is_read(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(FULL)
    assert load_policy(path).runtime.image == "r.example.com/runtime:1"
