"""How answers of a server and of a library are held against each other, part by part."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """An answer, in parts that can be compared."""

    texts: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()


Oracle = Callable[[Path, Sequence[Body]], list[Said]]


def each(answer: Callable[[Body], Said], bodies: Sequence[Body]) -> list[Said]:
    """Ask one after the other, without gradients."""
    with torch.inference_mode():
        return [answer(body) for body in bodies]


def measure_difference(expected: Said, found: Said) -> float:
    """Return the largest difference of a number; infinite if texts or their count differ."""
    if expected.texts != found.texts or len(expected.numbers) != len(found.numbers):
        return math.inf
    pairs = zip(expected.numbers, found.numbers, strict=True)
    return max((_measure(wanted, number) for wanted, number in pairs), default=0.0)


def _measure(wanted: float, number: float) -> float:
    difference = abs(wanted - number)
    # Of NaN: it is near to nothing.
    return difference if difference == difference else math.inf  # noqa: PLR0124


def say_labels(found: Sequence[Mapping[str, Any]]) -> Said:
    """Return labels and their scores, in the order given."""
    return Said(tuple(one["label"] for one in found), tuple(one["score"] for one in found))


def say_tensors(outputs: Mapping[str, Any]) -> Said:
    """Return arrays by name, or nested lists, as names with shapes, and numbers."""
    arrays = {name: np.asarray(outputs[name]) for name in sorted(outputs)}
    shapes = tuple(f"{name} {array.shape}" for name, array in arrays.items())
    return Said(shapes, tuple(float(x) for array in arrays.values() for x in array.ravel()))


def read_picture(text: str) -> Image.Image:
    """Return the picture that is written in base64."""
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def build_pipeline(task: str, folder: Path, **settings: Any) -> Any:
    """Return transformers' pipeline on a folder."""
    build: Any = transformers.pipeline
    return build(task, str(folder), device="cpu", **settings)


def load_model(folder: Path, model_class: str) -> tuple[Any, Any]:
    """Return tokenizer and model, by an Auto class."""
    build: Any = getattr(transformers, model_class)
    tokenizer: Any = transformers.AutoTokenizer
    return tokenizer.from_pretrained(folder), build.from_pretrained(folder).eval()
