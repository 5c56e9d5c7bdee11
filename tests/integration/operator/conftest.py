"""The operator on a real control plane; kwok plays the nodes and pods."""

import json
import uuid

import pytest
import yaml

from tests.support.kubectl import Namespace, build_kwok_node
from tests.support.operator_account import operator_account
from tests.support.operator_process import OperatorProcess


@pytest.fixture(scope="session")
def node(control_plane):
    """A node that kwok plays, without GPUs."""
    name = f"operator-{uuid.uuid4().hex[:6]}"
    control_plane.kubectl("apply", "-f", "-", input=json.dumps(build_kwok_node(name)))
    control_plane.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{name}")
    yield name
    control_plane.kubectl("delete", "node", name)


@pytest.fixture(scope="session")
def service_account(control_plane, tmp_path_factory):
    """A kubeconfig with the rights that the chart gives, so that no test passes with more."""
    with operator_account(control_plane) as account:
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        # As kubectl has it, the context names the namespace: the operator's lease lies in it.
        for context in config["contexts"]:
            context["context"]["namespace"] = account.namespace
        config["users"] = [
            {"name": user["name"], "user": {"token": account.token}} for user in config["users"]
        ]
        path = tmp_path_factory.mktemp("login") / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        yield path


@pytest.fixture(scope="session")
def operator(service_account, node, tmp_path_factory):  # noqa: ARG001 - pods need the node
    """One operator for all tests. A test that stops it starts it again."""
    process = OperatorProcess(service_account, tmp_path_factory.mktemp("operator"))
    yield process.start()
    process.stop()


@pytest.fixture
def team(control_plane, operator, namespace):
    """A namespace of the test's own, in which the operator works."""
    if operator.process is None:
        operator.start()
    return Namespace(control_plane, namespace, operator.log)


@pytest.fixture
def make_team(control_plane, operator):
    """More namespaces; removed afterwards."""
    made = []

    def make():
        name = f"test-{uuid.uuid4().hex[:8]}"
        control_plane.kubectl("create", "namespace", name)
        made.append(name)
        return Namespace(control_plane, name, operator.log)

    yield make
    for name in made:
        control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
