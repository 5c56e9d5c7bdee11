"""Plain transformers on the same weights, as a process of its own: what serving is held against.

Reads one request a line from standard input and writes one answer a line: JSON both ways. It holds
the model as a script would that only wants the answers: no server, no queue, everything in one
batch that is known beforehand.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


def load_generator(folder: Path, dtype: torch.dtype) -> Answer:
    """Return what answers {"prompts", "max_tokens"} with {"texts", "tokens"}: one batch."""
    tokenizer, model = load_causal_lm(folder, dtype)
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    @torch.inference_mode()
    def generate(request: Mapping[str, Any]) -> dict[str, Any]:
        chats = [[{"role": "user", "content": prompt}] for prompt in request["prompts"]]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
        )
        whole = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=request["max_tokens"],
            pad_token_id=tokenizer.pad_token_id,
        )
        fresh = whole[:, inputs["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(fresh, skip_special_tokens=True)
        ends = tokenizer.eos_token_id
        return {"texts": texts, "tokens": [count_tokens(row.tolist(), ends) for row in fresh]}

    return generate


def load_causal_lm(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a folder, or its GGUF file as transformers reads it, without its need of accelerate."""
    load: Any = AutoModelForCausalLM.from_pretrained
    build: Any = AutoModelForCausalLM.from_config
    read: Any = load_gguf_checkpoint
    files = list(folder.glob("*.gguf"))
    if not files:
        return AutoTokenizer.from_pretrained(folder), load(folder, dtype=dtype).eval()
    name = files[0].name
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    with torch.device("meta"):
        empty = build(config)
    weights = read(str(files[0]), return_tensors=True, model_to_load=empty)["tensors"]
    model = type(empty).from_pretrained(None, config=config, state_dict=weights, dtype=dtype)
    return AutoTokenizer.from_pretrained(folder, gguf_file=name), model.eval()


def count_tokens(row: Sequence[int], end: int) -> int:
    """Return how many tokens were generated before the end token; what follows it is padding."""
    return row.index(end) if end in row else len(row)


def load_embedder(folder: Path, dtype: torch.dtype) -> Answer:
    """Return what answers {"texts", "batch"} with {"vectors"}: means of unit length."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModel.from_pretrained(folder, dtype=dtype)
    model.eval()

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> list[list[float]]:
        inputs = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        states = model(**inputs).last_hidden_state
        weights = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        means = (states * weights).sum(dim=1) / weights.sum(dim=1)
        vectors: list[list[float]] = torch.nn.functional.normalize(means, dim=-1).tolist()
        return vectors

    def embed_all(request: Mapping[str, Any]) -> dict[str, Any]:
        texts, size = request["texts"], request["batch"]
        batches = [embed(texts[start : start + size]) for start in range(0, len(texts), size)]
        return {"vectors": [vector for batch in batches for vector in batch]}

    return embed_all


def main() -> None:
    """Load, say so, then answer until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["generate", "embed"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = load_generator if options.task == "generate" else load_embedder
    # Standard output carries answers alone; libraries that print there do it on standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = load(options.folder.resolve(), getattr(torch, options.dtype))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        content = answer(json.loads(line))
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, **content}), file=answers, flush=True)


if __name__ == "__main__":
    main()
