"""A real S3 server, and what a person with the root account's key does there.

with S3Server(folder) as server:
    bucket = server.make_bucket("models")
    server.upload(bucket, "qwen", folder_of_the_model)
    ...  # server.endpoint, server.root
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

from modelyard_local import s3_server
from modelyard_local.s3_server import REGION, Account
from tests.support.s3_requests import send


class S3Server:
    """A server that runs from `with` on, on loopback if nothing else is said."""

    def __init__(
        self,
        folder: Path,
        certificate: Mapping[str, bytes] | None = None,
        *,
        address: str = "127.0.0.1",
    ) -> None:
        """`certificate` is the content of a Secret of the type kubernetes.io/tls."""
        self.root = Account("root-of-the-tests", "s3cr3t-of-the-tests")
        self._running = s3_server.serve(folder, self.root, address=address, certificate=certificate)

    def __enter__(self) -> Self:
        self.endpoint = self._running.__enter__()
        self.host = urlsplit(self.endpoint).netloc
        return self

    def __exit__(self, *raised: object) -> None:
        self._running.__exit__(*raised)

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
