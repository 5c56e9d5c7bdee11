"""Loads LoRA adapters beside their base model, whose weights stay as they are.

A linear layer y = W·x that an adapter is for is wrapped; it adds scaling · B·(A·x) to the rows of
the pass that have the adapter, and only to them. So rows of several adapters and of none are
computed in one pass, and a row without one gets the same bits as it would without any.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers.pytorch_utils import Conv1D

from modelyard_api.meta import Reason
from modelyard_runtime.adapter_faults import naming_adapter
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.adapter_vetting import Adapter, LoraShape
from modelyard_runtime.loading.loaded import Loaded, require_room
from modelyard_runtime.loading.packing import PackedLinear

_NO_ADAPTER = ""
_BATCH_DIMENSIONS = 3


class MisplacedRows(RuntimeError):
    """A layer is given something else than rows of tokens, so nobody knows whose they are."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one pass that have an adapter; no `rows`: all of them."""

    adapter: str
    rows: torch.Tensor | None


class Routing:
    """Who has which adapter in the pass that comes next; the wrapped layers look here."""

    def __init__(self) -> None:
        self.groups: tuple[_Group, ...] = ()
        self.row_count = 0


class AdaptedLinear(nn.Module):
    """A linear layer, of whatever kind, with the matrices of its adapters.

    B holds the scaling already. Attributes of the layer inside are those of this one.
    """

    def __init__(self, plain: nn.Module, routing: Routing) -> None:
        super().__init__()
        self.plain = plain
        # Once more, since looking a module up among others takes longer than all else in here.
        object.__setattr__(self, "_plain", plain)
        self.routing = routing
        self._matrices: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def add(self, adapter: str, down: torch.Tensor, up: torch.Tensor) -> None:
        """Take an adapter's A (rank x inputs) and its scaled B (outputs x rank)."""
        self._matrices[adapter] = (down, up)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Multiply with the weight, and add what each row's adapter says.

        Raises:
            MisplacedRows: states are not (rows, tokens, inputs), in a pass with adapters.
        """
        product: torch.Tensor = self._plain(states)
        for group in self.routing.groups:
            matrices = self._matrices.get(group.adapter)
            if matrices is None:
                continue
            if states.ndim != _BATCH_DIMENSIONS or len(states) != self.routing.row_count:
                raise MisplacedRows(f"it computes on {tuple(states.shape)}")
            down, up = matrices
            own = states if group.rows is None else states[group.rows]
            difference = nn.functional.linear(nn.functional.linear(own, down), up)
            if group.rows is None:
                return product + difference
            product.index_add_(0, group.rows, difference)
        return product

    def __getattr__(self, name: str) -> Any:
        """Look at the layer inside for what this one lacks: its weight, its bias, its sizes."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("plain"), name)


class Adapters:
    """The adapters of a loaded model."""

    def __init__(
        self,
        device: torch.device,
        routing: Routing,
        layers: Mapping[str, Sequence[tuple[str, AdaptedLinear]]],
    ) -> None:
        self.names = tuple(layers)
        self._device = device
        self._routing = routing
        self._layers = layers

    @contextmanager
    def routed(self, rows: Sequence[str]) -> Iterator[None]:
        """Compute the pass inside with each row's adapter; an empty name is none."""
        self._routing.groups = self._form_groups(rows)
        self._routing.row_count = len(rows)
        try:
            yield
        finally:
            self._routing.groups = ()

    @contextmanager
    def requiring_use(self, name: str) -> Iterator[None]:
        """See to it that the pass inside goes through each layer of the adapter.

        A model that computes with a layer's weight by itself would answer as if it had none.

        Raises:
            CannotStart: ModelUnsupported, naming a layer.
        """
        idle = {path for path, _ in self._layers[name]}
        hooks = [
            layer.register_forward_hook(lambda *_, path=path: idle.discard(path))
            for path, layer in self._layers[name]
        ]
        with naming_adapter(name):
            try:
                yield
            except MisplacedRows as error:
                raise _unserved("computes apart from the rows of a batch", str(error)) from error
            finally:
                for hook in hooks:
                    hook.remove()
            if idle:
                raise _unserved("does not call", min(idle))

    def _form_groups(self, rows: Sequence[str]) -> tuple[_Group, ...]:
        places: dict[str, list[int]] = {}
        for place, name in enumerate(rows):
            if name != _NO_ADAPTER:
                places.setdefault(name, []).append(place)
        return tuple(
            _Group(
                name,
                None if len(own) == len(rows) else torch.tensor(own, device=self._device),
            )
            for name, own in places.items()
        )


