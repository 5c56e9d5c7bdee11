"""Questions and answers as gRPC's messages. Answers carry tensors as bytes, as Triton's do."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.datatypes import (
    BYTES,
    count_elements,
    numpy_type,
)
from modelyard_runtime.protocols.open_inference.raw import MAX_STRINGS, decode_raw, encode_raw
from modelyard_runtime.protocols.open_inference.schemas import MAX_TENSORS
from modelyard_runtime.protocols.open_inference.tensors import (
    Question,
    Tensor,
    check_header,
    form_array,
    form_objects,
    input_field,
    shown,
)

#: Where a message has the contents of each datatype; FP16 has no place but bytes.
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
#: What numpy calls the numbers there.
_WIDE = {
    "bool_contents": np.bool_,
    "int_contents": np.int32,
    "int64_contents": np.int64,
    "uint_contents": np.uint32,
    "uint64_contents": np.uint64,
    "fp32_contents": np.float32,
    "fp64_contents": np.float64,
}
#: Parameters of HTTP that KServe's client sends here, too, where they say nothing new.
_NEEDLESS = {"inputs": {"binary_data_size"}, "outputs": {"binary_data"}}


def read_question(request: Any) -> Question:
    """Read a ModelInferRequest.

    Raises:
        InvalidRequest: a tensor cannot be read.
    """
    for what, known in _NEEDLESS.items():
        tensors = getattr(request, what)
        if len(tensors) > MAX_TENSORS:
            raise InvalidRequest(f"There are more than {MAX_TENSORS}.", param=what)
        for place, tensor in enumerate(tensors):
            for name in tensor.parameters.keys() - known:
                raise InvalidRequest(
                    f"Unknown parameter: {shown(name)}.",
                    param=f"{what}[{place}].parameters.{name[:64]}",
                )
    return Question(
        inputs=_read_inputs(request.inputs, request.raw_input_contents),
        outputs=tuple(output.name for output in request.outputs),
        parameters={name: _read_parameter(name, one) for name, one in request.parameters.items()},
    )


def write_answer(response: Any, tensors: Sequence[Tensor]) -> None:
    """Put the outputs into a ModelInferResponse."""
    for tensor in tensors:
        response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        response.raw_output_contents.append(encode_raw(tensor.datatype, tensor.array))


def _read_inputs(inputs: Sequence[Any], raw: Sequence[bytes]) -> tuple[Tensor, ...]:
    if not inputs:
        raise InvalidRequest("There are no inputs.", param="inputs")
    if not raw:
        return tuple(_read_typed(given) for given in inputs)
    if len(raw) != len(inputs):
        raise InvalidRequest(
            f"There are {len(inputs)} inputs and {len(raw)} raw contents.",
            param="raw_input_contents",
        )
    for given in inputs:
        if given.HasField("contents"):
            raise InvalidRequest(
                f"The input {shown(given.name)} has contents beside raw_input_contents: send one.",
                param=input_field(given.name, "contents"),
            )
    return tuple(
        decode_raw(given.name, given.datatype, given.shape, content)
        for given, content in zip(inputs, raw, strict=True)
    )


def _read_typed(given: Any) -> Tensor:
    check_header(given.name, given.datatype, given.shape)
    field = _CONTENTS.get(given.datatype)
    if field is None:
        raise _wrong(given, f"{given.datatype} is sent as raw_input_contents")
    others = [one.name for one, _ in given.contents.ListFields() if one.name != field]
    if others:
        raise _wrong(given, f"{given.datatype} is sent as {field}, not as {others[0]}")
    elements = getattr(given.contents, field)
    count = count_elements(given.shape)
    if len(elements) != count:
        raise _wrong(given, f"its shape says {count} elements; it has {len(elements)}")
    if given.datatype != BYTES:
        flat = _narrow(given, np.fromiter(elements, _WIDE[field], count))
    elif count > MAX_STRINGS:
        raise _wrong(given, f"there are more than {MAX_STRINGS} elements")
    else:
        flat = form_objects(elements)
    array = form_array(given.name, given.datatype, given.shape, flat)
    return Tensor(given.name, given.datatype, array)


def _narrow(given: Any, array: Any) -> Any:
    """Bring numbers to their datatype, which may be narrower than the message's."""
    dtype = numpy_type(given.datatype)
    if dtype.kind in "iu" and array.size:
        bounds = np.iinfo(dtype)
        if int(array.min()) < bounds.min or int(array.max()) > bounds.max:
            raise _wrong(
                given, f"elements of {given.datatype} are from {bounds.min} to {bounds.max}"
            )
    return array.astype(dtype)


def _read_parameter(name: str, given: Any) -> Any:
    choice = given.WhichOneof("parameter_choice")
    if choice is None:
        raise InvalidRequest(
            f"The parameter {shown(name)} has no value.", param=f"parameters.{name[:64]}"
        )
    return getattr(given, choice)


def _wrong(given: Any, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The contents of the input {shown(given.name)} cannot be read: {why}.",
        param=input_field(given.name, "contents"),
    )
