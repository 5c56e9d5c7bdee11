"""What a person does first: the demo; and what an administrator does with the chart."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from examples import demo
from modelyard_local import services
from tests.e2e.conftest import new_namespace
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
CHILDREN = ("deployments", "services", "replicasets", "pods")


@pytest.mark.timeout(1800)
def test_the_demo_brings_three_models_that_answer(installed):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "demo.py", "--cluster", installed.name],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        answers = done.stdout.partition("a question to each")[2]
        assert "Paris" in answers
        assert "384 dimensions each, cosine 0." in answers
        assert "{'label': 'positive', 'score': 0." in answers
        assert "kubectl get mdl" in answers
    finally:
        installed.kubectl("delete", "namespace", demo.NAMESPACE, "--timeout=300s")


@pytest.fixture(scope="module")
def served(installed, model_images):
    """A namespace with two models that serve, to be looked at and asked."""
    with new_namespace(installed) as namespace:
        namespace.apply("minilm", model_images["minilm"], resources={"memory": "2Gi"})
        namespace.apply("sentiment", model_images["sentiment"])
        namespace.wait_ready("minilm")
        namespace.wait_ready("sentiment")
        yield namespace


def test_the_table_of_kubectl_get_tells_what_people_ask(served, model_images):
    heading, row, _ = served.kubectl("get", "mdl").splitlines()
    assert heading.split() == [
        *("NAME", "READY", "PHASE", "MODEL", "REPLICAS", "DEVICE", "URL", "REASON", "AGE"),
    ]
    assert row.split()[:8] == [
        "minilm",
        "True",
        "Ready",
        f"oci://{model_images['minilm']}",
        "1",
        "cpu",
        f"http://minilm.{served.name}.svc",
        "Serving",
    ]


def test_a_ready_model_tells_what_it_is_and_how_long_it_took(served):
    status = served.status("minilm")
    assert status["task"] == "embeddings"
    assert status["modelName"] == "minilm"
    assert status["model"] == {
        "format": "transformers",
        "parameters": 22713216,
        "sizeBytes": status["model"]["sizeBytes"],
    }
    assert status["model"]["sizeBytes"] >= 4 * 22713216
    assert status["device"] == {"requested": "cpu", "actual": "cpu", "dtype": "float32"}
    assert set(status["startup"]) >= {"scheduled", "load", "warmup", "total"}
    assert status["revision"]["current"] == status["revision"]["target"]
    assert "failure" not in status


@pytest.mark.parametrize("reach", [services.route, services.forward])
def test_a_model_is_reached_from_this_machine(served, reach):
    with reach(served.cluster, served.name, "sentiment") as url:
        answer = httpx.post(f"{url}/predict", json={"text": "I love it."}, timeout=30)
    assert (answer.status_code, answer.json()["label"]) == (200, "positive")


def test_deleting_while_the_operator_is_stopped_leaves_no_children(namespace, model_images):
    """Deletion needs no operator: owner references collect the children."""
    namespace.apply("minilm", model_images["minilm"])
    namespace.wait_ready("minilm")
    operator = ("-n", demo.SYSTEM_NAMESPACE, "deployment/modelyard-operator")
    namespace.cluster.kubectl("scale", "--replicas=0", *operator)
    try:
        namespace.cluster.kubectl(
            *("wait", "-n", demo.SYSTEM_NAMESPACE, "--for=delete", "pod", "--timeout=180s"),
            *("-l", "app.kubernetes.io/name=modelyard-operator"),
        )
        namespace.kubectl("delete", "mdl", "minilm", "--timeout=60s")
        wait_for(
            lambda: not any(namespace.list(kind) for kind in CHILDREN),
            what="no children left",
            seconds=180,
        )
    finally:
        namespace.cluster.kubectl("scale", "--replicas=2", *operator)
        namespace.cluster.kubectl("rollout", "status", *operator, "--timeout=180s")


@pytest.mark.timeout(900)
def test_uninstalling_the_chart_keeps_the_models_and_installing_it_again_restarts_none(
    namespace, model_images
):
    namespace.apply("minilm", model_images["minilm"])
    namespace.wait_ready("minilm")
    cluster = namespace.cluster
    values = cluster.helm("get", "values", "modelyard", "-n", demo.SYSTEM_NAMESPACE)
    pods = {p["metadata"]["uid"] for p in namespace.list("pods")}
    cluster.helm("uninstall", "modelyard", "-n", demo.SYSTEM_NAMESPACE, "--wait")
    try:
        assert namespace.kubectl("get", "mdl", "minilm", "-o", "name").strip()
        with services.service_url(cluster, namespace.name, "minilm") as url:
            demo.ask_embeddings(url)
    finally:
        cluster.helm(
            *("install", "modelyard", str(ROOT / "charts" / "modelyard")),
            *("-n", demo.SYSTEM_NAMESPACE, "--values", "-", "--wait", "--timeout", "5m"),
            input=values.partition("\n")[2],
        )
    namespace.apply("second", model_images["minilm"])
    namespace.wait_ready("second")
    assert pods == {
        p["metadata"]["uid"] for p in namespace.list("pods", labels="modelyard.dev/model=minilm")
    }
