"""The operator on a real control plane; kwok plays the nodes and pods."""

import json
import uuid
from pathlib import Path

import pytest
import yaml

from tests.support.kubectl import Namespace, build_kwok_node
from tests.support.operator_process import OperatorProcess

CHART = Path(__file__).parents[3] / "charts" / "modelyard"


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
    name = f"operator-{uuid.uuid4().hex[:6]}"
    rights = control_plane.helm(
        *("template", name, str(CHART), "--namespace", name),
        *("--show-only", "templates/operator/rbac.yaml"),
        *("--show-only", "templates/operator/serviceaccount.yaml"),
    )
    control_plane.kubectl("create", "namespace", name)
    control_plane.kubectl("apply", "-f", "-", input=rights)
    account = f"{name}-modelyard-operator"
    token = control_plane.kubectl("create", "token", account, "-n", name, "--duration=4h").strip()
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = tmp_path_factory.mktemp("login") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    yield path
    control_plane.kubectl("delete", "-f", "-", input=rights)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


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
