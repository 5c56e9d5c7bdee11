"""The chart's PodMonitors, taken by a real API server that has the Prometheus operator's CRD.

The CRD's path: `--podmonitor-crd PATH`, or MODELYARD_PODMONITOR_CRD.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "modelyard"
VALUES = ROOT / "tests" / "chart" / "values-everything.yaml"


@pytest.fixture
def has_podmonitors(control_plane, request):
    path = request.config.getoption("--podmonitor-crd")
    if not path:
        pytest.skip("the path of the PodMonitor CRD is not given (--podmonitor-crd)")
    control_plane.define(Path(path).read_text())
    yield
    control_plane.kubectl("delete", "-f", path)


@pytest.mark.usefixtures("has_podmonitors")
@pytest.mark.parametrize(
    "values",
    [("--set", "monitoring.podMonitor.enabled=true"), ("--values", str(VALUES))],
    ids=["nothing but enabled", "with every value"],
)
def test_the_podmonitors_are_taken(control_plane, namespace, values):
    rendered = control_plane.helm(
        *("template", "modelyard", str(CHART), "--namespace", namespace, *values),
        *("--show-only", "templates/monitoring/podmonitor.yaml"),
    )
    told = control_plane.kubectl("apply", "--validate=strict", "-f", "-", input=rendered)
    assert sorted(told.splitlines()) == [
        "podmonitor.monitoring.coreos.com/modelyard-models created",
        "podmonitor.monitoring.coreos.com/modelyard-operator created",
    ]
