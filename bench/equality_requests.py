"""Sixteen requests for each task, of different lengths and sizes, and how its answers are read."""

import base64
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from bench.equality_answers import Body, Said, read_picture, say_labels, say_tensors

COUNT = 16
#: What the model is called.
NAME = "served"
_EXAMPLES = Path(__file__).parents[1] / "examples"
_WORDS = (
    *("the", "harbour", "was", "quiet", "before", "boats", "came", "in", "Angela", "Berlin"),
    *("never", "lovely,", "who", "is", "it?", "a", "fox", "of", "seven", "winters.", "and", "Zoë"),
)
_TOKENS = 12
_DRAW = random.Random(3)  # noqa: S311 - the same each time


def write_text(words: int) -> str:
    """Return so many words."""
    return " ".join(_DRAW.choice(_WORDS) for _ in range(words))


#: From a word to a paragraph.
TEXTS = tuple(write_text(1 + number * number // 3) for number in range(COUNT))

Build = Callable[[], list[Body]]
Read = Callable[[Body, Any], Said]


def of_texts(**more: object) -> Build:
    """Return what builds a request of each text."""
    return lambda: [{"text": text, **more} for text in TEXTS]


def build_masked() -> list[Body]:
    """Return texts with a mask each, somewhere."""
    bodies: list[Body] = []
    for number, text in enumerate(TEXTS):
        words = text.split()
        words.insert(number % (len(words) + 1), "[MASK]")
        bodies.append({"text": " ".join(words), "top_k": 5})
    return bodies


def build_pairs() -> list[Body]:
    """Return queries with one to eight documents."""
    return [
        {"query": text[:60], "documents": TEXTS[: 1 + number % 8], "return_documents": False}
        for number, text in enumerate(TEXTS)
    ]


def build_questions() -> list[Body]:
    """Return questions with contexts of one to several windows."""
    return [
        {"question": "Who was in Berlin?", "context": write_text(10 + 60 * number)}
        for number in range(COUNT)
    ]


def build_labellings() -> list[Body]:
    """Return texts with labels to choose from: every other time, several may fit."""
    labels = ("a harbour", "a fox", "the winter", "a city", "nothing")
    return [
        {"text": text, "labels": labels[: 1 + number % 5], "multi_label": bool(number % 2)}
        for number, text in enumerate(TEXTS)
    ]


def build_prompts() -> list[Body]:
    """Return beginnings to go on with, as text."""
    return [_complete(prompt=text) for text in TEXTS]


def build_numbered_prompts() -> list[Body]:
    """Return beginnings to go on with, as tokens."""
    return [
        _complete(prompt=[_DRAW.randrange(1000, 30_000) for _ in range(1 + 9 * number)])
        for number in range(COUNT)
    ]


def _complete(**prompt: object) -> Body:
    return {"model": NAME, **prompt, "max_tokens": _TOKENS, "temperature": 0, "logprobs": 1}


def build_numbers() -> list[Body]:
    """Return number words, for the translator example."""
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return [
        {"text": words[number % 9] + " hundred" * (number % 2) + " twenty one" * (number % 4 == 1)}
        for number in range(COUNT)
    ]


def build_pictures(**more: object) -> list[Body]:
    """Return the picture of the example `shapes`, turned and scaled."""
    with Image.open(_EXAMPLES / "shapes" / "sample.png") as file:
        picture = file.convert("RGB")
    bodies: list[Body] = []
    for number in range(COUNT):
        sides = (picture.width + 13 * (number % 5), picture.height + 7 * (number % 3))
        turned = picture.rotate(number * 360 / COUNT, fillcolor=(90, 120, 60)).resize(sides)
        content = io.BytesIO()
        turned.save(content, "PNG")
        bodies.append({"image": base64.b64encode(content.getvalue()).decode(), **more})
    return bodies


def build_sounds() -> list[Body]:
    """Return the sound of the example `whisper`, as far as its first words, and whole."""
    samples, rate = soundfile.read(_EXAMPLES / "whisper" / "sample.flac", dtype="float32")
    bodies: list[Body] = []
    for number in range(COUNT):
        content = io.BytesIO()
        end = len(samples) * (number + COUNT) // (2 * COUNT - 1)
        soundfile.write(content, samples[:end], rate, format="WAV", subtype="FLOAT")
        bodies.append({"audio": base64.b64encode(content.getvalue()).decode()})
    return bodies


def build_tensors() -> list[Body]:
    """Return one to five examples of two inputs."""
    draw = np.random.default_rng(5)
    return [
        {
            "inputs": {
                name: draw.standard_normal((1 + number % 5, width), np.float32).tolist()
                for name, width in (("x", 4), ("y", 2))
            }
        }
        for number in range(COUNT)
    ]


def build_machines() -> list[Body]:
    """Return readings for the Keras example."""
    draw = np.random.default_rng(5)
    middle, spread = (70, 3, 6, 60, 10_000), (12, 1.6, 0.8, 23, 5000)
    return [
        {"features": draw.normal(middle, spread, (1 + number % 5, 5)).round(2).tolist()}
        for number in range(COUNT)
    ]


def read_completion(_body: Body, answer: Any) -> Said:
    """Text, and the log probability of each token."""
    (choice,) = answer["choices"]
    return Said((choice["text"].strip(),), tuple(choice["logprobs"]["token_logprobs"]))


def read_vector(_body: Body, answer: Any) -> Said:
    """The vector."""
    return Said(numbers=tuple(answer["embedding"]))


def read_labels(_body: Body, answer: Any) -> Said:
    """All labels, the best first."""
    return say_labels(answer["top"])


def read_ranking(_body: Body, answer: Any) -> Said:
    """Scores in the order of the documents."""
    scores = {one["index"]: one["relevance_score"] for one in answer["results"]}
    return Said(numbers=tuple(scores[index] for index in sorted(scores)))


def read_candidates(_body: Body, answer: Any) -> Said:
    """The candidates of the only mask."""
    (found,) = answer["masks"]
    return Said(tuple(one["token"] for one in found), tuple(one["score"] for one in found))


def read_entities(_body: Body, answer: Any) -> Said:
    """Entities with their places."""
    found = answer["entities"]
    texts = tuple(f"{x['entity_group']} {x['word']} {x['start']} {x['end']}" for x in found)
    return Said(texts, tuple(one["score"] for one in found))


def read_label_ranking(_body: Body, answer: Any) -> Said:
    """The labels of the request, the best first."""
    return say_labels(answer["labels"])


def read_span(_body: Body, answer: Any) -> Said:
    """The answer, its place and its chance."""
    place = f"{answer['start']} {answer['end']}"
    return Said((answer["answer"], place), (answer["score"],))


def read_text(_body: Body, answer: Any) -> Said:
    """The text alone."""
    return Said((answer["text"],))


def read_objects(body: Body, answer: Any) -> Said:
    """Objects, the surest first; boxes as shares of the picture's sides."""
    width, height = read_picture(body["image"]).size
    found = answer["objects"]
    sides = {"xmin": width, "ymin": height, "xmax": width, "ymax": height}
    boxes = [one["box"][side] / length for one in found for side, length in sides.items()]
    return Said(tuple(one["label"] for one in found), (*(one["score"] for one in found), *boxes))


def read_outputs(_body: Body, answer: Any) -> Said:
    """Tensors by name."""
    return say_tensors(answer["outputs"])