def load_adapters(loaded: Loaded) -> Adapters | None:
    """Put the vetted adapters into the model's layers, whatever these are by now; None: no such.

    Raises:
        CannotStart: ModelUnsupported, an adapter is of another base model; NotEnoughMemory;
            ModelFileCorrupt.
    """
    adapters = loaded.wanted.adapters
    if not adapters:
        return None
    device = loaded.model.device
    routing = Routing()
    layers: dict[str, list[tuple[str, AdaptedLinear]]] = {}
    for adapter in adapters:
        with naming_adapter(adapter.name):
            _require_fit(adapter, loaded.model)
            size_bytes = adapter.parameters * loaded.dtype.itemsize
            require_room(size_bytes, loaded.wanted.memory_bytes, device)
            layers[adapter.name] = [
                (path, _wrap(loaded.model, path, routing)) for path in adapter.layers
            ]
            _fill(adapter, layers[adapter.name], loaded.dtype, device)
    return Adapters(device, routing, layers)


def _require_fit(adapter: Adapter, model: nn.Module) -> None:
    for path, shape in adapter.layers.items():
        layer = _find_layer(model, path)
        if layer is None:
            raise _misfit(adapter, f"the model has no layer {path!r}")
        sizes = _read_sizes(layer)
        if sizes is None:
            raise _misfit(
                adapter, f"the model's {path!r} is no linear layer but {type(layer).__name__}"
            )
        if sizes != (shape.inputs, shape.outputs):
            raise _misfit(
                adapter,
                f"its matrices of {path!r} are for {_describe(shape.inputs, shape.outputs)}, and "
                f"the model's layer has {_describe(*sizes)}",
            )
        _require_finite_scaling(adapter, path, shape)


def _require_finite_scaling(adapter: Adapter, path: str, shape: LoraShape) -> None:
    if abs(adapter.config.scaling_of(path)) > torch.finfo(torch.float16).max:
        raise _misfit(adapter, f"lora_alpha of {path!r} is out of all proportion to {shape.rank}")


def _find_layer(model: nn.Module, path: str) -> nn.Module | None:
    try:
        layer = model.get_submodule(path)
    except AttributeError:
        return None
    return layer.plain if isinstance(layer, AdaptedLinear) else layer


def _read_sizes(layer: nn.Module) -> tuple[int, int] | None:
    """Return inputs and outputs of what computes a matrix product and nothing else."""
    if type(layer) is nn.Linear or isinstance(layer, PackedLinear):
        return layer.in_features, layer.out_features
    if isinstance(layer, Conv1D):  # GPT-2's; its weight is transposed, its product is the same
        return layer.nx, layer.nf
    return None


def _wrap(model: nn.Module, path: str, routing: Routing) -> AdaptedLinear:
    layer = model.get_submodule(path)
    if isinstance(layer, AdaptedLinear) and layer.routing is routing:
        return layer
    wrapped = AdaptedLinear(layer.plain if isinstance(layer, AdaptedLinear) else layer, routing)
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, wrapped)
    return wrapped


def _fill(
    adapter: Adapter,
    layers: Sequence[tuple[str, AdaptedLinear]],
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    try:
        with safe_open(adapter.weights, framework="pt", device="cpu") as file:
            for path, layer in layers:
                key = f"base_model.model.{path}.lora_"
                down = file.get_tensor(f"{key}A.weight")
                up = file.get_tensor(f"{key}B.weight").float() * adapter.config.scaling_of(path)
                down, up = (matrix.to(device=device, dtype=dtype) for matrix in (down, up))
                # In the model's own type, which may be too short for them.
                _require_finite(path, down, up)
                layer.add(adapter.name, down, up)
    except SafetensorError as error:
        raise _damaged(f"{adapter.weights.name} cannot be read: {error}") from error


def _require_finite(path: str, down: torch.Tensor, up: torch.Tensor) -> None:
    if not (down.isfinite().all() and up.isfinite().all()):
        raise _damaged(f"its matrices of {path!r} have numbers that are not finite")


def _describe(inputs: int, outputs: int) -> str:
    return f"{inputs} inputs and {outputs} outputs"


def _damaged(problem: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT,
        problem,
        hint="Copy or download the adapter again, or take one whose training did not diverge.",
    )


def _misfit(adapter: Adapter, problem: str) -> CannotStart:
    base = f" ({adapter.config.base}, it says)" if adapter.config.base else ""
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"it does not fit this model: {problem}",
        hint=f"Serve it with the base model that it was trained on{base}.",
    )


def _unserved(does_what: str, where: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"the model's architecture {does_what} a layer that the adapter is for ({where})",
        hint="Merge the adapter into its base model (merge_and_unload in peft), and serve the "
        "result as a model of its own.",
    )
