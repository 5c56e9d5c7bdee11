"""Ports, and the HTTP server on them. Signals and phases are left to the process."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.http_protocol import BoundedHttp

#: Longer than the idle time of common clients (Go: 90 s), so that it is the client who closes an
#: idle connection: otherwise its next request may meet a connection that has just been closed.
_KEEP_ALIVE_SECONDS = 120
_BACKLOG = 1024
_LOOK_SECONDS = 0.1


def bind_port(host: str, port: int) -> socket.socket:
    """Take the port; connections are answered once a Listener runs on it.

    Raises:
        CannotStart: it is taken, or may not be taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="Set MODELYARD_PORT or MODELYARD_INTERNAL_PORT to a free port above 1023.",
        ) from error
    return listener


class Listener(uvicorn.Server):
    """A uvicorn server whose phases are driven from outside."""

    def __init__(
        self, app: ASGIApp, port: socket.socket, *, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedHttp,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                ssl_context_factory=(lambda _config, _default: tls) if tls is not None else None,
            )
        )
        self._port = port
        self._opened = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._greetings: set[asyncio.Task[None]] = set()

    @property
    def port_number(self) -> int:
        """The port, also where 0 was asked for."""
        return int(self._port.getsockname()[1])

    async def open(self) -> None:
        """Begin to accept connections; returns when they are."""
        self._serving = asyncio.create_task(self.serve(sockets=[self._port]))
        opening = asyncio.create_task(self._opened.wait())
        await asyncio.wait({self._serving, opening}, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if self._serving.done():
            self._serving.result()

    def stop_accepting(self) -> None:
        """Close the port. Connections stay open, and requests on them are served.

        So are those of clients that the kernel has let in meanwhile: closing would reset them.
        """
        waiting = list(_take_waiting(self._port))
        for server in self.servers:
            server.close()
        for connection in waiting:
            greeting = asyncio.create_task(self._greet(connection))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def outlast_clients(self, *, timeout_seconds: float) -> None:
        """Return when no connection is open any more, or the time is over."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        # uvicorn has no event for it, and looks as often itself when it shuts down.
        while (self._greetings or self.server_state.connections) and clock() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    async def finish(self, *, timeout_seconds: float) -> bool:
        """Close idle connections, and the others as their answers end; True if all have in time."""
        self.should_exit = True
        if self._serving is None:
            return True
        done, _ = await asyncio.wait({self._serving}, timeout=timeout_seconds)
        return bool(done)

    async def abort(self) -> None:
        """Leave connections as they are, and return."""
        self.should_exit = True
        self.force_exit = True
        if self._serving is not None:
            await self._serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell `open` when the port accepts."""
        await super().startup(sockets)
        self._opened.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process, which has two servers and a model to end."""
        yield

    async def _greet(self, connection: socket.socket) -> None:
        """Serve a connection as those that the server has accepted itself."""
        with contextlib.suppress(OSError):  # its client has gone, or speaks no TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self._build_protocol, connection, ssl=self.config.ssl
            )

    def _build_protocol(self) -> asyncio.Protocol:
        return BoundedHttp(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _take_waiting(port: socket.socket) -> Iterator[socket.socket]:
    """Take the connections that wait in the kernel; the port does not block."""
    with contextlib.suppress(OSError):  # none waits any more, or no further one can be taken
        while True:
            yield port.accept()[0]
