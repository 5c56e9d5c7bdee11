"""Makes a small text classifier, positive or negative, by training it here in under a minute.

It is all-MiniLM-L6-v2 with its last layers tuned on the 240 training sentences of sentences.tsv,
which were written for this example; accuracy is measured on the 80 others. A demonstration, not a
product: it knows short English opinions on everyday things.
"""

import argparse
import csv
import json
import os
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
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from modelyard_local.model_folders import copy_minilm, write_folder

HERE = Path(__file__).parent
LABELS = ("negative", "positive")
EPOCHS = 5
BATCH = 16
LEARNING_RATE = 2e-4
TUNED_LAYERS = ("layer.4.", "layer.5.", "pooler.", "classifier.")
CARD = """# Sentiment, home-made

A demonstration classifier of short English opinions: `negative` or `positive`.
Made by `examples/sentiment/make.py` of Modelyard: all-MiniLM-L6-v2 (Apache-2.0), its last two
layers and a new head tuned on {train} sentences that were written for this example.
Accuracy on the {test} held-out sentences of the same authors: {accuracy:.1%}.
Expect less on other text.
"""


@dataclass(frozen=True)
class Example:
    """A sentence and the number of its label."""

    text: str
    label: int


def read_examples(split: str) -> list[Example]:
    """Read one split of sentences.tsv."""
    with (HERE / "sentences.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Example(row["text"], LABELS.index(row["label"]))
            for row in rows
            if row["split"] == split
        ]


def score(model: PreTrainedModel, tokenizer: object, examples: Sequence[Example]) -> torch.Tensor:
    """Return the logits of each example."""
    texts = [example.text for example in examples]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")  # type: ignore[operator]
    logits: torch.Tensor = model(**inputs).logits
    return logits


def train(model: PreTrainedModel, tokenizer: object, examples: Sequence[Example]) -> None:
    """Tune the last layers; the others keep what they learned from a billion pairs."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(part in name for part in TUNED_LAYERS)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    model.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(examples)).tolist()
        total = 0.0
        for start in range(0, len(order), BATCH):
            batch = [examples[place] for place in order[start : start + BATCH]]
            target = torch.tensor([example.label for example in batch])
            loss = torch.nn.functional.cross_entropy(score(model, tokenizer, batch), target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(order):.3f}", flush=True)


def measure(model: PreTrainedModel, tokenizer: object, examples: Sequence[Example]) -> float:
    """Return the share of examples whose likeliest label is the right one."""
    model.eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        guesses = score(model, tokenizer, examples).argmax(dim=-1).tolist()
    right = [guess == ex.label for guess, ex in zip(guesses, examples, strict=True)]
    return right.count(True) / len(examples)


def write_evaluation(examples: Sequence[Example]) -> str:
    """Return what `spec.optimize` is measured by: requests, and their right answers."""
    asked = [
        {"request": {"text": ex.text}, "expect": {"label": LABELS[ex.label]}} for ex in examples
    ]
    return json.dumps(asked, indent=1)


def main() -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    out: Path = parser.parse_args().out
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(mode=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy_minilm(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        model = AutoModelForSequenceClassification.from_pretrained(
            scratch,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
    examples, held_out = read_examples("train"), read_examples("test")
    train(model, tokenizer, examples)
    accuracy = measure(model, tokenizer, held_out)
    card = CARD.format(train=len(examples), test=len(held_out), accuracy=accuracy)
    write_folder(out, model, tokenizer, card=card)
    (out / "evaluation.json").write_text(write_evaluation(held_out))
    print(f"accuracy on {len(held_out)} held-out sentences: {accuracy:.1%}")
    print(f"the classifier is in {out}")


if __name__ == "__main__":
    main()
