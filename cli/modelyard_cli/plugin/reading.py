"""Reads from the cluster what the screens show: the thin edge."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from modelyard_api.meta import API_VERSION, KIND, LABEL_MODEL, PLURAL, RESOURCE
from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.model import Model, parse_model
from modelyard_cli.plugin.picture import Log, Picture, Readings, Unread, compose
from modelyard_cli.plugin.pods import LogSource
from modelyard_cli.plugin.text import clean
from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ClusterError
from modelyard_kube.resources import (
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)

Json = dict[str, Any]
T = TypeVar("T")

_MODELS: Final = Resource(API_VERSION, KIND, PLURAL)
_CHILDREN: Final = (DEPLOYMENTS, SERVICES, HORIZONTAL_POD_AUTOSCALERS)
_LOG_LINES: Final = 15
_NAMES_TOLD: Final = 5
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


async def read_models(client: KubeClient, namespace: str | None) -> list[Model]:
    """Return the models of a namespace, or of all.

    Raises:
        CommandFailed: the cluster does not tell.
    """
    try:
        bodies = await _list(client, _MODELS, namespace)
    except ClusterError as error:
        raise explain_refusal(error) from error
    return [parse_model(body) for body in bodies]


async def read_model(client: KubeClient, namespace: str, name: str) -> Model:
    """Return one model.

    Raises:
        CommandFailed: there is none of that name, or the cluster does not tell.
    """
    try:
        body = await client.get(_MODELS, namespace, name)
    except ClusterError as error:
        raise explain_refusal(error) from error
    if body is not None:
        return parse_model(body)
    # Also where the cluster knows no such kind, which then this says.
    names = [model.name for model in await read_models(client, namespace)]
    told = ", ".join(names[:_NAMES_TOLD]) + (" …" if len(names) > _NAMES_TOLD else "")
    raise CommandFailed(
        f"there is no ModelDeployment {name!r} in namespace {namespace!r}",
        cure=f"There are: {told}." if names else "There are none: give another with -n NAMESPACE.",
    )


async def read_picture(client: KubeClient, model: Model, *, with_log: bool) -> Picture:
    """Return all there is to say of a model. What cannot be read says why in its place."""
    selector = f"{LABEL_MODEL}={model.name}"
    *children, replica_sets, bodies, events = await asyncio.gather(
        *(
            _try(_list(client, resource, model.namespace, selector), resource.plural, model)
            for resource in (*_CHILDREN, REPLICA_SETS, PODS)
        ),
        _try(_list(client, EVENTS, model.namespace), "events", model),
    )
    by_kind = dict(zip((child.kind for child in _CHILDREN), children, strict=True))
    readings = Readings(by_kind, replica_sets, bodies, events)
    picture = compose(model, readings, datetime.now(UTC))
    source = picture.choose_log(is_wanted=with_log)
    if source is None:
        return picture
    return replace(picture, log=await _read_log(client, model, source))


def explain_refusal(error: ClusterError) -> CommandFailed:
    """Return what a person can do about a cluster that does not answer as hoped."""
    message = clean(error.message)
    if error.status == _NOT_FOUND:
        return CommandFailed(
            f"this cluster has no {RESOURCE}",
            cure="Is Modelyard installed there, and is it the right --context?",
        )
    if error.status == _FORBIDDEN:
        return CommandFailed(message, cure="Ask for the role `view` in that namespace.")
    if error.status == _UNAUTHORIZED:
        return CommandFailed(
            "the cluster does not accept your credentials",
            cure="Log in anew, or choose another --context.",
        )
    if not error.status:
        return CommandFailed(
            f"the cluster does not answer ({message})",
            cure="Is it the right --context, and does `kubectl get ns` work?",
        )
    return CommandFailed(f"the cluster answers {error.status}: {message}", cure="Try again.")


async def _list(
    client: KubeClient, resource: Resource, namespace: str | None, selector: str = ""
) -> list[Json]:
    pages = client.list(resource, namespace=namespace, selector=selector)
    return [body async for page in pages for body in page.items]


async def _try(reading: Awaitable[T], what: str, model: Model) -> T | Unread:
    try:
        return await reading
    except ClusterError as error:
        if error.status == _FORBIDDEN:
            ask = f"`kubectl auth can-i list {what} -n {model.namespace}`"
            return Unread(f"You may not read {what} in this namespace ({ask} says no).")
        return Unread(f"They could not be read: {clean(error.message)}")


async def _read_log(client: KubeClient, model: Model, source: LogSource) -> Log:
    try:
        text = await client.read_log(
            model.namespace,
            source.pod,
            container=source.container,
            lines=_LOG_LINES,
            previous=source.previous,
        )
    except ClusterError as error:
        if error.status == _FORBIDDEN:
            ask = f"`kubectl auth can-i get pods/log -n {model.namespace}`"
            return Log(source, Unread(f"You may not read logs in this namespace ({ask} says no)."))
        return Log(source, Unread(f"It could not be read: {clean(error.message)}"))
    return Log(source, text)
