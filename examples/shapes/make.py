"""Makes a small ResNet that tells drawn shapes apart, by training it here in under a minute.

Circles, squares, triangles and stars are drawn by Pillow: anywhere, of any size, turned, in any two
colours that differ, under noise. Accuracy is measured on pictures that it has not seen.
"""

import argparse
import math
import os
from dataclasses import dataclass
from pathlib import Path

os.environ |= {
    # Threads sleep while they wait: on busy cores that makes training several times as fast.
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessorPil

from modelyard_local.model_folders import write_folder

LABELS = ("circle", "square", "star", "triangle")
#: A circle is a polygon of many corners; a star has every second corner further inside.
CORNERS = {"circle": 60, "square": 4, "star": 10, "triangle": 3}
INSIDE = 0.45
DRAWN, SEEN = 96, 48
NOISE = 20.0
CONTRAST = 90
LEARNED, HELD_OUT = 2400, 400
EPOCHS, BATCH, LEARNING_RATE = 7, 32, 8e-3
SEED = 0
CARD = """# Drawn shapes, home-made

A ResNet of {parameters:,} parameters that tells circle, square, star and triangle apart.
Made by `examples/shapes/make.py` of Modelyard from pictures that it draws itself.
Accuracy on {count} held-out pictures: {accuracy:.1%}. It knows nothing but such drawings.
"""


@dataclass(frozen=True)
class Pictures:
    """Pixels, [pictures, channels, height, width], as the model takes them; numbers of labels."""

    pixels: torch.Tensor
    labels: torch.Tensor


def draw(label: str, random: np.random.Generator) -> Image.Image:
    """Draw one shape."""
    back = random.integers(0, 256, 3)
    front = random.integers(0, 256, 3)
    while abs(int(front.sum()) - int(back.sum())) < CONTRAST:
        front = random.integers(0, 256, 3)
    picture = Image.new("RGB", (DRAWN, DRAWN), tuple(back.tolist()))
    radius = random.uniform(0.2, 0.45) * DRAWN
    centre = random.uniform(radius, DRAWN - radius, 2)
    turn = random.uniform(0, math.tau)
    corners = []
    for number in range(CORNERS[label]):
        angle = turn + math.tau * number / CORNERS[label]
        length = radius * (INSIDE if label == "star" and number % 2 else 1)
        corners.append((centre[0] + length * math.cos(angle), centre[1] + length * math.sin(angle)))
    ImageDraw.Draw(picture).polygon(corners, fill=tuple(front.tolist()))
    noisy = np.asarray(picture) + random.normal(0, NOISE, (DRAWN, DRAWN, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def draw_all(count: int, processor: ViTImageProcessorPil, random: np.random.Generator) -> Pictures:
    """Draw as many of each shape."""
    labels = [number % len(LABELS) for number in range(count)]
    pictures = [draw(LABELS[label], random) for label in labels]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    return Pictures(pixels, torch.tensor(labels))


def build_model() -> ResNetForImageClassification:
    """Return the untrained network."""
    config = ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 64],
        depths=[1, 1, 1],
        layer_type="basic",
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    return ResNetForImageClassification(config)


def train(model: ResNetForImageClassification, pictures: Pictures, *, epochs: int) -> None:
    """Learn all pictures several times, each time in another order."""
    count = len(pictures.labels)
    steps = epochs * (count // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(count).split(BATCH):  # type: ignore[no-untyped-call]
            logits = model(pixel_values=pictures.pixels[batch]).logits
            loss = torch.nn.functional.cross_entropy(logits, pictures.labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / count:.3f}", flush=True)


def measure(model: ResNetForImageClassification, pictures: Pictures) -> float:
    """Return the share of pictures whose likeliest label is the right one."""
    model.eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        guesses = model(pixel_values=pictures.pixels).logits.argmax(dim=-1)
    return int((guesses == pictures.labels).sum()) / len(guesses)


def main() -> None:
    """Draw, train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to make (400 kB)"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of training (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(mode=True)
    random = np.random.default_rng(SEED)
    processor = ViTImageProcessorPil(size={"height": SEEN, "width": SEEN})
    model = build_model().to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    train(model, draw_all(LEARNED, processor, random), epochs=options.epochs)
    accuracy = measure(model, draw_all(HELD_OUT, processor, random))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = CARD.format(parameters=parameters, count=HELD_OUT, accuracy=accuracy)
    write_folder(out, model, processor, card=card)
    print(f"accuracy on {HELD_OUT} held-out pictures: {accuracy:.1%}")
    print(f"the classifier is in {out}")


if __name__ == "__main__":
    main()
