"""Decides which files of a source are fetched: what the loader takes, and nothing else.

Safetensors come first, then GGUF, then other formats. Pickles and code are fetched only where the
spec names them. Files land where the loader looks for them: at the root, whatever folder they come
from.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from modelyard_api.fetch import HUB_SCHEME, S3_SCHEME, ModelSource, is_plain_path
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.programs import Asked, find_companions, find_models
from modelyard_runtime.fetch.unserved import (
    CONVERT_HINT,
    OTHER_WEIGHTS,
    PICKLES,
    name_source,
    shorten,
    unknown_path,
    without_weights,
)
from modelyard_runtime.loading.adapter_config import CONFIG_FILE, PICKLED_WEIGHTS, WEIGHTS_FILE

#: What stands beside the weights: configuration, tokenizers, vocabularies, chat templates.
_SIDECARS = frozenset(
    {".json", ".txt", ".model", ".jinja", ".tiktoken", ".spm", ".vocab", ".bpe", ".codes"}
)
#: Suffixes of what may be weights, served or not: a path that ends so is a file.
WEIGHTS = frozenset({".safetensors", ".gguf"}) | PICKLES | OTHER_WEIGHTS
#: Indexes of weights that are not fetched name files that will not be there.
_FOREIGN_INDEX = re.compile(r"\.(bin|h5|msgpack)\.index(\.\w+)?\.json$")
_GGUF_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_SAFETENSORS_PART = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
#: The same weights once more: Mistral's own layout, or another precision of transformers' weights.
_DUPLICATE = re.compile(r"(consolidated.*|model\.\w+(-\d{5}-of-\d{5})?)\.safetensors$")
_TRANSFORMERS_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors$")
#: Folders that hold the same model for other programs.
_EXPORTS = frozenset({"onnx", "openvino", "coreml", "original", "mlx", "gguf", "tflite"})
_TEMPLATES = "additional_chat_templates"
_MAX_NAME_BYTES = 255

_NOUNS = {HUB_SCHEME: "hub", S3_SCHEME: "bucket"}
_ODD_NAME_HINTS = {
    HUB_SCHEME: "No honest repository has such a name: check which hub the policy names, and what "
    "the repository is.",
    S3_SCHEME: "Check who writes to the bucket; remove or rename that object.",
}
_NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Selected:
    """A file of the repository, and its name in the model folder."""

    file: RemoteFile
    target: str


def select_files(
    files: Sequence[RemoteFile], source: ModelSource, asked: Asked = _NOTHING
) -> tuple[Selected, ...]:
    """Return what to fetch for the source, in the order of the names.

    Raises:
        CannotStart: ModelNotFound, ModelUnsupported or ModelUnsafe, each with a hint.
    """
    _refuse_odd_names(files, source)
    named = next((file for file in files if file.name == source.path), None)
    if named is not None:
        chosen = _select_by_name(files, named, asked)
    else:
        inside = _place(files, f"{source.path}/" if source.path else "")
        if source.path and not inside:
            raise unknown_path([file.name for file in files], source)
        chosen = _select_folder(inside, source, asked)
    return tuple(sorted(chosen, key=lambda one: one.target))


def select_adapter(files: Sequence[RemoteFile], source: ModelSource) -> tuple[Selected, ...]:
    """Return the two files of a LoRA adapter in peft's layout; nothing else of it is ever opened.

    Raises:
        CannotStart: ModelNotFound, ModelUnsupported or ModelUnsafe, each with a hint.
    """
    _refuse_odd_names(files, source)
    inside = _place(files, f"{source.path}/" if source.path else "")
    if source.path and not inside:
        raise unknown_path([file.name for file in files], source)
    chosen = [one for one in inside if one.target in {CONFIG_FILE, WEIGHTS_FILE}]
    names = {one.target for one in chosen}
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if name not in names:
            raise _no_adapter(name, [one.target for one in inside], source)
    return tuple(sorted(chosen, key=lambda one: one.target))


def _no_adapter(missing: str, names: Sequence[str], source: ModelSource) -> CannotStart:
    if missing == WEIGHTS_FILE and PICKLED_WEIGHTS in names:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{name_source(source)} has its weights as a Python pickle only ({PICKLED_WEIGHTS}); "
            "opening one can run any code",
            hint="Choose an adapter with adapter_model.safetensors, or convert it: peft's "
            "save_pretrained writes safetensors.",
        )
    return CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{name_source(source)} is no LoRA adapter: it has no {missing}; there are "
        f"{shorten(names)}",
        hint=f"Name a repository, bucket or folder with {CONFIG_FILE} and {WEIGHTS_FILE} in "
        "spec.model.uri.",
    )


def _select_folder(inside: Sequence[Selected], source: ModelSource, asked: Asked) -> list[Selected]:
    models = find_models([one.target for one in inside], asked)
    if models and asked.is_explicit:
        return _select_program(inside, models, source, asked)
    weights = _drop_duplicates([one for one in inside if _is_root_safetensors(one)])
    ggufs = [one for one in inside if _suffix(one) == ".gguf" and "mmproj" not in one.target]
    if weights:
        _require_config(inside, weights, source)
        return [*weights, *_sidecars(inside), *_parts(inside)]
    if ggufs:
        return [_single_gguf(ggufs, source)]
    if models:
        return _select_program(inside, models, source, asked)
    raise without_weights([one.file.name for one in inside], source)


def _select_program(
    inside: Sequence[Selected], models: Sequence[str], source: ModelSource, asked: Asked
) -> list[Selected]:
    """Return a file that is the model, and what is beside it; it comes to the root."""
    if len(models) > 1:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{name_source(source)} holds {len(models)} models, and one pod serves one: "
            f"{shorten(models)}",
            hint="Name one in spec.model.uri, or call the one to serve model.",
        )
    needed = {*models, *find_companions([one.target for one in inside], models[0], asked)}
    folder = f"{PurePosixPath(models[0]).parent}/".removeprefix("./")
    chosen = [
        Selected(one.file, one.target.removeprefix(folder))
        for one in inside
        if one.target in needed
    ]
    return [*chosen, *_sidecars(inside)]


def _select_by_name(files: Sequence[RemoteFile], named: RemoteFile, asked: Asked) -> list[Selected]:
    path = PurePosixPath(named.name)
    if asked.takes(path.name):
        folder = f"{path.parent}/".removeprefix("./")
        return _select_program(
            _place(files, folder), [path.name], ModelSource("", named.name), asked
        )
    if path.suffix.lower() == ".gguf":
        return [_whole_gguf(Selected(named, path.name))]
    if path.suffix.lower() in PICKLES:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{named.name} is a Python pickle; opening one can run any code",
            hint=CONVERT_HINT,
        )
    if path.suffix.lower() != ".safetensors" or _SAFETENSORS_PART.search(path.name):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{named.name} is not the weights of a whole model",
            hint="Name one GGUF or safetensors file in spec.model.uri, or the folder.",
        )
    folder = "" if str(path.parent) == "." else f"{path.parent}/"
    beside = _place(files, folder)
    # transformers looks for this name; an index speaks of the other files.
    chosen = Selected(named, "model.safetensors")
    _require_config(beside, [chosen], ModelSource("", named.name))
    sidecars = [one for one in _sidecars(beside) if not one.target.endswith(".index.json")]
    return [chosen, *sidecars, *_parts(beside)]


def _place(files: Iterable[RemoteFile], prefix: str) -> list[Selected]:
    return [
        Selected(file, file.name.removeprefix(prefix))
        for file in files
        if file.name.startswith(prefix)
    ]


def _is_root_safetensors(one: Selected) -> bool:
    return "/" not in one.target and _suffix(one) == ".safetensors"


def _drop_duplicates(weights: list[Selected]) -> list[Selected]:
    if not any(_TRANSFORMERS_WEIGHTS.match(one.target) for one in weights):
        return weights
    return [one for one in weights if not _DUPLICATE.match(one.target)]


def _sidecars(inside: Iterable[Selected]) -> list[Selected]:
    return [
        one
        for one in inside
        if _is_sidecar(one) and ("/" not in one.target or _folder(one) == _TEMPLATES)
    ]


def _parts(inside: Sequence[Selected]) -> list[Selected]:
    """Return the modules of a sentence-transformers model, which lie in folders of their own."""
    if not any(one.target == "modules.json" for one in inside):
        return []
    return [
        one
        for one in inside
        if "/" in one.target
        and _folder(one) not in _EXPORTS | {_TEMPLATES}
        and not one.target.startswith(".")
        and (_is_sidecar(one) or _suffix(one) == ".safetensors")
    ]


def _is_sidecar(one: Selected) -> bool:
    hidden = one.target.startswith(".")
    return not hidden and _suffix(one) in _SIDECARS and not _FOREIGN_INDEX.search(one.target)


def _suffix(one: Selected) -> str:
    return PurePosixPath(one.target).suffix.lower()


def _folder(one: Selected) -> str:
    return one.target.partition("/")[0]


def _single_gguf(ggufs: Sequence[Selected], source: ModelSource) -> Selected:
    if len(ggufs) > 1:
        names = [one.file.name for one in ggufs]
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{name_source(source)} holds {len(ggufs)} GGUF files, and one pod serves one: "
            f"{shorten(names)}",
            hint="Name one in spec.model.uri, for example "
            f"{name_source(replace(source, path=names[0]))}.",
        )
    one = _whole_gguf(ggufs[0])
    return Selected(one.file, PurePosixPath(one.target).name)


def _whole_gguf(one: Selected) -> Selected:
    if _GGUF_PART.search(one.target):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{one.file.name} is one part of a GGUF file that was split",
            hint="Merge the parts (llama-gguf-split --merge) and publish the whole, or choose a "
            "smaller quantisation that is one file.",
        )
    return one


def _refuse_odd_names(files: Iterable[RemoteFile], source: ModelSource) -> None:
    for file in files:
        parts = file.name.split("/")
        too_long = any(len(part.encode(errors="replace")) > _MAX_NAME_BYTES for part in parts)
        if too_long or not is_plain_path(file.name):
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"The {_NOUNS[source.scheme]} lists a file with the name {file.name[:200]!r}, "
                "which could leave the model folder",
                hint=_ODD_NAME_HINTS[source.scheme],
            )


def _require_config(
    inside: Iterable[Selected], weights: Sequence[Selected], source: ModelSource
) -> None:
    names = {one.target for one in inside}
    if "config.json" in names:
        return
    if "adapter_config.json" in names:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{name_source(source)} is an adapter (adapter_config.json), not a whole model",
            hint="Name the base model in spec.model.uri, and this in spec.model.adapters; or merge "
            "it into its base model (merge_and_unload in peft) and publish the result.",
        )
    raise CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{name_source(source)} has weights ({weights[0].file.name}) but no config.json beside "
        "them",
        hint="Choose a repository or folder in the layout of transformers.",
    )
