"""An S3 server, a small model in a bucket of it, and a place to fetch to."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard_api.fetch import FetchConfig, S3Settings
from tests.support.fetch_process import Place
from tests.support.s3_proxy import S3Proxy
from tests.support.s3_server import S3Server

PREFIX = "llm/tiny"


@dataclass(frozen=True)
class Scene:
    """The server, what stands before it, a model's folder, and where it is fetched to."""

    server: S3Server
    proxy: S3Proxy
    place: Place
    bucket: str
    folder: Path

    @property
    def room(self) -> Path:
        return self.place.root

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{PREFIX}"

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def put(self, name: str, content: bytes) -> None:
        """Write an object beside the model's."""
        self.server.put(self.bucket, f"{PREFIX}/{name}", content)

    def config(self, **settings: Any) -> FetchConfig:
        """The configuration that fetches the model; keywords change it."""
        here = {
            "uri": self.uri,
            "s3": S3Settings(endpoint=self.proxy.endpoint),
            "destination": str(self.place.volume),
            "secret_path": str(self.place.secret),
        }
        return FetchConfig(**{**here, **settings})

    def add_secret(self, **keys: str) -> None:
        """Mount the root account's keys, for the proxy's host; keywords change or add keys."""
        root = self.server.root
        here = {
            "host": self.proxy.host,
            "accessKeyId": root.access_key_id,
            "secretAccessKey": root.secret_access_key,
        }
        self.place.add_secret(**{**here, **keys})


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def numbers():
    return itertools.count(1)


@pytest.fixture
def scene(s3_server, numbers, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    # Noise: nothing here looks into the weights.
    (folder / "model.safetensors").write_bytes(os.urandom(600_000))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    bucket = s3_server.make_bucket(f"models-{next(numbers)}")
    s3_server.upload(bucket, PREFIX, folder)
    with S3Proxy(s3_server.endpoint) as proxy:
        yield Scene(s3_server, proxy, Place.make(tmp_path), bucket, folder)
