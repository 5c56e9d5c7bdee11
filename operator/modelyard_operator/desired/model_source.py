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
from modelyard_api.v1alpha1 import Format, Model, ObjectReference
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
    return [
        build_source_volume(MODEL_VOLUME, model.uri),
        *build_secret_volumes(SECRET_VOLUME, model.secret_ref),
        {"name": SCRATCH_VOLUME, "emptyDir": {"sizeLimit": _SCRATCH_SIZE}},
    ]


def build_model_mount(model: Model) -> Json:
    """Return the mount of the model folder into the container that serves."""
    return build_source_mount(MODEL_VOLUME, model.uri, MODEL_PATH)


def build_init_containers(
    model: Model, policy: PlatformPolicy, container: Json, commit: str
) -> list[Json]:
    """Return the download, for what no node can pull."""
    if is_image(model.uri):
        return []
    config = locate(
        FetchConfig(
            uri=model.uri,
            revision=commit,
            format=Format.AUTO if model.format in _FETCHED_ANYWAY else model.format,
            entrypoint=model.entrypoint,
        ),
        policy,
    )
    secret = SECRET_VOLUME if model.secret_ref.name else ""
    return [build_fetch(FETCH_CONTAINER, MODEL_VOLUME, secret, config, container)]


def read_image_reference(uri: str) -> str:
    """Return what the kubelet pulls for an oci:// URI."""
    return uri.removeprefix(_OCI)


def is_image(uri: str) -> bool:
    """Tell what a node pulls from what a pod downloads."""
    return uri.startswith(_OCI)


def build_source_volume(name: str, uri: str) -> Json:
    """Return the volume of what is served: the image itself, or room for a download."""
    if not is_image(uri):
        return {"name": name, "emptyDir": {}}
    reference = read_image_reference(uri)
    return {"name": name, "image": {"reference": reference, "pullPolicy": "IfNotPresent"}}


def build_source_mount(name: str, uri: str, path: str) -> Json:
    """Return the mount of such a volume into the container that serves."""
    mount = {"name": name, "mountPath": path, "readOnly": True}
    # Only what was verified has this name: a download that is not finished cannot be served.
    return mount if is_image(uri) else {**mount, "subPath": DOWNLOADED_FOLDER}


def build_secret_volumes(name: str, secret: ObjectReference) -> list[Json]:
    """Return the volume of a download's Secret, if there is one."""
    if not secret.name:
        return []
    # Optional: the download says that it is missing, where the kubelet would wait in silence.
    mounted = {"secretName": secret.name, "defaultMode": 0o440, "optional": True}
    return [{"name": name, "secret": mounted}]


def locate(config: FetchConfig, policy: PlatformPolicy) -> FetchConfig:
    """Return a download with the address that the policy has for its kind of source."""
    if config.uri.startswith(S3_SCHEME):
        return config.model_copy(update={"s3": S3Settings(**policy.s3.model_dump())})
    return config.model_copy(update={"endpoint": policy.hugging_face.endpoint})


def build_fetch(
    name: str, volume: str, secret_volume: str, config: FetchConfig, container: Json
) -> Json:
    """Return the container of one download, which sees its own volume and Secret only."""
    mounts: list[Json] = [
        {"name": volume, "mountPath": DOWNLOAD_PATH},
        {"name": SCRATCH_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
    ]
    if secret_volume:
        mounts.append({"name": secret_volume, "mountPath": SECRET_PATH, "readOnly": True})
    return {
        "name": name,
        **{field: container[field] for field in _SHARED_FIELDS},
        "args": ["fetch"],
        "env": [{"name": FETCH_VARIABLE, "value": encode_config(config)}],
        "resources": _without_devices(container["resources"]),
        "volumeMounts": mounts,
    }


def _without_devices(resources: Json) -> Json:
    """Return requests and limits as the server's, so that the pod as a whole asks for no more."""
    limits = {name: size for name, size in resources.get("limits", {}).items() if "/" not in name}
    requests = {"requests": resources["requests"]}
    return {**requests, "limits": limits} if limits else requests
