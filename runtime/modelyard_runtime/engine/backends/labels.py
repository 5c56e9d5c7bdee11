"""Names of a classifier's classes, for models whose outputs are just numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.folder import ModelFolder

LABELS_FILE = "labels.json"
# What exporters call scores that are no chances yet.
_LOGITS = "logits"
# One output of a model that tells yes from no.
_BINARY = 2


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes' names, and the output whose columns they are."""

    names: tuple[str, ...]
    output: str

    def rank(self, outputs: Mapping[str, NDArray[Any]]) -> tuple[list[str], list[float]]:
        """Return the best label of each row, and its score.

        A score is the model's own number, or softmax (sigmoid) where the output is `logits`. A
        single column is the chance of the second of two labels.
        """
        scores = outputs[self.output].astype(np.float64)
        if self.output == _LOGITS:
            scores = _to_chances(scores)
        if scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        best = scores.argmax(axis=1)
        return [self.names[i] for i in best], scores.max(axis=1).tolist()


def find_labels(folder: ModelFolder, outputs: Mapping[str, NDArray[Any]]) -> Labels | None:
    """Return the labels of labels.json, or of config.json's id2label, if a model has them.

    Raises:
        CannotStart: ModelUnsupported, labels.json is no list of texts, or fits no output.
    """
    declared = LABELS_FILE in folder.documents
    names = _read_labels(folder)
    if names is None:
        return None
    for name, array in outputs.items():
        columns = array.shape[1] if array.ndim == 2 else 0  # noqa: PLR2004 - rows and columns
        is_binary = columns == 1 and len(names) == _BINARY
        if array.dtype.kind == "f" and (columns == len(names) or is_binary):
            return Labels(names, name)
    if not declared:
        return None
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{LABELS_FILE} has {len(names)} labels, and no output of the model has as many columns: "
        f"{', '.join(f'{name} {list(array.shape)}' for name, array in outputs.items())}",
        hint=f"Correct {LABELS_FILE}, a list of the classes in the order of the columns, or "
        "remove it.",
    )


def _read_labels(folder: ModelFolder) -> tuple[str, ...] | None:
    if LABELS_FILE not in folder.documents:
        by_number = folder.config.get("id2label")
        if not isinstance(by_number, dict) or not all(key.isdecimal() for key in by_number):
            return None
        return tuple(str(by_number[key]) for key in sorted(by_number, key=int))
    names: Sequence[Any] = folder.documents[LABELS_FILE]
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{LABELS_FILE} is no list of texts",
        hint='Write the classes in the order of the output\'s columns: ["no", "yes"].',
    )


def _to_chances(scores: NDArray[Any]) -> NDArray[Any]:
    if scores.shape[1] == 1:
        chances: NDArray[Any] = 1 / (1 + np.exp(-scores.clip(-500, 500)))
        return chances
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
