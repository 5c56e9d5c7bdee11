"""What the libraries themselves make of pictures, sounds and tensors: one request at a time.

Oracles as those of bench/equality_texts.py.
"""

import base64
import importlib.util
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile
import torch
import transformers

from bench import small_models
from bench.equality_answers import (
    Body,
    Said,
    build_pipeline,
    each,
    read_picture,
    say_labels,
    say_tensors,
)


def classify_pictures(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Labels of the pipeline for pictures, the best first."""
    ask = build_pipeline("image-classification", folder, top_k=100)
    return each(lambda body: say_labels(ask(read_picture(body["image"]))), bodies)


def detect(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Objects above the threshold, surest first; boxes as shares of the picture's sides.

    Not by the pipeline, which cuts boxes to whole pixels.
    """
    load: Any = transformers.AutoModelForObjectDetection.from_pretrained
    processor = transformers.YolosImageProcessorPil.from_pretrained(folder)
    model = load(folder).eval()

    def answer(body: Body) -> Said:
        picture = read_picture(body["image"])
        output = model(**processor(images=picture, return_tensors="pt"))
        (found,) = processor.post_process_object_detection(
            output, threshold=body["threshold"], target_sizes=[(picture.height, picture.width)]
        )
        order = found["scores"].argsort(descending=True)
        labels = [model.config.id2label[number] for number in found["labels"][order].tolist()]
        sides = torch.tensor([picture.width, picture.height] * 2)
        boxes = (found["boxes"][order] / sides).flatten().tolist()
        return Said(tuple(labels), (*found["scores"][order].tolist(), *boxes))

    return each(answer, bodies)


def transcribe(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Texts of the pipeline for speech."""
    ask = build_pipeline("automatic-speech-recognition", folder, dtype=torch.float32)

    def answer(body: Body) -> Said:
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(body["audio"])), dtype="float32")
        settings = {"num_beams": 1, "do_sample": False}
        told = ask({"raw": samples, "sampling_rate": rate}, generate_kwargs=settings)
        return Said((told["text"].strip(),))

    return each(answer, bodies)


def run_torch(_folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Outputs of the module itself."""
    module = small_models.build_mixing()

    def answer(body: Body) -> Said:
        x, y = (torch.tensor(body["inputs"][name]) for name in ("x", "y"))
        return say_tensors({name: array.numpy() for name, array in module(x, y).items()})

    return each(answer, bodies)


def run_onnx(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Outputs of onnxruntime."""
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]

    def answer(body: Body) -> Said:
        arrays = {name: np.array(rows, np.float32) for name, rows in body["inputs"].items()}
        return say_tensors(dict(zip(names, session.run(names, arrays), strict=True)))

    return each(answer, bodies)


def run_keras(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """What Keras predicts."""
    os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": os.devnull}
    import keras  # noqa: PLC0415 - it reads the environment then

    (path,) = folder.glob("model.*")
    model = keras.saving.load_model(path, compile=False)
    name = model.layers[-1].name

    def answer(body: Body) -> Said:
        rows = np.array(body["features"], np.float32)
        return say_tensors({name: model.predict(rows, verbose=0)})

    return each(answer, bodies)


def run_translator(folder: Path, bodies: Sequence[Body]) -> list[Said]:
    """Texts of the class that the folder brings, with its weights, in this process."""
    spec: Any = importlib.util.spec_from_file_location("translator", folder / "translator.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.Translator(**json.loads((folder / "config.json").read_text()))
    model.load_state_dict(torch.load(folder / "model.pth", weights_only=True))
    model.eval()
    return each(lambda body: Said(tuple(model.predict([body["text"]]))), bodies)
