"""Models are scaled by what their pods really use and do: by the operator, and by autoscalers."""

import json
import threading

import httpx
import pytest

from modelyard_local import metrics_server, services
from tests.support.kubectl import MDL
from tests.support.waiting import wait_for

AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "minilm"},
    "spec": {
        "scaleTargetRef": {
            "apiVersion": "modelyard.dev/v1alpha1",
            "kind": "ModelDeployment",
            "name": "minilm",
        },
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 100},
                },
            }
        ],
    },
}
#: The pod's request is a tenth of a core, so that one client is far above the target even where it
#: rests, and leaves something of the processors to the pod that is to come.
REST_SECONDS = 0.1
SECONDS = 180


@pytest.fixture
def measured(installed):
    """The cluster, with its pods' use measured."""
    metrics_server.start(installed.name)
    return installed


class Load:
    """Clients that ask for embeddings, one after the other, until they are told to stop.

    Each rests for so many seconds before it asks again.
    """

    def __init__(self, url, clients=1, rest=0.0):
        self._url, self._rest = url, rest
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.answers = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        body = {"model": "minilm", "input": ["A cat sits on the mat. " * 20] * 4}
        with httpx.Client(timeout=60) as client:
            while not self._stop.is_set():
                answer = client.post(f"{self._url}/v1/embeddings", json=body)
                self.answers.append(answer.status_code)
                self._stop.wait(self._rest)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("measured")
def test_a_horizontal_pod_autoscaler_scales_a_busy_model(namespace, model_images):
    namespace.apply("minilm", model_images["minilm"])
    namespace.wait_ready("minilm")
    revision = namespace.status("minilm")["revision"]["target"]
    namespace.kubectl("apply", "-f", "-", input=json.dumps(AUTOSCALER))

    def told():
        return namespace.describe("minilm") + namespace.kubectl("describe", "hpa", "minilm")

    with (
        services.route(namespace.cluster, namespace.name, "minilm") as url,
        Load(url, rest=REST_SECONDS) as load,
    ):
        wait_for(
            lambda: namespace.get(MDL, "minilm")["spec"]["scaling"]["replicas"] == 2,
            what="the autoscaler asks for two pods",
            seconds=SECONDS,
            told=told,
        )
        wait_for(
            lambda: namespace.status("minilm").get("readyReplicas") == 2,
            what="two pods serve",
            seconds=SECONDS,
            told=told,
        )
    assert set(load.answers) == {200}
    assert namespace.status("minilm")["revision"]["target"] == revision
    # A look at which no pod's use was known leaves the metrics out; the next has them again.
    wait_for(
        lambda: find_scaling(namespace) == (2, ["Resource"]),
        what="the autoscaler says what it went by",
        seconds=SECONDS,
        told=told,
    )


def find_scaling(namespace):
    """How many pods the autoscaler wants, and by what kinds of metrics."""
    status = namespace.get("hpa", "minilm")["status"]
    metrics = status.get("currentMetrics") or ()
    return status["desiredReplicas"], [each["type"] for each in metrics]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("measured")
def test_an_autoscaler_that_the_operator_makes_scales_a_busy_model(namespace, model_images):
    scaling = {"mode": "hpa", "max": 2, "target": {"cpu": 100}}
    namespace.apply("minilm", model_images["minilm"], scaling=scaling)
    namespace.wait_ready("minilm")

    def told():
        return namespace.describe("minilm") + namespace.kubectl("describe", "hpa", "minilm")

    with (
        services.route(namespace.cluster, namespace.name, "minilm") as url,
        Load(url, rest=REST_SECONDS) as load,
    ):
        wait_for(
            lambda: namespace.status("minilm").get("readyReplicas") == 2,
            what="two pods serve",
            seconds=SECONDS,
            told=told,
        )
    assert set(load.answers) == {200}
    assert namespace.get(MDL, "minilm")["spec"]["scaling"]["replicas"] == 1


@pytest.mark.timeout(600)
def test_the_operator_scales_a_model_by_its_requests_and_back(namespace, model_images):
    scaling = {"max": 2, "window": "10s", "scaleDownDelay": "0s", "target": {"inFlight": 2}}
    namespace.apply("minilm", model_images["minilm"], scaling=scaling)
    namespace.wait_ready("minilm")

    def wait_pods(count):
        wait_for(
            lambda: namespace.status("minilm").get("readyReplicas") == count,
            what=f"{count} pods serve",
            seconds=SECONDS,
            told=lambda: namespace.describe("minilm"),
        )

    with (
        services.route(namespace.cluster, namespace.name, "minilm") as url,
        Load(url, clients=8) as load,
    ):
        wait_pods(2)
    wait_pods(1)
    assert set(load.answers) == {200}
    assert "Scaled from 1 to 2: " in namespace.describe("minilm")
