"""The key-value cache of the generation engine, as transformers' models use a cache.

One tensor per layer for keys and one for values, rows x heads x columns x dimensions: a row is a
sequence, left-aligned. Running rows are rows 0..n, so a decode step reads a view and copies
nothing; transformers' own DynamicCache copies the whole cache for every token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from modelyard_runtime.engine.scheduler import round_shape


@dataclass(frozen=True, slots=True)
class Target:
    """Where one pass reads and writes.

    What is written are the entries at `sources` of the pass's rectangle; None: all, one each.
    """

    view: "slice | torch.Tensor"
    columns: int
    rows: torch.Tensor
    positions: torch.Tensor
    sources: tuple[torch.Tensor, torch.Tensor] | None


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's keys and values, allocated when the model first shows their shape."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.target: Target | None = None
        self._shape = (0, 0)
        self._pair: tuple[torch.Tensor, torch.Tensor] | None = None

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate, now that the model shows the heads and dimensions."""
        self._pair = (_allocate(key_states, self._shape), _allocate(value_states, self._shape))
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the pass's new entries; return all that its rows may attend to."""
        target = self.target
        if self._pair is None:
            self.lazy_initialization(key_states, value_states)
        if target is None or self._pair is None:
            raise RuntimeError("no pass has been prepared")
        keys, values = self._pair
        keys[target.rows, :, target.positions] = _pick(key_states, target)
        values[target.rows, :, target.positions] = _pick(value_states, target)
        columns = slice(target.columns)
        return keys[target.view][:, :, columns], values[target.view][:, :, columns]

    def resize(self, shape: tuple[int, int]) -> None:
        """Change rows and columns; what fits of the old content stays."""
        self._shape = shape
        if self._pair is not None:
            # One after the other, so that only one tensor exists twice.
            keys, values = self._pair
            self._pair = (_resize(keys, shape), values)
            del keys
            self._pair = (self._pair[0], _resize(values, shape))

    def drop(self) -> None:
        """Give the memory back."""
        self._pair = None
        self.is_initialized = False

    def copy_row(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of one row to another."""
        for tensor in self._pair or ():
            tensor[target, :, :tokens] = tensor[source, :, :tokens]

    def get_seq_length(self) -> int:
        """Unused: each pass brings its positions."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Unused: each pass brings its mask."""
        return (self.target.columns if self.target is not None else query_length), 0

    def get_max_length(self) -> int:
        """No maximum of its own."""
        return -1

    @property
    def bytes_per_token(self) -> int:
        """Memory of one token of one row, once allocated."""
        sizes = [t.shape[1] * t.shape[3] * t.element_size() for t in self._pair or ()]
        return sum(sizes)


class SlotCache(Cache):
    """All layers."""

    def __init__(self, layers: int) -> None:
        self._slots = [SlotLayer() for _ in range(layers)]
        super().__init__(layers=list(self._slots))
        self._shape = (0, 0)

    def reserve(self, rows: int, columns: int) -> None:
        """Make it hold that much; grow to exactly what is needed, in blocks.

        Growing rows may shrink unused columns and the other way round, so that the size stays
        within what the scheduler counted.
        """
        have_rows, have_columns = self._shape
        if rows <= have_rows and columns <= have_columns:
            return
        self._shape = round_shape(rows, columns)
        for layer in self._slots:
            layer.resize(self._shape)

    def release(self) -> None:
        """Give all memory back."""
        self._shape = (0, 0)
        for layer in self._slots:
            layer.drop()

    def aim(self, target: Target) -> None:
        """Say where the next pass reads and writes."""
        for layer in self._slots:
            layer.target = target

    def copy_row(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of one row to another, in all layers."""
        for layer in self._slots:
            layer.copy_row(source, target, tokens)

    @property
    def bytes_per_token(self) -> int:
        """Memory of one token of one row, known after the first pass."""
        return sum(layer.bytes_per_token for layer in self._slots)


def build_target(
    slots: Sequence[int], starts: Sequence[int], counts: Sequence[int], device: torch.device
) -> Target:
    """Return where rows at `slots` write `counts` tokens from position `starts` on."""
    first, last = slots[0], slots[-1]
    contiguous = list(slots) == list(range(first, last + 1))
    source_rows = [row for row, count in enumerate(counts) for _ in range(count)]
    source_steps = [step for count in counts for step in range(count)]
    rows = [slots[row] for row in source_rows]
    positions = [starts[row] + step for row, step in zip(source_rows, source_steps, strict=True)]
    table = torch.tensor([source_rows, source_steps, rows, positions], device=device)
    return Target(
        view=slice(first, last + 1) if contiguous else torch.tensor(slots, device=device),
        columns=max(start + count for start, count in zip(starts, counts, strict=True)),
        rows=table[2],
        positions=table[3],
        sources=(table[0], table[1]) if max(counts) > 1 else None,
    )


def _pick(states: torch.Tensor, target: Target) -> torch.Tensor:
    if target.sources is None:
        return states[:, :, 0]
    rows, steps = target.sources
    return states[rows, :, steps]


def _allocate(states: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    # Zeros, not garbage: attention multiplies masked values by 0, and 0 times NaN is NaN.
    _, heads, _, dimensions = states.shape
    return states.new_zeros((shape[0], heads, shape[1], dimensions))


def _resize(old: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    new = _allocate(old, shape)
    rows, columns = min(old.shape[0], shape[0]), min(old.shape[2], shape[1])
    new[:rows, :, :columns] = old[:rows, :, :columns]
    return new
