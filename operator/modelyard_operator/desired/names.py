"""Every name, label and selector of the children. Nothing here is user input but the name."""

from typing import Any, Final

from modelyard_api.meta import API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_MODEL, MANAGER
from modelyard_api.v1alpha1 import Metadata

#: The containers of a model pod, and the volumes they mount.
CONTAINER: Final = "runtime"
FETCH_CONTAINER: Final = "fetch"
#: Of each adapter's container, volumes and folder; a number follows.
ADAPTER_PREFIX: Final = "adapter-"
MODEL_VOLUME: Final = "model"
SECRET_VOLUME: Final = "secret"  # noqa: S105 - the name of a volume
SCRATCH_VOLUME: Final = "tmp"
KEYS_VOLUME: Final = "keys"
TLS_VOLUME: Final = "tls"
#: The serving port's name in a pod; it tells pods that speak TLS from others.
PORT_NAME: Final = "http"
TLS_PORT_NAME: Final = "https"
#: The name of the Service's port for gRPC. Pods do not declare theirs: templates stay as they are.
GRPC_PORT_NAME: Final = "grpc"

#: What the watches of children and pods select.
CHILD_SELECTOR: Final = f"{LABEL_MANAGED_BY}={MANAGER}"


def name_adapter_fetch(place: int) -> str:
    """Return the name of the container that downloads the adapter with that number."""
    return f"{FETCH_CONTAINER}-{ADAPTER_PREFIX}{place}"


def build_labels(name: str) -> dict[str, str]:
    """Return the labels of a model's children and pods; also the selector, which never changes."""
    return {LABEL_MANAGED_BY: MANAGER, LABEL_MODEL: name}


def build_selector(name: str) -> str:
    """Return the selector of a model's pods as text, for /scale."""
    return ",".join(f"{label}={value}" for label, value in sorted(build_labels(name).items()))


def build_metadata(owner: Metadata, annotations: dict[str, str]) -> dict[str, Any]:
    """Return the metadata of a child: named as its owner, and collected with it."""
    return {
        "name": owner.name,
        "namespace": owner.namespace,
        "labels": build_labels(owner.name),
        "annotations": annotations,
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def build_url(namespace: str, name: str, *, is_tls: bool = False) -> str:
    """Return where the Service answers, whatever the cluster's domain is called."""
    return f"{TLS_PORT_NAME if is_tls else PORT_NAME}://{name}.{namespace}.svc"
