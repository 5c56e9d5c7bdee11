"""Questions and answers as HTTP bodies: JSON, and behind it the tensors that are sent as bytes.

The header Inference-Header-Content-Length tells where the JSON ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.plain import decode_plain, encode_plain
from modelyard_runtime.protocols.open_inference.raw import decode_raw, encode_raw
from modelyard_runtime.protocols.open_inference.schemas import (
    InferenceAnswer,
    InferenceRequest,
    InputTensor,
    OutputTensor,
)
from modelyard_runtime.protocols.open_inference.tensors import (
    Question,
    Tensor,
    input_field,
    shown,
)
from modelyard_runtime.schema import explain

LENGTH_HEADER = "inference-header-content-length"

#: The request's parameter that says how outputs travel which do not say so themselves.
_BINARY_OUTPUT = "binary_data_output"


def read_question(body: bytes, length: str | None) -> tuple[InferenceRequest, Question]:
    """Return the JSON of a body, and the question that it and the bytes behind it ask.

    Raises:
        InvalidRequest: they are not what the schema says, or not what one says of the other.
    """
    content = memoryview(body)
    end = len(body) if length is None else _parse_length(length, len(body))
    try:
        asked = InferenceRequest.model_validate_json(bytes(content[:end]))
    except ValidationError as error:
        raise explain(error) from error
    _find_default(asked)
    return asked, Question(
        inputs=_read_tensors(asked.inputs, content[end:]),
        outputs=tuple(output.name for output in asked.outputs or ()),
        parameters={k: v for k, v in (asked.parameters or {}).items() if k != _BINARY_OUTPUT},
    )


def _find_default(asked: InferenceRequest) -> bool:
    default = (asked.parameters or {}).get(_BINARY_OUTPUT, False)
    if not isinstance(default, bool):
        raise InvalidRequest(
            f"The parameter {_BINARY_OUTPUT!r} is true or false.",
            param=f"parameters.{_BINARY_OUTPUT}",
        )
    return default


def _read_tensors(given_inputs: Sequence[InputTensor], rest: memoryview) -> tuple[Tensor, ...]:
    inputs: list[Tensor] = []
    for given in given_inputs:
        size = _size_of(given)
        if size > len(rest):
            raise InvalidRequest(
                f"The input {shown(given.name)} has a binary_data_size of {size} bytes; "
                f"{len(rest)} are left after the JSON.",
                param=input_field(given.name, "parameters.binary_data_size"),
            )
        inputs.append(_read_tensor(given, rest[:size]))
        rest = rest[size:]
    if len(rest):
        raise InvalidRequest(
            f"{len(rest)} bytes follow the JSON that no input's binary_data_size accounts for.",
            param="inputs",
        )
    return tuple(inputs)


def find_binary(asked: InferenceRequest, tensors: Sequence[Tensor]) -> frozenset[str]:
    """Return the names of the outputs that are to be sent as bytes."""
    default = _find_default(asked)
    said = {
        output.name: output.parameters.binary_data
        for output in asked.outputs or ()
        if output.parameters is not None and output.parameters.binary_data is not None
    }
    return frozenset(tensor.name for tensor in tensors if said.get(tensor.name, default))


def write_answer(
    identity: Mapping[str, str], tensors: Sequence[Tensor], binary: frozenset[str]
) -> tuple[bytes, list[bytes]]:
    """Return the JSON, and the bytes that belong behind it."""
    blobs: list[bytes] = []
    outputs: list[OutputTensor] = []
    for tensor in tensors:
        output: OutputTensor = {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "datatype": tensor.datatype,
        }
        if tensor.name in binary:
            blobs.append(encode_raw(tensor.datatype, tensor.array))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            output["data"] = encode_plain(tensor.name, tensor.datatype, tensor.array)
        outputs.append(output)
    answer: InferenceAnswer = {**identity, "outputs": outputs}  # type: ignore[typeddict-item]  # the caller's keys
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), blobs


def _parse_length(text: str, available: int) -> int:
    # Longer digits would be no length either, and Python takes its time over them.
    if text.isascii() and text.isdecimal() and len(text) <= len(str(available)):
        length = int(text)
        if length <= available:
            return length
    raise InvalidRequest(
        f"The header Inference-Header-Content-Length is no length within the body of {available} "
        "bytes.",
        param="Inference-Header-Content-Length",
    )


def _size_of(given: InputTensor) -> int:
    size = given.parameters.binary_data_size if given.parameters is not None else None
    if (size is None) == (given.data is None):
        have = "neither data nor" if size is None else "both data and"
        raise InvalidRequest(
            f"The input {shown(given.name)} has {have} binary_data_size: send one of them.",
            param=input_field(given.name, "data"),
        )
    return size or 0


def _read_tensor(given: InputTensor, content: memoryview) -> Tensor:
    decode: Any = decode_plain if given.data is not None else decode_raw
    return decode(  # type: ignore[no-any-return]  # both return a Tensor
        given.name, given.datatype, given.shape, given.data if given.data is not None else content
    )
