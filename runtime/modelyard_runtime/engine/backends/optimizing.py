"""Optimises a loaded model, measures it before and after, and refuses what it did too much to."""

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Export, Measured, Optimization, Optimize, Quantization, Task
from modelyard_runtime.engine.backends.builders import build_backend
from modelyard_runtime.engine.backends.causal_lm import CausalLM
from modelyard_runtime.errors import CannotStart, RequestFault
from modelyard_runtime.loading.calls import Call, recorded_calls
from modelyard_runtime.loading.combinations import require_cpu
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.optimizing import optimize_layers, weigh
from modelyard_runtime.loading.registry import import_function
from modelyard_runtime.optimization.agreement import is_right, measure_agreement
from modelyard_runtime.optimization.examples import (
    FILE_NAME,
    Example,
    count_right,
    read_document,
    read_examples,
)
from modelyard_runtime.tasks.table import SPECS

log = logging.getLogger(__name__)

# Imported on use: they take seconds and memory, and few models need them.
_EXPORT = "modelyard_runtime.loading.onnx_export:export_model"
_COMPILE = "modelyard_runtime.loading.compiling:compile_model"
_DIGITS = 4
#: Of a text that is only read to be compared.
_MAX_TOKENS = 256
#: Rows of different sizes that show how the model is called.
_CROWD = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """The model's answers to the examples, and the median seconds that one takes."""

    answers: Sequence[Any]
    seconds: float


def optimize(loaded: Loaded, wanted: Optimize) -> Loaded:
    """Return the model as `spec.optimize` wants it. It is changed in place.

    Raises:
        CannotStart: ConfigInvalid, this model cannot be changed so, or its evaluation.json cannot
            be read; OptimizationFailed, too many answers are others than before.
    """
    require_cpu(loaded.device_type, wanted)
    # Either refuses a model that this runtime cannot serve, before it is changed.
    sample = None
    if _is_batch(loaded):
        sample = build_backend(loaded).sample()
    else:
        check_causal_lm(loaded)
    task = loaded.wanted.detected.task
    document = read_document(loaded.wanted.folder.path)
    examples = read_examples(SPECS[task], document, sample)
    log.info("measuring", extra={"examples": len(examples), "steps": wanted.steps})
    before = _try(loaded, examples)
    size_before = loaded.size_bytes
    better = _change(loaded, wanted, examples)
    after = _try(better, examples)
    optimization = Optimization(
        steps=wanted.steps,
        agreement=_agree(task, before, after),
        examples=len(examples),
        before=_describe(size_before, before, examples),
        after=_describe(better.size_bytes, after, examples),
    )
    log.info("optimized", extra=optimization.dump())
    require_agreement(optimization, wanted.min_agreement)
    return replace(better, optimization=optimization)


def check_causal_lm(loaded: Loaded) -> None:
    """Refuse a language model that cannot be served with our cache.

    Raises:
        CannotStart: ModelUnsupported.
    """
    CausalLM(loaded).release()


def require_agreement(found: Optimization, wanted: float) -> None:
    """Refuse a model of which too many answers changed.

    Raises:
        CannotStart: OptimizationFailed.
    """
    if found.agreement >= wanted:
        return
    accuracy = ""
    if found.before.accuracy is not None and found.after.accuracy is not None:
        accuracy = (
            f"; {found.after.accuracy:.1%} of the answers are right, {found.before.accuracy:.1%} "
            "were before"
        )
    raise CannotStart(
        Reason.OPTIMIZATION_FAILED,
        f"After {found.steps} only {found.agreement:.1%} of what the model answers to "
        f"{found.examples} examples is as before, and spec.optimize.minAgreement is {wanted:.1%}"
        f"{accuracy}",
        hint="Ask for less (int8 instead of int4, a lower sparsity), put examples of your own into "
        f"{FILE_NAME} of the model folder, or lower spec.optimize.minAgreement.",
    )


def _change(loaded: Loaded, wanted: Optimize, examples: Sequence[Example]) -> Loaded:
    if wanted.pruning.sparsity > 0 or wanted.quantization is not Quantization.NONE:
        optimize_layers(loaded.model, wanted)
    if wanted.export is Export.ONNX:
        calls = _record_calls(loaded, examples)
        export = import_function(_EXPORT)
        exported = export(loaded.model, calls, loaded.wanted.memory_bytes)
        return replace(loaded, model=exported, size_bytes=exported.size_bytes)
    if wanted.compile:
        calls = _record_calls(loaded, examples)
        call = max(calls, key=lambda call: call.rows)
        import_function(_COMPILE)(loaded.model, call, loaded.wanted.memory_bytes)
    return replace(loaded, size_bytes=weigh(loaded.model))


