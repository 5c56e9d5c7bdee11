"""Loads folders in the layout of transformers: config.json, tokenizer, safetensors."""

from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForCTC,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForObjectDetection,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForSpeechSeq2Seq,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import (
    Loaded,
    choose_device,
    choose_dtype,
    require_all_weights,
    require_room,
)
from modelyard_runtime.loading.processors import PROCESSORS, load_processor
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.safetensors_header import Header

# Nothing from the network, no code from the folder, no pickles. Vetting has looked already; this
# is the second lock.
_CLOSED = {"local_files_only": True, "trust_remote_code": False}

_LAYER_COUNTS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
)
# So many layers may share the weights of one, as in ALBERT.
_SHARING_LAYERS = 64
_STORED_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


# What transformers builds for each task.
_FACTORIES: dict[Task, Any] = {
    Task.TEXT_GENERATION: AutoModelForCausalLM,
    Task.EMBEDDINGS: AutoModel,
    Task.FILL_MASK: AutoModelForMaskedLM,
    Task.TEXT_CLASSIFICATION: AutoModelForSequenceClassification,
    Task.IMAGE_CLASSIFICATION: AutoModelForImageClassification,
    Task.OBJECT_DETECTION: AutoModelForObjectDetection,
    Task.AUTOMATIC_SPEECH_RECOGNITION: AutoModelForSpeechSeq2Seq,
    Task.TOKEN_CLASSIFICATION: AutoModelForTokenClassification,
    Task.QUESTION_ANSWERING: AutoModelForQuestionAnswering,
    Task.ZERO_SHOT_CLASSIFICATION: AutoModelForSequenceClassification,
    Task.RERANK: AutoModelForSequenceClassification,
    Task.SUMMARIZATION: AutoModelForSeq2SeqLM,
    Task.TRANSLATION: AutoModelForSeq2SeqLM,
}
_WORDLESS = frozenset({Task.IMAGE_CLASSIFICATION, Task.OBJECT_DETECTION})
# Weights that a folder may lack: encoders are often stored without the pooler of their
# pre-training, which nobody asks for an embedding.
_UNUSED = {Task.EMBEDDINGS: "pooler."}


def load(wanted: Wanted) -> Loaded:
    """Load the model that the task needs, with its tokenizer or processor."""
    path = str(wanted.folder.path)
    task = wanted.detected.task
    writes_letters = wanted.detected.architecture.endswith("ForCTC")
    model, device = _load_model(wanted, AutoModelForCTC if writes_letters else _FACTORIES[task])
    processor = load_processor(wanted) if task in PROCESSORS else None
    tokenizer = None if task in _WORDLESS else AutoTokenizer.from_pretrained(path, **_CLOSED)
    return Loaded.of(model, tokenizer, wanted, device, processor=processor)


def _load_model(wanted: Wanted, factory: Any) -> tuple[PreTrainedModel, torch.device]:
    path = str(wanted.folder.path)
    _require_layers(wanted)
    config: PreTrainedConfig = AutoConfig.from_pretrained(path, **_CLOSED)
    device = choose_device(wanted.device)
    dtype = choose_dtype(wanted.dtype, _stored_dtype(wanted), device)
    parameters = sum(header.parameters for header in _served_weights(wanted))
    require_room(parameters * dtype.itemsize, wanted.memory_bytes, device)
    model, report = factory.from_pretrained(
        path,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        **_CLOSED,
    )
    unused = _UNUSED.get(wanted.detected.task)
    missing = [name for name in report["missing_keys"] if not (unused and unused in name)]
    require_all_weights(missing, "The folder")
    return model, device


def _require_layers(wanted: Wanted) -> None:
    """Refuse to build layers without end: they are built before weights are missed.

    Raises:
        CannotStart: ModelFileCorrupt.
    """
    tensors = sum(len(header.tensors) for header in _served_weights(wanted))
    config = wanted.folder.config
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        for name in _LAYER_COUNTS:
            layers = part.get(name)
            if isinstance(layers, int) and layers > max(tensors, _SHARING_LAYERS):
                raise CannotStart(
                    Reason.MODEL_FILE_CORRUPT,
                    f"config.json says {name} {layers}, and the weights are {tensors} tensors",
                    hint="Publish the configuration together with the weights it was saved with.",
                )


def _stored_dtype(wanted: Wanted) -> torch.dtype | None:
    headers = wanted.folder.weights.values()
    largest = max(headers, key=lambda header: header.parameters)
    return _STORED_DTYPES.get(largest.dtype)


def _served_weights(wanted: Wanted) -> list[Header]:
    # Folders sometimes carry a second copy (an adapter, an export in a subfolder): only what
    # transformers opens counts.
    weights = wanted.folder.weights
    index = wanted.folder.documents.get("model.safetensors.index.json")
    if "model.safetensors" in weights:
        return [weights["model.safetensors"]]
    if isinstance(index, dict):
        return [weights[name] for name in sorted(set(index["weight_map"].values()))]
    return list(weights.values())
