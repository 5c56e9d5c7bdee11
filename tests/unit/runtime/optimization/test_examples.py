"""What an optimised model is asked."""

import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.optimization.examples import (
    Example,
    count_right,
    read_document,
    read_examples,
)
from modelyard_runtime.tasks.fill_mask import Gap
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.table import SPECS
from modelyard_runtime.tasks.text_classification import ClassificationRequest
from modelyard_runtime.tasks.translation import TextToTranslate

SAMPLES = {
    Task.TEXT_CLASSIFICATION: TextInput("Hello"),
    Task.FILL_MASK: Gap("[MASK]"),
    Task.SUMMARIZATION: TextToSummarise("Hello"),
    Task.TRANSLATION: TextToTranslate("Hello"),
}
CLASSIFY = SPECS[Task.TEXT_CLASSIFICATION]


@pytest.mark.parametrize("task", [task for task in SPECS if task is not Task.PREDICT])
def test_every_task_has_requests_of_the_runtimes_own(task):
    spec = SPECS[task]
    examples = read_examples(spec, None, SAMPLES.get(task))
    assert len(examples) >= (1 if task is Task.AUTOMATIC_SPEECH_RECOGNITION else 8)
    assert all(isinstance(example.body, spec.request) for example in examples)
    assert all(spec.to_items(example.body) for example in examples)


def test_a_hidden_word_is_the_models_own_mask():
    first, *_ = read_examples(SPECS[Task.FILL_MASK], None, Gap("<mask>"))
    assert first.body.text == "I enjoyed every minute of it, <mask> I would go again tomorrow."


def test_the_models_own_examples_are_taken_instead():
    document = [
        {"request": {"text": "Lovely."}, "expect": {"label": "good"}},
        {"request": {"text": ["So.", "So so."], "top_k": 1}},
    ]
    assert read_examples(CLASSIFY, document, TextInput("Hello")) == (
        Example(ClassificationRequest(text="Lovely."), {"label": "good"}),
        Example(ClassificationRequest(text=("So.", "So so."), top_k=1), {}),
    )


INVALID = [
    ({}, "it must be a list of 1 to 256 examples"),
    ([], "it must be a list of 1 to 256 examples"),
    ([{"request": {"text": "x"}}] * 257, "it must be a list of 1 to 256 examples"),
    (["x"], 'entry 0 must be an object with "request", a request of the model'),
    ([{"request": "x"}], 'entry 0 must be an object with "request", a request of the model'),
    (
        [{"request": {"text": "x"}, "expected": {}}],
        'entry 0 must have "request" and "expect" only, both objects',
    ),
    (
        [{"request": {"text": "x"}, "expect": "good"}],
        'entry 0 must have "request" and "expect" only, both objects',
    ),
    (
        [{"request": {"text": "x"}}, {"request": {"words": "x"}}],
        "entry 1, request: Missing required parameter: 'text'.",
    ),
    (
        [{"request": {"text": ["x", "y"]}, "expect": {"label": "good"}}],
        'entry 0: "expect" is for a request with one answer',
    ),
    ([{"request": {"text": ["x"] * 17}}], "entry 0 asks for 17 answers; 16 are the most"),
]


@pytest.mark.parametrize(("document", "problem"), INVALID)
def test_what_cannot_be_read_is_named(document, problem):
    with pytest.raises(CannotStart) as caught:
        read_examples(CLASSIFY, document, TextInput("Hello"))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message == (
        f"evaluation.json of the model folder cannot be used: {problem}"
    )


def test_a_folder_without_examples_has_none(tmp_path):
    assert read_document(tmp_path) is None
    (tmp_path / "evaluation.json").write_text("[1]")
    assert read_document(tmp_path) == [1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "it is no JSON ("),
        ("[" * 100_000, "it is no JSON ("),
        (" " * 2**25, "it has 33554432"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, problem):
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(CannotStart) as caught:
        read_document(tmp_path)
    assert problem in caught.value.message


def test_a_text_has_no_right_end():
    document = [{"request": {"text": "2 + 2 ="}, "expect": {"text": "4"}}]
    with pytest.raises(CannotStart, match="a text has no single right end"):
        read_examples(SPECS[Task.TEXT_GENERATION], document, None)


def test_only_examples_that_say_what_is_right_count():
    says, silent = Example("x", {"label": "a"}), Example("y")
    assert count_right([says, silent, says], [True, False, False]) == 0.5
    assert count_right([silent], [False]) is None
