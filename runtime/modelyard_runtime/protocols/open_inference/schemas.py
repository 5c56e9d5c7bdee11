"""Bodies of the protocol's HTTP routes.

Names of fields are the specification's. What this server does not do is refused by name: shared
memory, sequences, classification, priorities and time-outs are parameters like any unknown one.
"""

from typing import Annotated, Any, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from modelyard_runtime.protocols.open_inference.datatypes import DATATYPES, MAX_RANK, MAX_SIZE
from modelyard_runtime.schema import Body, Expected

#: No task has nearly as many.
MAX_TENSORS = 64

Data = Annotated[Any, WithJsonSchema({"type": "array", "description": "Flat, or nested as shape."})]
Parameter = Annotated[
    bool | int | float | str | tuple[str, ...],
    Expected("a truth value, a number, a text, or a list of texts"),
]
Size = Annotated[int, Field(ge=0, le=MAX_SIZE)]
Datatype = Annotated[str, WithJsonSchema({"type": "string", "enum": list(DATATYPES)})]


class InputParameters(Body):
    """`binary_data_size`: so many bytes after the JSON are the tensor's data."""

    binary_data_size: Size | None = None


class InputTensor(Body):
    """A tensor that is sent: `data`, or bytes after the JSON."""

    name: str
    shape: Annotated[tuple[Size, ...], Field(max_length=MAX_RANK)]
    datatype: Datatype
    parameters: InputParameters | None = None
    data: Data = None


class OutputParameters(Body):
    """`binary_data`: as bytes after the JSON of the answer, or within it."""

    binary_data: bool | None = None


class RequestedOutput(Body):
    """An output that is wanted."""

    name: str
    parameters: OutputParameters | None = None


class InferenceRequest(Body):
    """Tensors for the model. `model_name`, if sent, is the one of the address."""

    id: str | None = None
    model_name: str | None = None
    parameters: dict[str, Parameter] | None = None
    inputs: Annotated[tuple[InputTensor, ...], Field(min_length=1, max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[RequestedOutput, ...], Field(max_length=MAX_TENSORS)] | None = None


class IndexRequest(Body):
    """`ready`: only models that are ready."""

    ready: bool = False


class LoadRequest(Body):
    """Parameters of loading and unloading; there are none that this server takes."""

    parameters: dict[str, Any] | None = None


class ErrorAnswer(TypedDict):
    """What went wrong; it names the field."""

    error: str


class Live(TypedDict):
    """Whether the process runs and its engine does."""

    live: bool


class Ready(TypedDict):
    """Whether requests are welcome."""

    ready: bool


class ServerMetadata(TypedDict):
    """The server, and what it does beyond the protocol itself."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    """A tensor of the model; -1 is a size that requests differ in."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(TypedDict):
    """The model, its tensors, and its task among the properties."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, str]


class AnswerParameters(TypedDict):
    """`binary_data_size`: so many bytes after the JSON are the tensor's data."""

    binary_data_size: int


class OutputTensor(TypedDict):
    """A tensor of the answer: `data` is flat; without it, bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: NotRequired[AnswerParameters]
    data: NotRequired[Data]


class InferenceAnswer(TypedDict):
    """The model's answer; `id` is the request's."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[OutputTensor]


class IndexEntry(TypedDict):
    """A model of the repository."""

    name: str
    version: str
    state: str
    reason: str


class Done(TypedDict):
    """Nothing else is to be told."""
