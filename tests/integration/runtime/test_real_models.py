"""The engines on real models, held against transformers itself."""

import asyncio
from collections import defaultdict

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import read_capacity
from modelyard_runtime.domain import GenerateRequest, Message, Sampling, TextInput
from modelyard_runtime.engine.start import start_engine

GREEDY = Sampling(max_tokens=16, temperature=0)
TEXTS = ("A cat sits on the mat.", "Stocks fell.", "word " * 120, "Ein Satz auf Deutsch, mit ü.")


def use_engine(folder, use):
    """Start an engine, use it, close it."""

    async def run():
        config = ServingConfig(model_name="m", model_path=str(folder))
        engine = await start_engine(config, read_capacity())
        try:
            return await use(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


async def generate(engine, question, *, n=1, sampling=GREEDY):
    """Return the choices' texts, in order."""
    prompt = (Message("user", question),)
    generation = await engine.submit(GenerateRequest(question, prompt, sampling, n))
    texts = defaultdict(str)
    async for chunk in generation:
        texts[chunk.index] += chunk.text
    return [texts[index] for index in sorted(texts)]


def test_chats_answer_the_same_alone_and_in_a_crowd(smollm2):
    """Requests of different length join and leave; choices share a prompt; seeds repeat."""
    questions = [f"What is the capital of {c}?" for c in ("France", "Italy", "Japan", "Peru")]
    free = Sampling(max_tokens=12, temperature=1.0, top_p=0.9, seed=7)

    async def use(engine):
        alone = [await generate(engine, question) for question in questions]
        together = await asyncio.gather(
            *(generate(engine, question) for question in questions),
            generate(engine, "Name a colour.", n=3, sampling=free),
            generate(engine, "Name a colour.", n=3, sampling=free),
        )
        return engine.info, alone, together

    info, alone, together = use_engine(smollm2, use)
    assert (info.task, info.format, info.device) == (Task.TEXT_GENERATION, "gguf", "cpu")
    assert "Paris" in alone[0][0]
    assert together[:4] == alone
    assert len(together[4]) == 3
    assert together[4] == together[5]


def test_embeddings_are_those_of_transformers_whatever_the_batch(minilm):
    async def use(engine):
        return await engine.run([TextInput(text) for text in TEXTS])

    ours = np.stack([result.vector for result in use_engine(minilm, use)])

    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = AutoModel.from_pretrained(minilm).eval()
    vectors = []
    for text in TEXTS:
        inputs = tokenizer(text, return_tensors="pt", truncation=False)
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state[0]
        vectors.append(torch.nn.functional.normalize(states.mean(0), dim=0).numpy())
    assert np.abs(ours - np.stack(vectors)).max() < 1e-5
