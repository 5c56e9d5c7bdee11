"""How a pod comes to its API keys and its certificate, and whether it speaks TLS. Pure."""

from typing import Any

from modelyard_api.meta import KEYS_PATH, LABEL_REVISION, REVISION_VARIABLE, TLS_PATH
from modelyard_api.serving import AccessConfig
from modelyard_api.v1alpha1 import Access
from modelyard_operator.desired.names import KEYS_VOLUME, TLS_PORT_NAME, TLS_VOLUME

Json = dict[str, Any]


def build_access_config(access: Access) -> AccessConfig:
    """Return what the runtime is told of it."""
    return AccessConfig(
        keys_path=KEYS_PATH if access.keys_secret_ref.name else "",
        tls_path=TLS_PATH if access.tls_secret_ref.name else "",
        audit=access.audit,
    )


def build_access_volumes(access: Access) -> list[Json]:
    """Return a volume for each Secret, whole: the kubelet renews no file that is mounted alone."""
    # Optional: the runtime says that one is missing, where the kubelet would wait in silence.
    return [
        {"name": volume, "secret": {"secretName": name, "defaultMode": 0o440, "optional": True}}
        for volume, name, _ in _list_secrets(access)
    ]


def build_access_mounts(access: Access) -> list[Json]:
    """Return the mounts of those volumes."""
    return [
        {"name": volume, "mountPath": path, "readOnly": True}
        for volume, _, path in _list_secrets(access)
    ]


def build_access_env(access: Access) -> list[Json]:
    """Return the pod's own revision, where requests are written down."""
    if not build_access_config(access).keeps_accounts:
        return []
    field = {"fieldPath": f"metadata.labels['{LABEL_REVISION}']"}
    return [{"name": REVISION_VARIABLE, "valueFrom": {"fieldRef": field}}]


def serves_tls(template: Json) -> bool:
    """Tell whether the pods of a template speak TLS."""
    containers = template.get("spec", {}).get("containers") or [{}]
    return any(port.get("name") == TLS_PORT_NAME for port in containers[0].get("ports") or ())


def _list_secrets(access: Access) -> list[tuple[str, str, str]]:
    """Return volume, Secret and path of each Secret that is named."""
    known = (
        (KEYS_VOLUME, access.keys_secret_ref.name, KEYS_PATH),
        (TLS_VOLUME, access.tls_secret_ref.name, TLS_PATH),
    )
    return [entry for entry in known if entry[1]]
