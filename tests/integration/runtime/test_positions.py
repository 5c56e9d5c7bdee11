"""Texts near the end of the context, and models that turn positions by the longest of a pass."""

import asyncio

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.domain import Sampling
from modelyard_runtime.engine.backends.causal_lm import CausalLM
from modelyard_runtime.engine.generation_core import Job
from modelyard_runtime.engine.scheduler import Feed, Row
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.registry import Wanted
from modelyard_runtime.loading.transformers_folder import load
from modelyard_runtime.loading.vetting import vet_folder
from tests.support.tiny_models import GIB, generate, generate_all, running, write_model

SIZES = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}


def start_row(tokens):
    return Row(Job("id", tokens, 1, Sampling(), 1, asyncio.Queue()), 0, tokens)


def test_the_end_of_a_long_text_is_read_beside_a_new_one(tmp_path):
    folder = vet_folder(write_model(tmp_path, "GPT2LMHeadModel", **SIZES))
    detected = detect(folder, Task.AUTO, Format.AUTO)
    backend = CausalLM(load(Wanted(folder, detected, DType.AUTO, 16 * GIB)))
    long, new = (start_row([3 + step % 190 for step in range(count)]) for count in (250, 180))
    backend.reserve(2, 256)
    backend.forward([Feed(long, 0, 240)])
    long.cached = 240
    scores = backend.forward([Feed(long, 0, 10), Feed(new, 1, 180)])
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        alone = [model(torch.tensor([row.tokens])).logits[0, -1] for row in (long, new)]
    torch.testing.assert_close(scores, torch.stack(alone), atol=1e-4, rtol=1e-4)


async def test_a_model_that_turns_long_texts_otherwise_has_the_context_of_short_ones(tmp_path):
    trained = 64
    rope = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [3.0] * 8}
    rope |= {"original_max_position_embeddings": trained, "rope_theta": 10_000.0}
    settings = {"rope_parameters": rope, "original_max_position_embeddings": trained}
    folder = write_model(tmp_path, "Phi3ForCausalLM", sliding_window=None, **settings)
    prompts = [tuple(range(3, 3 + count)) for count in (5, 50, 20, 9)]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
        )
        expected.append(tokenizer.decode(made[0, len(prompt) :], skip_special_tokens=True).strip())
    async with running(folder) as engine:
        assert engine.info.context_tokens == trained
        crowd = await generate_all(engine, [(prompt, {"max_tokens": 12}) for prompt in prompts])
        with pytest.raises(InvalidRequest, match="the context of 64 tokens"):
            await generate(engine, tuple(range(3, 103)))
    assert [text.strip() for (text,) in crowd] == expected
