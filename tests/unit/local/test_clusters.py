"""What a cluster's handle waits for."""

import json
from pathlib import Path

import pytest

from modelyard_local import clusters
from modelyard_local.errors import WaitTimedOut


class Cluster(clusters.Cluster):
    """A cluster whose kubectl gives one answer after the other to `get`, the last for good."""

    def answering(self, *conditions):
        self.asked, self.answers = [], list(conditions)
        return self

    def kubectl(self, *arguments, input=None, check=True):  # noqa: A002 - as in the original
        self.asked.append((arguments[0], input))
        if arguments[0] != "get":
            return ""
        conditions = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return json.dumps({"status": {"conditions": conditions}})

    __setattr__ = object.__setattr__


@pytest.fixture
def cluster():
    return Cluster("test", Path("kubeconfig"), Path("bin"), "https://192.0.2.1", None, "", "")


def condition(kind, status="True"):
    return {"type": kind, "status": status}


def test_a_definition_is_waited_for_from_the_moment_that_it_has_no_conditions(cluster):
    names = [condition("NamesAccepted")]
    not_yet = [*names, condition("Established", "False")]
    cluster.answering(None, names, not_yet, [*names, condition("Established")])
    cluster.define("kind: CustomResourceDefinition", report=print)
    assert [verb for verb, _ in cluster.asked] == ["apply", *["get"] * 4]
    assert {text for _, text in cluster.asked} == {"kind: CustomResourceDefinition"}


def test_a_definition_that_is_never_established_is_told(cluster, monkeypatch):
    monkeypatch.setattr(clusters, "_DEFINITION_SECONDS", 0.0)
    cluster.answering([condition("NamesAccepted", "False")])
    with pytest.raises(WaitTimedOut, match="the definition is established: not so after 0 s"):
        cluster.define("kind: CustomResourceDefinition", report=print)
