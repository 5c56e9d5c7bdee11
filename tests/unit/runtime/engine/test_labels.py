"""Columns of numbers get the names of a classifier's classes."""

import numpy as np
import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.labels import find_labels
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.folder import ModelFolder


def folder(tmp_path, **documents):
    files = {f"{name}.json": content for name, content in documents.items()}
    return ModelFolder(tmp_path, tuple(files), files, {}, {})


def rank(found, **outputs):
    labels, scores = found.rank({name: np.array(rows) for name, rows in outputs.items()})
    return labels, pytest.approx(scores)


NAMES = {"config": {"id2label": {"10": "c", "0": "a", "1": "b"}}}


@pytest.mark.parametrize(
    ("documents", "output", "rows", "expected"),
    [
        pytest.param(
            {"labels": ["a", "b", "c"]},
            "scores",
            [[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]],
            (["b", "a"], [0.7, 0.5]),
            id="chances",
        ),
        pytest.param(
            {"labels": ["no", "yes"]},
            "chance",
            [[0.9], [0.2]],
            (["yes", "no"], [0.9, 0.8]),
            id="one chance, of the second label",
        ),
        pytest.param(
            {"labels": ["a", "b"]},
            "logits",
            [[0.0, 0.0], [0.0, np.log(3)]],
            (["a", "b"], [0.5, 0.75]),
            id="logits",
        ),
        pytest.param(
            {"labels": ["no", "yes"]},
            "logits",
            [[np.log(3)], [-1000.0]],
            (["yes", "no"], [0.75, 1.0]),
            id="one logit",
        ),
        pytest.param(
            NAMES, "logits", [[0.0, 0.0, 50.0]], (["c"], [1.0]), id="names of a configuration"
        ),
    ],
)
def test_the_best_label_of_each_row_is_told(tmp_path, documents, output, rows, expected):
    outputs = {"hidden": np.zeros((1, 7, 3)), output: np.array(rows[:1])}
    found = find_labels(folder(tmp_path, **documents), outputs)
    assert rank(found, **{output: rows}) == expected


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param({}, id="no names"),
        pytest.param({"config": {"id2label": {"0": "a", "1": "b"}}}, id="names of another head"),
        pytest.param({"config": {"id2label": ["a"]}}, id="names without numbers"),
    ],
)
def test_without_names_that_fit_there_are_no_labels(tmp_path, documents):
    assert find_labels(folder(tmp_path, **documents), {"y": np.zeros((1, 3))}) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b"], r"has 2 labels, and no output of the model has as many columns: y \[1, 3\]"),
        ({"a": 1}, "is no list of texts"),
        ([], "is no list of texts"),
        ([1, 2, 3], "is no list of texts"),
    ],
)
def test_names_that_are_given_must_fit(tmp_path, names, message):
    with pytest.raises(CannotStart, match=message) as refused:
        find_labels(folder(tmp_path, labels=names), {"y": np.zeros((1, 3))})
    assert refused.value.reason is Reason.MODEL_UNSUPPORTED
