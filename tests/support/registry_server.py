"""A registry for tests, on a cluster's node: it knows no image, and shows some to nobody.

It listens on the node's own loopback, where container runtimes speak plain HTTP to a registry.
"""

import ctypes
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_PRIVATE = "/v2/private/"
#: How a TLS connection begins, and more than its first message has.
_TLS, _HELLO_BYTES = b"\x16", 64 * 1024


class RegistryServer:
    """Repositories under `private/` want a login; whatever else is asked for is not there."""

    def __init__(self, network: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listen_inside(network)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        port = self._server.socket.getsockname()[1]
        self.host = f"localhost:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def listen_inside(network: Path) -> socket.socket:
    """Return a listening socket of another network namespace; a socket stays where it was made.

    A thread of its own goes there, since none comes back by itself.
    """
    made: list[socket.socket] = []

    def make() -> None:
        descriptor = os.open(network, os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        entered = libc.setns(descriptor, _CLONE_NEWNET) == 0
        os.close(descriptor)
        if entered:
            made.append(socket.create_server(("127.0.0.1", 0)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise OSError(f"cannot listen in the network namespace {network}; it needs root")
    return made[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """Answer TLS in plain words: container runtimes take that as a sign to go without."""
        if self.connection.recv(1, socket.MSG_PEEK) != _TLS:
            super().handle()
            return
        self.connection.recv(_HELLO_BYTES)
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.startswith(_PRIVATE):
            self._refuse(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="private"'})
        else:
            self._refuse(404, "MANIFEST_UNKNOWN", {})

    def _refuse(self, status: int, code: str, headers: dict[str, str]) -> None:
        body = f'{{"errors":[{{"code":"{code}"}}]}}'.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
