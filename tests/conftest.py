"""What holds for every test."""

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("modelyard", deadline=None)
hypothesis.settings.load_profile("modelyard")


def pytest_addoption(parser):
    parser.addoption(
        "--openai-spec",
        default=os.environ.get("MODELYARD_OPENAI_SPEC", ""),
        help="path of OpenAI's published openapi.yaml, against which answers are checked",
    )
    parser.addoption(
        "--oip-spec",
        default=os.environ.get("MODELYARD_OIP_SPEC", ""),
        help="path of the published open_inference_rest.yaml, against which answers are checked",
    )
    parser.addoption(
        "--podmonitor-crd",
        default=os.environ.get("MODELYARD_PODMONITOR_CRD", ""),
        help="path of the Prometheus operator's PodMonitor CRD, which the chart's must fit",
    )


#: Tests that share a cluster, and so a worker where several run side by side (pytest-xdist).
_CLUSTERS = {
    "e2e": "real-node",
    "integration/api": "control-plane",
    "integration/operator": "control-plane",
    "integration/weather": "weather",
}


# Before xdist's own, which looks for the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        folder = item.path.parent.relative_to(here).as_posix()
        if folder in _CLUSTERS:
            item.add_marker(pytest.mark.xdist_group(_CLUSTERS[folder]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """With CI set nothing is skipped silently: what cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
