"""A model that does not answer well must not become ready."""

import numpy as np
import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Chunk, Classification, Embedding
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.warmup import warm_up
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine


@pytest.mark.parametrize(
    "engine",
    [
        FakeGenerationEngine,
        lambda: FakeBatchEngine(Task.EMBEDDINGS),
        lambda: FakeBatchEngine(Task.TEXT_CLASSIFICATION),
        lambda: FakeBatchEngine(Task.FILL_MASK),
    ],
    ids=["generation", "embeddings", "classification", "fill-mask"],
)
async def test_a_model_that_answers_is_warm(engine):
    engine = engine()
    await warm_up(engine)
    assert (engine.inside, engine.abandoned) == (0, [])


class Answering:
    """A batch engine with these results."""

    def __init__(self, *results):
        self.info = FakeBatchEngine(Task.EMBEDDINGS).info
        self.results = list(results)

    def sample(self):
        return None

    async def run(self, _items):
        return self.results


def vector(*numbers):
    return Embedding(np.array(numbers, dtype=np.float32), tokens=1)


class Unfinished(FakeGenerationEngine):
    """Ends its text without a reason."""

    async def submit(self, request):
        generation = await super().submit(request)

        class Cut:
            prompt_tokens = 1

            async def __aiter__(self):
                yield Chunk(0, "a", 1)

            async def aclose(self):
                await generation.aclose()

        return Cut()


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Answering(), "0 answers to one item"),
        (Answering(vector()), "the answer is empty or has numbers that are not finite"),
        (Answering(vector(1, np.nan)), "the answer is empty or has numbers that are not finite"),
        (
            Answering(Classification({"a": np.inf}, 1)),
            "the answer is empty or has numbers that are not finite",
        ),
        (FakeGenerationEngine(capacity=0), "No room for the request now."),
        (Unfinished(), "the engine ended the text without saying why"),
    ],
)
async def test_a_model_that_does_not_answer_cannot_start(engine, message):
    with pytest.raises(CannotStart) as caught:
        await warm_up(engine)
    assert caught.value.reason is Reason.WARMUP_FAILED
    assert caught.value.message == (
        f"the model loaded, but did not answer the warm-up request: {message}"
    )
