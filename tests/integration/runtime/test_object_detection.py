"""Objects in pictures are those of transformers' own pipeline."""

import asyncio

import pytest
import torch
import transformers
from transformers import pipeline

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.tasks.object_detection import Scene
from tests.support.media_files import draw, save
from tests.support.runtime_server import build_client
from tests.support.tiny_models import edit_json, running

LABELS = {number: f"kind {number}" for number in range(4)}
#: Of several shapes, so that a crowd does not fit into one batch.
PICTURES = [draw(40 + 20 * (seed % 3), 40 + 15 * (seed % 2), seed=seed) for seed in range(16)]
SIZE = {"shortest_edge": 48, "longest_edge": 80}
THRESHOLD = 0.3


def write_yolos(folder):
    config = transformers.YolosConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=[48, 64],
        patch_size=8,
        num_detection_tokens=6,
        id2label=LABELS,
        initializer_range=0.3,
    )
    processor = transformers.YolosImageProcessorPil(size=SIZE)
    return write(folder, transformers.YolosForObjectDetection(config), processor)


def write_detr(folder):
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage4"],
    )
    config = transformers.DetrConfig(
        backbone_config=backbone,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=6,
        id2label=LABELS,
        init_std=0.5,
    )
    processor = transformers.DetrImageProcessorPil(size=SIZE)
    return write(folder, transformers.DetrForObjectDetection(config), processor)


def write(folder, model, processor):
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[write_yolos, write_detr], ids=["yolos", "detr"])
def model(request, tmp_path_factory):
    torch.manual_seed(7)
    return request.param(tmp_path_factory.mktemp("objects"))


def flatten(label, score, box):
    return label, pytest.approx(score, abs=1e-4), pytest.approx(box, abs=1)


async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(model):
    library = pipeline("object-detection", str(model), device="cpu")
    expected = [
        sorted(library(picture, threshold=THRESHOLD), key=lambda found: -found["score"])
        for picture in PICTURES
    ]
    async with running(model) as engine:
        assert engine.info.task == "object-detection"
        crowd = await asyncio.gather(
            *(engine.run([Scene(save(picture), THRESHOLD)]) for picture in PICTURES)
        )
        alone = await engine.run([Scene(save(PICTURES[3]), THRESHOLD)])
    for (answer,), objects in zip([*crowd, alone], [*expected, expected[3]], strict=True):
        assert [(one.label, one.score, one.box) for one in answer.objects] == [
            flatten(one["label"], one["score"], tuple(one["box"].values())) for one in objects
        ]
    assert sum(len(objects) for objects in expected) > 16
    assert len({round(one["score"], 3) for objects in expected for one in objects}) > 12


async def test_the_answer_has_boxes_by_name(model):
    async with running(model) as engine, build_client(engine) as client:
        file = {"content": save(PICTURES[0]), "headers": {"content-type": "image/png"}}
        everything = await client.post("/predict", params={"threshold": "0"}, **file)
        nothing = await client.post("/object-detection", params={"threshold": "1"}, **file)
        wrong = await client.post("/predict", params={"threshold": "1.5"}, **file)
    objects = everything.json()["objects"]
    assert [set(one) for one in objects] == [{"label", "score", "box"}] * 6
    assert list(objects[0]["box"]) == ["xmin", "ymin", "xmax", "ymax"]
    assert [one["score"] for one in objects] == sorted(
        (one["score"] for one in objects), reverse=True
    )
    assert nothing.json() == {"objects": []}
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "threshold")


async def test_a_backbone_of_another_library_is_not_supported(tmp_path):
    folder = write_detr(tmp_path)
    edit_json(
        folder / "config.json",
        backbone_config={"model_type": "timm_backbone", "backbone": "resnet50"},
    )
    with pytest.raises(CannotStart, match="needs a library that this runtime does not") as caught:
        async with running(folder):
            pass
    assert caught.value.reason == "ModelUnsupported"
