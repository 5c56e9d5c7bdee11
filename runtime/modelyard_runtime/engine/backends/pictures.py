"""Pictures as the tensors that vision models take."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.memory import read_resident_bytes
from modelyard_runtime.media.pictures import BYTES_PER_PIXEL, MAX_PIXELS, decode_picture
from modelyard_runtime.tasks.media import Picture

# What a row counts for in a batch: one per patch of a vision transformer, which costs about as
# much as a token of a text.
_PATCH_PIXELS = 16 * 16
_SAMPLE_SIZE = (32, 32)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture's inputs, without the dimension of the batch; `size` is its (height, width)."""

    inputs: Mapping[str, torch.Tensor]
    size: tuple[int, int]
    length: int

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory."""
        return sum(tensor.nbytes for tensor in self.inputs.values())

    @property
    def shape(self) -> tuple[tuple[str, torch.Size], ...]:
        """What rows of one batch must have in common."""
        return tuple((name, tensor.shape) for name, tensor in self.inputs.items())


class PictureRows:
    """Decodes pictures, and prepares them with the model's processor."""

    def __init__(self, loaded: Loaded) -> None:
        self._processor = loaded.processor
        # Half of the memory beside the loaded model: the other half is for computing.
        spare = max(loaded.wanted.memory_bytes - read_resident_bytes(), 0)
        self._max_pixels = min(MAX_PIXELS, spare // 2 // BYTES_PER_PIXEL)
        self.sample = Picture(_draw_sample())
        #: Of the sample; most models scale every picture to one size.
        self.row_bytes = self.encode(self.sample.data).size_bytes

    def encode(self, data: bytes, *, param: str = "image") -> PictureRow:
        """Return a picture's row.

        Raises:
            InvalidRequest: it cannot be read, or is too large.
        """
        picture = decode_picture(data, param=param, max_pixels=self._max_pixels)
        prepared = self._processor(images=[picture], return_tensors="pt")
        inputs = {name: tensor[0] for name, tensor in prepared.items() if torch.is_tensor(tensor)}
        height, width = inputs["pixel_values"].shape[-2:]
        return PictureRow(
            inputs,
            size=(picture.height, picture.width),
            length=math.ceil(height * width / _PATCH_PIXELS),
        )


class PictureModel:
    """The model, called with rows of different sizes."""

    def __init__(self, loaded: Loaded) -> None:
        self.model: Any = loaded.model
        self._device: torch.device = loaded.model.device
        self._dtype = loaded.dtype

    def forward(self, rows: Sequence[PictureRow]) -> list[tuple[list[int], Any]]:
        """Return, for each size among the rows, which rows have it and the model's output."""
        return [(places, self.model(**inputs)) for places, inputs in self.gather(rows)]

    def gather(
        self, rows: Sequence[PictureRow]
    ) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Yield, for each size among the rows, which rows have it and the model's inputs."""
        places: dict[Any, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row.shape, []).append(place)
        # Not padded to the largest: a convolution sees the padding beyond the border, and the
        # answer would depend on what other clients sent.
        for same in places.values():
            yield same, self._stack([rows[place] for place in same])

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _stack(self, rows: Sequence[PictureRow]) -> dict[str, torch.Tensor]:
        stacked = {
            name: torch.stack([row.inputs[name] for row in rows]).to(self._device)
            for name in rows[0].inputs
        }
        return {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in stacked.items()
        }


def _draw_sample() -> bytes:
    """Return a small picture's file."""
    file = io.BytesIO()
    Image.new("RGB", _SAMPLE_SIZE, (190, 60, 40)).save(file, "PNG")
    return file.getvalue()
