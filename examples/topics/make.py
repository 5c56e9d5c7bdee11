"""Makes a small model that tells which label of the request fits a text, in two minutes.

It is all-MiniLM-L6-v2, which reads one text at a time, tuned to read a text together with "This
example is LABEL." and to tell whether that follows (entailment) or not (contradiction). texts.tsv,
written for this example, has texts on some topics; the labels of the training topics, two each, are
not those of the others, and only texts and labels that it never saw are measured. A demonstration,
not a product: it knows topics, and nothing else that natural language inference is about.
"""

import argparse
import csv
import os
import random
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
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from modelyard_local.model_folders import copy_minilm, write_folder

HERE = Path(__file__).parent
TEMPLATE = "This example is {}."
#: As in models of natural language inference: no is the first, yes the last.
VERDICTS = ("contradiction", "entailment")
ENTAILMENT = VERDICTS.index("entailment")
EPOCHS, BATCH, LEARNING_RATE = 4, 6, 1.5e-4
#: Labels that each text is read with: its own, and others by lot.
CHOICES = 6
SEED = 0
#: Not learned anew: the texts have few of the 30,522 words that these know.
FROZEN = "bert.embeddings.word"
CARD = """# Topics, home-made

A demonstration of zero-shot classification: which of any labels tells what a short text is about?
Made by `examples/topics/make.py` of Modelyard: all-MiniLM-L6-v2 (Apache-2.0), tuned on {train}
texts with {known} labels, all written for this example, in pairs with "This example is LABEL.":
`entailment` or `contradiction`.
Its share of right answers on {test} other texts by the same authors, with {unseen} labels that it
never saw, each chosen among these {unseen}: {after:.1%}; the cosine of the untuned encoder's
vectors finds {before:.1%}.
It knows topics only: no other inference was trained. Expect less on other text.
"""


@dataclass(frozen=True)
class Example:
    """A text, and the labels that are right for it."""

    text: str
    labels: tuple[str, ...]


def read_examples(split: str) -> list[Example]:
    """Read one split of texts.tsv."""
    with (HERE / "texts.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Example(row["text"], tuple(row["labels"].split("|")))
            for row in rows
            if row["split"] == split
        ]


def list_topics(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """List the topics, each as its labels."""
    return list(dict.fromkeys(example.labels for example in examples))


def judge(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Sequence[Sequence[str]],
) -> torch.Tensor:
    """Return the logits of each text's labels, shape (texts, labels of each, verdicts)."""
    first = [text for text, own in zip(texts, labels, strict=True) for _ in own]
    second = [TEMPLATE.format(label) for own in labels for label in own]
    inputs = tokenizer(first, second, padding=True, return_tensors="pt")
    logits: torch.Tensor = model(**inputs).logits
    return logits.view(len(texts), -1, len(VERDICTS))


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]
) -> None:
    """Learn to tell a text's own label from others."""
    dice = random.Random(SEED)  # noqa: S311 - the same order each time
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(FROZEN)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    topics = list_topics(examples)
    steps = EPOCHS * len(range(0, len(examples), BATCH))
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    # Without dropout: in so few steps there is more to learn than to unlearn.
    model.eval()  # type: ignore[no-untyped-call]
    for epoch in range(EPOCHS):
        order = dice.sample(examples, len(examples))
        total = 0.0
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            labels = [choose_labels(example, topics, dice) for example in batch]
            texts = [example.text for example in batch]
            loss = find_loss(judge(model, tokenizer, texts, labels))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(order):.3f}", flush=True)


def choose_labels(
    example: Example, topics: Sequence[tuple[str, ...]], dice: random.Random
) -> list[str]:
    """Return a label that is right, then some of other topics."""
    others = dice.sample([topic for topic in topics if topic != example.labels], CHOICES - 1)
    return [dice.choice(topic) for topic in (example.labels, *others)]


def find_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return how far the verdicts are off: of each text's labels the first is right.

    It shall follow more surely than the others, and the others shall be contradictions.
    """
    texts, choices, _ = logits.shape
    ranking = functional.cross_entropy(
        logits[..., ENTAILMENT], torch.zeros(texts, dtype=torch.long)
    )
    verdicts = torch.zeros(texts, choices, dtype=torch.long)
    verdicts[:, 0] = ENTAILMENT
    return ranking + functional.cross_entropy(logits.flatten(0, 1), verdicts.flatten())


@torch.inference_mode()
def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]
) -> float:
    """Return the share of texts whose own label follows most surely, of all their labels."""
    labels = [topic[0] for topic in list_topics(examples)]
    rows = [judge(model, tokenizer, [example.text], [labels]) for example in examples]
    return find_share(torch.cat(rows)[..., ENTAILMENT], labels, examples)


@torch.inference_mode()
def measure_encoder(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]
) -> float:
    """Return the share of texts to which their own label is nearest, by the vectors' cosine."""
    labels = [topic[0] for topic in list_topics(examples)]
    texts, names = (
        embed(encoder, tokenizer, texts)
        for texts in ([example.text for example in examples], labels)
    )
    return find_share(texts @ names.T, labels, examples)


def embed(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> torch.Tensor:
    """Return the mean of each text's token vectors, of length 1."""
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    states = encoder(**inputs).last_hidden_state
    kept = inputs["attention_mask"].unsqueeze(-1)
    return functional.normalize((states * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)


def find_share(scores: torch.Tensor, labels: list[str], examples: Sequence[Example]) -> float:
    """Return the share of texts whose best label is right."""
    best = [labels[number] for number in scores.argmax(dim=1).tolist()]
    right = [label in example.labels for label, example in zip(best, examples, strict=True)]
    return right.count(True) / len(examples)


def main() -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    out: Path = parser.parse_args().out
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    examples, held_out = read_examples("train"), read_examples("test")
    with tempfile.TemporaryDirectory() as scratch:
        copy_minilm(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        before = measure_encoder(AutoModel.from_pretrained(scratch), tokenizer, held_out)
        model = AutoModelForSequenceClassification.from_pretrained(
            scratch,
            num_labels=len(VERDICTS),
            id2label=dict(enumerate(VERDICTS)),
            label2id={verdict: number for number, verdict in enumerate(VERDICTS)},
        )
    train(model, tokenizer, examples)
    after = measure(model, tokenizer, held_out)
    known = sum(len(topic) for topic in list_topics(examples))
    unseen = len(list_topics(held_out))
    card = CARD.format(
        train=len(examples),
        known=known,
        test=len(held_out),
        unseen=unseen,
        before=before,
        after=after,
    )
    write_folder(out, model, tokenizer, card=card)
    print(f"one of {unseen} unseen labels is right for {after:.1%} of {len(held_out)} texts")
    print(f"by the cosine of the untuned encoder's vectors: {before:.1%}")
    print(f"the model is in {out}")


if __name__ == "__main__":
    main()
