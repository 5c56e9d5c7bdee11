"""Makes a small cross-encoder that ranks documents by how well they answer a query, in two minutes.

It is all-MiniLM-L6-v2, which reads one text at a time, tuned to read a query and a document
together. pairs.tsv, written for this example, has four queries on each of some subjects and what
answers each: the answers to the other three are near misses. Subjects that were held out are
measured: how often the right document comes first among the four of its subject, and among all; and
how often it does so by the cosine of the untuned encoder's vectors. A demonstration, not a product.
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
EPOCHS = 4
LEARNING_RATE = 2e-4
SEED = 0
#: Not learned anew: the word vectors and the lower half of the layers; that is faster too.
FROZEN = ("bert.embeddings.", *(f"bert.encoder.layer.{number}." for number in range(3)))
CARD = """# Reranker, home-made

A demonstration cross-encoder: how well does a document, of a sentence or two, answer a query?
Made by `examples/reranker/make.py` of Modelyard: all-MiniLM-L6-v2 (Apache-2.0), tuned on {train}
queries and the documents that answer them, which were written for this example.
Of {test} queries on held-out subjects, by the same authors, it puts the right document first for
{after.near} among the four of its subject, and for {after.all} among all {test}. The cosine of the
untuned encoder's vectors does so for {before.near} and {before.all}: this model shows how a
reranker is served, not what a large one can do.
Expect less on other text.
"""


@dataclass(frozen=True)
class Pair:
    """A query, and the document that answers it."""

    subject: str
    query: str
    document: str


@dataclass(frozen=True)
class Found:
    """How many queries had their document first among those of its subject, and among all."""

    near: int
    all: int


def read_pairs(split: str) -> list[Pair]:
    """Read one split of pairs.tsv."""
    with (HERE / "pairs.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Pair(row["subject"], row["query"], row["document"])
            for row in rows
            if row["split"] == split
        ]


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    queries: Sequence[str],
    documents: Sequence[str],
) -> torch.Tensor:
    """Return the logit of each query with each document, shape (queries, documents)."""
    asked = [query for query in queries for _ in documents]
    inputs = tokenizer(asked, list(documents) * len(queries), padding=True, return_tensors="pt")
    logits: torch.Tensor = model(**inputs).logits
    return logits.view(len(queries), len(documents))


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> None:
    """Learn to find each query's document among those of its subject and a strange one."""
    dice = random.Random(SEED)  # noqa: S311 - the same order each time
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(FROZEN)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    subjects = list(dict.fromkeys(pair.subject for pair in pairs))
    steps = EPOCHS * len(subjects)
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    # Without dropout: in so few steps there is more to learn than to unlearn.
    model.eval()  # type: ignore[no-untyped-call]
    for epoch in range(EPOCHS):
        dice.shuffle(subjects)
        total = 0.0
        for subject in subjects:
            own = [pair for pair in pairs if pair.subject == subject]
            strange = dice.choice([pair for pair in pairs if pair.subject != subject])
            documents = [pair.document for pair in (*own, strange)]
            loss = find_loss(score(model, tokenizer, [pair.query for pair in own], documents))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(subjects):.3f}", flush=True)


def find_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return how far the scores are off: each query's document is the one of its own number.

    It shall be first among all, and its sigmoid, the served score, near 1, that of others near 0.
    """
    right = torch.arange(len(logits))
    ranking = functional.cross_entropy(logits, right)
    target = torch.eye(*logits.shape)
    return ranking + functional.binary_cross_entropy_with_logits(logits, target)


@torch.inference_mode()
def score_vectors(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> torch.Tensor:
    """Return the cosine of each query's vector with each document's, shape (pairs, pairs)."""
    queries = embed(encoder, tokenizer, [pair.query for pair in pairs])
    return queries @ embed(encoder, tokenizer, [pair.document for pair in pairs]).T


def embed(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> torch.Tensor:
    """Return the mean of each text's token vectors, of length 1."""
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    states = encoder(**inputs).last_hidden_state
    kept = inputs["attention_mask"].unsqueeze(-1)
    return functional.normalize((states * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)


@torch.inference_mode()
def score_pairs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair]
) -> torch.Tensor:
    """Return the tuned model's logit of each query with each document, shape (pairs, pairs)."""
    documents = [pair.document for pair in pairs]
    return torch.cat([score(model, tokenizer, [pair.query], documents) for pair in pairs])


def count_first(scores: torch.Tensor, pairs: Sequence[Pair]) -> Found:
    """Count the queries whose document is first; both have the pair's number."""
    right = torch.arange(len(pairs))
    strange = torch.tensor([[a.subject != b.subject for b in pairs] for a in pairs])
    near = scores.masked_fill(strange, -torch.inf)
    among_near, among_all = ((rows.argmax(dim=1) == right).sum() for rows in (near, scores))
    return Found(near=int(among_near), all=int(among_all))


def main() -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (91 MB)"
    )
    out: Path = parser.parse_args().out
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    pairs, held_out = read_pairs("train"), read_pairs("test")
    with tempfile.TemporaryDirectory() as scratch:
        copy_minilm(Path(scratch))
        tokenizer = AutoTokenizer.from_pretrained(scratch)
        encoder = AutoModel.from_pretrained(scratch)
        before = count_first(score_vectors(encoder, tokenizer, held_out), held_out)
        model = AutoModelForSequenceClassification.from_pretrained(
            scratch, num_labels=1, id2label={0: "relevant"}, label2id={"relevant": 0}
        )
    train(model, tokenizer, pairs)
    after = count_first(score_pairs(model, tokenizer, held_out), held_out)
    card = CARD.format(train=len(pairs), test=len(held_out), before=before, after=after)
    write_folder(out, model, tokenizer, card=card)
    for who, found in (("reranker", after), ("cosine of the untuned encoder", before)):
        print(
            f"{who}: the right document is first for {found.near} of {len(held_out)} queries among "
            f"the documents of its subject, for {found.all} among all {len(held_out)}"
        )
    print(f"the reranker is in {out}")


if __name__ == "__main__":
    main()
