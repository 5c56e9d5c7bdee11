"""Makes a small model that finds answers in short passages, by training it in under a minute.

It is all-MiniLM-L6-v2 with its last layers tuned on passages and questions that are drawn from
facts.txt, its own words.tsv and the names of examples/names, all written for this example. It is
measured on drawn passages and on those of passages.txt, with words it has not seen. A
demonstration, not a product: it knows such simple English sentences.
"""

import argparse
import csv
import os
import random
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

os.environ |= {
    # Threads sleep while they wait: on busy cores that makes training several times as fast.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}

import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BatchEncoding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from modelyard_local.model_folders import copy_minilm, write_folder

HERE = Path(__file__).parent
#: The names of people and places are those of another example.
WORDS = (HERE / "words.tsv", HERE.parent / "names" / "words.tsv")
STEPS, BATCH, LEARNING_RATE = 150, 16, 5e-4
#: So many batches are drawn at once and sorted by length.
MIXED = 8
TUNED_LAYERS = ("layer.3.", "layer.4.", "layer.5.", "qa_outputs.")
DRAWN = 200
#: As many tokens as an answer has at most where it is served.
ANSWER_TOKENS = 15
SEED = 0
SLOT = re.compile(r"\{([\w ]+)\}")
CARD = """# Answers from short passages, home-made

A demonstration model that finds the words of a passage that answer who, where, when, what and how
many. Made by `examples/answers/make.py` of Modelyard: all-MiniLM-L6-v2 (Apache-2.0), its last
three layers and a new head tuned on passages and questions that are drawn from facts and words
written for this example. Exact answers, with names and words it has not seen: {drawn} of
{drawn_count} questions on passages drawn from the same facts, {written} of {written_count} on other
passages by the same authors. A right answer may have a low score. Expect less on other text.
"""

Words = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Asked:
    """A question, and where its answer stands: characters `start` to `end` of the passage."""

    passage: str
    question: str
    start: int
    end: int


@dataclass(frozen=True)
class Fact:
    """Sentences of which a passage is made, and questions with the words that answer them."""

    text: str
    questions: tuple[tuple[str, str], ...]


def read_facts(name: str) -> list[Fact]:
    """Read a file of facts, with or without slots, each followed by its questions and answers."""
    facts = []
    for block in (HERE / name).read_text().strip().split("\n\n"):
        text, *lines = block.splitlines()
        pairs = (line.partition("? ") for line in lines)
        facts.append(Fact(text, tuple((f"{question}?", answer) for question, _, answer in pairs)))
    return facts


def read_words(split: str) -> dict[str, list[str]]:
    """Return what fills the slots, by kind; dates and numbers are there too."""
    words: dict[str, list[str]] = {"year": [str(year) for year in range(1950, 2024)]}
    for path in WORDS:
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["split"] == split:
                    words[row["kind"]] = row["words"].split("|")
    return words


def draw_word(kind: str, words: Words, used: set[str], dice: random.Random) -> str:
    """Return a word of a kind that the passage has not yet."""
    if kind == "person":
        kind = dice.choice(("woman", "man"))
    left = [word for word in words[kind] if word not in used]
    word = dice.choice(left)
    used.add(word)
    if kind in {"woman", "man"} and dice.random() < 1 / 3:
        return f"{word} {dice.choice(words['last'])}"
    return word


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the words into the slots."""
    filled = SLOT.sub(lambda found: values[found[1]], text)
    return filled[0].upper() + filled[1:]


def find_words(answer: str, text: str) -> tuple[int, int]:
    """Return where whole words first stand: the 8 of 8 children is not that of 1998.

    Raises:
        ValueError: they do not.
    """
    found = re.search(rf"\b{re.escape(answer)}\b", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"{answer!r} is not in {text!r}")
    return found.span()


def draw_question(facts: Sequence[Fact], words: Words, dice: random.Random) -> Asked:
    """Make a passage of up to three facts, and ask about one of them."""
    used: set[str] = set()
    passage, asked = "", []
    for fact in dice.choices(facts, k=dice.randint(1, 3)):
        slots = dict.fromkeys(SLOT.findall(fact.text))
        values = {slot: draw_word(slot.removeprefix("other "), words, used, dice) for slot in slots}
        passage += " " if passage else ""
        text = fill(fact.text, values)
        question, answer = (fill(part, values) for part in dice.choice(fact.questions))
        start, end = find_words(answer, text)
        asked.append((question, len(passage) + start, len(passage) + end))
        passage += text
    return Asked(passage, *dice.choice(asked))


def draw_batches(dice: random.Random) -> Iterator[list[Asked]]:
    """Draw without end; a batch has passages of about one length, which saves padding."""
    facts, words = read_facts("facts.txt"), read_words("train")
    while True:
        drawn = [draw_question(facts, words, dice) for _ in range(BATCH * MIXED)]
        drawn.sort(key=lambda one: len(one.passage))
        batches = [drawn[start : start + BATCH] for start in range(0, len(drawn), BATCH)]
        dice.shuffle(batches)
        yield from batches


def read_passages() -> list[Asked]:
    """Read the questions that are only for measuring."""
    return [
        Asked(fact.text, question, *find_words(answer, fact.text))
        for fact in read_facts("passages.txt")
        for question, answer in fact.questions
    ]


def encode(tokenizer: PreTrainedTokenizerBase, batch: Sequence[Asked]) -> BatchEncoding:
    """Return each question and its passage as one row."""
    questions, passages = [one.question for one in batch], [one.passage for one in batch]
    rows: BatchEncoding = tokenizer(questions, passages, padding=True, return_tensors="pt")
    return rows


def train(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, steps: int) -> None:
    """Tune the last layers; the others keep what they learned from a billion pairs."""
    batches = draw_batches(random.Random(SEED))  # noqa: S311 - the same passages each time
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in TUNED_LAYERS)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for step, batch in enumerate(islice(batches, steps), start=1):
        inputs = encode(tokenizer, batch)
        first = [inputs.char_to_token(row, one.start, 1) for row, one in enumerate(batch)]
        last = [inputs.char_to_token(row, one.end - 1, 1) for row, one in enumerate(batch)]
        output = model(
            **inputs, start_positions=torch.tensor(first), end_positions=torch.tensor(last)
        )
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            print(f"step {step} of {steps}: loss {output.loss.item():.3f}", flush=True)


def find_answer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Asked) -> str:
    """Return the words of the passage whose first and last token have the greatest chance."""
    inputs = encode(tokenizer, [asked])
    output = model(**inputs)
    outside = torch.tensor([place != 1 for place in inputs.sequence_ids()])
    firsts, lasts = (
        logits[0].masked_fill(outside, -torch.inf)
        for logits in (output.start_logits, output.end_logits)
    )
    spans = (firsts[:, None] + lasts[None, :]).triu().tril(ANSWER_TOKENS - 1)
    spans = spans.masked_fill(
        torch.ones_like(spans).triu().tril(ANSWER_TOKENS - 1) == 0, -torch.inf
    )
    first, last = divmod(int(spans.argmax()), len(firsts))
    places = inputs[0].offsets
    return asked.passage[places[first][0] : places[last][1]]


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[Asked]
) -> int:
    """Return how many answers are right to the letter."""
    model.eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        answers = [find_answer(model, tokenizer, one) for one in questions]
    return sum(
        answer == one.passage[one.start : one.end]
        for one, answer in zip(questions, answers, strict=True)
    )


def main() -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of training (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy_minilm(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        model = AutoModelForQuestionAnswering.from_pretrained(scratch)
    train(model, tokenizer, steps=options.steps)
    dice = random.Random(SEED)  # noqa: S311 - the same passages each time
    facts, words = read_facts("facts.txt"), read_words("test")
    sets = ([draw_question(facts, words, dice) for _ in range(DRAWN)], read_passages())
    drawn, written = (measure(model, tokenizer, questions) for questions in sets)
    counts = [len(questions) for questions in sets]
    card = CARD.format(drawn=drawn, drawn_count=counts[0], written=written, written_count=counts[1])
    write_folder(out, model, tokenizer, card=card)
    print(f"exact answers, drawn passages with other words: {drawn} of {counts[0]}")
    print(f"exact answers, other passages: {written} of {counts[1]}")
    print(f"the model is in {out}")


if __name__ == "__main__":
    main()
