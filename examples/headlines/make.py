"""Makes a small T5 that finds headlines for short reports, by training it here in a minute or two.

The reports are of two to four sentences, drawn from patterns.toml: matches, weather, closed
roads, new buildings. A headline keeps the facts that matter and leaves out the others. The words
are learned from the reports, too (byte-level BPE). How many headlines of reports that it has not
seen are right word for word is printed.
"""

import argparse
import os
import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {
    # Threads sleep while they wait: on busy cores that makes training several times as fast.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from modelyard_local.model_folders import write_folder

HERE = Path(__file__).parent
SLOT = re.compile(r"\{([a-z]+)(\d*)\}")
MOST_ASIDES = 1
PAD, END = "<pad>", "</s>"
WORDS = 800
LONGEST_REPORT, LONGEST_HEADLINE = 128, 24
STEPS, BATCH, LEARNING_RATE = 1000, 32, 4e-3
#: So many batches are sorted by length together, or most of the work would be padding.
SORTED = 20
HELD_OUT = 500
SEED = 0
CARD = """# Headlines, home-made

A T5 of {parameters:,} parameters that finds a headline for a short report: of a match, the weather,
a closed road, a new building. Made by `examples/headlines/make.py` of Modelyard from reports that
it draws from patterns. Of {count} held-out reports, drawn from the same patterns, {right} got
their headline word for word. It knows the words and sentences of these patterns and no others.
"""


@dataclass(frozen=True)
class Pattern:
    """What reports of one kind, and their headlines, are written from."""

    headline: str
    sentences: Sequence[Sequence[str]]
    asides: Sequence[str]


@dataclass(frozen=True)
class Report:
    """A report and its headline."""

    text: str
    headline: str


class Newsroom:
    """Writes reports from the patterns, never the same one twice."""

    def __init__(self, dice: random.Random) -> None:
        read = tomllib.loads((HERE / "patterns.toml").read_text())
        self._words: Mapping[str, list[str]] = read["words"]
        self._patterns = [Pattern(**report) for report in read["reports"]]
        self._dice = dice
        self._written: set[str] = set()

    def write(self, count: int) -> list[Report]:
        """Return as many reports as asked for, none of which was written before."""
        reports: list[Report] = []
        while len(reports) < count:
            report = self._write_one(self._dice.choice(self._patterns))
            if report.text not in self._written:
                self._written.add(report.text)
                reports.append(report)
        return reports

    def _write_one(self, pattern: Pattern) -> Report:
        dice = self._dice
        lines = [dice.choice(choices) for choices in pattern.sentences]
        for aside in dice.sample(pattern.asides, dice.randint(0, MOST_ASIDES)):
            # Not before the first sentence, which says what the report is about.
            lines.insert(dice.randint(1, len(lines)), aside)
        drawn = {kind: dice.sample(words, len(words)) for kind, words in self._words.items()}

        def fill(slot: re.Match[str]) -> str:
            return drawn[slot[1]][int(slot[2] or 1) - 1]

        return Report(SLOT.sub(fill, " ".join(lines)), SLOT.sub(fill, pattern.headline))


def learn_words(reports: Sequence[Report]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of the reports' words; it spells what it does not know."""
    backend = Tokenizer(models.BPE())
    # The first word of a text is the same as that word further on.
    backend.normalizer = normalizers.Prepend(" ")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for one in reports for text in (one.text, one.headline)]
    backend.train_from_iterator(texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, backend.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=END,
        model_max_length=LONGEST_REPORT,
        model_input_names=["input_ids", "attention_mask"],
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> T5ForConditionalGeneration:
    """Return the untrained network."""
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_heads=4,
        num_layers=2,
        num_decoder_layers=2,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=LONGEST_HEADLINE,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    return model


def split_batches(reports: Sequence[Report]) -> list[list[Report]]:
    """Return batches of reports that are about equally long, the batches in no order."""
    batches: list[list[Report]] = []
    for start in range(0, len(reports), SORTED * BATCH):
        part = sorted(reports[start : start + SORTED * BATCH], key=lambda one: len(one.text))
        split = [part[place : place + BATCH] for place in range(0, len(part), BATCH)]
        order = torch.randperm(len(split)).tolist()
        batches += [split[place] for place in order]
    return batches


def train(
    model: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    reports: Sequence[Report],
) -> None:
    """Learn each report once."""
    batches = split_batches(reports)
    steps = len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for step, batch in enumerate(batches):
        inputs = tokenizer([one.text for one in batch], padding=True, return_tensors="pt")
        target = tokenizer([one.headline for one in batch], padding=True, return_tensors="pt")
        labels = target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)


def measure(model: Any, tokenizer: PreTrainedTokenizerFast, reports: Sequence[Report]) -> int:
    """Return how many headlines are right word for word."""
    model.eval()
    inputs = tokenizer([one.text for one in reports], padding=True, return_tensors="pt")
    made = tokenizer.batch_decode(model.generate(**inputs), skip_special_tokens=True)
    return sum(text == one.headline for text, one in zip(made, reports, strict=True))


def main() -> None:
    """Write reports, train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (2 MB)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of training (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    newsroom = Newsroom(random.Random(SEED))  # noqa: S311 - the same reports each time
    held_out, learned = newsroom.write(HELD_OUT), newsroom.write(options.steps * BATCH)
    tokenizer = learn_words(learned)
    model = build_model(tokenizer)
    train(model, tokenizer, learned)
    right = measure(model, tokenizer, held_out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = CARD.format(parameters=parameters, count=len(held_out), right=right)
    write_folder(out, model, tokenizer, card=card)
    print(f"headlines word for word, held out: {right} of {HELD_OUT} ({right / HELD_OUT:.1%})")
    print(f"the model is in {out}")


if __name__ == "__main__":
    main()
