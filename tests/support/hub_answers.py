"""How the tests' hub answers: Hugging Face's addresses, headers and errors, and faults on demand.

What the shapes rest on: huggingface_hub's client, and the addresses and headers that its
maintainers quote (`X-Linked-Etag`, the redirect of small files to `/api/resolve-cache/…`, and that
of LFS files to storage on another host).
"""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.support.hub_repositories import Blob, Repository, describe_entry, describe_sibling

_CHUNK = 16 * 1024


@dataclass
class Fault:
    """What goes wrong with requests whose path ends so, the next `times` times.

    `at` is `hub` or `storage`, where it matters: an LFS file is asked for at both.
    """

    suffix: str
    at: str = ""
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    corrupt: bool = False
    ignores_range: bool = False
    bytes_per_second: float = 0.0
    says_nothing: bool = False


@dataclass
class Request:
    """A request as it came, and what was answered."""

    server: str
    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0
    sent_bytes: int = 0

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *_: object) -> None:
        """Requests are remembered, not printed."""

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.request_seen = Request(self.name, self.command, self.path, headers)
        with self.hub.lock:
            self.hub.requests.append(self.request_seen)
        path = unquote(urlsplit(self.path).path)
        self.fault = self.hub.take_fault(self.name, path)
        if self.fault.says_nothing:
            self.close_connection = True
        elif self.fault.status:
            self.answer_error(self.fault.status, "", "Something is wrong.", self.fault.headers)
        else:
            self.answer(path)

    def answer(self, path: str) -> None:
        raise NotImplementedError

    def answer_json(self, document: object) -> None:
        self.send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def answer_error(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        said = {"X-Error-Code": code} if code else {}
        said |= {"X-Error-Message": message, "Content-Type": "application/json"}
        body = json.dumps({"error": message}).encode()
        self.send(status, body, {**said, **(headers or {})})

    def redirect(self, status: int, location: str, headers: Mapping[str, str]) -> None:
        self.send(status, b"", {"Location": location, **headers})

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.start(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.request_seen.status = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def answer_content(self, blob: Blob, headers: Mapping[str, str]) -> None:
        start = self._wanted_start(blob)
        if start >= blob.size > 0:
            self.send(416, b"", {"Content-Range": f"bytes */{blob.size}"})
            return
        part = {"Content-Range": f"bytes {start}-{blob.size - 1}/{blob.size}"} if start else {}
        ranges = {"Accept-Ranges": "bytes"}
        self.start(206 if start else 200, blob.size - start, {**ranges, **headers, **part})
        if self.command != "HEAD":
            self._write(blob, start)

    def _wanted_start(self, blob: Blob) -> int:
        wanted = self.headers.get("Range", "")
        if not wanted or self.fault.ignores_range:
            return 0
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        assert not end or int(end) >= blob.size - 1, "this hub gives the rest of a file only"
        return int(start)

    def _write(self, blob: Blob, start: int) -> None:
        length = blob.size - start
        left = length if self.fault.cut_after is None else min(length, self.fault.cut_after)
        speed = self.fault.bytes_per_second
        with blob.path.open("rb") as file:
            file.seek(start)
            while left and (chunk := file.read(min(_CHUNK, left))):
                if self.fault.corrupt:
                    chunk = bytes(byte ^ 1 for byte in chunk)
                self.wfile.write(chunk)
                self.request_seen.sent_bytes += len(chunk)
                left -= len(chunk)
                if speed and not self.hub.pause(len(chunk) / speed):
                    break
        if self.request_seen.sent_bytes < length:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


class HubHandler(_Handler):
    name = "hub"

    def answer(self, path: str) -> None:
        parts = path.strip("/").split("/")
        match parts:
            case ["api", "models", org, name]:
                self._answer_info(f"{org}/{name}", "main")
            case ["api", "models", org, name, "revision", *revision]:
                self._answer_info(f"{org}/{name}", "/".join(revision))
            case ["api", "models", org, name, "tree", revision, *folder]:
                self._answer_tree(f"{org}/{name}", revision, "/".join(folder))
            case ["api", "resolve-cache", "models", org, name, commit, *file]:
                self._answer_file(f"{org}/{name}", commit, "/".join(file), pinned=True)
            case [org, name, "resolve", revision, *file]:
                self._answer_file(f"{org}/{name}", revision, "/".join(file), pinned=False)
            case _:
                self.answer_error(404, "", "Sorry, we can't find the page you are looking for.")

    @property
    def _token(self) -> str:
        return self.request_seen.token

    def _find(self, name: str, revision: str) -> tuple[Repository, str] | None:
        """Return the repository and the commit; None when the refusal has been sent."""
        repository = self.hub.repositories.get(name)
        hidden = repository is None or (
            repository.readers is not None
            and not repository.gated
            and self._token not in repository.readers
        )
        if hidden and not self._token:
            self.answer_error(401, "RepoNotFound", "Invalid username or password.")
        elif repository is None or hidden:
            self.answer_error(404, "RepoNotFound", "Repository not found")
        else:
            commit = repository.refs.get(revision, revision)
            if commit in repository.commits:
                return repository, commit
            self.answer_error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def _answer_info(self, name: str, revision: str) -> None:
        found = self._find(name, revision)
        if found is None:
            return
        repository, commit = found
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [
            describe_sibling(file, blob) if blobs else {"rfilename": file}
            for file, blob in repository.commits[commit].items()
        ]
        self.answer_json(
            {
                "_id": "0" * 24,
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": repository.readers is not None and not repository.gated,
                "gated": "manual" if repository.gated else False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": siblings + self.hub.odd_entries,
            }
        )

    def _answer_tree(self, name: str, revision: str, folder: str) -> None:
        found = self._find(name, revision)
        if found is not None:
            repository, commit = found
            prefix = f"{folder}/" if folder else ""
            self.answer_json(
                [
                    describe_entry(file, blob)
                    for file, blob in repository.commits[commit].items()
                    if file.startswith(prefix)
                ]
            )

    def _answer_file(self, name: str, revision: str, file: str, *, pinned: bool) -> None:
        found = self._find(name, revision)
        if found is None:
            return
        repository, commit = found
        if repository.gated and self._token not in (repository.readers or ()):
            status = 403 if self._token else 401
            self.answer_error(status, "GatedRepo", f"Access to model {name} is restricted.")
            return
        blob = repository.commits[commit].get(file)
        if blob is None:
            self.answer_error(404, "EntryNotFound", "Entry not found")
            return
        said = {"X-Repo-Commit": commit, "ETag": f'"{blob.sha1}"'}
        if blob.lfs:
            said |= {"X-Linked-Size": str(blob.size), "X-Linked-ETag": f'"{blob.sha256}"'}
            address = f"{self.hub.storage_url}/{blob.sha256}/{quote(file)}?X-Amz-Signature=s1gned"
            self.redirect(302, address, said)
        elif not pinned:
            address = f"/api/resolve-cache/models/{name}/{commit}/{quote(file)}?etag={blob.sha1}"
            self.redirect(307, address, said)
        else:
            self.answer_content(blob, said)


class StorageHandler(_Handler):
    name = "storage"

    def answer(self, path: str) -> None:
        wanted = path.split("/")[1]
        blobs = (
            blob
            for repository in self.hub.repositories.values()
            for commit in repository.commits.values()
            for blob in commit.values()
        )
        blob = next((blob for blob in blobs if blob.sha256 == wanted), None)
        if blob is None:
            self.answer_error(403, "", "Access denied")
        else:
            self.answer_content(blob, {"ETag": f'"{blob.sha256}"'})
