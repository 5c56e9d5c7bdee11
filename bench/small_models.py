"""Model folders with random weights for the tasks that no example has, made in seconds.

Those that read texts do so with the tokenizer of a folder that is given. The initial weights are
large, so that answers differ and choices are clear.
"""

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import torch
import transformers

SEED = 7
_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
_SEQ2SEQ = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "max_position_embeddings": 512,
    "init_std": 0.3,
}
_OBJECTS = {number: f"kind {number}" for number in range(4)}
_PICTURE = {"shortest_edge": 48, "longest_edge": 80}
_SIGNATURE = {
    "inputs": [
        {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
    ]
}
#: The class as a model folder brings it; this process runs the same text.
MIXING = """import torch


class Mixing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x, y):
        mixed = self.linear(x) + y
        return {"mixed": mixed, "largest": mixed.argmax(dim=1)}
"""


def write_encoder(folder: Path, words: Path, head: str, **settings: object) -> None:
    """Write a BERT with this head, and the tokenizer of the folder `words`."""
    tokenizer = _copy_tokenizer(words, folder)
    _write(folder, head, {**_SIZES, "vocab_size": len(tokenizer), **settings})


def write_decoder(folder: Path, words: Path) -> None:
    """Write a Llama."""
    tokenizer = _copy_tokenizer(words, folder)
    sizes = {**_SIZES, "vocab_size": len(tokenizer), "num_key_value_heads": 2}
    ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    _write(folder, "LlamaForCausalLM", {**sizes, **ends, "pad_token_id": tokenizer.pad_token_id})


def write_seq2seq(folder: Path, words: Path, model_class: str) -> None:
    """Write a BART or Marian; it never says a word twice, as it else would again and again."""
    tokenizer = _copy_tokenizer(words, folder)
    ends = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "forced_eos_token_id": tokenizer.sep_token_id,
        "decoder_start_token_id": tokenizer.cls_token_id,
    }
    _write(folder, model_class, {**_SEQ2SEQ, **ends, "vocab_size": len(tokenizer)})
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "no_repeat_ngram_size": 1}))


def write_detector(folder: Path) -> None:
    """Write a YOLOS, which finds objects in pictures."""
    sizes = {**_SIZES, "num_hidden_layers": 2, "image_size": [48, 64], "patch_size": 8}
    sizes.pop("max_position_embeddings")
    settings = {**sizes, "num_detection_tokens": 6, "id2label": _OBJECTS}
    _write(folder, "YolosForObjectDetection", settings)
    processor: Any = transformers.YolosImageProcessorPil
    processor(size=_PICTURE).save_pretrained(folder)


def build_mixing() -> Any:
    """Return a module of two inputs, x and y, and two outputs."""
    scope: dict[str, Any] = {}
    exec(MIXING, scope)  # noqa: S102 - the text above
    torch.manual_seed(SEED)
    return scope["Mixing"]().eval()


def write_program(folder: Path, form: str) -> None:
    """Write build_mixing() as the format says: onnx, torch-export, torchscript, state-dict."""
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        # Exporters tell of names that they do not use, and that TorchScript is old.
        warnings.simplefilter("ignore")
        _PROGRAMS[form](folder, build_mixing())


def _write_onnx(folder: Path, module: Any) -> None:
    torch.onnx.export(_export(module), f=folder / "model.onnx", dynamo=True, verbose=False)
    onnxruntime.InferenceSession(folder / "model.onnx")


def _write_torch_export(folder: Path, module: Any) -> None:
    torch.export.save(_export(module), folder / "model.pt2")


def _write_torchscript(folder: Path, module: Any) -> None:
    traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
        module, (torch.ones(2, 4), torch.ones(2, 2)), strict=False
    )
    traced.save(folder / "model.pt")
    (folder / "signature.json").write_text(json.dumps(_SIGNATURE))


def _write_state_dict(folder: Path, module: Any) -> None:
    torch.save(module.state_dict(), folder / "model.pth")
    (folder / "mixing.py").write_text(MIXING)
    (folder / "signature.json").write_text(json.dumps(_SIGNATURE))


_PROGRAMS: Mapping[str, Callable[[Path, Any], None]] = {
    "onnx": _write_onnx,
    "torch-export": _write_torch_export,
    "torchscript": _write_torchscript,
    "state-dict": _write_state_dict,
}


def _export(module: Any) -> Any:
    batch = torch.export.Dim("batch")
    return torch.export.export(
        module,
        (torch.ones(2, 4), torch.ones(2, 2)),
        dynamic_shapes={"x": {0: batch}, "y": {0: batch}},
    )


def _write(folder: Path, model_class: str, settings: Mapping[str, object]) -> None:
    build: Any = getattr(transformers, model_class)
    torch.manual_seed(SEED)
    build(build.config_class(**settings)).save_pretrained(folder)


def _copy_tokenizer(words: Path, folder: Path) -> Any:
    load: Any = transformers.AutoTokenizer.from_pretrained
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(words / name, folder / name)
    return load(folder)
