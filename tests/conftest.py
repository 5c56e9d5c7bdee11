"""What holds for every test."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: Folders whose tests share a cluster, and so one of the workers of pytest-xdist.
CLUSTERS = {
    "e2e": "e2e",
    "integration/operator": "it",
    "integration/api": "it",
    "integration/weather": "weather",
}


def pytest_addoption(parser):
    parser.addoption(
        "--openai-spec",
        default=os.environ.get("MODELYARD_OPENAI_SPEC", ""),
        help="path of OpenAI's published openapi.yaml, against which answers are checked",
    )
    parser.addoption(
        "--podmonitor-crd",
        default=os.environ.get("MODELYARD_PODMONITOR_CRD", ""),
        help="path of the Prometheus operator's PodMonitor CRD, which the chart's must fit",
    )


def pytest_collection_modifyitems(items):
    """With several workers (make test has two), each cluster and each module stays with one."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = CLUSTERS.get(path.parent.as_posix(), path.as_posix())
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """With CI set nothing is skipped silently: what cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
