"""Decides which files of a repository are fetched: what the loader takes, and nothing else.

Safetensors come first, then GGUF. Pickles and code are never fetched. Files land where the loader
looks for them: at the root, whatever folder of the repository they come from.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from modelyard_api.fetch import HUB_SCHEME, HubSource, is_plain_path
from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import HubFile

#: What stands beside the weights: configuration, tokenizers, vocabularies, chat templates.
_SIDECARS = frozenset(
    {".json", ".txt", ".model", ".jinja", ".tiktoken", ".spm", ".vocab", ".bpe", ".codes"}
)
_PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_OTHER_WEIGHTS = frozenset(
    {".h5", ".msgpack", ".onnx", ".ot", ".tflite", ".keras", ".pb", ".npz", ".mlmodel", ".nemo"}
)
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
_SHOWN = 12

_CONVERT_HINT = (
    "Convert the weights to safetensors: load the model where you trust it, save it with "
    "model.save_pretrained(folder), and publish that; or choose a repository that has safetensors."
)
_FORMATS_HINT = "This runtime takes safetensors (transformers folders) and GGUF."


@dataclass(frozen=True, slots=True)
class Selected:
    """A file of the repository, and its name in the model folder."""

    file: HubFile
    target: str


def select_files(files: Sequence[HubFile], source: HubSource) -> tuple[Selected, ...]:
    """Return what to fetch for the source, in the order of the names.

    Raises:
        CannotStart: ModelNotFound, ModelUnsupported or ModelUnsafe, each with a hint.
    """
    _refuse_odd_names(files)
    named = next((file for file in files if file.name == source.path), None)
    if named is not None:
        chosen = _select_by_name(files, named)
    else:
        inside = _place(files, f"{source.path}/" if source.path else "")
        if source.path and not inside:
            raise _unknown_path(files, source)
        chosen = _select_folder(inside, source)
    return tuple(sorted(chosen, key=lambda one: one.target))


def _select_folder(inside: Sequence[Selected], source: HubSource) -> list[Selected]:
    weights = _drop_duplicates([one for one in inside if _is_root_safetensors(one)])
    ggufs = [one for one in inside if _suffix(one) == ".gguf" and "mmproj" not in one.target]
    if weights:
        _require_config(inside, weights, source)
        return [*weights, *_sidecars(inside), *_parts(inside)]
    if ggufs:
        return [_single_gguf(ggufs, source)]
    raise _without_weights(inside, source)


def _select_by_name(files: Sequence[HubFile], named: HubFile) -> list[Selected]:
    path = PurePosixPath(named.name)
    if path.suffix.lower() == ".gguf":
        return [_whole_gguf(Selected(named, path.name))]
    if path.suffix.lower() in _PICKLES:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{named.name} is a Python pickle; opening one can run any code",
            hint=_CONVERT_HINT,
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
    _require_config(beside, [chosen], HubSource("", named.name))
    sidecars = [one for one in _sidecars(beside) if not one.target.endswith(".index.json")]
    return [chosen, *sidecars, *_parts(beside)]


def _place(files: Iterable[HubFile], prefix: str) -> list[Selected]:
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


def _single_gguf(ggufs: Sequence[Selected], source: HubSource) -> Selected:
    if len(ggufs) > 1:
        names = [one.file.name for one in ggufs]
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{_uri(source)} holds {len(ggufs)} GGUF files, and one pod serves one: "
            f"{_shorten(names)}",
            hint=f"Name one in spec.model.uri, for example "
            f"{_uri(HubSource(source.repository, names[0]))}.",
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


def _refuse_odd_names(files: Iterable[HubFile]) -> None:
    for file in files:
        parts = file.name.split("/")
        too_long = any(len(part.encode(errors="replace")) > _MAX_NAME_BYTES for part in parts)
        if too_long or not is_plain_path(file.name):
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"The hub lists a file with the name {file.name[:200]!r}, which could leave the "
                "model folder",
                hint="No honest repository has such a name: check which hub the policy names, and "
                "what the repository is.",
            )


def _require_config(
    inside: Iterable[Selected], weights: Sequence[Selected], source: HubSource
) -> None:
    names = {one.target for one in inside}
    if "config.json" in names:
        return
    if "adapter_config.json" in names:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"{_uri(source)} is an adapter (adapter_config.json), not a whole model",
            hint="Merge it into its base model (merge_and_unload in peft) and publish the result.",
        )
    raise CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{_uri(source)} has weights ({weights[0].file.name}) but no config.json beside them",
        hint="Choose a repository or folder in the layout of transformers.",
    )


def _without_weights(inside: Sequence[Selected], source: HubSource) -> CannotStart:
    folders = sorted(
        {
            str(PurePosixPath(one.file.name).parent)
            for one in inside
            if _suffix(one) == ".safetensors"
        }
    )
    pickles = [one.file.name for one in inside if _suffix(one) in _PICKLES]
    others = [one.file.name for one in inside if _suffix(one) in _OTHER_WEIGHTS]
    if folders:
        return CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"{_uri(source)} has its weights in folders: {_shorten(folders)}",
            hint=f"Name the folder in spec.model.uri, for example "
            f"{_uri(HubSource(source.repository, folders[0]))}.",
        )
    if pickles:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The weights of {_uri(source)} are Python pickles only ({_shorten(pickles)}); opening "
            "one can run any code",
            hint=_CONVERT_HINT,
        )
    if others:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The weights of {_uri(source)} are of a format that is not served: {_shorten(others)}",
            hint=_FORMATS_HINT,
        )
    held = [one.file.name for one in inside]
    return CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{_uri(source)} has no weights; it holds {_shorten(held) or 'nothing'}",
        hint=f"Check spec.model.uri. {_FORMATS_HINT}",
    )


def _unknown_path(files: Iterable[HubFile], source: HubSource) -> CannotStart:
    held = [file.name for file in files]
    return CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{HUB_SCHEME}{source.repository} has no file or folder {source.path!r}; it holds "
        f"{_shorten(held) or 'nothing'}",
        hint="Correct the path in spec.model.uri; upper and lower case count.",
    )


def _uri(source: HubSource) -> str:
    whole = "/".join(part for part in (source.repository, source.path) if part)
    return f"{HUB_SCHEME}{whole}" if source.repository else whole


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
