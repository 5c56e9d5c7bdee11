"""Refuses the folder of a LoRA adapter that is unsafe, damaged or of another kind, unloaded.

As with models, nothing here trusts a library: of a folder in peft's layout two files are looked at,
adapter_config.json and the header of adapter_model.safetensors, and no other is ever opened.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_api.serving import AdapterConfig
from modelyard_runtime.adapter_faults import naming_adapter
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.adapter_config import (
    CONFIG_FILE,
    PICKLED_WEIGHTS,
    WEIGHTS_FILE,
    Damaged,
    LoraConfig,
    NotPlain,
    parse_lora_config,
)
from modelyard_runtime.loading.safetensors_header import Header
from modelyard_runtime.loading.vetting import vet_safetensors

#: Thousands of names of modules; a longer file is none of peft's.
_MAX_CONFIG_BYTES = 1024**2
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
#: peft adds the base model's own weight of an output layer that an adapter is for.
_COPIED = ".base_layer.weight"
_SIDES = 2
_DTYPES = frozenset({"F32", "F16", "BF16"})
_PLAIN_HINT = (
    "Adapters are served that are LoRA or rsLoRA on linear layers, with bias none, without DoRA, "
    "modules_to_save or trained tokens. Merge any other into its base model (merge_and_unload in "
    "peft), and serve the result as a model of its own."
)
_COPY_HINT = "Copy or download the adapter again, as peft's save_pretrained wrote it."


@dataclass(frozen=True, slots=True)
class LoraShape:
    """The matrices of a layer: A is rank x inputs, B is outputs x rank."""

    inputs: int
    rank: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """A vetted adapter, not loaded yet. `layers` are by the modules' names in the base model."""

    name: str
    weights: Path
    config: LoraConfig
    layers: Mapping[str, LoraShape]
    parameters: int


def vet_adapters(wanted: Sequence[AdapterConfig]) -> tuple[Adapter, ...]:
    """Read what the folders say of themselves.

    Raises:
        CannotStart: ModelNotFound, ModelUnsafe, ModelFileCorrupt or ModelUnsupported; the message
            names the adapter, the hint says what to do.
    """
    return tuple(_vet(one) for one in wanted)


def _vet(wanted: AdapterConfig) -> Adapter:
    path = Path(wanted.path)
    with naming_adapter(wanted.name):
        config = _read_config(path)
        _require_file(path, WEIGHTS_FILE)
        header = vet_safetensors(path, WEIGHTS_FILE)
        layers = _read_layers(header, config)
        return Adapter(wanted.name, path / WEIGHTS_FILE, config, layers, header.parameters)


def _read_config(path: Path) -> LoraConfig:
    _require_file(path, CONFIG_FILE)
    size = (path / CONFIG_FILE).stat().st_size
    if size > _MAX_CONFIG_BYTES:
        raise _corrupt(f"{CONFIG_FILE} has {size} bytes, and the limit is {_MAX_CONFIG_BYTES}")
    try:
        return parse_lora_config(json.loads((path / CONFIG_FILE).read_bytes()))
    except NotPlain as error:
        raise _unsupported(f"in {CONFIG_FILE} {error}, which this runtime does not serve") from None
    except (Damaged, ValueError, OverflowError, RecursionError) as error:
        raise _corrupt(f"{CONFIG_FILE} cannot be read: {error}") from error


def _require_file(path: Path, name: str) -> None:
    file = path / name
    if file.is_symlink() and not file.resolve().is_relative_to(path.resolve()):
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{name} is a link that leaves the adapter's folder",
            hint="Copy the file itself into the folder (cp -L).",
        )
    if file.is_file():
        return
    if name == WEIGHTS_FILE and (path / PICKLED_WEIGHTS).exists():
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"its weights are a Python pickle only ({PICKLED_WEIGHTS}); opening one can run any "
            "code",
            hint="Convert them to safetensors: load the adapter with peft where you trust it, and "
            "save it with save_pretrained, which writes safetensors.",
        )
    raise CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{path} has no {name}",
        hint=f"An adapter is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, as peft's "
        "save_pretrained writes it.",
    )


def _read_layers(header: Header, config: LoraConfig) -> dict[str, LoraShape]:
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, shape in header.shapes.items():
        found = _KEY.fullmatch(key)
        if found is None:
            raise _foreign(key)
        sides.setdefault(found["module"], {})[found["side"]] = shape
    if not sides:
        raise _corrupt(f"{WEIGHTS_FILE} holds no weights")
    if header.dtype not in _DTYPES:
        raise _unsupported(f"the weights in {WEIGHTS_FILE} are of the type {header.dtype}")
    return {module: _read_shape(module, each, config) for module, each in sides.items()}


def _read_shape(
    module: str, shapes: Mapping[str, tuple[int, ...]], config: LoraConfig
) -> LoraShape:
    if len(shapes) < _SIDES:
        (there,) = shapes
        raise _corrupt(f"{WEIGHTS_FILE} holds lora_{there} of {module!r} without the other matrix")
    if any(len(shape) != _SIDES for shape in shapes.values()):
        raise _unsupported(f"{WEIGHTS_FILE} holds what is no matrix, of {module!r}")
    (rank, inputs), (outputs, other) = shapes["A"], shapes["B"]
    stated = config.rank_of(module)
    if not rank == other == stated:
        raise _corrupt(
            f"in {WEIGHTS_FILE} the matrices of {module!r} have the ranks {rank} and {other}, and "
            f"{CONFIG_FILE} says {stated}"
        )
    return LoraShape(inputs, rank, outputs)


def _foreign(key: str) -> CannotStart:
    problem = f"{WEIGHTS_FILE} holds {key!r}, which is no part of plain LoRA"
    if not key.endswith(_COPIED):
        return _unsupported(problem)
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"{problem} but a weight of the base model",
        hint="Save the adapter with save_pretrained(folder, save_embedding_layers=False) of peft.",
    )


def _corrupt(problem: str) -> CannotStart:
    return CannotStart(Reason.MODEL_FILE_CORRUPT, problem, hint=_COPY_HINT)


def _unsupported(problem: str) -> CannotStart:
    return CannotStart(Reason.MODEL_UNSUPPORTED, problem, hint=_PLAIN_HINT)
