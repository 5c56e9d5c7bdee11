"""Makes a small translator, English to Spanish number words, by training it here in seconds.

It is a class of its own (translator.py) with its weights in model.pth. It learns on 800 of the
numbers from 0 to 999; how many of the 200 others it translates exactly is printed.
"""

import argparse
import csv
import importlib.util
import json
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
CONFIG = {"width": 64, "heads": 4, "layers": 2, "longest": 8}
HELD_OUT = 200
HUNDRED = 100
#: "cero" and "cien" occur nowhere else, so they cannot be learned from other numbers.
ALWAYS_LEARNED = (0, HUNDRED)
STEPS, BATCH, LEARNING_RATE = 300, 64, 4e-3
SEED = 0

CARD = """# Number words, English to Spanish, home-made

Translates "two hundred thirty four" to "doscientos treinta y cuatro", for numbers from 0 to 999.
Made by `examples/translator/make.py` of Modelyard: `translator.py` has the class, `config.json` the
arguments that it is made with, `model.pth` its weights.
Exact on {right} of {count} held-out numbers.
"""


@dataclass(frozen=True)
class Pair:
    """A number in both languages."""

    english: str
    spanish: str


def read_words() -> dict[int, Pair]:
    """Return the numbers that have words of their own."""
    with (HERE / "numbers.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {int(row["number"]): Pair(row["english"], row["spanish"]) for row in rows}


def say(value: int, words: Mapping[int, Pair]) -> Pair:
    """Return the words of a number under a thousand, put together where it has none of its own."""
    if value in words:
        return words[value]
    unit, link = (HUNDRED, " ") if value > HUNDRED else (10, " y ")
    first, rest = words[value - value % unit], say(value % unit, words)
    spanish = first.spanish.replace("cien", "ciento") if value < 2 * HUNDRED else first.spanish
    return Pair(f"{first.english} {rest.english}", f"{spanish}{link}{rest.spanish}")


def split_numbers() -> tuple[list[Pair], list[Pair]]:
    """Return what is learned and what is held out."""
    numbers = [number for number in range(1000) if number not in ALWAYS_LEARNED]
    random.Random(SEED).shuffle(numbers)  # noqa: S311 - the same split each time
    words = read_words()
    learned = [say(number, words) for number in (*ALWAYS_LEARNED, *numbers[HELD_OUT:])]
    return learned, [say(number, words) for number in numbers[:HELD_OUT]]


def write_sources(out: Path, pairs: Sequence[Pair]) -> None:
    """Write all but the weights: the class, what it is made with, and its words."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "translator.py", out / "translator.py")
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    vocabulary = {
        "source": sorted({word for pair in pairs for word in pair.english.split()}),
        "target": sorted({word for pair in pairs for word in pair.spanish.split()}),
    }
    text = json.dumps(vocabulary, indent=2, ensure_ascii=False)
    (out / "vocabulary.json").write_text(text + "\n")


def load_module(path: Path) -> Any:
    """Import the class's module from the model folder, as a server does."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(module: Any, pairs: Sequence[Pair], *, steps: int) -> Any:
    """Return the trained model."""
    model = module.Translator(**CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(steps):
        batch = [pairs[place] for place in torch.randint(len(pairs), (BATCH,)).tolist()]
        source = module.pad([number(pair.english, model.source_numbers) for pair in batch])
        written = [number(pair.spanish, model.target_numbers) for pair in batch]
        target = module.pad([[module.START, *words, module.END] for words in written])
        scores = model(source, target[:, :-1])
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), target[:, 1:].flatten(), ignore_index=module.PAD
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model.eval()


def number(text: str, numbers: dict[str, int]) -> list[int]:
    """Return the numbers of the words of a text."""
    return [numbers[word] for word in text.split()]


def main() -> None:
    """Train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (1 MB)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="of training (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # so small a model only waits for a second one
    learned, held_out = split_numbers()
    write_sources(out, learned)
    model = train(load_module(out / "translator.py"), learned, steps=options.steps)
    torch.save(model.state_dict(), out / "model.pth")
    answers = model.predict([pair.english for pair in held_out])
    right = sum(a == pair.spanish for a, pair in zip(answers, held_out, strict=True))
    (out / "README.md").write_text(CARD.format(right=right, count=len(held_out)))
    print(f"exact on held-out numbers: {right} of {len(held_out)} ({right / len(held_out):.1%})")
    print(f"the translator is in {out}")


if __name__ == "__main__":
    main()
