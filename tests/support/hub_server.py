"""A hub over plain HTTP, for tests: the part of Hugging Face's API that a download uses.

It serves folders as repositories, fails on demand, and remembers every request.

    with HubServer() as hub:
        commit = hub.publish("acme/tiny", folder)
        hub.fail("model.safetensors", cut_after=1000)
        ...  # hub.endpoint, hub.requests
"""

import hashlib
import threading
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.hub_answers import Fault, HubHandler, Request, StorageHandler
from tests.support.hub_repositories import Repository, read_blob


class HubServer:
    """The hub, and storage for LFS files on a port of its own."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        #: Entries that a listing has besides the folder's files, as an evil hub's would.
        self.odd_entries: list[dict[str, object]] = []
        self.lock = threading.Lock()
        self._closing = threading.Event()
        self._hub = _Server((host, port), HubHandler, self)
        self._storage = _Server((host, 0), StorageHandler, self)
        self.endpoint = self._hub.url
        self.storage_url = self._storage.url

    def __enter__(self) -> Self:
        for server in (self._hub, self._storage):
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for server in (self._hub, self._storage):
            server.stop()

    @property
    def host(self) -> str:
        """`HOST:PORT` of the endpoint."""
        return urlsplit(self.endpoint).netloc

    def publish(self, name: str, folder: Path, *, branch: str = "main") -> str:
        """Make the folder the branch's newest commit; its files must stay as they are."""
        blobs = {
            path.relative_to(folder).as_posix(): read_blob(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        tree = "\n".join(f"{blob.sha1} {name}" for name, blob in blobs.items())
        commit = hashlib.sha1(tree.encode(), usedforsecurity=False).hexdigest()
        repository = self.repositories.setdefault(name, Repository())
        repository.commits[commit] = blobs
        repository.refs[branch] = commit
        return commit

    def protect(self, name: str, *tokens: str, gated: bool = False) -> None:
        """Let only these tokens read the repository."""
        self.repositories[name].readers = frozenset(tokens)
        self.repositories[name].gated = gated

    def fail(self, suffix: str, **fault) -> None:
        """Let the next requests for such a path go wrong."""
        with self.lock:
            self.faults.append(Fault(suffix, **fault))

    def take_fault(self, server: str, path: str) -> Fault:
        """Return what is to go wrong with a request, and count it."""
        with self.lock:
            for fault in self.faults:
                if path.endswith(fault.suffix) and fault.at in {"", server}:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return replace(fault)
        return Fault("")

    def bodies(self, suffix: str) -> list[Request]:
        """Requests whose answer was (a part of) the content of such a file."""
        with self.lock:
            return [
                one
                for one in self.requests
                if unquote(one.path).partition("?")[0].endswith(suffix)
                and one.status in {200, 206}
                and not one.path.startswith("/api/models/")
            ]

    def pause(self, seconds: float) -> bool:
        """Wait; False when the server is closing meanwhile."""
        return not self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, handler, hub: HubServer) -> None:
        super().__init__(address, handler)
        self.hub = hub
        self.url = f"http://{address[0]}:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""
