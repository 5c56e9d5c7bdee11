"""Tasks over texts: which items a body becomes, what is answered, and what is refused by name."""

import functools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.question_answering import Question, Span
from modelyard_runtime.tasks.rewriting import Rewritten
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.table import SPECS
from modelyard_runtime.tasks.token_classification import Entity, Tagged, TextToTag
from modelyard_runtime.tasks.translation import TextToTranslate
from modelyard_runtime.tasks.zero_shot_classification import Ranked, TextToLabel
from tests.support.runtime_server import build_client, build_life
from tests.support.scripted_items import ScriptedItems

BERLIN = {"entity_group": "LOC", "score": 0.5, "word": "berlin", "start": 3, "end": 9}
RESULTS = {
    Task.TOKEN_CLASSIFICATION: Tagged((Entity("LOC", 0.5, "berlin", 3, 9),), tokens=3),
    Task.QUESTION_ANSWERING: Span("Berlin", 0.5, 3, 9, tokens=7),
    Task.SUMMARIZATION: Rewritten("Short.", tokens=7, completion_tokens=2),
    Task.TRANSLATION: Rewritten("Kurz.", tokens=7, completion_tokens=2),
    Task.ZERO_SHOT_CLASSIFICATION: Ranked((("b", 0.75), ("a", 0.25)), tokens=9),
}
ZERO_SHOT = {
    "label": "b",
    "score": 0.75,
    "labels": [{"label": "b", "score": 0.75}, {"label": "a", "score": 0.25}],
}


@functools.cache
def served(task):
    """An engine of that task and its client: building the application takes longer than asking."""
    engine = ScriptedItems(task, RESULTS[task])
    return engine, build_client(engine)


async def post(task, body, path="/predict"):
    engine, client = served(task)
    engine.items.clear()
    answer = await client.post(path, json=body)
    return list(engine.items), answer


@pytest.mark.parametrize(
    ("task", "body", "items", "expected"),
    [
        pytest.param(
            Task.TOKEN_CLASSIFICATION,
            {"text": "In Berlin"},
            [TextToTag("In Berlin")],
            {"entities": [BERLIN]},
            id="entities",
        ),
        pytest.param(
            Task.TOKEN_CLASSIFICATION,
            {"text": ["a", "b"]},
            [TextToTag("a"), TextToTag("b")],
            [{"entities": [BERLIN]}, {"entities": [BERLIN]}],
            id="entities of a list",
        ),
        pytest.param(
            Task.QUESTION_ANSWERING,
            {"question": "Where?", "context": "In Berlin."},
            [Question("Where?", "In Berlin.", 15)],
            {"answer": "Berlin", "score": 0.5, "start": 3, "end": 9},
            id="an answer",
        ),
        pytest.param(
            Task.QUESTION_ANSWERING,
            {"question": "Where?", "context": "In Berlin.", "max_answer_tokens": 2},
            [Question("Where?", "In Berlin.", 2)],
            {"answer": "Berlin", "score": 0.5, "start": 3, "end": 9},
            id="a short answer",
        ),
        pytest.param(
            Task.SUMMARIZATION,
            {"text": "a b c"},
            [TextToSummarise("a b c", None)],
            {"text": "Short."},
            id="a summary",
        ),
        pytest.param(
            Task.SUMMARIZATION,
            {"text": ["a", "b"], "max_tokens": 5},
            [TextToSummarise("a", 5), TextToSummarise("b", 5)],
            [{"text": "Short."}, {"text": "Short."}],
            id="short summaries of a list",
        ),
        pytest.param(
            Task.TRANSLATION,
            {"text": "short"},
            [TextToTranslate("short", "", "", None)],
            {"text": "Kurz."},
            id="a translation",
        ),
        pytest.param(
            Task.TRANSLATION,
            {"text": ["short"], "source": "en", "target": "de", "max_tokens": 9},
            [TextToTranslate("short", "en", "de", 9)],
            [{"text": "Kurz."}],
            id="a translation from and into a language",
        ),
        pytest.param(
            Task.ZERO_SHOT_CLASSIFICATION,
            {"text": "x", "labels": ["a", "b"]},
            [TextToLabel("x", ("a", "b"), "This example is {}.", multi_label=False)],
            ZERO_SHOT,
            id="labels of the request",
        ),
        pytest.param(
            Task.ZERO_SHOT_CLASSIFICATION,
            {"text": ["x"], "labels": ["a", "b"], "multi_label": True, "template": "It is {}"},
            [TextToLabel("x", ("a", "b"), "It is {}", multi_label=True)],
            [ZERO_SHOT],
            id="labels by themselves, in a sentence of the request",
        ),
    ],
)
async def test_a_body_becomes_items_and_results_an_answer(task, body, items, expected):
    given, answer = await post(task, body)
    assert (given, answer.status_code, answer.json()) == (items, 200, expected)
    _, own = await post(task, body, SPECS[task].route)
    assert own.json() == expected


