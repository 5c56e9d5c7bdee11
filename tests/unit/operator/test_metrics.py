"""The operator's metrics: what is counted, and what is there before anything happens."""

import re
from pathlib import Path

import pytest
import yaml

from modelyard_api.meta import Metric, Phase
from modelyard_kube.transport import Call
from modelyard_operator import __version__
from modelyard_operator.metrics import Metrics, Outcome

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "modelyard"
PREFIX = "modelyard_operator_"


def read(metrics, name, **labels):
    return metrics.registry.get_sample_value(PREFIX + name, labels)


@pytest.mark.parametrize("outcome", Outcome)
def test_outcomes_are_there_before_the_first(outcome):
    """A rate does not see a counter's first step from nothing to one."""
    assert read(Metrics(), "reconciles_total", outcome=outcome) == 0


@pytest.mark.parametrize(("status", "code"), [(200, "200"), (503, "503"), (0, "none")])
def test_requests_are_counted_by_what_they_are_and_their_answer(status, code):
    metrics = Metrics()
    metrics.observe_call(Call("patch", "modeldeployments/status"), status, 0.2)
    labels = {"verb": "patch", "resource": "modeldeployments/status", "code": code}
    assert read(metrics, "api_requests_total", **labels) == 1
    assert read(metrics, "api_request_seconds_sum", verb="patch") == 0.2


def test_models_are_counted_by_phase_and_phases_without_any_are_zero():
    metrics = Metrics()
    metrics.set_phases(["Ready", "Failed", "Ready"])
    metrics.set_phases(["Ready"])
    counted = {phase: read(metrics, "modeldeployments_by_phase", phase=phase) for phase in Phase}
    assert counted == {phase: float(phase == Phase.READY) for phase in Phase}


def test_the_process_and_its_version_are_told():
    metrics = Metrics()
    assert read(metrics, "build_info", version=__version__) == 1
    assert metrics.registry.get_sample_value("process_start_time_seconds") > 0


def test_alerts_and_code_use_the_same_names():
    """A misspelt name in an alert is no error in Prometheus: it never fires."""
    declared = {family.name for family in Metrics().registry.collect()}
    declared |= {family.removesuffix("_total") for family in Metric}
    text = (CHART / "files" / "alerts.yaml").read_text()
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    used = {
        name for rule in rules for name in re.findall(r"\b\w+_\w+\b(?=[\[{ )]|$)", rule["expr"])
    }
    names = {
        name.removesuffix("_total") for name in used if name.startswith(("modelyard", "process"))
    }
    assert len(names) > 10
    assert names <= declared