def _record_calls(loaded: Loaded, examples: Sequence[Example]) -> list[Call]:
    """Return calls of the model: with one row, and with a crowd."""
    spec, backend = SPECS[loaded.wanted.detected.task], build_backend(loaded)
    items = (item for example in examples for item in spec.to_items(example.body))
    rows = list(islice((row for item in items for row in backend.prepare(item)), _CROWD))
    with recorded_calls(loaded.model) as calls:
        backend.compute(rows[:1])
        # Twice, so that a size that only one of them has is not taken for the number of rows.
        backend.compute(rows * 2)
    return calls


def _is_batch(loaded: Loaded) -> bool:
    return loaded.wanted.detected.task is not Task.TEXT_GENERATION


def _try(loaded: Loaded, examples: Sequence[Example]) -> Trial:
    answer = _build_answerer(loaded)
    answers, seconds = [], []
    # The first one pays for what is made on first use.
    answer(examples[0].body)
    for example in examples:
        began = time.perf_counter()
        answers.append(answer(example.body))
        seconds.append(time.perf_counter() - began)
    if not _is_batch(loaded):
        seconds = _time_tokens(loaded)
    return Trial(answers, statistics.median(seconds))


def _build_answerer(loaded: Loaded) -> Callable[[Any], Any]:
    if not _is_batch(loaded):
        return lambda body: _guess_tokens(loaded, body.text)
    spec, backend = SPECS[loaded.wanted.detected.task], build_backend(loaded)

    def answer(body: Any) -> Any:
        results = []
        try:
            for item in spec.to_items(body):
                rows = backend.prepare(item)
                outputs = [output for row in rows for output in backend.compute([row])]
                results.append(backend.finish(item, rows, outputs))
        except RequestFault as fault:
            raise CannotStart(
                Reason.CONFIG_INVALID,
                f"The model cannot answer an example that it is measured with: {fault.message}",
                hint=f"Put examples that it can answer into {FILE_NAME} of the model folder.",
            ) from fault
        return spec.to_answer(body, results)

    return answer


@torch.inference_mode()
def _guess_tokens(loaded: Loaded, text: str | tuple[str, ...]) -> list[int]:
    """Return, for each token of the text, which one the model thinks comes next."""
    texts = (text,) if isinstance(text, str) else text
    guessed: list[int] = []
    for one in texts:
        tokens = loaded.tokenizer(one)["input_ids"][:_MAX_TOKENS]
        if not tokens:
            raise CannotStart(
                Reason.CONFIG_INVALID,
                f"A text of {FILE_NAME} has no tokens",
                hint=f"Put texts with words into {FILE_NAME} of the model folder.",
            )
        scores = loaded.model(input_ids=torch.tensor([tokens])).logits
        guessed += scores[0].argmax(dim=-1).tolist()
    return guessed


@torch.inference_mode()
def _time_tokens(loaded: Loaded, times: int = 16) -> list[float]:
    """Return seconds that one token takes, again and again."""
    token = torch.zeros((1, 1), dtype=torch.long)
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        loaded.model(input_ids=token, use_cache=False)
        seconds.append(time.perf_counter() - began)
    return seconds


def _agree(task: Task, before: Trial, after: Trial) -> float:
    pairs = list(zip(before.answers, after.answers, strict=True))
    if task is Task.TEXT_GENERATION:
        same = [bool(a == b) for one, other in pairs for a, b in zip(one, other, strict=True)]
        return round(sum(same) / len(same), _DIGITS)
    each: list[float] = [measure_agreement(task, one, other) for one, other in pairs]
    return round(sum(each) / len(each), _DIGITS)


def _describe(size_bytes: int, trial: Trial, examples: Sequence[Example]) -> Measured:
    right = [
        bool(example.expect) and is_right(answer, example.expect)
        for example, answer in zip(examples, trial.answers, strict=True)
    ]
    accuracy = count_right(examples, right)
    return Measured(
        size_bytes=size_bytes,
        milliseconds=round(trial.seconds * 1000, 3),
        accuracy=None if accuracy is None else round(accuracy, _DIGITS),
    )
