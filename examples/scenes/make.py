"""Makes a small deformable DETR that finds drawn shapes, by training it here in a minute or two.

One to three circles, squares and triangles are drawn by Pillow: anywhere, of any size, in any
colours that differ from the background, under noise. What it finds in pictures that it has not seen
is measured.

The loss of DETR matches guesses to objects, which takes long to settle. Here each of nine guesses
looks after a cell of its own, of three times three: is the centre of an object in there?
"""

import argparse
import os
from collections.abc import Sequence
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

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import (
    DeformableDetrConfig,
    DeformableDetrForObjectDetection,
    DeformableDetrImageProcessorPil,
    ResNetConfig,
)

from modelyard_local.model_folders import write_folder

LABELS = ("circle", "square", "triangle")
NOTHING = len(LABELS)
#: A circle is a polygon of many corners.
CORNERS = {"circle": 60, "square": 4, "triangle": 3}
DRAWN, SEEN = 96, 64
CELLS = 3
MOST_OBJECTS = 3
RADIUS = (13.0, 19.0)
TURN = 0.3
NOISE = 12.0
CONTRAST = 150
LEARNED, HELD_OUT = 6000, 300
EPOCHS, BATCH, LEARNING_RATE = 5, 32, 3e-3
BOX_WEIGHT = 5.0
SEED = 0
SURE, OVERLAP = 0.5, 0.5
CARD = """# Scenes of drawn shapes, home-made

A deformable DETR of {parameters:,} parameters that finds circles, squares and triangles.
Made by `examples/scenes/make.py` of Modelyard from pictures that it draws itself, at most one
object in each ninth of a picture. In {count} held-out pictures: {measured}.
It knows nothing but such drawings.
"""


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it; boxes are [xmin, ymin, xmax, ymax] in pixels."""

    picture: Image.Image
    labels: list[int]
    boxes: list[list[float]]


@dataclass(frozen=True)
class Lessons:
    """Pixels as the model takes them, and what each guess should be.

    `labels` is [pictures, cells], `boxes` [pictures, cells, 4]: centre and size as shares of the
    picture, and anything where the label is `NOTHING`.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    boxes: torch.Tensor


@dataclass(frozen=True)
class Measured:
    """How good it is; an object is found with its right label and half of the box at least."""

    objects: int
    guesses: int
    found: int
    overlap: float

    def __str__(self) -> str:
        """Say it."""
        return (
            f"{self.found} of {self.objects} objects found, with a mean overlap (IoU) of the boxes "
            f"of {self.overlap:.2f}, and {self.guesses - self.found} of {self.guesses} guesses "
            "wrong"
        )


def draw(random: np.random.Generator) -> Scene:
    """Draw a picture of some objects."""
    back = random.integers(0, 256, 3)
    picture = Image.new("RGB", (DRAWN, DRAWN), tuple(back.tolist()))
    labels: list[int] = []
    boxes: list[list[float]] = []
    wanted = int(random.integers(1, MOST_OBJECTS + 1))
    while len(boxes) < wanted:
        label = int(random.integers(len(LABELS)))
        corners = place_corners(LABELS[label], random)
        box = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
        if any(touch(box, other) or cell_of(box) == cell_of(other) for other in boxes):
            continue
        front = random.integers(0, 256, 3)
        while abs(int(front.sum()) - int(back.sum())) < CONTRAST:
            front = random.integers(0, 256, 3)
        outline = [(x, y) for x, y in corners.tolist()]
        ImageDraw.Draw(picture).polygon(outline, fill=tuple(front.tolist()))
        labels.append(label)
        boxes.append(box)
    noisy = np.asarray(picture) + random.normal(0, NOISE, (DRAWN, DRAWN, 3))
    return Scene(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), labels, boxes)


def place_corners(label: str, random: np.random.Generator) -> np.ndarray:
    """Return the corners of a shape somewhere in the picture, [corners, 2]."""
    radius = random.uniform(*RADIUS)
    centre = random.uniform(radius, DRAWN - radius, 2)
    # A square stands on its side, a triangle points upwards, about.
    start = np.pi / 4 if label == "square" else -np.pi / 2
    turns = np.linspace(0, 2 * np.pi, CORNERS[label], endpoint=False)
    angles = start + random.uniform(-TURN, TURN) + turns
    placed: np.ndarray = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return placed


