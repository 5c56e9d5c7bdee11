"""Model folders with random weights, made in a blink, and ways to run the engines on folders.

Their tokenizer knows the words `t0` to `t199`, one token each, so texts show the tokens.
"""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from modelyard_api.serving import ServingConfig
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.domain import GenerateRequest, Sampling
from modelyard_runtime.engine.start import start_engine

VOCABULARY = 200
END = 1
GIB = 1024**3
CAPACITY = Capacity(threads=2, memory_bytes=16 * GIB, max_slots=8, max_waiting=64)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ raise_exception('no assistants') }}{% endif %}"
    "{{ message['role'] + ' ' + message['content'] + ' ' }}{% endfor %}"
)

#: Small everywhere; the large initial weights make greedy choices clear.
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": 2,
    "eos_token_id": END,
    "pad_token_id": 0,
}


def write_tokenizer(folder: Path, *, chat_template: str | None = None, **more_tokens: str) -> None:
    """Write the tokenizer; `more_tokens` (mask_token and its like) get the ids after the last."""
    words = {f"t{number}": number for number in range(VOCABULARY - 2)}
    words |= {"system": VOCABULARY - 2, "user": VOCABULARY - 1}
    backend = Tokenizer(models.WordLevel(words, unk_token="t0"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="t0",
        unk_token="t0",
        eos_token="t1",
        bos_token="t2",
        **more_tokens,
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)


def write_model(folder: Path, model_class: str, **settings) -> Path:
    """Write a folder of that class with small random weights; the same each time."""
    cls = getattr(transformers, model_class)
    torch.manual_seed(7)
    model = cls(cls.config_class(**{**SMALL, **settings}))
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def edit_json(path: Path, **changes) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))


@asynccontextmanager
async def running(folder: Path, *, capacity: Capacity = CAPACITY, **config):
    """The engine of a folder, closed afterwards."""
    settings = ServingConfig(model_name="test", model_path=str(folder), **config)
    engine = await start_engine(settings, capacity)
    try:
        yield engine
    finally:
        await engine.close()


async def generate(engine, prompt, *, n=1, **sampling) -> list[str]:
    """The texts of all choices."""
    wanted = Sampling(**{"temperature": 0, "max_tokens": 20, **sampling})
    texts = [""] * n
    async for chunk in await engine.submit(GenerateRequest("id", prompt, wanted, n)):
        texts[chunk.index] += chunk.text
    return texts


async def generate_all(engine, requests) -> list[list[str]]:
    """Many at once; requests are (prompt, settings)."""
    return await asyncio.gather(
        *(generate(engine, prompt, **settings) for prompt, settings in requests)
    )
