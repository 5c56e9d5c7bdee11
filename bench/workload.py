"""What is asked of the API server: ModelDeployments, and for the floor their children as well."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.audit_log import Name
from modelyard_api.meta import API_VERSION, KIND, PLURAL
from modelyard_kube.client import KubeClient
from modelyard_kube.resources import Resource

MODELS = Resource(API_VERSION, KIND, PLURAL)
NAMESPACES = tuple(f"bench-{number}" for number in range(10))
#: Requests under way at once in a burst.
IN_FLIGHT = 16

_URI = "oci://registry.example.com/models/bench:1"

#: What the API server puts into a Service by itself, one value for each.
_ASSIGNED = frozenset({"clusterIP", "clusterIPs"})

Create = Callable[[Name], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Child:
    """An object that the operator made for a model, and its type."""

    resource: Resource
    body: dict[str, Any]


def build_names(prefix: str, count: int) -> list[Name]:
    """Return names of objects, spread over the namespaces."""
    return [
        (NAMESPACES[number % len(NAMESPACES)], f"{prefix}-{number:05}") for number in range(count)
    ]


def build_model(name: Name) -> dict[str, Any]:
    """Return a ModelDeployment with nothing but what is required."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": name[0], "name": name[1]},
        "spec": {"model": {"uri": _URI}},
    }


def build_copy(child: dict[str, Any], name: Name) -> dict[str, Any]:
    """Return a child as if made for another model: only what its maker sent, and no owner."""
    text = json.dumps(child["spec"]).replace(child["metadata"]["name"], name[1])
    spec = {key: value for key, value in json.loads(text).items() if key not in _ASSIGNED}
    return {
        "apiVersion": child["apiVersion"],
        "kind": child["kind"],
        "metadata": {"namespace": name[0], "name": name[1], "labels": {"bench": name[1]}},
        "spec": spec,
    }


async def create_with_children(
    kubeconfig: str, names: Sequence[Name], children: Sequence[Child], *, per_second: float
) -> None:
    """Create ModelDeployments and, as soon as each is there, copies of children for it.

    At a rate, whatever becomes of them; 0 is as fast as can be.
    """
    client = await KubeClient.connect(kubeconfig, user_agent="modelyard-bench")

    async def create(name: Name) -> None:
        await client.create(MODELS, build_model(name))
        for child in children:
            await client.create(child.resource, build_copy(child.body, name))

    try:
        await (create_at(create, names, per_second) if per_second else create_all(create, names))
    finally:
        await client.close()


async def create_at(create: Create, names: Sequence[Name], per_second: float) -> None:
    """Create by the clock: a slow answer does not put off the next request."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            await asyncio.sleep(max(began + number / per_second - time.monotonic(), 0))
            group.create_task(_await(create(name)))


async def create_all(create: Create, names: Sequence[Name]) -> None:
    """Create with a fixed number of requests under way."""
    left = iter(names)

    async def work() -> None:
        for name in left:
            await create(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


async def _await(request: Awaitable[object]) -> None:
    await request
