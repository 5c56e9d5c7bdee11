"""The first request, made by the pod to itself: a pod that cannot answer must not become ready."""

from typing import assert_never, cast

import numpy as np

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Classification, Embedding, GenerateRequest, Sampling, TextInput
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
    results = await engine.run([TextInput(_TEXT)])
    if len(results) != 1:
        raise _failed(f"{len(results)} answers to one text")
    result = results[0]
    match result:
        case Embedding(vector=vector):
            numbers = vector
        case Classification(scores=scores):
            numbers = np.array(list(scores.values()), dtype=np.float32)
        case _:
            assert_never(result)
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise _failed("the answer is empty or has numbers that are not finite")


def _failed(message: str) -> CannotStart:
    return CannotStart(
        Reason.WARMUP_FAILED,
        f"the model loaded, but did not answer the warm-up request: {message}",
        hint="Try the folder with `modelyard serve DIR` on a machine with more memory, "
        "or with dtype float32.",
    )
