"""What a cluster's handle waits for."""

import json
from pathlib import Path

import pytest

from modelyard_local import clusters
from modelyard_local.errors import WaitTimedOut


class Cluster(clusters.Cluster):
    """A cluster whose kubectl shows one body after the other, the last for good."""

    def answering(self, *bodies):
        self.asked, self.answers = [], [{"items": [body]} for body in bodies]

    def kubectl(self, *arguments, input=None, check=True):  # noqa: A002 - as in the original
        self.asked.append((arguments[0], input))
        if arguments[0] != "get":
            return ""
        return json.dumps(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    __setattr__ = object.__setattr__


@pytest.fixture
def cluster():
    return Cluster("test", Path("kubeconfig"), Path("bin"), "https://192.0.2.1", None, "", "")


def status(conditions):
    return {"status": {"conditions": conditions}}


NAMES = {"type": "NamesAccepted", "status": "True"}
NOT_YET = {"type": "Established", "status": "False"}
ESTABLISHED = {"type": "Established", "status": "True"}


def test_a_definition_is_waited_for_from_the_moment_that_it_has_no_status(cluster):
    cluster.answering(
        {}, status(None), status([NAMES]), status([NAMES, NOT_YET]), status([NAMES, ESTABLISHED])
    )
    cluster.define("kind: CustomResourceDefinition", report=print)
    assert [verb for verb, _ in cluster.asked] == ["apply", *["get"] * 5]
    assert {text for _, text in cluster.asked} == {"kind: CustomResourceDefinition"}


def test_a_definition_that_is_never_established_is_told(cluster, monkeypatch):
    monkeypatch.setattr(clusters, "_DEFINITION_SECONDS", 0.0)
    cluster.answering(status([NAMES]))
    with pytest.raises(WaitTimedOut, match="the definitions are established: not so after 0 s"):
        cluster.define("kind: CustomResourceDefinition", report=print)
