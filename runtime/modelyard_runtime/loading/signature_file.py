"""signature.json: what a model's own file does not say of its tensors."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from modelyard_api.meta import Reason
from modelyard_runtime.domain import DATATYPES, Signature, TensorSignature
from modelyard_runtime.errors import CannotStart

SIGNATURE_FILE = "signature.json"
_EXAMPLE = '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]}'


def _check_datatype(datatype: str) -> str:
    if datatype not in DATATYPES:
        raise ValueError(f"{datatype!r} is none of {', '.join(DATATYPES)}")
    return datatype


class _Tensor(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    datatype: Annotated[str, AfterValidator(_check_datatype)]
    shape: list[Annotated[int, Field(ge=-1)]]

    def to_domain(self) -> TensorSignature:
        return TensorSignature(self.name, self.datatype, tuple(self.shape))


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    inputs: Annotated[list[_Tensor], Field(min_length=1)]
    outputs: list[_Tensor] = Field(default=[])


def read_signature(documents: Mapping[str, Any], parameters: tuple[str, ...]) -> Signature:
    """Return what the folder's signature.json declares; `parameters` are the model's own inputs.

    Raises:
        CannotStart: ModelUnsupported, there is none, or it is not of this form, or not of this
            model.
    """
    if SIGNATURE_FILE not in documents:
        raise _unusable("the folder has none, and the model itself names neither types nor shapes")
    try:
        read = _File.model_validate(documents[SIGNATURE_FILE])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _unusable(f"{where}: {first['msg']}" if where else first["msg"]) from error
    names = tuple(tensor.name for tensor in read.inputs)
    if names != parameters:
        raise _unusable(
            f"it declares the inputs {', '.join(names)}, and the model takes "
            f"{', '.join(parameters) or 'none'}"
        )
    return Signature(
        tuple(tensor.to_domain() for tensor in read.inputs),
        tuple(tensor.to_domain() for tensor in read.outputs),
    )


def _unusable(problem: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{SIGNATURE_FILE} does not say what the model takes: {problem}",
        hint=f"Put {SIGNATURE_FILE} beside the model, with all inputs in the model's order, such "
        f"as {_EXAMPLE}; -1 is a free dimension, the first one counts examples.",
    )
