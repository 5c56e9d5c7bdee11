"""Labels of pictures are those of transformers' own pipeline."""

import asyncio
import shutil
from base64 import b64encode

import pytest
import torch
from transformers import pipeline

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.tasks.media import Picture
from tests.support.media_files import save, write_blank_png
from tests.support.picture_models import PICTURES, write_resnet, write_vit
from tests.support.runtime_server import build_client
from tests.support.tiny_models import running


@pytest.fixture(scope="module", params=[write_vit, write_resnet], ids=["vit", "resnet"])
def model(request, tmp_path_factory):
    torch.manual_seed(7)
    return request.param(tmp_path_factory.mktemp("pictures"))


async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(model):
    library = pipeline("image-classification", str(model), device="cpu", top_k=5)
    expected = [{one["label"]: one["score"] for one in library(picture)} for picture in PICTURES]
    items = [Picture(save(picture)) for picture in PICTURES]
    async with running(model) as engine:
        assert engine.info.task == "image-classification"
        crowd = await asyncio.gather(*(engine.run([item]) for item in items))
        alone = await engine.run([items[3]])
    for (answer,), scores in zip([*crowd, alone], [*expected, expected[3]], strict=True):
        assert list(answer.scores) == list(scores)
        assert dict(answer.scores) == pytest.approx(scores, abs=1e-4)
        assert answer.tokens == 0
    # Were answers mixed up, it would show.
    assert len({round(scores["kind 0"], 3) for scores in expected}) > 12


async def test_a_hostile_picture_harms_nobody(model):
    good, bomb = save(PICTURES[0]), write_blank_png(30_000, 30_000)
    async with running(model) as engine, build_client(engine) as client:

        async def post(*files):
            return await client.post(
                "/predict", json={"image": [b64encode(file).decode() for file in files]}
            )

        before, refused, cut, after = await asyncio.gather(
            post(good), post(good, bomb), post(good[:200]), post(good)
        )
    assert before.json() == after.json()
    assert [answer.status_code for answer in (before, refused, cut)] == [200, 400, 400]
    assert refused.json()["error"] == {
        "code": "invalid_value",
        "message": "input 1: a picture of 30000 x 30000 pixels is too large; at most 40000000 "
        "pixels are taken",
        "field": "image",
    }
    assert cut.json()["error"]["field"] == "image"


async def test_a_folder_without_its_processor_cannot_start(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CannotStart, match=r"has no preprocessor_config\.json, which") as caught:
        async with running(folder):
            pass
    assert caught.value.reason == "ModelNotFound"
