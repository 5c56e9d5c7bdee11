"""Autoscalers drive a model through /scale, by what its pods really use."""

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
#: The pod's request is a tenth of a core, so that one busy client is far above the target.
SECONDS = 180


@pytest.fixture
def measured(installed):
    """The cluster, with its pods' use measured."""
    metrics_server.start(installed.name)
    return installed


class Load:
    """A client that asks for embeddings, one after the other, until it is told to stop."""

    def __init__(self, url):
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        body = {"model": "minilm", "input": ["A cat sits on the mat. " * 20] * 4}
        with httpx.Client(timeout=60) as client:
            while not self._stop.is_set():
                answer = client.post(f"{self._url}/v1/embeddings", json=body)
                self.answers.append(answer.status_code)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("measured")
def test_a_horizontal_pod_autoscaler_scales_a_busy_model(namespace, model_images):
    namespace.apply("minilm", model_images["minilm"])
    namespace.wait_ready("minilm")
    revision = namespace.status("minilm")["revision"]
    namespace.kubectl("apply", "-f", "-", input=json.dumps(AUTOSCALER))

    def told():
        return namespace.describe("minilm") + namespace.kubectl("describe", "hpa", "minilm")

    with (
        services.route(namespace.cluster, namespace.name, "minilm") as url,
        Load(url) as load,
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
    assert namespace.status("minilm")["revision"] == revision
    autoscaler = namespace.get("hpa", "minilm")["status"]
    assert (autoscaler["desiredReplicas"], autoscaler["currentMetrics"][0]["type"]) == (
        2,
        "Resource",
    )
