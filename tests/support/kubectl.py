"""Objects in a namespace of a real cluster: written by kubectl, and read."""

import time

import yaml

from tests.support.api_reader import ApiReader
from tests.support.objects import URI
from tests.support.waiting import wait_for

MDL = "modeldeployments.modelyard.dev"
#: Longer than the pace of status writes that only count.
QUIET_SECONDS = 4


class Namespace:
    """What tests do in one namespace."""

    def __init__(self, cluster, name, told=lambda: ""):
        self.cluster, self.name, self._told = cluster, name, told
        self._reader = ApiReader(cluster.kubeconfig)

    def kubectl(self, *args, **options):
        return self.cluster.kubectl("-n", self.name, *args, **options)

    def apply(self, name="qwen", uri=URI, **spec):
        """Apply a ModelDeployment."""
        self.apply_all([build_manifest(name, uri, **spec)])

    def apply_all(self, manifests):
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(manifests))

    def get(self, kind, name="qwen"):
        """The object, or None."""
        return self._reader.get(kind, self.name, name)

    def list(self, kind):
        return self._reader.list(kind, self.name)

    def status(self, name="qwen"):
        return (self.get(MDL, name) or {}).get("status", {})

    def condition(self, kind, name="qwen"):
        """Status and reason of a condition that speaks of the present spec."""
        body = self.get(MDL, name)
        for found in body.get("status", {}).get("conditions", []):
            if (
                found["type"] == kind
                and found["observedGeneration"] == (body["metadata"]["generation"])
            ):
                return found["status"], found["reason"]
        return None

    def versions(self):
        """Resource versions of all objects that the operator writes."""
        kinds = ("deployments", "services", "networkpolicies", MDL)
        return {
            (kind, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
            for kind in kinds
            for item in self.list(kind)
        }

    def wait(self, look, what, seconds=60):
        return wait_for(look, what=what, seconds=seconds, told=self._explain)

    def wait_condition(self, kind, status, reason, name="qwen", seconds=60):
        self.wait(
            lambda: self.condition(kind, name) == (status, reason),
            f"{name}: {kind}={status}/{reason}",
            seconds,
        )

    def wait_ready(self, name="qwen", seconds=60):
        self.wait_condition("Ready", "True", "Serving", name, seconds)

    def wait_good(self, name="qwen"):
        """Wait until the serving revision is noted as good, a write after Ready; returns it."""
        self.wait(
            lambda: self._is_good(self.status(name).get("revision", {})),
            f"{name}: the revision is noted as good",
        )
        return self.status(name)["revision"]

    def wait_settled(self):
        """Wait until all that serves has been noted by all who note it; returns the versions.

        Several writes come after Ready: the note that the revision is good, the Deployment
        controller's that it has seen that, and counts.
        """

        def look():
            before = self.versions()
            if not self._is_noted():
                return None
            time.sleep(QUIET_SECONDS)
            return before if self.versions() == before else None

        return self.wait(look, "all is noted", 120)

    def _is_noted(self):
        return all(
            self._is_good(item.get("status", {}).get("revision", {})) for item in self.list(MDL)
        ) and all(
            item["status"].get("observedGeneration") == item["metadata"]["generation"]
            for item in self.list("deployments")
        )

    @staticmethod
    def _is_good(revision):
        return revision.get("lastGood") == revision.get("target", "")

    def _explain(self):
        return self.kubectl("get", f"{MDL},deployments,pods", "-o", "wide") + self._told()


def build_manifest(name="qwen", uri=URI, **spec):
    return {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": {"uri": uri}, **spec},
    }


def build_kwok_node(name, **capacity):
    """A node that kwok plays."""
    resources = {"cpu": "1k", "memory": "4Ti", "pods": "10k", **capacity}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "status": {"allocatable": resources, "capacity": resources},
    }
