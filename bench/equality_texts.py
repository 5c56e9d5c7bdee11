"""What transformers itself answers to texts: one request at a time, in this process.

Each oracle takes a model's folder and the bodies that the server is asked with, and returns what
must come for each: texts, which must be the same, and numbers, which must be near.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.equality_answers import Body, Said, build_pipeline, each, load_model, say_labels
from bench.offline import load_causal_lm

#: transformers 4's pipeline for questions read windows of as many tokens, with this overlap.
WINDOW, OVERLAP = 384, 128


def generate(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Greedy texts of `generate`, and the log probability of each token."""
    tokenizer, model = load_causal_lm(folder, torch.float32)

    def answer(body: Body) -> Said:
        prompt = body["prompt"]
        ids = torch.tensor([tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt])
        told = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=body["max_tokens"],
            pad_token_id=tokenizer.eos_token_id,
            return_dict_in_generate=True,
            output_logits=True,
        )
        fresh = told.sequences[0, ids.shape[1] :].tolist()
        chances = [
            logits[0].float().log_softmax(dim=-1)[token].item()
            for token, logits in zip(fresh, told.logits, strict=True)
            # What ends a text is not told.
            if token != tokenizer.eos_token_id
        ]
        # What follows the prompt, since a word may go on across the border.
        before, whole = (
            tokenizer.decode(tokens, skip_special_tokens=True)
            for tokens in (ids[0], told.sequences[0])
        )
        return Said((whole.removeprefix(before).strip(),), tuple(chances))

    return each(answer, bodies)


def embed(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """The mean of the last states, of unit length."""
    tokenizer, model = load_model(folder, "AutoModel")

    def answer(body: Body) -> Said:
        states = model(**tokenizer(body["text"], return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(dim=0)
        return Said(numbers=tuple((mean / mean.norm()).tolist()))

    return each(answer, bodies)


def classify(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Labels of the pipeline for texts, the best first."""
    ask = build_pipeline("text-classification", folder, top_k=None)
    return each(lambda body: say_labels(ask([body["text"]])[0]), bodies)


def rerank(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Scores of the pipeline for pairs of texts, in the order of the documents."""
    ask = build_pipeline("text-classification", folder)

    def answer(body: Body) -> Said:
        pairs = [{"text": body["query"], "text_pair": text} for text in body["documents"]]
        return Said(numbers=tuple(ask(pair)["score"] for pair in pairs))

    return each(answer, bodies)


def fill(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """The pipeline's candidates for a mask."""
    ask = build_pipeline("fill-mask", folder)

    def answer(body: Body) -> Said:
        found = ask(body["text"], top_k=body["top_k"])
        words = tuple(one["token_str"].strip() for one in found)
        return Said(words, tuple(one["score"] for one in found))

    return each(answer, bodies)


def tag(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """The pipeline's entities, aggregated simply, with their places."""
    ask = build_pipeline("token-classification", folder, aggregation_strategy="simple")

    def answer(body: Body) -> Said:
        found = ask(body["text"])
        texts = tuple(f"{x['entity_group']} {x['word']} {x['start']} {x['end']}" for x in found)
        return Said(texts, tuple(float(one["score"]) for one in found))

    return each(answer, bodies)


def label_by_inference(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """The pipeline's ranking of labels that are told with the text."""
    ask = build_pipeline("zero-shot-classification", folder)

    def answer(body: Body) -> Said:
        told = ask(
            body["text"],
            candidate_labels=list(body["labels"]),
            hypothesis_template="This example is {}.",
            multi_label=body["multi_label"],
        )
        return Said(tuple(told["labels"]), tuple(told["scores"]))

    return each(answer, bodies)


def answer_questions(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """The best span of all windows, as the pipeline of transformers 4 chose it."""
    tokenizer, model = load_model(folder, "AutoModelForQuestionAnswering")

    def answer(body: Body) -> Said:
        told = tokenizer(
            body["question"],
            body["context"],
            truncation="only_second",
            max_length=WINDOW,
            stride=OVERLAP,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        found = [_find_span(model, told, n) for n in range(len(told["input_ids"]))]
        score, start, end = max(found)
        return Said((body["context"][start:end], f"{start} {end}"), (score,))

    return each(answer, bodies)


def _find_span(model: Any, told: Any, number: int) -> tuple[float, int, int]:
    """Return chance, start and end of the best answer of 15 tokens at most in one window."""
    ids, types = (torch.tensor([told[name][number]]) for name in ("input_ids", "token_type_ids"))
    output = model(ids, token_type_ids=types)
    inside = torch.tensor([part == 1 for part in told.sequence_ids(number)])
    # The first token, which says that there is no answer, takes part in the chances.
    kept = inside.clone()
    kept[0] = True
    first, last = (
        torch.where(kept, logits[0], -10000.0).softmax(dim=-1) * inside
        for logits in (output.start_logits, output.end_logits)
    )
    chances = torch.outer(first, last).triu().tril(14)
    best = int(chances.argmax())
    i, j = divmod(best, len(inside))
    start = told.word_to_chars(number, told.token_to_word(number, i), 1).start
    end = told.word_to_chars(number, told.token_to_word(number, j), 1).end
    return chances[i, j].item(), start, end


def rewrite(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Texts of `generate` of an encoder-decoder model."""
    tokenizer, model = load_model(folder, "AutoModelForSeq2SeqLM")

    def answer(body: Body) -> Said:
        inputs = tokenizer(body["text"], return_tensors="pt")
        inputs.pop("token_type_ids", None)
        (tokens,) = model.generate(**inputs, do_sample=False, max_new_tokens=body["max_tokens"])
        return Said((tokenizer.decode(tokens, skip_special_tokens=True),))

    return each(answer, bodies)
