"""From a classification head's logits to scores of labels, as the model's config says."""

from collections.abc import Sequence
from typing import Any

import torch


class Scores:
    """The labels of a model, and what its logits mean."""

    def __init__(self, config: Any) -> None:
        self.labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        # One label is yes or no; several are alternatives unless the model says otherwise.
        problem = getattr(config, "problem_type", None)
        self._independent = problem == "multi_label_classification" or len(self.labels) == 1
        self._raw = problem == "regression"

    def compute(self, logits: torch.Tensor) -> list[list[float]]:
        """Return a score per label for each row of logits, shape (rows, labels)."""
        logits = logits.float()
        if not self._raw:
            independent = self._independent
            logits = torch.sigmoid(logits) if independent else torch.softmax(logits, dim=-1)
        scores: list[list[float]] = logits.tolist()
        return scores

    def rank(self, row: Sequence[float]) -> dict[str, float]:
        """Return a row's scores by label, the best first."""
        pairs = zip(self.labels, row, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))
