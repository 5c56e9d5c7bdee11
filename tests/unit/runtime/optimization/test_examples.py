"""What an optimised model is asked."""

import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TextInput
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.optimization.examples import Example, count_right, read_examples
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
]


@pytest.mark.parametrize(("document", "problem"), INVALID)
def test_what_cannot_be_read_is_named(document, problem):
    with pytest.raises(CannotStart) as caught:
        read_examples(CLASSIFY, document, TextInput("Hello"))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.message == (
        f"evaluation.json of the model folder cannot be used: {problem}"
    )


def test_a_text_has_no_right_end():
    document = [{"request": {"text": "2 + 2 ="}, "expect": {"text": "4"}}]
    with pytest.raises(CannotStart, match="a text has no single right end"):
        read_examples(SPECS[Task.TEXT_GENERATION], document, None)


def test_only_examples_that_say_what_is_right_count():
    says, silent = Example("x", {"label": "a"}), Example("y")
    assert count_right([says, silent, says], [True, False, False]) == 0.5
    assert count_right([silent], [False]) is None
