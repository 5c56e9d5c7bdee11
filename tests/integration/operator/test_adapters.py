"""LoRA adapters on a real API server, with real controllers."""

import json

SQL = {"name": "sql", "uri": "s3://adapters/sql", "secretRef": {"name": "keys"}}
POEMS = {"name": "poems", "uri": "oci://registry.example.com/adapters/poems:1"}
URI = "oci://registry.example.com/models/qwen:2.5"


def read_template(team):
    """Adapters as the runtime is told of them, and the names of downloads and volumes."""
    pod = team.get("Deployment")["spec"]["template"]["spec"]
    config = json.loads(pod["containers"][0]["env"][0]["value"])
    return (
        {adapter["name"]: adapter["path"] for adapter in config.get("adapters", ())},
        [container["name"] for container in pod.get("initContainers", ())],
        sorted(volume["name"] for volume in pod["volumes"]),
    )


def test_an_adapter_that_changes_rolls_out_as_a_revision(team):
    team.apply(model={"uri": URI, "adapters": [SQL, POEMS]})
    team.wait_ready()
    first = team.status()["revision"]["current"]
    assert read_template(team) == (
        {"poems": "/adapters/0", "sql": "/adapters/1"},
        ["fetch-adapter-1"],
        ["adapter-0", "adapter-1", "adapter-1-secret", "model", "tmp"],
    )
    # Their order means nothing.
    team.apply(model={"uri": URI, "adapters": [POEMS, SQL]})
    team.wait_ready()
    assert team.status()["revision"]["current"] == first
    team.apply(model={"uri": URI, "adapters": [SQL | {"uri": "s3://adapters/sql-2"}, POEMS]})
    team.wait_ready()
    second = team.status()["revision"]["current"]
    assert second != first
    team.apply(model={"uri": URI})
    team.wait_ready()
    assert team.status()["revision"]["current"] not in {first, second}
    assert read_template(team) == ({}, [], ["model", "tmp"])


def test_an_adapter_that_is_named_as_the_object_is_invalid(team):
    """The schema's rules see spec.model.name only; its default is the object's name."""
    team.apply(model={"uri": URI, "adapters": [{"name": "qwen", "uri": "s3://adapters/sql"}]})
    team.wait_condition("Accepted", "False", "Invalid")
