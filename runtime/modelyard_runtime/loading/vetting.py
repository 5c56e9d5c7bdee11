"""Refuses a model folder that is unsafe, damaged or empty, before any library touches it.

Model libraries have run code from folders that were loaded with every safety switch on
(CVE-2026-4372, CVE-2026-5241, CVE-2026-22807), and what they say about a truncated file helps
nobody. So nothing in here trusts them: names, JSON keys, magic bytes and lengths are checked with
the standard library alone.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading import gguf_header, safetensors_header
from modelyard_runtime.loading.folder import ModelFolder
from modelyard_runtime.loading.folder_names import list_names
from modelyard_runtime.loading.model_files import SEARCHED, find_formats

# Vocabularies are JSON objects with a key per token, and any word can be a token.
#: Large ones that configure nothing: vocabularies, and what spec.optimize reads by itself.
_UNREAD = frozenset(
    {"tokenizer.json", "vocab.json", "added_tokens.json", "merges.json", "evaluation.json"}
)
# The indexes of the largest models have a tenth of that; parsed it is ten times as large.
_MAX_DOCUMENT_BYTES = 64 * 1024**2
_FORBIDDEN_KEYS = frozenset({"auto_map", "custom_pipelines", "trust_remote_code"})
_CODE_FILES = frozenset({"custom_generate/generate.py"})
_PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
# Zip is what torch.save writes; 0x80 opens a pickle of protocol 2 and later.
_PICKLE_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_INDEX_SUFFIX = ".index.json"
_CONVERT_HINT = (
    "Convert the weights to safetensors: load the model where you trust it and save it with "
    "model.save_pretrained(folder), which writes safetensors."
)
_DOWNLOAD_HINT = (
    "Copy or download the file again, and compare its length or checksum with the original."
)


def vet_folder(path: Path, *, form: Format = Format.AUTO, entrypoint: str = "") -> ModelFolder:
    """Read the folder's table of contents and refuse what this runtime does not open.

    Formats that are one file are vetted later (program_vetting), once it is known which one it is.

    Raises:
        CannotStart: ModelNotFound, ModelUnsafe or ModelFileCorrupt, each with a hint.
    """
    names = list_names(path)
    _refuse_code_files(names)
    documents = _read_documents(path, names)
    for name, document in documents.items():
        _refuse_unsafe_keys(name, document)
    weights = _check_safetensors(path, names)
    ggufs = _check_ggufs(path, names)
    for name, document in documents.items():
        if name.endswith(_INDEX_SUFFIX):
            _check_index(name, document, weights)
    folder = ModelFolder(path, names, documents, weights, ggufs)
    if entrypoint or form in SEARCHED or find_formats(folder):
        return folder
    if not weights and not ggufs:
        _refuse_without_weights(folder)
    if not ggufs and "config.json" not in documents:
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"{path} has weights but no config.json (it holds {folder.describe()})",
            hint="Copy the whole model folder, not only its weights.",
        )
    return folder


def vet_safetensors(path: Path, name: str) -> safetensors_header.Header:
    """Read the header of a file of a folder.

    Raises:
        CannotStart: ModelUnsafe, it is a pickle; ModelFileCorrupt, it is damaged.
    """
    _refuse_pickle(path, name)
    try:
        header = safetensors_header.read_header(path / name)
    except safetensors_header.DamagedHeader as error:
        raise _damaged(path, name, str(error)) from error
    actual = (path / name).stat().st_size
    if actual != header.expected_bytes:
        raise _wrong_length(name, header.expected_bytes, actual)
    return header


def _refuse_code_files(names: tuple[str, ...]) -> None:
    for name in names:
        if name in _CODE_FILES:
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"The model brings code that would run when it is used: {name}",
                hint="Remove the file if the model works without it; this runtime runs no code "
                "from model folders.",
            )


def _read_documents(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    for name in names:
        if not name.endswith(".json") or Path(name).name in _UNREAD:
            continue
        size = (path / name).stat().st_size
        if size > _MAX_DOCUMENT_BYTES:
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"{name} has {size} bytes; a configuration has at most {_MAX_DOCUMENT_BYTES}",
                hint="Remove the file if it is no part of the model (data, for example).",
            )
        text = (path / name).read_bytes()
        try:
            documents[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CannotStart(
                Reason.MODEL_FILE_CORRUPT,
                f"{name} ({len(text)} bytes) is not valid JSON: {error}",
                hint=_DOWNLOAD_HINT,
            ) from error
    return documents


def _refuse_unsafe_keys(name: str, document: Any) -> None:
    for key, value in _walk_keys(document):
        if key in _FORBIDDEN_KEYS or key.endswith("_internal"):
            problem = f"{name} has the key {key!r}, which makes model libraries run foreign code"
        elif "attn_implementation" in key and _is_hub_reference(value):
            problem = f"{name} asks for an attention kernel from a hub ({key}: {value!r})"
        elif key == "transformers_weights" and _leaves_folder(value):
            problem = f"{name} names weights outside of the folder ({value!r})"
        else:
            continue
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            problem,
            hint="If the architecture is part of transformers, remove the key from the file; "
            "this runtime runs no code that a model brings.",
        )


def _walk_keys(document: Any) -> Iterator[tuple[str, Any]]:
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield from item.items()
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _is_hub_reference(value: Any) -> bool:
    values = value.values() if isinstance(value, dict) else (value,)
    return any(isinstance(word, str) and ("/" in word or ":" in word) for word in values)


def _leaves_folder(value: Any) -> bool:
    return not isinstance(value, str) or Path(value).name != value


def _refuse_pickle(path: Path, name: str) -> None:
    with (path / name).open("rb") as file:
        start = file.read(4)
    if start.startswith(_PICKLE_MAGIC):
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{name} is a Python pickle, whatever its name says; opening one can run any code",
            hint=_CONVERT_HINT,
        )


def _check_safetensors(path: Path, names: tuple[str, ...]) -> dict[str, safetensors_header.Header]:
    return {name: vet_safetensors(path, name) for name in names if name.endswith(".safetensors")}


def _check_ggufs(path: Path, names: tuple[str, ...]) -> dict[str, gguf_header.Header]:
    headers = {}
    for name in names:
        if not name.lower().endswith(".gguf"):
            continue
        _refuse_pickle(path, name)
        try:
            header = gguf_header.read_header(path / name)
        except gguf_header.DamagedHeader as error:
            raise _damaged(path, name, str(error)) from error
        actual = (path / name).stat().st_size
        # Longer is fine: writers pad the last tensor.
        if actual < header.end_bytes:
            raise _wrong_length(name, header.end_bytes, actual)
        headers[name] = header
    return headers


def _check_index(
    name: str, document: Any, weights: Mapping[str, safetensors_header.Header]
) -> None:
    weight_map = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(weight_map, dict):
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT, f"{name} has no weight_map", hint=_DOWNLOAD_HINT
        )
    for tensor, file in weight_map.items():
        if _leaves_folder(file):
            raise CannotStart(
                Reason.MODEL_UNSAFE,
                f"{name} places the tensor {tensor!r} in {file!r}, outside of the folder",
                hint="An index names files beside itself; get the model again from its source.",
            )
    if name != f"model.safetensors{_INDEX_SUFFIX}":
        return
    for tensor, file in weight_map.items():
        if file not in weights:
            problem = f"{name} names the file {file}, which is missing"
        elif tensor not in weights[file].tensors:
            problem = f"{name} places the tensor {tensor!r} in {file}, which does not hold it"
        else:
            continue
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT, problem, hint="Download the model again, all its files."
        )


def _refuse_without_weights(folder: ModelFolder) -> None:
    pickles = [name for name in folder.names if Path(name).suffix in _PICKLE_SUFFIXES]
    if pickles:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"The weights are Python pickles only ({', '.join(pickles[:4])}); opening one can "
            "run any code",
            hint=f"{_CONVERT_HINT} Weights of a class of your own are served as they are, with "
            "spec.model.entrypoint and allowCode.",
        )
    raise CannotStart(
        Reason.MODEL_NOT_FOUND,
        f"{folder.path} has no model (*.safetensors, *.gguf, *.onnx, *.keras, *.h5, *.pt2 or "
        f"TorchScript); it holds {folder.describe()}",
        hint="Copy the whole model folder, and place its files at the root, not in a subfolder.",
    )


def _damaged(path: Path, name: str, problem: str) -> CannotStart:
    actual = (path / name).stat().st_size
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT, f"{name} ({actual} bytes): {problem}", hint=_DOWNLOAD_HINT
    )


def _wrong_length(name: str, expected: int, actual: int) -> CannotStart:
    word = "truncated" if actual < expected else "longer than it should be"
    return CannotStart(
        Reason.MODEL_FILE_CORRUPT,
        f"{name} is {word}: by its header it has {expected} bytes, the file has {actual}",
        hint=_DOWNLOAD_HINT,
    )
