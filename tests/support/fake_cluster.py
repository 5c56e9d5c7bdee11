"""A Cluster in memory: what the reconciler writes stays, and a rollout can be played.

It counts writes, can fail before or after any of them, and keeps generations and field ownership
closely enough for the rules of `applying.py`.
"""

import copy
import itertools

from modelyard_kube.errors import ClusterError
from modelyard_operator.projection import project_child
from modelyard_operator.records import Key
from modelyard_operator.status import dump_status


class Killed(Exception):
    """The process died here."""


class FakeCluster:
    """Objects by kind and key; caches are always up to date unless `cached` is emptied."""

    def __init__(self, *models):
        self.models = {}
        self.children = {}
        self.hidden = set()
        self.pods = {}
        self.writes = []
        self.notices = []
        self.kill_after = None
        self.kill_before = None
        self.refuse = {}
        self.groups = {"metrics.k8s.io", "custom.metrics.k8s.io", "keda.sh"}
        self._versions = itertools.count(1)
        for body in models:
            self.put_model(body)

    # The protocol

    async def get_model(self, key):
        return copy.deepcopy(self.models.get(key))

    def find_child(self, kind, key):
        body = self.children.get((kind, key))
        return project_child(kind, body) if body and (kind, key) not in self.hidden else None

    def find_pods(self, key):
        return tuple(self.pods.get(key, ()))

    async def read_child(self, kind, key):
        body = self.children.get((kind, key))
        return project_child(kind, body) if body else None

    async def apply_child(self, kind, body, *, force):
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if kind in self.refuse:
            raise self.refuse[kind]
        live = self.children.get((kind, key))
        wanted_uid = metadata.get("uid")
        if wanted_uid is not None and (live is None or live["metadata"]["uid"] != wanted_uid):
            raise ClusterError("uid mismatch", status=409)
        if live is not None and not force and live["spec"] != body["spec"]:
            raise ClusterError("conflict", status=409)
        with self._writing(kind):
            self.children[kind, key] = self._merge(kind, live, body)
            self.hidden.discard((kind, key))
        return self.find_child(kind, key)

    async def delete_child(self, live):
        with self._writing(live.kind):
            self.children.pop((live.kind, Key(live.namespace, live.name)), None)

    async def has_group(self, group):
        return group in self.groups

    async def read_replicas(self, key):
        body = self.children.get(("Deployment", key))
        return body["spec"]["replicas"] if body else None

    async def write_scale(self, live, replicas):
        if "Scale" in self.refuse:
            raise self.refuse["Scale"]
        body = self.children[live.kind, Key(live.namespace, live.name)]
        if body["metadata"]["uid"] != live.uid:
            raise ClusterError("uid mismatch", status=409)
        with self._writing("Scale"):
            self._scale(body, replicas, "modelyard-scale", "Apply")

    def drop_child(self, kind, key):
        self.hidden.add((kind, key))

    async def write_status(self, metadata, status):
        key = Key(metadata.namespace, metadata.name)
        live = self.models.get(key)
        if live is None or live["metadata"]["uid"] != metadata.uid:
            raise ClusterError("uid mismatch", status=409)
        with self._writing("Status"):
            live["status"] = dump_status(status)

    def emit(self, metadata, notice):
        self.notices.append((metadata.name, notice.type, notice.reason))

    # What others do

    def put_model(self, body):
        self.models[Key(body["metadata"]["namespace"], body["metadata"]["name"])] = body

    def put_child(self, kind, key, *, owner_uid=None, owner_name="", spec=None):
        """A child made by somebody else."""
        owners = []
        if owner_uid:
            owner_kind = "ModelDeployment" if owner_name else "Other"
            owners = [
                {"kind": owner_kind, "name": owner_name, "uid": owner_uid, "controller": True}
            ]
        self.children[kind, key] = {
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": f"foreign-{kind}",
                "resourceVersion": str(next(self._versions)),
                "generation": 1,
                "ownerReferences": owners,
                "managedFields": [_claim("kubectl", "Update", spec or {})],
            },
            "spec": spec or {},
        }
        self.hidden.add((kind, key))

    def edit_child(self, kind, key, change):
        """Somebody edits a child's spec."""
        body = self.children[kind, key]
        change(body["spec"])
        body["metadata"]["generation"] += 1
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        body["metadata"]["managedFields"].append(_claim("kubectl-edit", "Update", {}))

    def scale_child(self, key, replicas):
        """Somebody else scales the Deployment."""
        body = self.children["Deployment", key]
        self._scale(body, replicas, "kube-controller-manager", "Update")

    def finish_rollout(self, key):
        """The Deployment's controller brings up all pods of the live template."""
        body = self.children["Deployment", key]
        count = body["spec"]["replicas"]
        body["status"] = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": count,
        }

    # Inside

    def _scale(self, body, replicas, manager, operation):
        if body["spec"].get("replicas", 1) != replicas:
            body["metadata"]["generation"] += 1
            for claim in body["metadata"]["managedFields"]:
                claim["fieldsV1"].get("f:spec", {}).pop("f:replicas", None)
        body["spec"]["replicas"] = replicas
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        others = [c for c in body["metadata"]["managedFields"] if c.get("subresource") != "scale"]
        claim = {**_claim(manager, operation, {"replicas": 1}), "subresource": "scale"}
        body["metadata"]["managedFields"] = [*others, claim]

    def _keep_replicas(self, live, merged):
        """What nobody applies any more falls back to its default, unless another owns it."""
        claims = live["metadata"]["managedFields"] if live else []
        kept = [claim for claim in claims if claim.get("subresource") == "scale"]
        owners = {c["manager"] for c in claims if "f:replicas" in c["fieldsV1"].get("f:spec", {})}
        is_dropped = owners == {"modelyard"} or live is None
        merged["spec"]["replicas"] = 1 if is_dropped else live["spec"]["replicas"]
        return kept

    def _merge(self, kind, live, body):
        merged = copy.deepcopy(body)
        kept = []
        if kind == "Deployment" and "replicas" not in body["spec"]:
            kept = self._keep_replicas(live, merged)
        metadata = merged["metadata"]
        before = live["metadata"] if live else {"generation": 0}
        metadata["uid"] = before.get("uid", f"uid-{kind}-{next(self._versions)}")
        is_same = live is not None and live["spec"] == merged["spec"]
        metadata["generation"] = before["generation"] + (0 if is_same else 1)
        metadata["resourceVersion"] = str(next(self._versions))
        metadata["managedFields"] = [_claim("modelyard", "Apply", body["spec"]), *kept]
        merged["status"] = copy.deepcopy(live.get("status", {})) if live else {}
        return merged

    def _writing(self, kind):
        return _Write(self, kind)


