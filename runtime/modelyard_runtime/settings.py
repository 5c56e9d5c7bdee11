"""Settings of this process, read once from the environment. What to serve is in ServingConfig."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelyard_api.meta import GRPC_PORT, INTERNAL_PORT, SERVING_PORT, Reason
from modelyard_runtime.errors import CannotStart

PREFIX = "MODELYARD_"

Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Each field is set by the environment variable MODELYARD_<FIELD>. Port 0: any free one."""

    model_config = ConfigDict(frozen=True)

    host: str = "0.0.0.0"  # noqa: S104 - a pod serves its network; `modelyard serve` says 127.0.0.1
    port: Port = SERVING_PORT
    grpc_port: Port = GRPC_PORT
    internal_port: Port = INTERNAL_PORT
    termination_log: Path = Path("/dev/termination-log")
    log_format: Literal["json", "text"] = "json"
    max_body_bytes: Annotated[int, Field(gt=0)] = 4 * 1024 * 1024
    #: The same where the model takes pictures or sounds; in base64 a third more than the file.
    max_media_bytes: Annotated[int, Field(gt=0)] = 16 * 1024 * 1024
    #: What the bodies of all requests inside may take together.
    max_bodies_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    #: How long a body may be on its way.
    body_seconds: Annotated[float, Field(gt=0)] = 60.0
    #: Requests inside at once, whatever they wait for; the engine's own queue is shorter. It bounds
    #: what bodies that are still on their way can take of the memory.
    max_requests: Annotated[int, Field(gt=0)] = 256
    #: How long a stopping process still takes new requests, for clients and proxies to notice.
    lame_duck_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    parting_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    #: Once the model is ready, write a request that it answers, for a person at a terminal.
    suggest: bool = False
    #: This pod's revision, for usage records. The pod's own label tells it (REVISION_VARIABLE).
    revision: str = ""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings that the environment has; the others keep their defaults.

    Raises:
        CannotStart: a value is not of its type or out of range.
    """
    given = {
        field: environment[PREFIX + field.upper()]
        for field in Settings.model_fields
        if environment.get(PREFIX + field.upper())
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"environment variable {variable}: {first['msg']} (it is {first['input']!r})",
        ) from error
