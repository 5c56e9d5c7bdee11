"""Models of Keras answer as Keras does, from both of its files."""

import asyncio
import os

import numpy as np
import pytest

from modelyard_runtime.tasks.predict import TensorInput
from tests.support.tiny_models import running

# As it saves and predicts, Keras makes arrays of torch's tensors in a way that numpy will want
# otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CROWD = 16


@pytest.fixture(scope="module")
def keras():
    """Imported where it is used, since that takes seconds; it reads the environment then."""
    os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": os.devnull}
    import keras  # noqa: PLC0415 - see above

    return keras


@pytest.fixture(scope="module")
def classifier(keras):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid", name="chance"),
        ]
    )


@pytest.fixture(scope="module")
def folders(classifier, tmp_path_factory):
    made = {}
    for suffix in ("keras", "h5"):
        made[suffix] = tmp_path_factory.mktemp(suffix)
        classifier.save(made[suffix] / f"model.{suffix}")
        (made[suffix] / "labels.json").write_text('["no", "yes"]')
    return made


@pytest.mark.parametrize("suffix", ["keras", "h5"])
async def test_a_crowd_is_answered_as_keras_answers_each_alone(classifier, folders, suffix):
    chance = np.random.default_rng(5)
    asked = [chance.standard_normal((1 + i % 3, 4), dtype=np.float32) for i in range(CROWD)]
    expected = [classifier.predict(rows, verbose=0) for rows in asked]
    async with running(folders[suffix]) as engine:
        (alone,) = await engine.run([TensorInput(asked[0])])
        answers = await asyncio.gather(
            *(engine.run([TensorInput(rows.tolist(), "features")]) for rows in asked)
        )
        info = engine.info
    for (answer,), rows in zip([[alone], *answers], [expected[0], *expected], strict=True):
        assert answer.outputs["chance"] == pytest.approx(rows, abs=1e-4)
        assert answer.label == tuple("yes" if row[0] > 0.5 else "no" for row in rows)
        assert answer.score == pytest.approx([max(row[0], 1 - row[0]) for row in rows], abs=1e-4)
    assert (info.format, info.device, info.dtype) == ("keras", "cpu", "float32")
    assert (info.parameters, info.size_bytes) == (49, 196)


async def test_one_row_of_features_is_answered_without_a_list(classifier, folders):
    row = [0.5, -1.0, 2, 0]
    (expected,) = classifier.predict(np.array([row], np.float32), verbose=0)
    async with running(folders["keras"]) as engine:
        (answer,) = await engine.run([TensorInput(row, "features")])
    assert answer.outputs["chance"] == pytest.approx(expected, abs=1e-4)
    assert answer.label == ("yes" if expected[0] > 0.5 else "no")


async def test_inputs_of_several_lengths_are_answered_by_their_names(keras, tmp_path):
    first = keras.Input((4,), name="a")
    second = keras.Input((None, 3), name="b", dtype="int32")
    mean = keras.layers.GlobalAveragePooling1D()(keras.ops.cast(second, "float32"))
    model = keras.Model({"a": first, "b": second}, {"sum": keras.ops.sum(first, 1), "mean": mean})
    model.save(tmp_path / "model.keras")
    a, b = np.ones((1, 4), np.float32), [np.full((1, n, 3), n, np.int32) for n in (1, 2, 5)]
    async with running(tmp_path) as engine:
        answers = await asyncio.gather(
            *(engine.run([TensorInput({"a": a, "b": each})]) for each in b)
        )
    assert [
        (answer.outputs["sum"].tolist(), answer.outputs["mean"].tolist()) for (answer,) in answers
    ] == [([4.0], [[n, n, n]]) for n in (1, 2, 5)]
