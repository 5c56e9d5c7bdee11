"""The examples' models are as good as they say, and answer as their manifests are served."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from examples.questions import QUESTIONS, check, encode_body
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1.spec import Model
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.warmup import warm_up
from tests.support.runtime_server import build_client
from tests.support.tiny_models import running

EXAMPLES = Path(__file__).parents[3] / "examples"
#: Options for make.py where training in full takes more than a few seconds.
QUICK = {"fill-mask": ("--steps", "60"), "translator": ("--steps", "120")}
#: Those of smollm2 and sentiment take their time, and are asked elsewhere.
ASKED = ("fill-mask", "keras-classifier", "translator", "shapes", "whisper", "minilm")

# As it predicts, Keras makes arrays of torch's tensors in a way that numpy will want otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def read_model(name):
    """What the example's manifest says of the model."""
    manifest = EXAMPLES / name.replace("-", "_") / "modeldeployment.yaml"
    return Model.model_validate(yaml.safe_load(manifest.read_text())["spec"]["model"])


@pytest.fixture
def made(name, make_example):
    """An example's folder, and what was printed; made here, since no test is given the time."""
    return make_example(name.replace("-", "_"), *QUICK.get(name, ()))


@pytest.mark.parametrize("name", ASKED)
async def test_question_is_answered(name, made):
    folder, _ = made
    model = read_model(name)
    wanted = {
        "task": model.task,
        "format": model.format,
        "entrypoint": model.entrypoint,
        "allow_code": model.allow_code,
    }
    async with running(folder, **wanted) as engine:
        await warm_up(engine)
        life = Lifecycle(ServingConfig(model_name=name))
        life.finish_load(engine, seconds=0)
        life.finish_warmup(seconds=0, total_seconds=None)
        async with build_client(life=life) as client:
            for question in QUESTIONS[name]:
                content, media_type = encode_body(name, question)
                response = await client.post(
                    question.path, content=content, headers={"content-type": media_type}
                )
                assert check(question, response)


MEASURED = {
    "fill-mask": (r"five, after: (\d+) of 40", 14),
    "keras-classifier": (r"the network, .* F1 0\.(\d+)", 780),
    "translator": (r"numbers: (\d+) of 200", 190),
    "shapes": (r"held-out pictures: (\d+)\.\d%", 95),
}


@pytest.mark.parametrize("name", MEASURED)
def test_held_out_part_is_mostly_right(name, made):
    pattern, least = MEASURED[name]
    _, printed = made
    found = re.search(pattern, printed)
    assert found, printed
    assert int(found[1]) >= least


def test_sentences_of_fill_mask_are_no_patterns_that_it_learned():
    patterns = (EXAMPLES / "fill_mask" / "patterns.txt").read_text().splitlines()
    with (EXAMPLES / "fill_mask" / "sentences.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    filled = [
        row["text"].replace("[MASK]", word).lower() for row in rows for word in row["right"].split()
    ]
    learned = [text for text in filled if any(re.search(pattern, text) for pattern in patterns)]
    assert learned == []
