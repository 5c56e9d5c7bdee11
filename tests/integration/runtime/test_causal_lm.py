"""Generation is what transformers' own generate gives, whatever is computed beside it."""

import asyncio
import random

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from modelyard_api.meta import Reason
from modelyard_api.serving import ServingConfig
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import GenerateRequest, Message, Sampling
from modelyard_runtime.engine.generation_core import GenerationCore
from modelyard_runtime.engine.scheduler import Limits
from modelyard_runtime.engine.start import _build
from modelyard_runtime.engine.worker import Worker
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading import packing
from tests.support.tiny_models import (
    CAPACITY,
    SMALL,
    VOCABULARY,
    edit_json,
    generate,
    generate_all,
    running,
    write_model,
)

SERVED = {
    "LlamaForCausalLM": {},
    "MistralForCausalLM": {"sliding_window": None},
    "Qwen2ForCausalLM": {},
    "Qwen3ForCausalLM": {"head_dim": 16},
    "Phi3ForCausalLM": {"sliding_window": None},
    "GemmaForCausalLM": {"head_dim": 16},
    "MixtralForCausalLM": {"num_local_experts": 4, "sliding_window": None},
    "GPT2LMHeadModel": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 256},
    "GPTNeoXForCausalLM": {},
    "StableLmForCausalLM": {},
}


def draw_requests(count, *, seed=1, longest=120):
    """Random prompts of very different lengths, as token ids, and how far to continue them."""
    source = random.Random(seed)  # noqa: S311 - test data, the same each time
    return [
        (
            tuple(source.randrange(3, VOCABULARY) for _ in range(source.randint(1, longest))),
            {"max_tokens": source.randint(1, 30)},
        )
        for _ in range(count)
    ]


