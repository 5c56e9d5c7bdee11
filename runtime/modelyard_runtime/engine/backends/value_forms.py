"""How each task's items become the values that a class is asked, and its values results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification, TextInput
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.tasks.predict import Prediction, TensorInput, require_few
from modelyard_runtime.tasks.rewriting import Rewritten
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.translation import TextToTranslate

# What clients can ask of a translation or summary beside its text.
_WISHES = ("source", "target", "max_tokens")


@dataclass(frozen=True, slots=True)
class Form:
    """The way there and back; `to_values` returns at least one.

    `sample` makes an item of the class's own example, which may be None. `to_result` raises
    TypeError if the values are not what the task returns.
    """

    sample: Callable[[Any], Any]
    to_values: Callable[[Any], list[Any]]
    to_result: Callable[[Any, list[Any]], Any]


def _sample_any(example: Any) -> TensorInput:
    if example is None:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            "The class of spec.model.entrypoint does not say what it can be asked, so that the "
            "pod could try before it becomes ready",
            hint="Give the class an attribute `example` with one value that predict can answer.",
        )
    return TensorInput([example])


def _to_list(item: TensorInput) -> list[Any]:
    if isinstance(item.values, list):
        if not item.values:
            raise InvalidRequest("the list is empty", param=item.field)
        require_few(len(item.values), item.field)
        return item.values
    return [item.values]


def _to_prediction(item: TensorInput, outputs: list[Any]) -> Prediction:
    return Prediction(outputs if isinstance(item.values, list) else outputs[0])


def _sample_text(example: Any) -> TextInput:
    return TextInput(_pick_text(example))


def _pick_text(example: Any) -> str:
    return example if isinstance(example, str) else "Hello"


def _read_text(item: TextInput) -> list[Any]:
    if not isinstance(item.content, str):
        raise InvalidRequest("this model takes texts, not token ids", param="input")
    return _require_text(item.content)


def _require_text(text: str) -> list[Any]:
    if not text:
        raise InvalidRequest("the text is empty", param="text")
    return [text]


def _to_classification(_item: TextInput, outputs: list[Any]) -> Classification:
    """Labels with scores; or the best label alone."""
    (output,) = outputs
    if isinstance(output, str):
        return Classification({output: 1.0}, tokens=0)
    if not isinstance(output, Mapping) or not output:
        raise TypeError(f"{type(output).__name__}, and no label or mapping of labels to scores")
    scores = {str(label): float(score) for label, score in output.items()}
    return Classification(dict(sorted(scores.items(), key=lambda one: -one[1])), tokens=0)


def _read_source(item: TextToTranslate | TextToSummarise) -> list[Any]:
    """The class is asked with texts alone, so nothing else may be asked of it."""
    for field in _WISHES:
        if getattr(item, field, None):
            raise InvalidRequest(
                f"this model does not support the parameter {field!r}",
                param=field,
                code="unsupported_parameter",
            )
    return _require_text(item.text)


def _to_rewritten(_item: Any, outputs: list[Any]) -> Rewritten:
    (output,) = outputs
    if not isinstance(output, str):
        raise TypeError(f"{type(output).__name__}, and no text")
    return Rewritten(output, tokens=0, completion_tokens=0)


#: By the task that a class is asked to serve.
FORMS: dict[Task, Form] = {
    Task.PREDICT: Form(_sample_any, _to_list, _to_prediction),
    Task.TEXT_CLASSIFICATION: Form(_sample_text, _read_text, _to_classification),
    Task.TRANSLATION: Form(
        lambda example: TextToTranslate(_pick_text(example)), _read_source, _to_rewritten
    ),
    Task.SUMMARIZATION: Form(
        lambda example: TextToSummarise(_pick_text(example)), _read_source, _to_rewritten
    ),
}