@pytest.mark.parametrize("task", RESULTS)
async def test_the_example_of_the_documentation_is_a_good_request(task):
    _, answer = await post(task, SPECS[task].example)
    assert answer.status_code == 200


GOOD = {
    Task.TOKEN_CLASSIFICATION: {"text": "x"},
    Task.QUESTION_ANSWERING: {"question": "x", "context": "y"},
    Task.SUMMARIZATION: {"text": "x"},
    Task.TRANSLATION: {"text": "x"},
    Task.ZERO_SHOT_CLASSIFICATION: {"text": "x", "labels": ["a", "b"]},
}
REFUSED = {
    Task.TOKEN_CLASSIFICATION: [
        ({"text": 1}, "text"),
        ({"text": []}, "text"),
        ({"aggregation_strategy": "first"}, "aggregation_strategy"),
    ],
    Task.QUESTION_ANSWERING: [
        ({"question": ["x"]}, "question"),
        ({"context": None}, "context"),
        ({"max_answer_tokens": 0}, "max_answer_tokens"),
        ({"max_answer_tokens": 101}, "max_answer_tokens"),
        ({"max_answer_tokens": True}, "max_answer_tokens"),
        ({"text": "x"}, "text"),
    ],
    Task.SUMMARIZATION: [
        ({"text": True}, "text"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"target": "de"}, "target"),
    ],
    Task.TRANSLATION: [
        ({"text": ["x"] * 2049}, "text"),
        ({"source": ""}, "source"),
        ({"target": 1}, "target"),
        ({"target": "x" * 33}, "target"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"src_lang": "en"}, "src_lang"),
    ],
    Task.ZERO_SHOT_CLASSIFICATION: [
        ({"text": ["x"] * 2048, "labels": ["a", "b", "c"]}, "text"),
        ({"text": {}}, "text"),
        ({"labels": "a"}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": ["a"] * 101}, "labels"),
        ({"labels": ["a", ""]}, "labels[1]"),
        ({"labels": ["a", 1]}, "labels[1]"),
        ({"multi_label": 1}, "multi_label"),
        ({"template": "no place"}, "template"),
        ({"template": "{} {}"}, "template"),
        ({"template": "{0.__class__}"}, "template"),
        ({"candidate_labels": ["a"]}, "candidate_labels"),
    ],
}


@pytest.mark.parametrize(
    ("task", "changes", "field"),
    [(task, changes, field) for task, cases in REFUSED.items() for changes, field in cases],
)
async def test_what_is_wrong_is_named(task, changes, field):
    items, answer = await post(task, GOOD[task] | changes)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"], items) == (400, field, [])
    assert field in error["message"]


@pytest.mark.parametrize(("task", "field"), [(t, f) for t, body in GOOD.items() for f in body])
async def test_what_is_missing_is_named(task, field):
    _, answer = await post(task, {name: GOOD[task][name] for name in GOOD[task].keys() - {field}})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("task", GOOD)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
async def test_whatever_is_sent_is_answered_or_refused(task, data):
    names = list(SPECS[task].request.model_fields)
    changes = data.draw(st.dictionaries(st.sampled_from(names), values, min_size=1))
    _, answer = await post(task, GOOD[task] | changes)
    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        assert re.split(r"[.\[]", answer.json()["error"]["field"])[0] in changes


async def test_what_the_engine_refuses_names_the_field():
    fault = InvalidRequest("the context is empty", param="context")
    async with build_client(ScriptedItems(Task.QUESTION_ANSWERING, fault)) as client:
        answer = await client.post("/predict", json=GOOD[Task.QUESTION_ANSWERING])
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "context")


async def test_what_is_generated_is_counted_beside_what_is_read():
    engine = ScriptedItems(Task.TRANSLATION, RESULTS[Task.TRANSLATION])
    life = build_life(engine)
    metrics = Metrics(life)
    service = InferenceService(life, metrics, routes={})
    await service.run(Task.TRANSLATION, [TextToTranslate("short"), TextToTranslate("long")])
    counted = re.findall(
        r'^modelyard_tokens_total\{kind="(\w+)"\} (.+)$', metrics.render().decode(), re.MULTILINE
    )
    assert dict(counted) == {"prompt": "14.0", "completion": "4.0"}


@pytest.mark.parametrize("task", RESULTS)
async def test_the_documentation_has_the_request_the_answer_and_the_example(task):
    spec = SPECS[task]
    _, client = served(task)
    document = (await client.get("/openapi.json")).json()
    for path in ("/predict", spec.route):
        does = document["paths"][path]["post"]
        body = does["requestBody"]["content"]["application/json"]
        assert body["schema"] == {"$ref": f"#/components/schemas/{spec.request.__name__}"}
        answer = does["responses"]["200"]["content"]["application/json"]["schema"]
        assert f"#/components/schemas/{spec.answer.__name__}" in str(answer)
        assert spec.example in (body.get("example"), *_examples(body))


def _examples(body):
    return [example["value"] for example in body.get("examples", {}).values()]
