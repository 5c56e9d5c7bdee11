"""How a pod comes to the LoRA adapters of its model, each as the model itself does. Pure.

Each download is a container of its own, so that no adapter's source ever sees the Secret of another
or of the model.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelyard_api.fetch import FetchConfig
from modelyard_api.meta import ADAPTERS_PATH
from modelyard_api.serving import AdapterConfig
from modelyard_api.v1alpha1 import Adapter, Model
from modelyard_operator.desired.model_source import (
    build_fetch,
    build_secret_volumes,
    build_source_mount,
    build_source_volume,
    is_image,
    locate,
)
from modelyard_operator.desired.names import ADAPTER_PREFIX, SECRET_VOLUME, name_adapter_fetch
from modelyard_operator.policy import PlatformPolicy

Json = dict[str, Any]


def build_adapter_configs(model: Model) -> tuple[AdapterConfig, ...]:
    """Return what the runtime is told."""
    return tuple(
        AdapterConfig(name=adapter.name, path=_path(place)) for place, adapter in _number(model)
    )


def build_adapter_volumes(model: Model) -> list[Json]:
    """Return the volumes of the adapters and of their downloads' Secrets."""
    volumes: list[Json] = []
    for place, adapter in _number(model):
        volumes.append(build_source_volume(_volume(place), adapter.uri))
        volumes += build_secret_volumes(_secret_volume(place), adapter.secret_ref)
    return volumes


def build_adapter_mounts(model: Model) -> list[Json]:
    """Return the mounts into the container that serves."""
    return [
        build_source_mount(_volume(place), adapter.uri, _path(place))
        for place, adapter in _number(model)
    ]


def build_adapter_fetches(
    model: Model, policy: PlatformPolicy, container: Json, commits: Mapping[str, str]
) -> list[Json]:
    """Return the downloads; `commits` has the revision of each adapter by its name."""
    fetches: list[Json] = []
    for place, adapter in _number(model):
        if is_image(adapter.uri):
            continue
        config = FetchConfig(
            uri=adapter.uri, revision=commits.get(adapter.name, ""), adapter=adapter.name
        )
        fetches.append(
            build_fetch(
                name_adapter_fetch(place),
                _volume(place),
                _secret_volume(place) if adapter.secret_ref.name else "",
                locate(config, policy),
                container,
            )
        )
    return fetches


def _number(model: Model) -> Iterator[tuple[int, Adapter]]:
    """Number the adapters, the same whatever their order. Their names may have slashes."""
    return enumerate(sorted(model.adapters, key=lambda adapter: adapter.name))


def _path(place: int) -> str:
    return f"{ADAPTERS_PATH}/{place}"


def _volume(place: int) -> str:
    return f"{ADAPTER_PREFIX}{place}"


def _secret_volume(place: int) -> str:
    return f"{_volume(place)}-{SECRET_VOLUME}"
