"""The gRPC port: HTTP/2 of calls with one message each way, passed on to the ASGI application.

A call's head arrives before its message, as with any HTTP request: so the middleware judges keys
and room before the message is read. grpc is imported when the port is opened, beside the loading of
the model.
"""

import asyncio
import importlib
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope

from modelyard_api.meta import Reason
from modelyard_runtime.access.certificate import Certificate, Pair
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.protocols.open_inference.grpc_app import EXTENSION, METHODS
from modelyard_runtime.settings import Settings

#: What HTTP's statuses are in gRPC, by the names of grpc.StatusCode.
_CODES: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RESOURCE_EXHAUSTED",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}
#: Headers of an answer that clients are told, as trailing metadata.
_TOLD: Final = ("x-request-id", "retry-after")
#: How long a client of gRPC waits before it tries again by itself (gRFC A6).
_PUSHBACK: Final = "grpc-retry-pushback-ms"
#: The process ends before this is over.
_FOR_EVER_SECONDS: Final = 24 * 3600.0

_log = logging.getLogger(__name__)


class GrpcListener:
    """A port whose phases are driven from outside, as a Listener's are."""

    def __init__(
        self, app: ASGIApp, settings: Settings, *, certificate: Certificate | None = None
    ) -> None:
        self._app = app
        self._host = settings.host
        self._port = settings.grpc_port
        # The application has a bound for each task; this is the widest.
        self._max_bytes = max(settings.max_body_bytes, settings.max_media_bytes)
        self._certificate = certificate
        self._server: Any = None
        self._stopping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the port, and answer on it.

        Raises:
            CannotStart: it is taken, or may not be taken.
        """
        # It takes a tenth of a second, in which the model can begin to load.
        grpc = await asyncio.to_thread(_import_grpc)
        self._server = grpc.aio.server(
            options=_build_options(self._max_bytes),
            handlers=[_build_handler(grpc, _Relay(grpc, self._app, self._certificate is not None))],
        )
        self._port = self._take_port(grpc)
        await self._server.start()
        _log.info("listening_grpc", extra={"host": self._host, "port": self._port})

    @property
    def port_number(self) -> int:
        """The port, also where 0 was asked for, once it is open."""
        return self._port

    def stop_accepting(self) -> None:
        """Ask clients to go elsewhere; calls that are inside are finished."""
        if self._server is not None and self._stopping is None:
            self._stopping = asyncio.create_task(self._server.stop(_FOR_EVER_SECONDS))

    async def finish(self, *, timeout_seconds: float) -> bool:
        """Return when no call is inside; True if that was in time."""
        self.stop_accepting()
        if self._stopping is None:
            return True
        done, _ = await asyncio.wait({self._stopping}, timeout=timeout_seconds)
        return bool(done)

    async def abort(self) -> None:
        """Leave calls as they are, and return."""
        if self._server is not None:
            await self._server.stop(None)
        if self._stopping is not None:
            await self._stopping

    def _take_port(self, grpc: Any) -> int:
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = f"{host}:{self._port}"
        try:
            if self._certificate is None:
                return int(self._server.add_insecure_port(address))
            return int(
                self._server.add_secure_port(address, _build_credentials(grpc, self._certificate))
            )
        except RuntimeError as error:
            raise CannotStart(
                Reason.CONFIG_INVALID,
                f"cannot listen on {self._host} port {self._port} (gRPC): it is most likely taken",
                hint="Set MODELYARD_GRPC_PORT to a free port above 1023.",
            ) from error


class _Relay:
    """Passes calls on to the application."""

    def __init__(self, grpc: Any, app: ASGIApp, is_tls: bool) -> None:  # noqa: FBT001
        self._grpc = grpc
        self._app = app
        self._scheme = "https" if is_tls else "http"

    async def answer(self, path: str, context: Any) -> bytes:
        """Answer a call: with a message, or by ending it with a status."""
        call = _Call(context)
        try:
            await self._app(self._describe(path, context), call.receive, call.send)
        finally:
            await call.close()
        headers = Headers(raw=call.headers)
        told = [(name, headers[name]) for name in _TOLD if name in headers]
        if "retry-after" in headers:
            told.append((_PUSHBACK, str(int(headers["retry-after"]) * 1000)))
        context.set_trailing_metadata(told)
        if call.status != HTTPStatus.OK:
            code = getattr(self._grpc.StatusCode, _CODES.get(call.status, "INTERNAL"))
            await context.abort(code, call.body.decode(errors="replace"))
        return call.body

    def _describe(self, path: str, context: Any) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "2",
            "method": "POST",
            "scheme": self._scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (name.encode(), value if isinstance(value, bytes) else value.encode())
                for name, value in context.invocation_metadata() or ()
            ],
            "client": _parse_peer(context.peer()),
            "server": None,
            "extensions": {EXTENSION: {}},
        }


class _Call:
    """One call as the application sees it. When its client leaves, the task is cancelled."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._reading: asyncio.Task[Any] | None = None
        self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def receive(self) -> Message:
        """Return the message, once."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._context.read())
        elif self._reading.done():
            await asyncio.Event().wait()
        # Whoever gives up waiting may come back: a message is not read by halves.
        message = await asyncio.shield(self._reading)
        # Without a message, the client has nothing to say: the empty one.
        body = message if isinstance(message, bytes) else b""
        return {"type": "http.request", "body": body, "more_body": False}

    async def close(self) -> None:
        """Wait for a message no longer."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def send(self, message: Message) -> None:
        """Keep the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")


def _import_grpc() -> Any:
    import grpc.aio  # noqa: PLC0415 - not before the port is opened

    # The first call should not wait for it, nor should all others meanwhile.
    importlib.import_module(METHODS)
    return grpc


def _build_options(max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # Two processes on one port would share its calls, and nobody would be told.
        ("grpc.so_reuseport", 0),
        # Nothing compressed is taken (bit 0 stands for that): a small message may be a huge one.
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]


def _build_handler(grpc: Any, relay: _Relay) -> Any:
    """Return what gives each call a handler, whatever its name: also a wrong one needs a key."""

    class Every(grpc.GenericRpcHandler):  # type: ignore[misc]  # its type is not known
        def service(self, details: Any) -> Any:
            async def answer(_messages: Any, context: Any) -> bytes:
                return await relay.answer(details.method, context)

            return grpc.stream_unary_rpc_method_handler(answer)

    return Every()


def _build_credentials(grpc: Any, certificate: Certificate) -> Any:
    """Return credentials that each new connection takes the newest certificate of."""

    def configure(pair: Pair) -> Any:
        return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)])

    shown = certificate.pair

    def renew() -> Any:
        nonlocal shown
        newest = certificate.pair
        if newest is shown:
            return None
        shown = newest
        return configure(newest)

    return grpc.dynamic_ssl_server_credentials(configure(shown), renew)


def _parse_peer(peer: str) -> tuple[str, int] | None:
    """`ipv4:127.0.0.1:4711` → `("127.0.0.1", 4711)`."""
    kind, _, address = peer.partition(":")
    host, _, port = address.rpartition(":")
    if kind not in {"ipv4", "ipv6"} or not port.isdecimal():
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)