class _Write:
    """One write, at which the process may die just before or just after."""

    def __init__(self, cluster, kind):
        self.cluster, self.kind = cluster, kind

    def __enter__(self):
        if self.cluster.kill_before == len(self.cluster.writes):
            raise Killed(self.kind)
        self.cluster.writes.append(self.kind)

    def __exit__(self, *exc):
        if self.cluster.kill_after == len(self.cluster.writes):
            raise Killed(self.kind)


def _claim(manager, operation, spec):
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": {"f:spec": {f"f:{k}": {} for k in spec}},
    }


class FakeSources:
    """Answers of the hub that a test puts in, and the questions that were asked."""

    def __init__(self):
        self.answers = {}
        self.wanted = []

    def find(self, source):
        return self.answers.get((source.repository, source.revision))

    def want(self, key, source):
        self.wanted.append((key, source.repository, source.revision))
        return 5.0


class FakeReports:
    """Reports that a test puts in, and the pods that were asked for."""

    def __init__(self):
        self.reports = {}
        self.wanted = []

    def find(self, pods):
        return {pod.uid: self.reports[pod.uid] for pod in pods if pod.uid in self.reports}

    def want(self, key, pod):
        self.wanted.append((key, pod.name))

    def forget(self, uid):
        self.reports.pop(uid, None)
