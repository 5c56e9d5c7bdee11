"""API groups that autoscalers need, on a control plane that has none of their programs."""

import json
from contextlib import contextmanager

from modelyard_local import modules


@contextmanager
def keda_objects(cluster):
    """KEDA's own CRD of ScaledObjects."""
    path = modules.ensure(modules.KEDA) / "keda.sh_scaledobjects.yaml"
    with _definition(cluster, path.read_text()):
        yield


@contextmanager
def metrics_of_pods(cluster):
    """The group that a metrics adapter serves; nobody answers for its values."""
    group, plural = "custom.metrics.k8s.io", "metricvalues"
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": "metricvalue", "kind": "MetricValue"},
            "versions": [
                {
                    "name": "v1beta2",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    with _definition(cluster, json.dumps(body)):
        yield


@contextmanager
def _definition(cluster, text):
    cluster.define(text)
    yield
    cluster.kubectl("delete", "-f", "-", input=text)
