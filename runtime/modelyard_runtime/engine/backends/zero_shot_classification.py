"""Judges labels of the request by a model that was trained to tell what follows from a text.

Each label makes a sentence; how surely it follows from the text is the label's score (transformers
5, ZeroShotClassificationPipeline).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.zero_shot_classification import SLOT, Ranked, TextToLabel

_ENTAILMENT = "entail"


class LabelJudge:
    """Reads a text with each label's sentence."""

    def __init__(self, loaded: Loaded) -> None:
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        config: Any = loaded.model.config
        self._entailment = find_entailment(config.id2label)
        self._count = len(config.id2label)
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> TextToLabel:
        """Return a short text with two labels."""
        return TextToLabel("Hello", ("a greeting", "a question"))

    def prepare(self, item: TextToLabel) -> list[TokenRow]:
        """Return a row for each label: the text and the label's sentence.

        Raises:
            InvalidRequest: the text is empty, or too long.
        """
        if not item.text:
            raise InvalidRequest("the text is empty", param="text")
        sentences = [item.template.replace(SLOT, label) for label in item.labels]
        return [
            self._texts.encode_pair(item.text, sentence, param="text") for sentence in sentences
        ]

    @torch.inference_mode()
    def compute(self, rows: Sequence[TokenRow]) -> list[list[float]]:
        """Return the logits of the model's own labels per row."""
        output, _ = self._padded.forward(rows)
        logits: list[list[float]] = output.logits.float().tolist()
        return logits

    def finish(
        self, item: TextToLabel, rows: Sequence[TokenRow], outputs: Sequence[Sequence[float]]
    ) -> Ranked:
        """Return the labels, the best first."""
        logits = np.array(outputs, dtype=np.float64)
        if item.multi_label or len(item.labels) == 1:
            # Does it follow, or is it contradicted; what is neither is left out.
            contradiction = self._count - 1 if self._entailment == 0 else 0
            scores = _softmax(logits[:, [contradiction, self._entailment]])[:, 1]
        else:
            scores = _softmax(logits[:, self._entailment])
        order = np.argsort(-scores, kind="stable")
        ranked = tuple((item.labels[i], float(scores[i])) for i in order)
        return Ranked(ranked, tokens=sum(row.length for row in rows))


def find_entailment(labels: dict[int, str]) -> int:
    """Return which of the model's labels says that a sentence follows from the text.

    Raises:
        CannotStart: ModelUnsupported, there is none.
    """
    for number, label in labels.items():
        if str(label).lower().startswith(_ENTAILMENT) and len(labels) > 1:
            return int(number)
    names = ", ".join(str(label) for label in labels.values())
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The model's labels are {names}; zero-shot-classification needs a model that was trained "
        "on natural language inference, one of whose labels is entailment",
        hint="Choose such a model, or name the labels in id2label of its config.json.",
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    chances = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=-1, keepdims=True))
