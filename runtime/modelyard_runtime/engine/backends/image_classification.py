"""Pictures to scores of labels."""

from collections.abc import Sequence
from typing import Any

import torch

from modelyard_runtime.domain import Classification
from modelyard_runtime.engine.backends.pictures import PictureModel, PictureRow, PictureRows
from modelyard_runtime.engine.backends.scoring import Scores
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.media import Picture


class ImageClassifier:
    """Scores every label of the model."""

    context_tokens = 0

    def __init__(self, loaded: Loaded) -> None:
        self._pictures = PictureRows(loaded)
        self._model = PictureModel(loaded)
        self._scores = Scores(loaded.model.config)
        self.row_bytes = self._pictures.row_bytes
        self.require_health = self._model.require_health

    def sample(self) -> Picture:
        """Return a small picture."""
        return self._pictures.sample

    def prepare(self, item: Picture) -> list[PictureRow]:
        """Return the picture's row."""
        return [self._pictures.encode(item.data)]

    @torch.inference_mode()
    def compute(self, rows: Sequence[PictureRow]) -> list[Any]:
        """Return the scores of the labels per row."""
        outputs: list[Any] = [None] * len(rows)
        for places, output in self._model.forward(rows):
            for place, scores in zip(places, self._scores.compute(output.logits), strict=True):
                outputs[place] = scores
        return outputs

    def finish(
        self, _item: Picture, _rows: Sequence[PictureRow], outputs: Sequence[Any]
    ) -> Classification:
        """Return the labels, the best first."""
        return Classification(self._scores.rank(outputs[0]), tokens=0)
