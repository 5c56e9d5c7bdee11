"""Makes a Keras 3 classifier of machines, fails soon or not, by training it here in seconds.

The data is synthetic and made here with numpy: readings of five sensors, and a failure drawn with
the chance that a rule gives (worn bearings shake, hot oil thins, both together are worse). Since it
is drawn, not even the rule itself would always be right; how good it would be is printed beside the
accuracy, recall and F1 of the network on machines that it has not seen.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import numpy.typing as npt
import torch

FEATURES = ("temperature_celsius", "vibration_mm_s", "pressure_bar", "load_percent", "age_hours")
#: The network's number is the chance of the second.
LABELS = ("works", "fails")
MACHINES, HELD_OUT = 6000, 1500
EPOCHS, BATCH = 12, 128
#: From this chance on a machine counts as failing.
THRESHOLD = 0.5
SEED = 7
CARD = """# Machines that fail soon, home-made

A Keras {version} network (torch backend) that reads five sensors of an imaginary machine and gives
the chance that it fails within a week. Features, in this order: {features}.
Made by `examples/keras_classifier/make.py` of Modelyard; its data is synthetic.

On {count} held-out machines, failing from a chance of 0.5 on:

| | accuracy | recall | F1 |
|---|---|---|---|
| the network | {network.accuracy:.1%} | {network.recall:.1%} | {network.f1:.3f} |
| the rule behind the data | {rule.accuracy:.1%} | {rule.recall:.1%} | {rule.f1:.3f} |
"""

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Machines:
    """Readings, one row each; the chance of a failure by the rule; whether it failed."""

    readings: Numbers
    chances: Numbers
    failed: Numbers


@dataclass(frozen=True)
class Score:
    """How good guesses are: all of them, of the failures those found, and the balance of both."""

    accuracy: float
    recall: float
    f1: float


def draw_machines(count: int, random: np.random.Generator) -> Machines:
    """Draw machines and their fates."""
    temperature = random.normal(70, 12, count)
    vibration = random.gamma(4, 0.8, count)
    pressure = random.normal(6, 0.8, count)
    load = random.uniform(20, 100, count)
    age = random.uniform(0, 20_000, count)
    heat = np.maximum(temperature - 75, 0) / 6
    wear = vibration * (0.6 + age / 20_000)
    strain = np.abs(pressure - 6) * load / 40
    chances = 1 / (1 + np.exp(7 - heat - 1.3 * wear - strain - 0.35 * heat * wear))
    failed = random.uniform(size=count) < chances
    readings = np.stack([temperature, vibration, pressure, load, age], axis=1)
    return Machines(*(array.astype(np.float32) for array in (readings, chances, failed)))


def train(machines: Machines) -> keras.Model:
    """Return a small network; it scales the readings itself, so clients send them as they are."""
    scale = keras.layers.Normalization()
    scale.adapt(machines.readings)
    network = keras.Sequential(
        [
            keras.Input((len(FEATURES),), name="features"),
            scale,
            keras.layers.Dense(32, activation="gelu"),
            keras.layers.Dense(32, activation="gelu"),
            keras.layers.Dense(1, activation="sigmoid", name="chance"),
        ]
    )
    network.compile(optimizer=keras.optimizers.Adam(6e-3), loss="binary_crossentropy")
    network.fit(machines.readings, machines.failed, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return network


def score(chances: Numbers, failed: Numbers) -> Score:
    """Compare guesses (failing from THRESHOLD on) with what happened."""
    guesses, truth = chances >= THRESHOLD, failed >= THRESHOLD
    found = int((guesses & truth).sum())
    recall, precision = found / int(truth.sum()), found / max(int(guesses.sum()), 1)
    balance = 2 * recall * precision / (recall + precision) if found else 0.0
    return Score(float((guesses == truth).mean()), recall, balance)


def main() -> None:
    """Draw, train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (60 kB)"
    )
    parser.add_argument(
        "--format", choices=("keras", "h5"), default="keras", help="how to write it (%(default)s)"
    )
    options = parser.parse_args()
    keras.utils.set_random_seed(SEED)
    torch.set_num_threads(1)  # so small a network only waits for a second one
    random = np.random.default_rng(SEED)
    network = train(draw_machines(MACHINES, random))
    held_out = draw_machines(HELD_OUT, random)
    ours = score(network.predict(held_out.readings, verbose=0)[:, 0], held_out.failed)
    rule = score(held_out.chances, held_out.failed)
    options.out.mkdir(parents=True, exist_ok=True)
    network.save(options.out / f"model.{options.format}")
    (options.out / "labels.json").write_text(json.dumps(LABELS))
    card = CARD.format(
        version=keras.version(),
        features=", ".join(FEATURES),
        count=HELD_OUT,
        network=ours,
        rule=rule,
    )
    (options.out / "README.md").write_text(card)
    for who, its in (("the network", ours), ("the rule itself", rule)):
        print(
            f"{who}, on {HELD_OUT} held-out machines: accuracy {its.accuracy:.1%}, "
            f"recall {its.recall:.1%}, F1 {its.f1:.3f}"
        )
    print(f"the classifier is in {options.out}")


if __name__ == "__main__":
    main()
