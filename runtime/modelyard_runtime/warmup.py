"""The first request, made by the pod to itself: a pod that cannot answer must not become ready."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import GenerateRequest, Sampling
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.errors import CannotStart, RequestFault

_TEXT = "Hello"
#: One for the pass over the prompt, the others for single steps, which take another way.
_TOKENS = 3


async def warm_up(engine: GenerationEngine | BatchEngine) -> None:
    """Answer one small request through the engine, as for any client.

    Raises:
        CannotStart: there was a fault, no answer, or numbers that are none.
    """
    try:
        if engine.info.task is Task.TEXT_GENERATION:
            await _generate(cast(GenerationEngine, engine))
        else:
            await _run(cast(BatchEngine, engine))
    except RequestFault as fault:
        raise _failed(fault.message) from fault


async def _generate(engine: GenerationEngine) -> None:
    generation = await engine.submit(
        GenerateRequest(
            id="warm-up",
            prompt=_TEXT,
            sampling=Sampling(max_tokens=_TOKENS, temperature=0.0),
        )
    )
    try:
        tokens = 0
        finished = False
        async for chunk in generation:
            tokens += chunk.tokens
            finished = finished or chunk.finish_reason is not None
    finally:
        await generation.aclose()
    if not finished:
        raise _failed("the engine ended the text without saying why")
    # A model may well end its text at once: no tokens and a reason is an answer.


async def _run(engine: BatchEngine) -> None:
    results = await engine.run([engine.sample()])
    if len(results) != 1:
        raise _failed(f"{len(results)} answers to one item")
    if not np.isfinite(list(_find_numbers(results[0]))).all():
        raise _failed("the answer is empty or has numbers that are not finite")


def _find_numbers(result: Any) -> Iterator[float]:
    """Yield the numbers of a result, of whatever dataclasses it is made."""
    if is_dataclass(result):
        result = [getattr(result, field.name) for field in fields(result)]
    match result:
        case np.ndarray() if result.dtype == object:  # texts
            pass
        case np.ndarray():
            yield from result.astype(np.float64).ravel() if result.size else (math.nan,)
        case Mapping():
            for part in result.values():
                yield from _find_numbers(part)
        case list() | tuple():
            for part in result:
                yield from _find_numbers(part)
        case int() | float():
            yield float(result)
        case _:  # a text says nothing about the numbers
            pass


def _failed(message: str) -> CannotStart:
    return CannotStart(
        Reason.WARMUP_FAILED,
        f"the model loaded, but did not answer the warm-up request: {message}",
        hint="Try the folder with `modelyard serve DIR` on a machine with more memory, or with "
        'dtype float32. A class of your own that cannot answer "Hello" needs an attribute '
        "`example` that says what it can.",
    )
