"""predict: named tensors, or any JSON, and what the model makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import WithJsonSchema, model_validator
from typing_extensions import TypedDict

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.schema import Body, conflict
from modelyard_runtime.tasks.spec import Example, TaskSpec

#: Of one request, where each is computed by itself or put to a class.
MAX_VALUES = 2048
#: Numbers in an example for people, and letters of a class's own: a picture would be pages of them.
_MAX_SHOWN_NUMBERS, _MAX_SHOWN_BYTES = 4096, 64 * 1024
_SHOWN_DECIMALS = 3

_INPUTS = {
    "description": "An object with a tensor (nested lists, or one value) for each of the model's "
    "inputs, the examples along the first dimension; or just the tensor where there is one input. "
    "Of a model that takes any JSON: a list of values, or one value.",
}
_FEATURES = {
    "description": "For a model with one input: an example, or a list of examples.",
    "type": "array",
    "items": {},
}


@dataclass(frozen=True, slots=True)
class TensorInput:
    """What one request asks: arrays or nested lists by name, or without one.

    `field` is where the client put them. In `features` a single example may stand without the
    dimension that counts examples.
    """

    values: Any
    field: str = "inputs"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The outputs: arrays by name, or any JSON; and the label of each example, if it has one.

    Where the client sent a single example, there is neither a list of labels nor of scores.
    """

    outputs: Mapping[str, NDArray[Any]] | Any
    label: str | tuple[str, ...] | None = None
    score: float | tuple[float, ...] | None = None
    tokens: int = 0


class PredictRequest(Body):
    """`inputs`, or `features`."""

    inputs: Annotated[Any, WithJsonSchema(_INPUTS)] = None
    features: Annotated[tuple[Any, ...] | None, WithJsonSchema(_FEATURES)] = None

    @model_validator(mode="after")
    def _require_one(self) -> "PredictRequest":
        if self.inputs is None and self.features is None:
            raise conflict("inputs", "Missing required parameter: 'inputs' (or 'features')")
        if self.inputs is not None and self.features is not None:
            raise conflict("features", "Give 'inputs' or 'features', not both")
        return self


class PredictAnswer(TypedDict):
    """`outputs` by name; numbers that are not finite are null.

    Models with labels tell the best one of each example, and its score.
    """

    outputs: Annotated[Any, WithJsonSchema({"description": "As the model returns them."})]
    label: NotRequired[str | list[str]]
    score: NotRequired[float | list[float]]


def require_few(count: int, field: str) -> None:
    """Refuse more values of one request than are queued one by one.

    Raises:
        InvalidRequest: there are more than MAX_VALUES.
    """
    if count > MAX_VALUES:
        raise InvalidRequest(
            f"there are {count} values; this model takes at most {MAX_VALUES} in a request",
            param=field,
            code="too_many_values",
        )


def to_items(body: PredictRequest) -> list[TensorInput]:
    """Return one item: its examples are computed together, with those of others."""
    if body.features is not None:
        return [TensorInput(list(body.features), "features")]
    return [TensorInput(body.inputs)]


def to_answer(_body: PredictRequest, results: Sequence[Prediction]) -> PredictAnswer:
    """Return the outputs as JSON has them."""
    (result,) = results
    outputs = result.outputs
    if isinstance(outputs, Mapping):
        outputs = {name: _to_json(value) for name, value in outputs.items()}
    answer: PredictAnswer = {"outputs": outputs}
    if result.label is not None and result.score is not None:
        several = isinstance(result.label, tuple)
        answer["label"] = list(result.label) if several else result.label  # type: ignore[typeddict-item]
        answer["score"] = list(result.score) if isinstance(result.score, tuple) else result.score
    return answer


def _to_json(value: Any) -> Any:
    """Arrays of texts and of short floats are none that the JSON library takes."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == np.float16:
        return value.astype(np.float32)
    # A single number is an array without dimensions.
    return value.tolist() if value.dtype == object or not value.ndim else value


def fit_example(_example: Example, sample: TensorInput) -> Example:
    """Return what the model is tried with: tensors, or the value that a class says it can answer.

    Empty, if that is too long to be read, or no JSON.
    """
    values = sample.values
    if isinstance(values, Mapping):
        if sum(array.size for array in values.values()) > _MAX_SHOWN_NUMBERS:
            return {}
        return {"inputs": {name: _shorten(array) for name, array in values.items()}}
    try:
        shown = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        return {}
    return {"inputs": orjson.loads(shown)} if len(shown) <= _MAX_SHOWN_BYTES else {}


def _shorten(array: NDArray[Any]) -> Any:
    if array.dtype.kind != "f":
        return array.tolist()
    return np.round(array.astype(np.float64), _SHOWN_DECIMALS).tolist()


SPEC = TaskSpec(
    task=Task.PREDICT,
    route="/tensors",
    summary="Compute the model's outputs.",
    request=PredictRequest,
    answer=PredictAnswer,
    example={"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}},
    to_items=to_items,
    to_answer=to_answer,
    fit_example=fit_example,
)
