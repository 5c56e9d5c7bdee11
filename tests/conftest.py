"""What holds for every test."""

import os

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# As the runtime sets it for a process of its own: threads of torch that wait for each other do not
# spin on cores that other tests need. It is read when torch is imported, which modules do.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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


#: Tests that share a cluster or models, and so a worker where several run side by side: the first
#: that fits. What takes longest begins first, since others fill the time beside it.
_TOGETHER = {
    "tests/e2e/test_local_down.py": "another real node",
    "tests/e2e/": "real node",
    "tests/integration/api/": "control plane",
    "tests/integration/operator/": "control plane",
    "tests/integration/runtime/": "models",
    "tests/integration/weather/": "weather",
    "tests/integration/server/": None,
    "tests/integration/": None,
}


def find_rank(item):
    """The place of a test in the order of the folders above; all others come last."""
    folders = enumerate(_TOGETHER)
    return next((at for at, name in folders if item.nodeid.startswith(name)), len(_TOGETHER))


def pytest_collection_modifyitems(items):
    items.sort(key=find_rank)


class ByFixtures(LoadScopeScheduling):
    """Keeps together what shares costly fixtures, and the tests of a module."""

    def _split_scope(self, nodeid):
        module = nodeid.partition("::")[0]
        together = (group for folder, group in _TOGETHER.items() if module.startswith(folder))
        return next(together, None) or module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByFixtures(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """With CI set nothing is skipped silently: what cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
