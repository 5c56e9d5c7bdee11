"""One real control plane (API server, controllers, scheduler, kwok) for all integration tests."""

import os
import uuid
from pathlib import Path

import pytest

from modelyard_local import clusters
from modelyard_local.control_plane_config import Options

CRD = Path(__file__).parents[2] / "crds" / "modeldeployment.yaml"


@pytest.fixture(scope="session")
def control_plane():
    """A cluster without a real node, with the CRD. MODELYARD_KEEP=1 leaves it up."""
    name = os.environ.get("MODELYARD_TEST_CONTROL_PLANE", "it")
    # Who has written what is read from the audit log.
    cluster = clusters.up(name, node=False, options=Options(audit=True))
    cluster.define(CRD.read_text())
    yield cluster
    if not os.environ.get("MODELYARD_KEEP"):
        clusters.down(name, purge=True)


@pytest.fixture
def namespace(control_plane):
    """The name of a namespace of the test's own; removed afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
