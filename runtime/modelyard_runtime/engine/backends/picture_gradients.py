"""What each part of a picture contributes to a score: integrated gradients over its pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modelyard_runtime.engine.backends.gradients import (
    Room,
    differentiating,
    explain_missing_gradient,
    measure_kept_bytes,
    take_gradient,
)
from modelyard_runtime.engine.backends.integrated_gradients import (
    PathRow,
    Slope,
    integrate,
    lay_path,
)
from modelyard_runtime.engine.backends.pictures import PictureModel, PictureRow, PictureRows
from modelyard_runtime.engine.backends.scoring import Scores
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.attribution import ExplainedPicture, ToExplain

# A cell of the grid is about a patch of a vision transformer; the bounds keep answers short, and
# pictures of small models in more than a few parts.
_CELL_PIXELS = 16
_CELLS = (8, 32)
_PIXELS = "pixel_values"
_COLOURS = (1, 3)


class PictureGradients:
    """Explains pictures.

    The baseline is zero everywhere: the mean colour where the processor subtracts one, else black.
    """

    def __init__(self, loaded: Loaded, room: Room) -> None:
        self._room = room
        self._pictures = PictureRows(loaded)
        self._model = PictureModel(loaded)
        self._scores = Scores(loaded.model.config)
        self._mean, self._spread = _find_normalisation(loaded.processor)
        sample = self._pictures.encode(self._pictures.sample.data)
        colours, *sides = sample.inputs[_PIXELS].shape
        if colours not in _COLOURS or len(sides) != len(sample.size):
            raise explain_missing_gradient("its processor makes no rows and columns of pixels")
        two = [PathRow(sample, 0.5, target=0, length=sample.length)] * 2
        kept = measure_kept_bytes(self._model.model, lambda: self._forward_all(two))
        self._bytes_per_patch = kept / len(two) / sample.length

    def prepare(self, asked: ToExplain) -> list[PathRow]:
        """Return the points of the way to the picture.

        Raises:
            InvalidRequest: the picture cannot be read, is too large, or takes too much memory; or
                the model has no such label.
        """
        target = self._scores.find(asked.label)
        picture = self._pictures.encode(asked.item.data)
        kept = int(self._bytes_per_patch * picture.length)
        length = self._room.find_length(picture.length, kept, param="image")
        return lay_path(picture, target=target, steps=asked.steps, length=length)

    def compute(self, rows: Sequence[PathRow]) -> list[Slope]:
        """Return the slope of the score, by part of the picture, at each point."""
        slopes: list[Any] = [None] * len(rows)
        for places, inputs in self._model.gather([row.row for row in rows]):
            with differentiating():
                scores, point = self._forward([rows[place] for place in places], inputs)
                gradient = take_gradient(scores, point)
            by_pixel = (gradient.float() * inputs[_PIXELS].float()).sum(dim=1)
            for place, score, shares in zip(places, scores.tolist(), _pool(by_pixel), strict=True):
                slopes[place] = Slope(score, shares)
        return slopes

    def finish(
        self, asked: ToExplain, rows: Sequence[PathRow], slopes: Sequence[Slope]
    ) -> ExplainedPicture:
        """Return what each part of the picture contributes."""
        attributions, difference = integrate(asked, slopes)
        return ExplainedPicture(difference, attributions, seen=self._show(rows[0].row))

    def _forward(
        self, rows: Sequence[PathRow], inputs: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores, and the pixels they are of."""
        pixels = inputs[_PIXELS]
        fractions = torch.tensor([row.fraction for row in rows], device=pixels.device)
        point = (fractions[:, None, None, None] * pixels.float()).to(pixels.dtype)
        point.requires_grad_()
        logits = self._model.model(**{**inputs, _PIXELS: point}).logits
        targets = torch.tensor([row.target for row in rows], device=logits.device)
        return self._scores.score(logits).gather(1, targets[:, None])[:, 0], point

    def _forward_all(self, rows: Sequence[PathRow]) -> torch.Tensor:
        ((_, inputs),) = self._model.gather([row.row for row in rows])
        return self._forward(rows, inputs)[0]

    def _show(self, row: PictureRow) -> NDArray[np.uint8]:
        """Return the picture as the model sees it, in colours again, shape (height, width, 3)."""
        pixels = row.inputs[_PIXELS].float().numpy()
        colours = pixels * self._spread[:, None, None] + self._mean[:, None, None]
        shown = (colours * 255).round().clip(0, 255).astype(np.uint8)
        return np.moveaxis(np.broadcast_to(shown, (3, *shown.shape[1:])), 0, -1)


def _pool(by_pixel: torch.Tensor) -> NDArray[np.float32]:
    """Sum the pixels of each cell: shape (pictures, height, width) to (pictures, rows, columns)."""
    for dimension in (1, 2):
        size = by_pixel.shape[dimension]
        least, most = _CELLS
        cells = min(max(size // _CELL_PIXELS, least), most, size)
        cell_of = torch.arange(size, device=by_pixel.device) * cells // size
        shape = list(by_pixel.shape)
        shape[dimension] = cells
        by_pixel = by_pixel.new_zeros(shape).index_add_(dimension, cell_of, by_pixel)
    pooled: NDArray[np.float32] = by_pixel.cpu().numpy()
    return pooled


def _find_normalisation(processor: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what was subtracted from each colour, 0 to 1, and what it was divided by then."""
    mean, spread = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if not getattr(processor, "do_normalize", False) or mean is None or spread is None:
        return np.zeros(1), np.ones(1)
    return np.atleast_1d(np.asarray(mean, float)), np.atleast_1d(np.asarray(spread, float))
