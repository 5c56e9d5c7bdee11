"""What stands beside a model when its manifest is applied: an image, a bucket, a key."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from examples import buckets, demo, questions
from modelyard_cli import key as api_key
from modelyard_local import images
from modelyard_local.clusters import Cluster

Manifest = dict[str, Any]
_UNAUTHORISED = 401


@dataclass(frozen=True)
class Prepared:
    """The manifests to apply, the model's last, and what asks the model at an address."""

    manifests: list[Manifest]
    ask: Callable[[str], str]


@contextmanager
def from_image(name: str, cluster: Cluster, *, variant: str = "") -> Iterator[Prepared]:
    """Put the model into an image, and that on the node; `variant` is another of its manifests."""
    ending = f"-{variant}" if variant else ""
    *beside, model = read_manifests(name, f"modeldeployment{ending}.yaml")
    called = model["metadata"]["name"] = f"{name}{ending}"
    model["spec"]["model"]["uri"] = f"oci://{put_on_node(name, cluster)}"
    yield Prepared([*beside, model], partial(questions.ask, name, called=called))


@contextmanager
def from_bucket(name: str, cluster: Cluster) -> Iterator[Prepared]:
    """Put the model into a bucket of an S3 server, which pods reach until the end of the block."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        demo.say(f"making the model folder of {name}")
        demo.make_model(demo.Example(name, print), folder)
        secret, model = read_manifests(name, "modeldeployment-s3.yaml")
        called = model["metadata"]["name"] = f"{name}-s3"
        with buckets.serve(Path(scratch), cluster.gateway_address, "models") as endpoint:
            buckets.upload(endpoint, "models", name, folder)
            secret["stringData"] = buckets.build_secret(endpoint)
            yield Prepared([secret, model], partial(questions.ask, name, called=called))


@contextmanager
def with_keys(name: str, cluster: Cluster) -> Iterator[Prepared]:
    """Make an API key; without it, and with another one, nobody is answered."""
    key, other = api_key.make_key(), api_key.make_key()
    secret, model = read_manifests(name, "modeldeployment-keys.yaml")
    called = model["metadata"]["name"] = f"{name}-keys"
    model["spec"]["model"]["uri"] = f"oci://{put_on_node(name, cluster)}"
    secret["stringData"] = {"alice": api_key.hash_key(key)}

    def ask(url: str) -> str:
        for wrong in ("", other):
            require_refusal(url, wrong)
        answer = questions.ask(name, url, called=called, key=key)
        return f"without the key 401, with it: {answer}"

    yield Prepared([secret, model], ask)


def require_refusal(url: str, key: str) -> None:
    """Ask with a key that is not in force.

    Raises:
        ValueError: it is not refused.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    told = httpx.get(f"{url}/v1/models", headers=headers, timeout=30, trust_env=False)
    if told.status_code != _UNAUTHORISED:
        raise ValueError(f"GET /v1/models without a key in force: {told.status_code} {told.text}")


def read_manifests(name: str, file: str) -> list[Manifest]:
    """Return the documents of an example's manifest, the model's last."""
    text = (demo.Example(name, print).folder / file).read_text()
    return list(yaml.safe_load_all(text))


def put_on_node(name: str, cluster: Cluster) -> str:
    """Return the reference of the example's image, which is on the node afterwards."""
    reference = demo.build_model(demo.Example(name, print))
    images.load(cluster, reference, on_progress=demo.say)
    return reference
