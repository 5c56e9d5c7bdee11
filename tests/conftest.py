"""What holds for every test."""

import os

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
        "--podmonitor-crd",
        default=os.environ.get("MODELYARD_PODMONITOR_CRD", ""),
        help="path of the Prometheus operator's PodMonitor CRD, which the chart's must fit",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """With CI set nothing is skipped silently: what cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
