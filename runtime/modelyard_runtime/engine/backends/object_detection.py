"""Pictures to objects with their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modelyard_runtime.engine.backends.pictures import PictureModel, PictureRow, PictureRows
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.object_detection import Detection, Detections, Scene


@dataclass(frozen=True, slots=True)
class _Guesses:
    """What the model makes of pictures, as the processors know it by name."""

    logits: torch.Tensor
    """Shape (pictures, queries, labels)."""
    pred_boxes: torch.Tensor
    """Shape (pictures, queries, 4)."""


class ObjectDetector:
    """Finds objects, and lets the model's own processor say which of its guesses count."""

    context_tokens = 0

    def __init__(self, loaded: Loaded) -> None:
        self._pictures = PictureRows(loaded)
        self._model = PictureModel(loaded)
        self._processor = loaded.processor
        self._labels: Any = loaded.model.config.id2label
        self.row_bytes = self._pictures.row_bytes
        self.require_health = self._model.require_health

    def sample(self) -> Scene:
        """Return a small picture, all of whose guesses count."""
        return Scene(self._pictures.sample.data, threshold=0.0)

    def prepare(self, item: Scene) -> list[PictureRow]:
        """Return the picture's row."""
        return [self._pictures.encode(item.data)]

    @torch.inference_mode()
    def compute(self, rows: Sequence[PictureRow]) -> list[Any]:
        """Return the guesses per row."""
        outputs: list[Any] = [None] * len(rows)
        for places, output in self._model.forward(rows):
            logits, boxes = output.logits.float().cpu(), output.pred_boxes.float().cpu()
            for number, place in enumerate(places):
                # Copies, or one guess would hold the whole batch in memory.
                one = slice(number, number + 1)
                outputs[place] = _Guesses(logits[one].clone(), boxes[one].clone())
        return outputs

    @torch.inference_mode()
    def finish(
        self, item: Scene, rows: Sequence[PictureRow], outputs: Sequence[_Guesses]
    ) -> Detections:
        """Return the objects, the surest first."""
        (found,) = self._processor.post_process_object_detection(
            outputs[0], threshold=item.threshold, target_sizes=torch.tensor([rows[0].size])
        )
        guesses = zip(
            found["scores"].tolist(), found["labels"].tolist(), found["boxes"].tolist(), strict=True
        )
        ranked = sorted(guesses, key=lambda guess: -guess[0])
        return Detections(
            tuple(Detection(self._labels[label], score, tuple(box)) for score, label, box in ranked)
        )
