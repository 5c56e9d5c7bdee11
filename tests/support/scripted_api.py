"""A small API server over HTTP whose lists and watches a test writes line by line."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer


async def until(holds):
    """Wait until something holds; look often, give up after a minute."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


class ScriptedApi:
    """Answers lists from `objects`, and streams to watchers what `send` is given."""

    def __init__(self):
        self.objects = {}
        self.version = 100
        self.requests = []
        self.answers = []
        self.watches = []
        self.url = ""
        self._ended = asyncio.Event()

    def put(self, name, namespace="ns", **fields):
        """Create or change an object; no watcher is told."""
        self.version += 1
        self.objects[namespace, name] = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "resourceVersion": str(self.version),
            },
            **fields,
        }
        return self.objects[namespace, name]

    def remove(self, name, namespace="ns"):
        """Delete an object; no watcher is told."""
        self.version += 1
        body = self.objects.pop((namespace, name))
        body["metadata"]["resourceVersion"] = str(self.version)
        return body

    async def send(self, kind, body):
        """Tell all watchers."""
        await self.send_line(json.dumps({"type": kind, "object": body}))

    async def send_line(self, line):
        """Write a line to all watchers."""
        for stream in list(self.watches):
            with suppress(ConnectionError):
                await stream.write(line.encode() + b"\n")

    async def wait_watches(self, count):
        """Wait until so many watches have been opened in all."""
        await until(lambda: sum(request["watch"] for request in self.requests) >= count)

    async def handle(self, request):
        is_watch = request.query.get("watch") == "true"
        self.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "headers": dict(request.headers),
                "body": await request.read(),
                "watch": is_watch,
            }
        )
        if self.answers:
            return self.answers.pop(0)
        return await self._stream(request) if is_watch else self._list(request)

    def _list(self, request):
        items = list(self.objects.values())
        limit, start = int(request.query.get("limit", 500)), int(request.query.get("continue", 0))
        more = {"continue": str(start + limit)} if start + limit < len(items) else {}
        metadata = {"resourceVersion": str(self.version), **more}
        return web.json_response({"metadata": metadata, "items": items[start : start + limit]})

    async def _stream(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches.append(response)
        ended = self._ended
        await ended.wait()
        return response

    def end_watches(self):
        """End all watches as a server does whose time is up."""
        self.watches.clear()
        self._ended.set()
        self._ended = asyncio.Event()


def refusal(status, reason="", message="no", **details):
    """An answer of the API server that refuses."""
    return web.json_response(
        {"kind": "Status", "reason": reason, "message": message, "details": details},
        status=status,
    )


@asynccontextmanager
async def running(api):
    """Serve; the URL stands in `api.url`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        api.url = str(server.make_url("")).rstrip("/")
        yield api
        api.end_watches()


def write_kubeconfig(path, url, token="t0k3n"):  # noqa: S107
    """A kubeconfig with a bearer token; returns its path."""
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": token}}],
            }
        )
    )
    return str(path)
