"""A hub, a small repository on it, and a place to fetch to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard_api.fetch import FetchConfig
from tests.support.fetch_process import Place
from tests.support.hub_server import HubServer

NAME = "acme/tiny"


@dataclass(frozen=True)
class Published:
    """A folder, and the commit that it is on the hub."""

    folder: Path
    commit: str
    uri: str = f"hf://{NAME}"

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@dataclass(frozen=True)
class Scene:
    """The hub, a repository on it that looks like a model's, and where it is fetched to."""

    hub: HubServer
    place: Place
    tiny: Published

    @property
    def room(self) -> Path:
        return self.place.root

    def config(self, **settings: Any) -> FetchConfig:
        """The configuration that fetches `tiny`; keywords change it."""
        here = {
            "uri": self.tiny.uri,
            "revision": self.tiny.commit,
            "endpoint": self.hub.endpoint,
            "destination": str(self.place.volume),
            "secret_path": str(self.place.secret),
        }
        return FetchConfig(**{**here, **settings})


@pytest.fixture
def scene(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    # Noise: nothing here looks into the weights.
    (folder / "model.safetensors").write_bytes(os.urandom(600_000))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with HubServer() as hub:
        tiny = Published(folder, hub.publish(NAME, folder))
        yield Scene(hub, Place.make(tmp_path), tiny)