def touch(one: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether two boxes have anything in common."""
    return all(one[way] <= other[way + 2] and other[way] <= one[way + 2] for way in (0, 1))


def cell_of(box: Sequence[float]) -> int:
    """Return the cell in which the centre of a box is."""
    across, down = (int((box[way] + box[way + 2]) / 2 / DRAWN * CELLS) for way in (0, 1))
    return down * CELLS + across


def prepare(scenes: Sequence[Scene], processor: Any) -> Lessons:
    """Return what is learned from pictures."""
    labels = torch.full((len(scenes), CELLS**2), NOTHING)
    boxes = torch.full((len(scenes), CELLS**2, 4), 0.5)
    for row, scene in enumerate(scenes):
        for label, box in zip(scene.labels, scene.boxes, strict=True):
            low, high = torch.tensor(box).div(DRAWN).view(2, 2)
            labels[row, cell_of(box)] = label
            boxes[row, cell_of(box)] = torch.cat([(low + high) / 2, high - low])
    pictures = [scene.picture for scene in scenes]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    return Lessons(pixels, labels, boxes)


def build_model() -> DeformableDetrForObjectDetection:
    """Return the untrained network."""
    backbone = ResNetConfig(  # type: ignore[call-arg]
        embedding_size=16,
        hidden_sizes=[32, 64],
        depths=[1, 1],
        layer_type="basic",
        out_features=["stage2"],
    )
    config = DeformableDetrConfig(
        backbone_config=backbone,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        dropout=0.0,
        init_std=0.12,
        num_feature_levels=1,
        num_queries=CELLS**2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    model = DeformableDetrForObjectDetection(config)
    middles = (torch.arange(CELLS) + 0.5) / CELLS
    with torch.no_grad():
        # Where a guess looks is read from the first two numbers of its embedding, as logits.
        guesses = model.model.query_position_embeddings.weight.normal_()
        guesses[:, 0] = middles.repeat(CELLS).logit()
        guesses[:, 1] = middles.repeat_interleave(CELLS).logit()
        model.model.reference_points.weight.copy_(torch.eye(2, config.d_model))
    return model


def compute_loss(model: Any, lessons: Lessons, rows: torch.Tensor) -> Any:
    """Return how far the guesses are from what they should be."""
    labels, boxes = lessons.labels[rows], lessons.boxes[rows]
    output = model(pixel_values=lessons.pixels[rows])
    there = labels != NOTHING
    guessed, right = output.pred_boxes[there], boxes[there]
    placed = torch.nn.functional.l1_loss(guessed, right, reduction="sum") / len(right)
    wanted = torch.nn.functional.one_hot(labels, NOTHING + 1)[..., :NOTHING].float()
    judge = torch.nn.functional.binary_cross_entropy_with_logits
    named = judge(output.logits, wanted, reduction="sum")
    missed = 1 - overlap(corners_of(guessed), corners_of(right))
    return (named + missed.sum()) / len(right) + BOX_WEIGHT * placed


def corners_of(boxes: torch.Tensor) -> torch.Tensor:
    """Return boxes, given by centre and size, by their corners."""
    centres, sizes = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centres - sizes / 2, centres + sizes / 2], dim=-1)


def overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the intersection over the union of each pair of boxes, given by corners."""
    low = torch.maximum(one[..., :2], other[..., :2])
    high = torch.minimum(one[..., 2:], other[..., 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (one, other)]
    return common / (areas[0] + areas[1] - common)


def train(model: DeformableDetrForObjectDetection, lessons: Lessons, *, epochs: int) -> None:
    """Learn all pictures several times, each time in another order."""
    count = len(lessons.labels)
    steps = epochs * -(-count // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(count).split(BATCH):  # type: ignore[no-untyped-call]
            loss = compute_loss(model, lessons, rows)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / count:.3f}", flush=True)


def measure(model: Any, scenes: Sequence[Scene], processor: Any) -> Measured:
    """Compare what is found with what is there; each guess counts once."""
    model.eval()
    with torch.inference_mode():
        output = model(pixel_values=prepare(scenes, processor).pixels)
    sizes = torch.full((len(scenes), 2), DRAWN)
    answers = processor.post_process_object_detection(output, threshold=SURE, target_sizes=sizes)
    overlaps: list[float] = []
    for scene, answer in zip(scenes, answers, strict=True):
        left = list(zip(answer["labels"].tolist(), answer["boxes"], strict=True))
        for label, box in zip(scene.labels, scene.boxes, strict=True):
            there = torch.tensor(box)
            for place, (guess, where) in enumerate(left):
                common = overlap(where, there).item()
                if guess == label and common >= OVERLAP:
                    overlaps.append(common)
                    del left[place]
                    break
    return Measured(
        objects=sum(len(scene.labels) for scene in scenes),
        guesses=sum(len(answer["labels"]) for answer in answers),
        found=len(overlaps),
        overlap=sum(overlaps) / max(1, len(overlaps)),
    )


def main() -> None:
    """Draw, train, measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="what to make")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of training (%(default)s)")
    options = parser.parse_args()
    out: Path = options.out
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    held_out = [draw(random) for _ in range(HELD_OUT)]
    processor = DeformableDetrImageProcessorPil(size={"height": SEEN, "width": SEEN})
    model = build_model()
    train(model, prepare([draw(random) for _ in range(LEARNED)], processor), epochs=options.epochs)
    measured = measure(model, held_out, processor)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = CARD.format(parameters=parameters, count=HELD_OUT, measured=measured)
    write_folder(out, model, processor, card=card)
    print(f"held out: {measured}")
    print(f"the detector is in {out}")


if __name__ == "__main__":
    main()
