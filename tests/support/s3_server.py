"""A real S3 server: the Versity gateway over a folder, on loopback if nothing else is said.

with S3Server(folder) as server:
    bucket = server.make_bucket("models")
    server.upload(bucket, "qwen", folder_of_the_model)
    ...  # server.endpoint, server.root
"""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import obstore
from obstore.store import S3Store

from modelyard_local import programs
from tests.support.operator_process import find_port
from tests.support.s3_requests import REGION, Account, send
from tests.support.waiting import wait_for


class S3Server:
    """The process, and what a person with the root account's key does there."""

    def __init__(
        self,
        folder: Path,
        certificate: Mapping[str, bytes] | None = None,
        *,
        address: str = "127.0.0.1",
    ) -> None:
        """`certificate` is the content of a Secret of the type kubernetes.io/tls."""
        self.root = Account("root-of-the-tests", "s3cr3t-of-the-tests")
        self._address, self._port = address, find_port()
        self.host = f"{address}:{self._port}"
        self.endpoint = f"{'https' if certificate else 'http'}://{self.host}"
        self._certificate = certificate or {}
        self._folder = folder
        self._log = folder / "versitygw.log"

    def __enter__(self) -> Self:
        data = self._folder / "buckets"
        data.mkdir()
        environment = {
            **os.environ,
            "ROOT_ACCESS_KEY_ID": self.root.access_key_id,
            "ROOT_SECRET_ACCESS_KEY": self.root.secret_access_key,
        }
        program = programs.ensure("s3") / "versitygw"
        options = ["--port", self.host, "--region", REGION, "--quiet"]
        for name, option in (("tls.crt", "--cert"), ("tls.key", "--key")):
            if name in self._certificate:
                (self._folder / name).write_bytes(self._certificate[name])
                options += [option, str(self._folder / name)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *options, "posix", data], env=environment, stdout=log, stderr=log
            )
        try:
            told = self._log.read_text
            wait_for(self._is_ready, what="the S3 server is ready", seconds=60, told=told)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def make_bucket(self, name: str) -> str:
        """Make a bucket, and return its name."""
        send("PUT", f"{self.endpoint}/{name}", self.root)
        return name

    def open_to_everybody(self, bucket: str) -> None:
        """Let requests without a signature list and get."""
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
        send("PUT", f"{self.endpoint}/{bucket}", self.root, policy, query="policy")

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object in one request."""
        send("PUT", f"{self.endpoint}/{bucket}/{key}", self.root, content)

    def put_in_parts(self, bucket: str, key: str, content: bytes, part_bytes: int) -> None:
        """Write an object by a multi-part upload, after which its ETag is no hash of it."""
        obstore.put(self._store(bucket), key, content, use_multipart=True, chunk_size=part_bytes)

    def describe(self, bucket: str, key: str) -> tuple[int, str]:
        """Return an object's size and ETag."""
        meta = obstore.head(self._store(bucket), key)
        return meta["size"], str(meta["e_tag"])

    def remove(self, bucket: str, key: str) -> None:
        """Remove an object."""
        send("DELETE", f"{self.endpoint}/{bucket}/{key}", self.root)

    def upload(self, bucket: str, prefix: str, folder: Path) -> None:
        """Write all files of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = f"{prefix}/{path.relative_to(folder).as_posix()}".lstrip("/")
                self.put(bucket, name, path.read_bytes())

    def _store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=self.root.access_key_id,
            secret_access_key=self.root.secret_access_key,
            client_options={"allow_http": True},
        )

    def _is_ready(self) -> bool:
        try:
            socket.create_connection((self._address, self._port), timeout=5).close()
        except OSError:
            assert self._process.poll() is None, self._log.read_text()
            return False
        return True
