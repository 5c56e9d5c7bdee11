"""Recordings as the overlapping windows that speech models take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.media.sounds import Samples, decode_sound

#: What a window counts for in a batch: on a CPU four are computed together, which is where more
#: gain little.
WINDOW_LENGTH = 512
# What Whisper was trained on, and what others were fed.
_WINDOW_SECONDS = 30.0
# On each side, of a window: the text of that part is taken from its neighbour.
_OVERLAP = 6


@dataclass(frozen=True, slots=True)
class Span:
    """A window's samples: how many, and how many of them overlap on the left and on the right."""

    samples: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class SoundRow:
    """One window's inputs, without the dimension of the batch."""

    inputs: Mapping[str, torch.Tensor]
    span: Span
    language: str | None = None
    length: int = WINDOW_LENGTH

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory."""
        return sum(tensor.nbytes for tensor in self.inputs.values())

    @property
    def kind(self) -> tuple[object, ...]:
        """What windows of one batch must have in common."""
        return self.language, *(tensor.shape for tensor in self.inputs.values())


class SoundRows:
    """Decodes recordings, cuts them into windows, and prepares these as the folder says."""

    def __init__(self, loaded: Loaded) -> None:
        self._extractor = loaded.processor
        self.rate: int = loaded.processor.sampling_rate
        seconds = getattr(loaded.processor, "chunk_length", _WINDOW_SECONDS)
        # Windows begin where the model's own steps do.
        step = int(getattr(loaded.model.config, "inputs_to_logits_ratio", 1))
        self._window = _round_to(seconds * self.rate, step)
        self._overlap = _round_to(seconds / _OVERLAP * self.rate, step)

    def encode(
        self, data: bytes, *, language: str | None = None, param: str = "audio"
    ) -> list[SoundRow]:
        """Return a recording's windows.

        Raises:
            InvalidRequest: it cannot be read, or is too long.
        """
        samples = decode_sound(data, rate=self.rate, param=param)
        return [
            SoundRow(self._extract(samples[start : start + span.samples]), span, language)
            for start, span in cut_windows(len(samples), self._window, self._overlap)
        ]

    def _extract(self, samples: Samples) -> dict[str, torch.Tensor]:
        extracted = self._extractor(
            samples, sampling_rate=self.rate, return_tensors="pt", return_attention_mask=True
        )
        return {name: tensor[0] for name, tensor in extracted.items() if torch.is_tensor(tensor)}


def cut_windows(samples: int, window: int, overlap: int) -> Iterator[tuple[int, Span]]:
    """Yield where each window starts, and its span; neighbours share twice the overlap."""
    start = 0
    while True:
        is_last = start + window >= samples
        length = min(window, samples - start)
        yield start, Span(length, overlap if start else 0, 0 if is_last else overlap)
        if is_last:
            return
        start += window - 2 * overlap


def group_rows(rows: Sequence[SoundRow]) -> list[list[int]]:
    """Return the places of rows that can be computed together."""
    places: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.kind, []).append(place)
    return list(places.values())


def stack_rows(
    rows: Sequence[SoundRow], device: torch.device, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Return the inputs of rows of one kind, as the model takes them."""
    return {
        name: _place(torch.stack([row.inputs[name] for row in rows]), device, dtype)
        for name in rows[0].inputs
    }


def _place(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)


def _round_to(count: float, step: int) -> int:
    return round(count / step) * step
