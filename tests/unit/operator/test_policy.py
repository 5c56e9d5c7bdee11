"""The policy: defaults, and every mistake in it ends the process with a message."""

import pytest

from modelyard_operator.errors import SettingsInvalid
from modelyard_operator.policy import load_policy, parse_policy

FULL = """
runtime: {image: "r.example.com/runtime:1", imagePullPolicy: Always}
gpu:
  resourceName: amd.com/gpu
  defaultProfile: mi300x
  profiles: {mi300x: {resourceName: amd.com/gpu, nodeSelector: {gpu: mi300x}}}
defaults: {cpu: 250m, memory: 512Mi}
allowedSources: ["oci://r.example.com/models"]
limits: {maxReplicas: 3, maxGpus: 2}
"""


def test_everything_but_the_image_has_a_default():
    policy = parse_policy("runtime: {image: x}", "test")
    values = policy.model_dump(by_alias=True)
    assert "LD_" in values["runtime"].pop("deniedEnv")
    assert values == {
        "runtime": {"image": "x", "imagePullPolicy": "IfNotPresent", "allowedImages": ()},
        "gpu": {"resourceName": "nvidia.com/gpu", "defaultProfile": "", "profiles": {}},
        "defaults": {"cpu": "500m", "memory": "1Gi"},
        "allowedSources": ("oci://", "hf://", "s3://"),
        "allowCode": False,
        "huggingFace": {"endpoint": "https://huggingface.co"},
        "s3": {"endpoint": "", "region": "", "ownEndpoints": True},
        "gateway": {"serviceAccount": ""},
        "prometheus": {"address": ""},
        "limits": {"maxReplicas": 100, "maxGpus": 8},
        "pods": {
            "serviceAccounts": (),
            "priorityClasses": (),
            "runtimeClasses": (),
            "schedulers": (),
        },
        "networkPolicy": {"enabled": True, "clients": (), "operator": (), "monitoring": ()},
        "nodes": {"autoscaled": False},
        "rollout": {"maxConcurrent": 0},
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
        ("runtime: {image: x}\ngpu: {defaultProfile: l4}", "'l4' is not among the profiles"),
        ("runtime: {image: x}\ngpu: {profiles: {l4: {resource: x/y}}}", "gpu.profiles.l4.resource"),
        ("runtime: {image: x}\ngateway: {serviceAccount: gateway}", "gateway.serviceAccount"),
        ("runtime: {image: x}\nprometheus: {address: 'prom:9090'}", "prometheus.address"),
        ("runtime: {image: x}\nhuggingFace: {endpoint: hub}", "huggingFace.endpoint"),
        ("runtime: {image: x}\nhuggingFace: {endpoint: 'http://hub:0'}", "no usable port"),
        ("runtime: {image: x}\ns3: {endpoint: minio}", "s3.endpoint"),
        ("runtime: {image: x}\ns3: {region: EU}", "'EU' is no region"),
        ("runtime: {image: x}\nhuggingFace: {endpoint: 'http://u:p@hub'}", "huggingFace.endpoint"),
        ("runtime: {image: x}\nnetworkPolicy: {clients: [{pods: {}}]}", "clients.0.pods"),
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
