"""What a model folder holds, read without any model library."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard_runtime.loading import gguf_header, safetensors_header


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A vetted folder. Names are relative to `path`, with `/`.

    `documents` are the parsed JSON files (vocabularies left out), `weights` the safetensors files
    and `ggufs` the GGUF files by name, each checked against its length.
    """

    path: Path
    names: tuple[str, ...]
    documents: Mapping[str, Any]
    weights: Mapping[str, safetensors_header.Header]
    ggufs: Mapping[str, gguf_header.Header]

    @property
    def config(self) -> Mapping[str, Any]:
        """config.json, or nothing."""
        document = self.documents.get("config.json", {})
        return document if isinstance(document, dict) else {}

    def describe(self) -> str:
        """Name what is there, for messages: the first few names."""
        shown = ", ".join(self.names[:8])
        more = len(self.names) - 8
        return (shown or "nothing") + (f" and {more} more" if more > 0 else "")
