"""From a classification head's logits to scores of labels, as the model's config says."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_runtime.errors import InvalidRequest

# Of a model's labels, in an error.
_SHOWN = 20


class Scores:
    """The labels of a model, and what its logits mean."""

    def __init__(self, config: Any) -> None:
        self.labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        # One label is yes or no; several are alternatives unless the model says otherwise.
        problem = getattr(config, "problem_type", None)
        self._independent = problem == "multi_label_classification" or len(self.labels) == 1
        self._raw = problem == "regression"

    def score(self, logits: torch.Tensor) -> torch.Tensor:
        """Return a score per label for each row of logits, both of shape (rows, labels)."""
        logits = logits.float()
        if self._raw:
            return logits
        return torch.sigmoid(logits) if self._independent else torch.softmax(logits, dim=-1)

    def find(self, label: str) -> int:
        """Return a label's number.

        Raises:
            InvalidRequest: the model has no such label.
        """
        if label in self.labels:
            return self.labels.index(label)
        known = ", ".join(map(repr, self.labels[:_SHOWN]))
        more = f" and {len(self.labels) - _SHOWN} more" if len(self.labels) > _SHOWN else ""
        raise InvalidRequest(
            f"the model has no label {label!r}; its labels are {known}{more}", param="label"
        )

    def compute(self, logits: torch.Tensor) -> list[list[float]]:
        """Return a score per label for each row of logits, shape (rows, labels)."""
        scores: list[list[float]] = self.score(logits).tolist()
        return scores

    def rank(self, row: Sequence[float]) -> dict[str, float]:
        """Return a row's scores by label, the best first."""
        pairs = zip(self.labels, row, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))
