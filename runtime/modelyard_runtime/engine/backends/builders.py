"""Builds an engine around a loaded model, on the engine's thread."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import Capacity, cache_budget_bytes
from modelyard_runtime.engine.backends.causal_lm import CausalLM
from modelyard_runtime.engine.backends.explaining import add_explanations
from modelyard_runtime.engine.backends.prompts import TokenizedPrompts
from modelyard_runtime.engine.batch import BatchLimits
from modelyard_runtime.engine.batch_core import BatchCore
from modelyard_runtime.engine.batch_engine import QueueingEngine
from modelyard_runtime.engine.generation import ContinuousEngine
from modelyard_runtime.engine.generation_core import GenerationCore
from modelyard_runtime.engine.scheduler import Limits, largest_context
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.memory import format_gib, read_resident_bytes
from modelyard_runtime.loading.program import LoadedClass, LoadedProgram
from modelyard_runtime.loading.registry import import_function

# Prompt tokens per step, with and without streams to hold up; see scheduler.Limits. On a GPU a
# few thousand tokens take as long as a few decode steps.
_CHUNK_TOKENS = {"cpu": (64, 512), "cuda": (2048, 8192)}
# Padded tokens and inputs per batch: as many as it takes to keep the device busy. More only makes
# others wait longer.
_BATCH_LIMITS = {"cpu": BatchLimits(64, 2048), "cuda": BatchLimits(512, 65_536)}
# What works around the model, by task; `Backend(loaded)`.
_BACKENDS = {
    Task.EMBEDDINGS: "modelyard_runtime.engine.backends.embeddings:Embedder",
    Task.RERANK: "modelyard_runtime.engine.backends.rerank:CrossEncoder",
    Task.FILL_MASK: "modelyard_runtime.engine.backends.fill_mask:MaskFiller",
    Task.TEXT_CLASSIFICATION: (
        "modelyard_runtime.engine.backends.text_classification:TextClassifier"
    ),
    Task.IMAGE_CLASSIFICATION: (
        "modelyard_runtime.engine.backends.image_classification:ImageClassifier"
    ),
    Task.OBJECT_DETECTION: "modelyard_runtime.engine.backends.object_detection:ObjectDetector",
    Task.AUTOMATIC_SPEECH_RECOGNITION: "modelyard_runtime.engine.backends.speech:build_recogniser",
    Task.TOKEN_CLASSIFICATION: (
        "modelyard_runtime.engine.backends.token_classification:TokenClassifier"
    ),
    Task.QUESTION_ANSWERING: "modelyard_runtime.engine.backends.question_answering:Answerer",
    Task.SUMMARIZATION: "modelyard_runtime.engine.backends.seq2seq:Summariser",
    Task.TRANSLATION: "modelyard_runtime.engine.backends.seq2seq:Translator",
    Task.ZERO_SHOT_CLASSIFICATION: (
        "modelyard_runtime.engine.backends.zero_shot_classification:LabelJudge"
    ),
}
_GPU_SHARE = 0.8
# With room for less than this, hardly a question fits.
_LEAST_CONTEXT_TOKENS = 128

Built = tuple[Any, Callable[[Worker[Any]], Any]]


def build_generation(
    loaded: Loaded, name: str, capacity: Capacity, loop: asyncio.AbstractEventLoop
) -> Built:
    """Build a generation engine."""
    backend = CausalLM(loaded)
    budget = _cache_budget_bytes(loaded, capacity)
    cache_tokens = budget // backend.cache_bytes_per_token
    room = largest_context(cache_tokens)
    if room < _LEAST_CONTEXT_TOKENS:
        raise CannotStart(
            Reason.NOT_ENOUGH_MEMORY,
            f"The weights are loaded, but {format_gib(budget)} are left for the cache of running "
            "requests, which is not enough for a single short one",
            hint="Raise spec.resources.memory by 256Mi or more.",
        )
    chunk, idle_chunk = _CHUNK_TOKENS[loaded.model.device.type]
    limits = Limits(
        max_rows=capacity.max_slots,
        cache_tokens=cache_tokens,
        chunk_tokens=chunk,
        idle_chunk_tokens=idle_chunk,
    )
    context = min(backend.context_tokens, room)
    info = replace(loaded.describe(name, context), adapters=backend.adapters)
    vocabulary = loaded.model.config.get_text_config(decoder=True).vocab_size
    prompts = TokenizedPrompts(loaded.tokenizer, vocabulary)
    core = GenerationCore(backend, limits, loop)
    return core, lambda worker: ContinuousEngine(worker, info, prompts, capacity)


def build_batch(
    loaded: Loaded | LoadedProgram | LoadedClass,
    name: str,
    capacity: Capacity,
    loop: asyncio.AbstractEventLoop,
) -> Built:
    """Build an engine that answers each item in one go."""
    backend = build_backend(loaded)
    info = loaded.describe(name, backend.context_tokens)
    limits = _BATCH_LIMITS[loaded.device_type]
    # An input is never longer than a batch may be.
    limits = replace(limits, max_tokens=max(limits.max_tokens, info.context_tokens))
    backend, unexplained = add_explanations(backend, loaded, max_tokens=limits.max_tokens)
    core = BatchCore(backend, limits, loop)
    signature = backend.signature if isinstance(loaded, LoadedProgram) else None
    return core, lambda worker: QueueingEngine(
        worker, info, backend, capacity, signature=signature, unexplained=unexplained
    )


def build_backend(loaded: Loaded | LoadedProgram | LoadedClass) -> Any:
    """Build what works around a model that answers in one go."""
    return import_function(_find_backend(loaded))(loaded)


def _find_backend(loaded: Loaded | LoadedProgram | LoadedClass) -> str:
    match loaded:
        case LoadedProgram():
            return "modelyard_runtime.engine.backends.tensors:TensorPredictor"
        case LoadedClass():
            return "modelyard_runtime.engine.backends.values:ClassPredictor"
        case _:
            return _BACKENDS[loaded.wanted.detected.task]


def _cache_budget_bytes(loaded: Loaded, capacity: Capacity) -> int:
    device = loaded.model.device
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _GPU_SHARE)
    return cache_budget_bytes(capacity.memory_bytes, read_resident_bytes())
