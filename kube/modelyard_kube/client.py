"""KubeClient: the few verbs that Modelyard uses, on plain dicts."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelyard_kube.configuration import load_settings
from modelyard_kube.errors import ClusterError
from modelyard_kube.resources import PODS, Resource
from modelyard_kube.target import Target
from modelyard_kube.transport import Call, Lines, Login, Observe, Transport, ignore

Json = dict[str, Any]

_NOT_FOUND = 404
_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the objects of a list, and the version of the whole list."""

    items: list[Json]
    resource_version: str


class KubeClient:
    """A client of one API server. Every failure is a ClusterError that names the object.

    There are no retries in here: whoever asks knows better when to ask again.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timeout_seconds: float = 15.0,
        fence: Callable[[], None] | None = None,
        namespace: str = "default",
    ) -> None:
        self._transport = transport
        self._timeout_seconds = timeout_seconds
        self._fence = fence
        #: The namespace that is meant where a person names none. No method falls back to it.
        self.namespace = namespace

    @classmethod
    async def connect(
        cls, kubeconfig: str, *, user_agent: str, observe: Observe = ignore, context: str = ""
    ) -> Self:
        """Connect as a kubeconfig file says, or as the pod's service account when it is empty.

        Raises:
            ConnectionInvalid: it is missing or unreadable.
        """
        settings = await load_settings(kubeconfig, context)
        transport = Transport(settings.configuration, user_agent=user_agent, observe=observe)
        return cls(transport, namespace=settings.namespace)

    def fenced(self, fence: Callable[[], None]) -> Self:
        """Return a client over the same connections that asks before it writes anything.

        `fence` raises ClusterError to keep a write back. It is asked right before the bytes are
        handed to the connection, and must not wait for anything.
        """
        return type(self)(
            self._transport,
            timeout_seconds=self._timeout_seconds,
            fence=fence,
            namespace=self.namespace,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def login(self) -> Login:
        """Return the connection for another client, with the token as it is now."""
        return await self._transport.login()

    async def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Return an object, None where there is none."""
        return await self._get(resource, namespace, name, {})

    async def get_metadata(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Return an object with nothing but its metadata, None where there is none."""
        accept = {"Accept": _METADATA.format(list="")}
        return await self._get(resource, namespace, name, accept)

    async def has_group(self, group: str) -> bool:
        """Tell whether there is an API group, its own or one that the API server passes on."""
        try:
            await self._transport.request(
                Call("get", "apis"),
                "GET",
                f"/apis/{group}",
                timeout_seconds=self._timeout_seconds,
                decode=orjson.loads,
            )
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return False
            raise error.about("APIGroup", "", group) from None
        return True

    async def read_log(
        self, namespace: str, pod: str, *, container: str, lines: int, previous: bool = False
    ) -> str:
        """Return the last lines of a container's log; `previous`: of the run before this one."""
        params = {
            "container": container,
            "tailLines": str(lines),
            "previous": "true" if previous else "false",
        }
        text: str = await self._ask(
            "GET",
            Target(PODS, namespace, pod, "log"),
            params=params,
            headers={"Accept": "*/*"},
            decode=_decode_text,
        )
        return text

    def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        selector: str = "",
        page_size: int = 500,
    ) -> AsyncIterator[Page]:
        """List the objects of a namespace, or of all, page by page, as they are now."""
        return self._list(Target(resource, namespace), selector, page_size, {})

    def list_metadata(
        self, resource: Resource, *, selector: str = "", page_size: int = 1000
    ) -> AsyncIterator[Page]:
        """List nothing but the metadata of the objects of all namespaces."""
        accept = {"Accept": _METADATA.format(list="List")}
        return self._list(Target(resource), selector, page_size, accept)

    async def apply(
        self,
        resource: Resource,
        manifest: Json,
        *,
        manager: str,
        force: bool,
        subresource: str = "",
    ) -> Json:
        """Server-side apply; a `metadata.uid` in the manifest must be that of the live object."""
        metadata = manifest["metadata"]
        target = Target(resource, metadata["namespace"], metadata["name"], subresource)
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        headers = {"Content-Type": _APPLY}
        return await self._send("PATCH", target, params=params, body=manifest, headers=headers)

    async def create(self, resource: Resource, manifest: Json) -> Json:
        """Create an object that must not exist."""
        target = Target(resource, manifest["metadata"]["namespace"])
        headers = {"Content-Type": "application/json"}
        return await self._send("POST", target, body=manifest, headers=headers)

    async def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Json) -> Json:
        """Apply a JSON merge patch."""
        target = Target(resource, namespace, name)
        return await self._send("PATCH", target, body=patch, headers={"Content-Type": _MERGE})

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Delete the object with that uid; that it is gone already is no error."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        headers = {"Content-Type": "application/json"}
        try:
            target = Target(resource, namespace, name)
            await self._send("DELETE", target, body=body, headers=headers)
        except ClusterError as error:
            if error.status != _NOT_FOUND:
                raise

    def watch(
        self,
        resource: Resource,
        *,
        selector: str,
        since: str,
        server_seconds: int,
        silence_seconds: float,
    ) -> AbstractAsyncContextManager[Lines]:
        """Open a watch over all namespaces, one JSON event a line, with bookmarks."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(server_seconds),
        }
        if selector:
            params["labelSelector"] = selector
        return self._transport.stream(
            Call("watch", resource.plural),
            resource.path(None),
            params=params,
            silence_seconds=silence_seconds,
        )

    async def _get(
        self, resource: Resource, namespace: str, name: str, headers: Mapping[str, str]
    ) -> Json | None:
        try:
            return await self._send("GET", Target(resource, namespace, name), headers=headers)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def _list(
        self, target: Target, selector: str, page_size: int, headers: Mapping[str, str]
    ) -> AsyncIterator[Page]:
        # No resourceVersion: a consistent read, so that a restart never sees an older world.
        params = {"limit": str(page_size)}
        if selector:
            params["labelSelector"] = selector
        while True:
            answer = await self._send("GET", target, params=params, headers=headers)
            page, more = _read_page(answer)
            yield page
            if not more:
                return
            params["continue"] = more

    async def _send(
        self,
        method: str,
        target: Target,
        *,
        params: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        answer: Json = await self._ask(
            method, target, params=params, body=body, headers=headers, decode=orjson.loads
        )
        return answer

    async def _ask(
        self,
        method: str,
        target: Target,
        *,
        params: Mapping[str, str] | None,
        body: Json | None = None,
        headers: Mapping[str, str] | None,
        decode: Callable[[bytes], Any],
    ) -> Any:
        try:
            return await self._transport.request(
                target.call(method),
                method,
                target.path,
                params=params,
                body=body,
                headers=headers,
                timeout_seconds=self._timeout_seconds,
                fence=self._fence,
                decode=decode,
            )
        except ClusterError as error:
            raise error.about(target.resource.kind, target.namespace or "", target.name) from None


def _decode_text(body: bytes) -> str:
    return body.decode(errors="replace")


def _read_page(answer: Json) -> tuple[Page, str]:
    """Return a page and the token of the next; whatever stands in between may answer nonsense."""
    try:
        metadata = answer["metadata"]
        # An empty list of metadata has null there.
        items = answer["items"] if answer["items"] is not None else []
        return Page(items, metadata["resourceVersion"]), metadata.get("continue", "")
    except (KeyError, TypeError) as error:
        raise ClusterError(f"unreadable list: {error!r}") from error
