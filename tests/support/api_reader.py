"""Objects as `kubectl get -o json` shows them, without a program per question.

A test that waits asks several times a second, and each kubectl takes a tenth of a second of a
processor, which the cluster and its pods have better use for.
"""

import base64
import http
import json
import ssl
import tempfile
from http.client import HTTPSConnection
from urllib.parse import quote, urlencode, urlsplit

import yaml

#: Where the kinds that tests ask for are served.
_GROUPS = {
    "api/v1": ("pods", "services", "events", "namespaces", "nodes", "secrets"),
    "apis/apps/v1": ("deployments", "replicasets"),
    "apis/autoscaling/v2": ("horizontalpodautoscalers",),
    "apis/coordination.k8s.io/v1": ("leases",),
    "apis/discovery.k8s.io/v1": ("endpointslices",),
    "apis/keda.sh/v1alpha1": ("scaledobjects",),
    "apis/modelyard.dev/v1alpha1": ("modeldeployments",),
    "apis/networking.k8s.io/v1": ("networkpolicies",),
    "apis/policy/v1": ("poddisruptionbudgets",),
}
_GROUP_OF = {plural: group for group, plurals in _GROUPS.items() for plural in plurals}
_NAMES = {
    "hpa": "horizontalpodautoscalers",
    "modeldeployments.modelyard.dev": "modeldeployments",
    "networkpolicy": "networkpolicies",
}
_OF_THE_CLUSTER = ("namespaces", "nodes")


class ApiReader:
    """Reads from the API server that a kubeconfig names, as its user."""

    def __init__(self, kubeconfig):
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._address = urlsplit(cluster["server"]).netloc
        authority = decode(cluster["certificate-authority-data"])
        self._trust = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile("w") as pair:
            pair.write(
                decode(user["client-certificate-data"]) + "\n" + decode(user["client-key-data"])
            )
            pair.flush()
            self._trust.load_cert_chain(pair.name)

    def get(self, kind, namespace, name):
        """The object, or None."""
        return self._ask(f"{find_path(kind, namespace)}/{quote(name)}")

    def list(self, kind, namespace, *, labels="", fields=""):
        """Objects that selectors of labels and fields choose."""
        selectors = urlencode({"labelSelector": labels, "fieldSelector": fields})
        path = find_path(kind, namespace)
        found = self._ask(f"{path}?{selectors}")
        if found is None:
            raise AssertionError(f"the API server serves no {path}")
        # A list says of what its items are, and they do not repeat it.
        names = {"kind": found["kind"].removesuffix("List"), "apiVersion": found["apiVersion"]}
        return [{**names, **_without_managers(item)} for item in found["items"]]

    def _ask(self, path):
        connection = HTTPSConnection(self._address, context=self._trust, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if answer.status != http.HTTPStatus.OK:
            raise AssertionError(f"GET {path} was answered {answer.status}: {text.decode()}")
        return _without_managers(json.loads(text))


def find_path(kind, namespace):
    """Where a kind is served, called in singular, in plural, or short."""
    kind = kind.lower()
    plural = next(name for name in (_NAMES.get(kind), kind, f"{kind}s") if name in _GROUP_OF)
    place = "" if plural in _OF_THE_CLUSTER else f"/namespaces/{namespace}"
    return f"/{_GROUP_OF[plural]}{place}/{plural}"


def decode(data):
    return base64.b64decode(data).decode()


def _without_managers(body):
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}
