"""The cluster as the reconciler sees it, and the same over modelyard_kube."""

from collections.abc import Mapping
from typing import Any, Protocol

from modelyard_api.meta import (
    API_VERSION,
    KIND,
    MANAGER,
    PLURAL,
    SCALE_MANAGER,
    STATUS_MANAGER,
)
from modelyard_api.v1alpha1 import Metadata, Status
from modelyard_kube.client import KubeClient
from modelyard_kube.events import EventRecorder, Notice, Subject
from modelyard_kube.reflector import Reflector
from modelyard_kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    SCALED_OBJECTS,
    SERVICES,
    Resource,
)
from modelyard_operator.metrics import Metrics
from modelyard_operator.projection import project_child
from modelyard_operator.records import ChildRecord, Key, PodRecord
from modelyard_operator.status import dump_status

Json = dict[str, Any]

MODELS = Resource(API_VERSION, KIND, PLURAL)

_RESOURCES: Mapping[str, Resource] = {
    resource.kind: resource
    for resource in (
        DEPLOYMENTS,
        SERVICES,
        NETWORK_POLICIES,
        POD_DISRUPTION_BUDGETS,
        HORIZONTAL_POD_AUTOSCALERS,
        SCALED_OBJECTS,
    )
}


class Cluster(Protocol):
    """Reads from caches (`find_*`) and requests (`async`). Requests fail with ClusterError."""

    async def get_model(self, key: Key) -> Json | None:
        """Return a ModelDeployment as it is now, None where there is none."""

    def find_child(self, kind: str, key: Key) -> ChildRecord | None:
        """Return a child that carries our labels, as last heard of."""

    def find_pods(self, key: Key) -> tuple[PodRecord, ...]:
        """Return the model's pods, as last heard of."""

    async def read_child(self, kind: str, key: Key) -> ChildRecord | None:
        """Return the metadata of an object with a child's name, whoever's it is."""

    async def apply_child(self, kind: str, body: Json, *, force: bool) -> ChildRecord:
        """Apply a child; the cache knows it from then on."""

    async def delete_child(self, live: ChildRecord) -> None:
        """Delete that very child; that it is gone already is no error."""

    async def has_group(self, group: str) -> bool:
        """Tell whether there is an API group."""

    async def read_replicas(self, key: Key) -> int | None:
        """Return how many pods a Deployment wants, None where there is none."""

    async def write_scale(self, live: ChildRecord, replicas: int) -> None:
        """Set the replicas of that very Deployment, as a field manager of their own."""

    def drop_child(self, kind: str, key: Key) -> None:
        """Forget a child that the API server says is not what we think it is."""

    async def write_status(self, metadata: Metadata, status: Status) -> None:
        """Replace the status, if the object is still the same one."""

    def emit(self, metadata: Metadata, notice: Notice) -> None:
        """Tell of something in an Event, some time soon."""


class KubeCluster:
    """A Cluster over the API server and the reflectors' caches."""

    def __init__(
        self,
        client: KubeClient,
        *,
        children: Mapping[str, Reflector[ChildRecord]],
        pods: Reflector[PodRecord],
        recorder: EventRecorder,
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._children = children
        self._pods = pods
        self._recorder = recorder
        self._metrics = metrics

    async def get_model(self, key: Key) -> Json | None:
        """Read from the API server: an event may be older than our own last status write."""
        return await self._client.get(MODELS, key.namespace, key.name)

    def find_child(self, kind: str, key: Key) -> ChildRecord | None:
        """Look into the cache."""
        return self._children[kind].get(key.namespace, key.name)

    def find_pods(self, key: Key) -> tuple[PodRecord, ...]:
        """Look into the cache."""
        return self._pods.select(key)

    async def read_child(self, kind: str, key: Key) -> ChildRecord | None:
        """Read nothing but metadata."""
        body = await self._client.get_metadata(_RESOURCES[kind], key.namespace, key.name)
        return project_child(kind, body) if body is not None else None

    async def apply_child(self, kind: str, body: Json, *, force: bool) -> ChildRecord:
        """Server-side apply."""
        self._metrics.writes.labels(kind).inc()
        answer = await self._client.apply(_RESOURCES[kind], body, manager=MANAGER, force=force)
        return self._children[kind].note(answer)

    async def delete_child(self, live: ChildRecord) -> None:
        """Delete by name and uid."""
        self._metrics.writes.labels(live.kind).inc()
        resource = _RESOURCES[live.kind]
        await self._client.delete(resource, live.namespace, live.name, uid=live.uid)

    async def has_group(self, group: str) -> bool:
        """Ask the API server."""
        return await self._client.has_group(group)

    async def read_replicas(self, key: Key) -> int | None:
        """Read the whole Deployment, where the cache has none: metadata does not tell."""
        body = await self._client.get(DEPLOYMENTS, key.namespace, key.name)
        return body["spec"].get("replicas", 1) if body is not None else None

    async def write_scale(self, live: ChildRecord, replicas: int) -> None:
        """Server-side apply of the scale; by force, since whoever asks has the say over it."""
        self._metrics.writes.labels("Scale").inc()
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": live.name, "namespace": live.namespace, "uid": live.uid},
            "spec": {"replicas": replicas},
        }
        await self._client.apply(
            _RESOURCES[live.kind], body, manager=SCALE_MANAGER, force=True, subresource="scale"
        )

    def drop_child(self, kind: str, key: Key) -> None:
        """Drop it from the cache."""
        self._children[kind].discard(key.namespace, key.name)

    async def write_status(self, metadata: Metadata, status: Status) -> None:
        """Server-side apply of the whole status.

        A field that is not sent any more goes, since nobody else owns it; a merge patch would
        need a null for each. The uid keeps it off an object of the same name made since, and the
        resourceVersion off one that another operator, who leads by now, has written meanwhile.
        """
        self._metrics.writes.labels("Status").inc()
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "status": dump_status(status),
        }
        await self._client.apply(
            MODELS, body, manager=STATUS_MANAGER, force=True, subresource="status"
        )

    def emit(self, metadata: Metadata, notice: Notice) -> None:
        """Queue an Event."""
        subject = Subject(API_VERSION, KIND, metadata.namespace, metadata.name, metadata.uid)
        self._recorder.emit(subject, notice)
