"""Stands before a real S3 server, remembers all requests, and does wrong what a test asks for.

The header Host stays the client's, since its signature covers it.
"""

import http.client
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

_CHUNK = 16 * 1024
_ENTRY = (
    "<Contents><LastModified>2026-11-22T10:00:00Z</LastModified><ETag>&quot;00&quot;</ETag>"
    "<Key>{key}</Key><Size>1</Size></Contents>"
)
#: What belongs to a connection, and not to what is sent over it.
_HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length"})


@dataclass
class Fault:
    """What goes wrong with requests whose path ends so, the next `times` times.

    `meanwhile` is done before a status is answered, or before a body is passed on.
    """

    suffix: str
    times: int = 1
    status: int = 0
    code: str = ""
    location: str = ""
    cut_after: int | None = None
    bytes_per_second: float = 0.0
    ignores_range: bool = False
    meanwhile: Callable[[], None] = lambda: None


@dataclass
class Seen:
    """A request, and what was answered."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    status: int = 0
    sent_bytes: int = 0

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


class S3Proxy:
    """Passes everything on until told otherwise."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        #: Keys that lists have besides the bucket's own.
        self.odd_keys: list[str] = []
        self.hides_etags = False
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.endpoint = f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, suffix: str, **fault) -> None:
        """Let the next requests for such a path go wrong."""
        with self.lock:
            self.faults.append(Fault(suffix, **fault))

    def take_fault(self, path: str) -> Fault:
        """Return what is to go wrong with a request, and count it."""
        with self.lock:
            for fault in self.faults:
                if path.endswith(fault.suffix):
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return Fault("")

    def bodies(self, suffix: str) -> list[Seen]:
        """Requests whose answer was (a part of) such an object."""
        with self.lock:
            return [
                one
                for one in self.requests
                if one.path.endswith(suffix) and one.status in {200, 206}
            ]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: S3Proxy

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Requests are remembered, not printed."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        proxy = self.server.proxy
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._seen = Seen(self.command, path, headers)
        with proxy.lock:
            proxy.requests.append(self._seen)
        fault = proxy.take_fault(path)
        if fault.location:
            self._answer(307, b"", {"Location": f"{fault.location}{self.path}"})
        elif fault.status:
            fault.meanwhile()
            code = f"<Error><Code>{fault.code}</Code><Message>As the test wants.</Message></Error>"
            self._answer(fault.status, code.encode(), {"Content-Type": "application/xml"})
        else:
            self._forward(fault)

    def _forward(self, fault: Fault) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.server.proxy.backend).netloc)
        headers = dict(self.headers.items())
        try:
            connection.request(self.command, self.path, headers=headers)
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_HEADERS}
            body = answer.read()
        finally:
            connection.close()
        if b"<ListBucketResult" in body:
            body = self._change_list(body)
        status = 200 if fault.ignores_range else answer.status
        self._answer(status, body, kept, fault)

    def _change_list(self, body: bytes) -> bytes:
        proxy = self.server.proxy
        entries = "".join(_ENTRY.format(key=key) for key in proxy.odd_keys).encode()
        body = body.replace(b"</ListBucketResult>", entries + b"</ListBucketResult>")
        return re.sub(rb"<ETag>.*?</ETag>", b"", body) if proxy.hides_etags else body

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str], fault: Fault | None = None
    ) -> None:
        self._seen.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self._write(body, fault or Fault(""))

    def _write(self, body: bytes, fault: Fault) -> None:
        fault.meanwhile()
        wanted = body if fault.cut_after is None else body[: fault.cut_after]
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            self.wfile.write(chunk)
            self._seen.sent_bytes += len(chunk)
            speed = fault.bytes_per_second
            if speed and self.server.proxy.closing.wait(len(chunk) / speed):
                break
        if self._seen.sent_bytes < len(body):
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
