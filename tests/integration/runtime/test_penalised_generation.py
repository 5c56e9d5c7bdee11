"""Penalised texts and chances of tokens are those of transformers with the published formula."""

import asyncio

import pytest
import torch
from transformers import AutoModelForCausalLM, LogitsProcessor

from modelyard_runtime.domain import GenerateRequest, Sampling
from modelyard_runtime.errors import InvalidRequest
from tests.support.tiny_models import generate, running

PROMPTS = [tuple(range(3, 3 + length)) for length in (1, 7, 30, 90)]
WISHES = [
    {"frequency_penalty": 1.2},
    {"presence_penalty": 2.0, "frequency_penalty": -0.4},
    {"frequency_penalty": 0.5, "logit_bias": ((9, 100.0), (1, -100.0))},
    {},
]


class Penalties(LogitsProcessor):
    """The formula, in the place that transformers has for such things."""

    def __init__(self, prompt_tokens, frequency_penalty=0, presence_penalty=0, logit_bias=()):
        self.prompt_tokens = prompt_tokens
        self.frequency, self.presence, self.biases = frequency_penalty, presence_penalty, logit_bias

    def __call__(self, input_ids, scores):
        counts = torch.bincount(input_ids[0, self.prompt_tokens :], minlength=scores.shape[1])
        changed = scores - counts * self.frequency - (counts > 0) * self.presence
        for token, bias in self.biases:
            changed[0, token] += bias
        return changed


@pytest.fixture(scope="module")
def plain(tiny_llama):
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()

    def run(prompt, wish, count=20):
        ids = torch.tensor([prompt])
        answer = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=count,
            logits_processor=[Penalties(len(prompt), **wish)],
            output_logits=True,
            return_dict_in_generate=True,
        )
        logprobs = torch.stack(answer.logits).squeeze(1).log_softmax(dim=-1)
        return answer.sequences[0, len(prompt) :].tolist(), logprobs

    return run


async def read_tokens(engine, prompt, **wish):
    wanted = Sampling(temperature=0, max_tokens=20, **wish)
    scored = []
    async for chunk in await engine.submit(GenerateRequest("id", prompt, wanted)):
        scored += chunk.scored
    return scored


def name(token):
    """Words have a space before them; special tokens are only names."""
    number = int(token)
    return {0: "t0", 1: "t1", 2: "t2", 198: " system", 199: " user"}.get(number, f" t{number}")


async def test_texts_and_chances_in_a_crowd(tiny_llama, plain):
    """Chances are those before the penalties, which changed what was chosen."""
    asked = [(prompt, wish) for prompt in PROMPTS for wish in WISHES]
    async with running(tiny_llama) as engine:
        answers = await asyncio.gather(
            *(read_tokens(engine, prompt, logprobs=5, **wish) for prompt, wish in asked)
        )
    assert len({tuple(token.chosen.text for token in answer) for answer in answers}) > len(PROMPTS)
    for (prompt, wish), answer in zip(asked, answers, strict=True):
        tokens, logprobs = plain(prompt, wish)
        shown = [token for token in tokens if token != 1]  # the end of a text
        assert [token.chosen.text for token in answer] == [name(token) for token in shown]
        for place, scored in enumerate(answer):
            assert scored.chosen.logprob == pytest.approx(
                logprobs[place, shown[place]].item(), abs=1e-4
            )
            best = logprobs[place].topk(5)
            assert [one.text for one in scored.likeliest] == [name(t) for t in best.indices]
            assert [one.logprob for one in scored.likeliest] == pytest.approx(
                best.values.tolist(), abs=1e-4
            )


async def test_seeded_texts_with_penalties_repeat(tiny_llama):
    wish = {"temperature": 1.2, "seed": 4, "frequency_penalty": 0.8, "presence_penalty": 0.4}
    async with running(tiny_llama) as engine:
        alone = await generate(engine, "t5 t6", n=3, **wish)
        crowd = await asyncio.gather(
            *(generate(engine, "t5 t6", n=3, **wish) for _ in range(2)),
            *(generate(engine, "t7", frequency_penalty=2, temperature=0) for _ in range(3)),
        )
        other = await generate(engine, "t5 t6", n=3, **(wish | {"seed": 5}))
    assert crowd[:2] == [alone, alone]
    assert other != alone


async def test_a_bias_on_a_token_that_is_not_the_models_is_refused(tiny_llama):
    async with running(tiny_llama) as engine:
        with pytest.raises(InvalidRequest) as caught:
            await generate(engine, "t5", logit_bias=((5, 1.0), (200, 1.0)))
    assert (caught.value.param, caught.value.message) == (
        "logit_bias",
        "200 is not a token of this model; it has tokens 0 to 199",
    )
