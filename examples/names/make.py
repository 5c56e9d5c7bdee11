"""Makes a small model that finds people and places in a text, by training it in under a minute.

It is all-MiniLM-L6-v2 with its last layers tuned on sentences that are drawn from patterns.txt
(alternatives in brackets) and the names of words.tsv, both written for this example. It is measured
on the sentences of sentences.tsv, whose names it has not seen. A demonstration, not a product.
"""

import argparse
import csv
import os
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
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
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TokenClassificationPipeline,
)

from modelyard_local.model_folders import copy_minilm, write_folder

HERE = Path(__file__).parent
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
STEPS, BATCH, LEARNING_RATE = 130, 32, 5e-4
TUNED_LAYERS = ("layer.4.", "layer.5.", "classifier.")
#: What cross-entropy leaves out: [CLS], [SEP] and padding.
IGNORED = -100
SEED = 0
#: The share of the names that are invented, of syllables.
INVENTED = 0.25
ONSETS = (
    "b",
    "br",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
    "z",
)
RHYMES = ("a", "an", "ar", "e", "el", "en", "er", "i", "in", "o", "on", "or", "u", "us", "y")
ALTERNATIVES = re.compile(r"\(([^)]*)\)")
SLOT = re.compile(r"\{(\w+)\}")
ENTITY = re.compile(r"\[([^|]*)\|(\w+)\]")
CARD = """# People and places, home-made

A demonstration model that finds people (PER) and places (LOC) in simple English sentences.
Made by `examples/names/make.py` of Modelyard: all-MiniLM-L6-v2 (Apache-2.0), its last two layers
and a new head tuned on sentences that are drawn from patterns and names written for this example.
On {count} held-out sentences by the same authors, with other names: entity F1 {f1:.3f} (precision
{precision:.1%}, recall {recall:.1%}). It knows no other kinds of names; expect less on other text.
"""


@dataclass(frozen=True, order=True)
class Entity:
    """Characters `start` to `end` of a text, and what they name."""

    start: int
    end: int
    group: str


@dataclass(frozen=True)
class Sentence:
    """A text and what is named in it."""

    text: str
    entities: frozenset[Entity]


@dataclass(frozen=True)
class Score:
    """How many of the entities found are right, and how many of the right ones are found."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.precision * self.recall / ((self.precision + self.recall) or 1)


def parse(marked: str) -> Sentence:
    """Read a sentence whose names are marked like `[Anna|PER]`."""
    text, entities, copied = "", [], 0
    for found in ENTITY.finditer(marked):
        text += marked[copied : found.start()]
        entities.append(Entity(len(text), len(text) + len(found[1]), found[2]))
        text += found[1]
        copied = found.end()
    return Sentence(text + marked[copied:], frozenset(entities))


def read_table(name: str) -> list[dict[str, str]]:
    """Read a file of tab-separated columns."""
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_words() -> dict[str, list[str]]:
    """Return the names to learn from, by kind."""
    rows = [row for row in read_table("words.tsv") if row["split"] == "train"]
    return {row["kind"]: row["words"].split("|") for row in rows}


def fill_slot(kind: str, words: dict[str, list[str]], dice: random.Random) -> str:
    """Return a name of one kind, marked."""
    if kind == "number":
        return str(dice.randint(6, 90))
    if kind != "person":
        return f"[{choose_name(kind, words, dice)}|{'LOC' if kind == 'place' else 'PER'}]"
    name = choose_name(dice.choice(("woman", "man")), words, dice)
    if dice.random() < 1 / 2:
        name += f" {choose_name('last', words, dice)}"
    return f"[{name}|PER]"


def choose_name(kind: str, words: dict[str, list[str]], dice: random.Random) -> str:
    """Return a name of the list or, so that the words around it are learned, an invented one."""
    if dice.random() >= INVENTED:
        return dice.choice(words[kind])
    count = dice.randint(2, 3)
    return "".join(dice.choice(ONSETS) + dice.choice(RHYMES) for _ in range(count)).capitalize()


def write_sentence(pattern: str, words: dict[str, list[str]], dice: random.Random) -> Sentence:
    """Take one of each pattern's alternatives, and a name for each slot."""
    chosen = ALTERNATIVES.sub(lambda found: dice.choice(found[1].split("|")), pattern)
    return parse(SLOT.sub(lambda found: fill_slot(found[1], words, dice), chosen))


def label_token(sentence: Sentence, start: int, end: int) -> int:
    """Return the number of the label of the token at these characters."""
    if start == end:
        return IGNORED
    for entity in sentence.entities:
        if entity.start <= start < entity.end:
            return LABELS.index(f"{'B' if start == entity.start else 'I'}-{entity.group}")
    return LABELS.index("O")


def train(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, steps: int) -> None:
    """Tune the last layers; the others keep what they learned from a billion pairs."""
    patterns, words = (HERE / "patterns.txt").read_text().splitlines(), read_words()
    dice = random.Random(SEED)  # noqa: S311 - the same sentences each time
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in TUNED_LAYERS)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for step in range(1, steps + 1):
        batch = [write_sentence(dice.choice(patterns), words, dice) for _ in range(BATCH)]
        texts = [sentence.text for sentence in batch]
        inputs = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
        places = inputs.pop("offset_mapping").tolist()
        target = torch.tensor(
            [
                [label_token(sentence, *place) for place in row]
                for sentence, row in zip(batch, places, strict=True)
            ]
        )
        logits = model(**inputs).logits
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Sentence]
) -> Score:
    """Compare what is found, as it will be served, with what is there: only whole names count."""
    model.eval()  # type: ignore[no-untyped-call]
    tag = TokenClassificationPipeline(  # type: ignore[no-untyped-call]
        model=model, tokenizer=tokenizer
    )
    right = given = there = 0
    for sentence in sentences:
        told = tag(sentence.text, aggregation_strategy="simple")
        found = {Entity(int(one["start"]), int(one["end"]), one["entity_group"]) for one in told}
        right += len(found & sentence.entities)
        given += len(found)
        there += len(sentence.entities)
    return Score(right / max(given, 1), right / there)


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
        model = AutoModelForTokenClassification.from_pretrained(
            scratch,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
    train(model, tokenizer, steps=options.steps)
    held_out = [parse(row["text"]) for row in read_table("sentences.tsv")]
    score = measure(model, tokenizer, held_out)
    card = CARD.format(
        count=len(held_out), f1=score.f1, precision=score.precision, recall=score.recall
    )
    write_folder(out, model, tokenizer, card=card)
    print(
        f"{len(held_out)} held-out sentences: entity F1 {score.f1:.3f}, "
        f"precision {score.precision:.1%}, recall {score.recall:.1%}"
    )
    print(f"the model is in {out}")


if __name__ == "__main__":
    main()