def continue_alone(folder, requests, **kwargs):
    """What generate makes of each prompt, one at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder, **kwargs).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for prompt, settings in requests:
        ids = torch.tensor([prompt])
        tokens = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=settings["max_tokens"],
        )[0, len(prompt) :]
        texts.append([tokenizer.decode(tokens, skip_special_tokens=True).strip()])
    return texts


def strip(answers):
    return [[text.strip() for text in texts] for texts in answers]


@pytest.mark.parametrize("model_class", SERVED)
async def test_greedy_texts_are_those_of_generate(model_class, tmp_path):
    folder = write_model(tmp_path, model_class, **SERVED[model_class])
    requests = draw_requests(20)
    async with running(folder) as engine:
        answers = await generate_all(engine, requests)
    assert strip(answers) == continue_alone(folder, requests)


async def test_plain_weights_give_the_same_texts_as_packed_ones(tiny_llama, monkeypatch):
    requests = draw_requests(8)
    assert packing.can_pack()
    monkeypatch.setattr(packing, "can_pack", lambda: False)
    async with running(tiny_llama) as engine:
        plain = await generate_all(engine, requests)
    monkeypatch.undo()
    async with running(tiny_llama) as engine:
        assert await generate_all(engine, requests) == plain


async def test_giving_up_a_place_in_a_small_cache_changes_no_text(tiny_llama):
    """A cache of two blocks for twenty requests: rows are taken out and read again."""
    requests = [(prompt + (5,) * (118 - len(prompt)), wish) for prompt, wish in draw_requests(20)]
    worker, built = Worker("model"), {}

    def build():
        config = ServingConfig(model_name="test", model_path=str(tiny_llama))
        core, make_engine = _build(config, CAPACITY, loop)
        limits = Limits(max_rows=8, cache_tokens=4 * 128, chunk_tokens=16, idle_chunk_tokens=32)
        built["core"] = GenerationCore(core._backend, limits, loop)
        return built["core"], make_engine

    loop = asyncio.get_running_loop()
    engine = (await worker.start(build))(worker)
    answers = await generate_all(engine, requests)
    await engine.close()
    assert strip(answers) == continue_alone(tiny_llama, requests)
    assert built["core"]._scheduler.preemptions > 0


async def test_choices_differ_and_repeat_with_a_seed(tiny_llama):
    prompt = "t5 t6 t7"
    async with running(tiny_llama) as engine:
        alone = await generate(engine, prompt, n=4, temperature=1.5, seed=11)
        crowd = await asyncio.gather(
            generate(engine, prompt, n=4, temperature=1.5, seed=11),
            *(generate(engine, "t9 t10", temperature=1.0) for _ in range(4)),
        )
        other = await generate(engine, prompt, n=4, temperature=1.5, seed=12)
    assert len(set(alone)) == 4
    assert crowd[0] == alone
    assert other != alone


async def test_a_chat_is_rendered_by_the_models_template(tiny_llama):
    chat = (Message("developer", "t5"), Message("user", "t6 t7"))
    async with running(tiny_llama) as engine:
        from_chat = await engine.submit(GenerateRequest("id", chat, Sampling(max_tokens=1)))
        assert from_chat.prompt_tokens == 5
        assert await generate(engine, chat) == await generate(engine, "system t5 user t6 t7")
        with pytest.raises(InvalidRequest, match="refuses these messages: no assistants"):
            await generate(engine, (Message("assistant", "t5"),))
        await from_chat.aclose()


async def test_a_model_without_a_template_takes_no_chat(tmp_path):
    async with running(write_model(tmp_path, "LlamaForCausalLM")) as engine:
        with pytest.raises(InvalidRequest, match="has no chat template"):
            await generate(engine, (Message("user", "t5"),))
        with pytest.raises(InvalidRequest, match="200 is not a token of this model; it has tokens"):
            await generate(engine, (5, VOCABULARY))


async def test_a_text_ends_with_the_context(tiny_llama):
    prompt = tuple([5] * 250)
    async with running(tiny_llama) as engine:
        generation = await engine.submit(GenerateRequest("id", prompt, Sampling(temperature=0)))
        chunks = [chunk async for chunk in generation]
    assert sum(chunk.tokens for chunk in chunks) <= 6
    assert chunks[-1].finish_reason in ("length", "stop")


REFUSED = {
    "a sliding window shorter than the context": (
        "MistralForCausalLM",
        {"sliding_window": 64},
        "attends to a sliding window of 64 tokens in a context of 256",
    ),
    "alternating sliding windows": (
        "Gemma2ForCausalLM",
        {"head_dim": 16, "sliding_window": 32},
        "attends to a sliding window",
    ),
    "some layers that see the last tokens only": (
        "GPTNeoForCausalLM",
        {"attention_types": [[["global", "local", "global"], 1]], "window_size": 100},
        "attends to 100 tokens in a context of 256 in some layers",
    ),
    "a state instead of keys and values": ("MambaForCausalLM", {"state_size": 8}, "position_ids"),
    "positions that are not given from outside": (
        "BloomForCausalLM",
        {"n_head": 4},
        "position_ids",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_models_of_another_kind_are_refused(case, tmp_path):
    model_class, settings, message = REFUSED[case]
    folder = write_model(tmp_path, model_class, **settings)
    with pytest.raises(CannotStart) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
    assert message in caught.value.message
    assert caught.value.hint


async def test_layers_without_weights_are_not_built(tmp_path):
    folder = write_model(tmp_path, "LlamaForCausalLM")
    edit_json(folder / "config.json", num_hidden_layers=10**9)
    with pytest.raises(CannotStart, match="num_hidden_layers 1000000000, and the weights are 30"):
        async with running(folder):
            pass


async def test_weights_that_are_no_numbers_are_told_at_start(tmp_path):
    folder = write_model(tmp_path, "LlamaForCausalLM")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.model.norm.weight.data[0] = torch.nan
    model.save_pretrained(folder)
    with pytest.raises(CannotStart, match="are not numbers") as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_FILE_CORRUPT


async def test_a_model_that_computes_differently_with_our_cache_is_refused(tiny_llama, monkeypatch):
    """The check at load catches what no configuration tells."""
    forward = transformers.LlamaModel.forward

    def forgetful(self, *args, **kwargs):
        return forward(self, *args, **{**kwargs, "position_ids": None})

    monkeypatch.setattr(transformers.LlamaModel, "forward", forgetful)
    with pytest.raises(CannotStart, match="does not compute the same"):
        async with running(tiny_llama):
            pass


async def test_too_little_memory_is_told_before_the_weights_are_read(tiny_llama):
    poor = Capacity(threads=1, memory_bytes=1024**2, max_slots=4, max_waiting=4)
    with pytest.raises(CannotStart) as caught:
        async with running(tiny_llama, capacity=poor):
            pass
    assert caught.value.reason is Reason.NOT_ENOUGH_MEMORY
    assert "spec.resources.memory" in caught.value.hint


async def test_missing_weights_are_never_made_up(tmp_path):
    folder = write_model(tmp_path, "LlamaForCausalLM")
    edit_json(folder / "config.json", num_hidden_layers=SMALL["num_hidden_layers"] + 1)
    with pytest.raises(CannotStart) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_FILE_CORRUPT
    assert "model.layers.3" in caught.value.message


async def test_an_unknown_architecture_is_named(tmp_path):
    folder = write_model(tmp_path, "LlamaForCausalLM")
    edit_json(folder / "config.json", model_type="novel", architectures=["NovelForCausalLM"])
    with pytest.raises(CannotStart) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is Reason.MODEL_UNSUPPORTED
    assert "novel" in caught.value.message
