"""How a pod comes to its model folder: an image volume, or a download before it starts. Pure."""

from typing import Any

from modelyard_api.fetch import S3_SCHEME, FetchConfig, S3Settings, encode_config
from modelyard_api.meta import (
    DOWNLOAD_PATH,
    DOWNLOADED_FOLDER,
    FETCH_VARIABLE,
    MODEL_PATH,
    SECRET_PATH,
)
from modelyard_api.v1alpha1 import Format, Model
from modelyard_operator.desired.names import (
    FETCH_CONTAINER,
    MODEL_VOLUME,
    SCRATCH_VOLUME,
    SECRET_VOLUME,
)
from modelyard_operator.policy import PlatformPolicy

Json = dict[str, Any]

_SCRATCH_SIZE = "1Gi"
_OCI = "oci://"
#: Formats that are looked for whatever the spec says: their pods stay as they were rendered.
_FETCHED_ANYWAY = frozenset({Format.TRANSFORMERS, Format.GGUF})
#: What the download inherits of the container that serves.
_SHARED_FIELDS = ("image", "imagePullPolicy", "securityContext", "terminationMessagePolicy")


def build_volumes(model: Model) -> list[Json]:
    """Return the pod's volumes: the model, scratch space, and the download's secret if any."""
    volumes: list[Json] = [_build_model_volume(model)]
    if model.secret_ref.name:
        # Optional: the download says that it is missing, where the kubelet would wait in silence.
        secret = {"secretName": model.secret_ref.name, "defaultMode": 0o440, "optional": True}
        volumes.append({"name": SECRET_VOLUME, "secret": secret})
    return [*volumes, {"name": SCRATCH_VOLUME, "emptyDir": {"sizeLimit": _SCRATCH_SIZE}}]


def build_model_mount(model: Model) -> Json:
    """Return the mount of the model folder into the container that serves."""
    mount = {"name": MODEL_VOLUME, "mountPath": MODEL_PATH, "readOnly": True}
    # Only what was verified has this name: a download that is not finished cannot be served.
    return mount if _is_image(model) else {**mount, "subPath": DOWNLOADED_FOLDER}


def build_init_containers(
    model: Model, policy: PlatformPolicy, container: Json, commit: str
) -> Json:
    """Return the `initContainers` field: the download for what no node can pull."""
    return (
        {}
        if _is_image(model)
        else {"initContainers": [_build_fetch(model, policy, container, commit)]}
    )


def read_image_reference(uri: str) -> str:
    """Return what the kubelet pulls for an oci:// URI."""
    return uri.removeprefix(_OCI)


def _is_image(model: Model) -> bool:
    return model.uri.startswith(_OCI)


def _build_model_volume(model: Model) -> Json:
    if not _is_image(model):
        return {"name": MODEL_VOLUME, "emptyDir": {}}
    reference = read_image_reference(model.uri)
    return {
        "name": MODEL_VOLUME,
        "image": {"reference": reference, "pullPolicy": "IfNotPresent"},
    }


def _build_fetch(model: Model, policy: PlatformPolicy, container: Json, commit: str) -> Json:
    config = _build_config(model, policy, commit)
    mounts: list[Json] = [
        {"name": MODEL_VOLUME, "mountPath": DOWNLOAD_PATH},
        {"name": SCRATCH_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
    ]
    if model.secret_ref.name:
        mounts.append({"name": SECRET_VOLUME, "mountPath": SECRET_PATH, "readOnly": True})
    return {
        "name": FETCH_CONTAINER,
        **{field: container[field] for field in _SHARED_FIELDS},
        "args": ["fetch"],
        "env": [{"name": FETCH_VARIABLE, "value": encode_config(config)}],
        "resources": _without_devices(container["resources"]),
        "volumeMounts": mounts,
    }


def _build_config(model: Model, policy: PlatformPolicy, commit: str) -> FetchConfig:
    config = FetchConfig(
        uri=model.uri,
        revision=commit,
        format=Format.AUTO if model.format in _FETCHED_ANYWAY else model.format,
        entrypoint=model.entrypoint,
    )
    if model.uri.startswith(S3_SCHEME):
        return config.model_copy(update={"s3": S3Settings(**policy.s3.model_dump())})
    return config.model_copy(update={"endpoint": policy.hugging_face.endpoint})


def _without_devices(resources: Json) -> Json:
    """Return requests and limits as the server's, so that the pod as a whole asks for no more."""
    limits = {name: size for name, size in resources.get("limits", {}).items() if "/" not in name}
    requests = {"requests": resources["requests"]}
    return {**requests, "limits": limits} if limits else requests
