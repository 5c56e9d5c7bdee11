"""ServingConfig v1: what the operator tells the runtime.

It travels as one JSON document in the environment variable MODELYARD_CONFIG of the pod, so that
a revision (the hash of the pod template) is complete in itself. Defaults are left out, so that a
new field does not change the templates of models that do not use it.
"""

from typing import Literal

from modelyard_api.document import Document
from modelyard_api.meta import MODEL_PATH
from modelyard_api.v1alpha1 import DType, Format, Optimize, Task, Verify


class AccessConfig(Document):
    """Who may ask. An empty path: no keys are asked for, or no TLS is spoken."""

    #: Folder with one file for each owner of API keys (docs/access.md).
    keys_path: str = ""
    #: Folder with `tls.crt` and `tls.key`.
    tls_path: str = ""
    audit: bool = False

    @property
    def keeps_accounts(self) -> bool:
        """Whether each request is written down: there are keys to bill, or an audit is wanted."""
        return self.audit or bool(self.keys_path)


class AdapterConfig(Document):
    """A LoRA adapter of the model: what clients call it, and its folder."""

    name: str
    path: str


class ServingConfig(Document):
    """One model, and how to serve it. Times are in seconds."""

    version: Literal[1] = 1
    model_name: str
    model_path: str = MODEL_PATH
    task: Task = Task.AUTO
    format: Format = Format.AUTO
    #: `module:Class` in the model folder, for the format state-dict.
    entrypoint: str = ""
    #: The model may bring code: an entrypoint, or a format that is a program.
    allow_code: bool = False
    dtype: DType = DType.AUTO
    optimize: Optimize = Optimize()
    drain_seconds: int = 120
    verify: Verify | None = None
    #: Kind of device that the model must run on (`cuda`); empty takes what there is.
    device: str = ""
    access: AccessConfig = AccessConfig()
    adapters: tuple[AdapterConfig, ...] = ()


def encode_config(config: ServingConfig) -> str:
    """Return the value of MODELYARD_CONFIG as it stands in a pod template."""
    return config.encode_variable()


def decode_config(text: str) -> ServingConfig:
    """Read MODELYARD_CONFIG as the process sees it, after the kubelet's expansion.

    Raises:
        ValueError: not JSON, not an object of this version, or a field of the wrong type
            (pydantic.ValidationError is a ValueError).
    """
    return ServingConfig.model_validate_json(text)
