"""What an optimised model is asked: the requests of its evaluation.json, or some of ours."""

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.schema import explain
from modelyard_runtime.tasks.spec import TaskSpec

#: In the model folder: a list of `{"request": …, "expect": …}`.
FILE_NAME = "evaluation.json"
#: Each is asked twice while the pod starts.
MAX_EXAMPLES = 256
_MAX_ITEMS = 16
#: Pictures and sounds are in it as base64.
_MAX_BYTES = 16 * 1024**2

_TEXTS = (
    "I enjoyed every minute of it, and I would go again tomorrow.",
    "The room was dirty, the staff was rude, and nobody answered the phone.",
    "Angela Merkel was born in Hamburg and lived in Berlin for many years.",
    "The company sold 40 million devices last year, twice as many as the year before.",
    "In the morning the fishermen bring their boats back to the harbour.",
    "Water boils at a lower temperature on high mountains than at the sea.",
    "She plays the piano, but her brother would rather play football.",
    "The court decided on Tuesday that the new law does not hold.",
    "To make bread you need flour, water, salt and a little patience.",
    "If it rains tomorrow, the match will be played a week later.",
    "The train from Paris to Lyon takes about two hours.",
    "He could not open the file, since the program had ended with an error.",
)
_LABELS = ("sport", "politics", "food", "travel", "science")
_QUESTION = "What is this about?"
#: Of a text that is written: enough to see whether it is the same.
_MAX_TOKENS = 24
_PICTURES = 8
_SIDE = 64


@dataclass(frozen=True, slots=True)
class Example:
    """A request as `POST /predict` takes it, and what its answer must have, if that is known."""

    body: Any
    expect: Mapping[str, Any] = field(default_factory=dict)


def read_examples(spec: TaskSpec, document: Any, sample: Any) -> tuple[Example, ...]:
    """Return what the model is asked; `document` is its evaluation.json, None where it has none.

    `sample` is an item that the model can answer.

    Raises:
        CannotStart: ConfigInvalid, the file is not as it should be.
    """
    if document is None:
        requests = build_requests(spec, sample)
        return tuple(Example(_parse(spec, request)) for request in requests)
    if not isinstance(document, list) or not 0 < len(document) <= MAX_EXAMPLES:
        raise _invalid(f"it must be a list of 1 to {MAX_EXAMPLES} examples")
    return tuple(_read(spec, number, entry) for number, entry in enumerate(document))


def read_document(path: Path) -> Any:
    """Return what the model folder's evaluation.json says; None if there is none.

    Raises:
        CannotStart: ConfigInvalid, it is too large or no JSON.
    """
    file = path / FILE_NAME
    if not file.is_file():
        return None
    size = file.stat().st_size
    if size > _MAX_BYTES:
        raise _invalid(f"it has {size} bytes, and {_MAX_BYTES} are the most")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _invalid(f"it is no JSON ({error})") from error


def build_requests(spec: TaskSpec, sample: Any) -> list[dict[str, Any]]:
    """Return requests that any model of the task can answer."""
    fitted = spec.fit_example(spec.example, sample)
    pictures = ({"image": picture} for picture in _draw_pictures())
    changes: Iterable[dict[str, Any]]
    match spec.task:
        case Task.IMAGE_CLASSIFICATION | Task.OBJECT_DETECTION:
            changes = pictures
        case Task.QUESTION_ANSWERING:
            changes = ({"question": _QUESTION, "context": text} for text in _TEXTS)
        case Task.RERANK:
            changes = ({"query": text, "documents": list(_TEXTS), "top_n": None} for text in _TEXTS)
        case Task.ZERO_SHOT_CLASSIFICATION:
            changes = ({"text": text, "labels": list(_LABELS)} for text in _TEXTS)
        case Task.FILL_MASK:
            changes = ({"text": _hide_word(text, sample.text)} for text in _TEXTS)
        case Task.SUMMARIZATION | Task.TRANSLATION:
            changes = ({"text": text, "max_tokens": _MAX_TOKENS} for text in _TEXTS)
        case Task.AUTOMATIC_SPEECH_RECOGNITION:
            changes = ({},)
        case _:
            changes = ({"text": text} for text in _TEXTS)
    return [{**fitted, **change} for change in changes]


def _hide_word(text: str, mask: str) -> str:
    words = text.split()
    middle = len(words) // 2
    return " ".join([*words[:middle], mask, *words[middle + 1 :]])


def _draw_pictures() -> list[str]:
    """Return pictures of soft spots of colour, in base64: they look like something."""
    dice = np.random.default_rng(0)
    drawn = []
    for _ in range(_PICTURES):
        spots = dice.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(spots).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        drawn.append(base64.b64encode(file.getvalue()).decode())
    return drawn


def _read(spec: TaskSpec, number: int, entry: Any) -> Example:
    known = {"request", "expect"}
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        raise _invalid(f'entry {number} must be an object with "request", a request of the model')
    expect = entry.get("expect", {})
    if not isinstance(expect, dict) or set(entry) - known:
        raise _invalid(f'entry {number} must have "request" and "expect" only, both objects')
    if expect and spec.task is Task.TEXT_GENERATION:
        raise _invalid(f'entry {number}: a text has no single right end; leave out "expect"')
    try:
        body = _parse(spec, entry["request"])
    except ValidationError as error:
        raise _invalid(f"entry {number}, request: {explain(error).message}") from error
    items = len(spec.to_items(body))
    if items > _MAX_ITEMS:
        raise _invalid(f"entry {number} asks for {items} answers; {_MAX_ITEMS} are the most")
    if expect and items > 1:
        raise _invalid(f'entry {number}: "expect" is for a request with one answer')
    return Example(body, expect)


def _parse(spec: TaskSpec, request: dict[str, Any]) -> Any:
    # As text, since JSON has lists where Python has tuples.
    return spec.request.model_validate_json(json.dumps(request))


def _invalid(problem: str) -> CannotStart:
    return CannotStart(
        Reason.CONFIG_INVALID,
        f"{FILE_NAME} of the model folder cannot be used: {problem}",
        hint=f"Correct {FILE_NAME}, or remove it: the model is then tried with examples of the "
        "runtime's own.",
    )


def count_right(examples: Sequence[Example], right: Sequence[bool]) -> float | None:
    """Return the share of right answers of those examples that say what is; None if none does."""
    judged = [ok for example, ok in zip(examples, right, strict=True) if example.expect]
    return sum(judged) / len(judged) if judged else None
