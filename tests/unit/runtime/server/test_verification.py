"""What is declared, and what an answer makes of it: tables."""

import json

import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Verify
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.verification import Reply, find_failures, judge, parse_plan

ANSWER = {
    "label": "POSITIVE",
    "score": 0.98,
    "count": 3,
    "flag": True,
    "none": None,
    "text": "Zürich, 日本\nsecond line",
    "top": [{"label": "POSITIVE", "score": 0.98}, {"label": "NEGATIVE", "score": 0.02}],
    "weird key": {"ключ": 1},
}


def plan_of(*expect, path="/predict", **changes):
    document = {"request": {"path": path, "body": {"text": "a"}}, "expect": list(expect), **changes}
    return parse_plan(Verify.model_validate_json(json.dumps(document)))


def failures(*expect, answer=ANSWER):
    return find_failures(plan_of(*expect).checks, answer)


HOLDS = [
    pytest.param({"path": "$.label", "equals": "POSITIVE"}, id="a text equals"),
    pytest.param({"path": "$.count", "equals": 3.0}, id="3 equals 3.0"),
    pytest.param({"path": "$.flag", "equals": True}, id="true equals true"),
    pytest.param(
        {"path": "$.top[1]", "equals": {"score": 0.02, "label": "NEGATIVE"}},
        id="an object equals whatever its order",
    ),
    pytest.param({"path": "$['weird key']['ключ']", "equals": 1}, id="a name in any alphabet"),
    pytest.param({"path": "$.top[-1].label", "equals": "NEGATIVE"}, id="from the end of a list"),
    pytest.param(
        {"path": "$.top[?@.label=='NEGATIVE'].score", "number": 0.02}, id="a filter selects one"
    ),
    pytest.param({"path": "$.top[?search(@.label,'^P')].score", "number": 0.98}, id="by search"),
    pytest.param({"path": "$.label", "matches": "^POS"}, id="a text matches somewhere"),
    pytest.param({"path": "$.text", "matches": "日本\\nsecond"}, id="over lines"),
    pytest.param({"path": "$.score", "number": 0.9, "tolerance": 0.08}, id="at the very edge"),
    pytest.param({"path": "$.count", "number": 3}, id="a whole number without tolerance"),
]


@pytest.mark.parametrize("expectation", HOLDS)
def test_it_holds(expectation):
    assert failures(expectation) == []


SHOWN = '{"label": "POSITIVE", "score": 0.98, "count": 3, "flag": true, "none": null, "text": '
SHOWN += '"Zürich, 日本\\nsecond line", "top": [{"label": "POSITIVE", "score": 0.98}, {"label": '
SHOWN += '"NEGATIVE", "score": 0.02}], "we'

FAILS = [
    pytest.param(
        {"path": "$.label", "equals": "NEGATIVE"},
        '$.label is "POSITIVE", expected "NEGATIVE"',
        id="another text",
    ),
    pytest.param({"path": "$.flag", "equals": 1}, "$.flag is true, expected 1", id="true is not 1"),
    pytest.param(
        {"path": "$.count", "equals": "3"}, '$.count is 3, expected "3"', id="3 is not its text"
    ),
    pytest.param(
        {"path": "$.none", "equals": False}, "$.none is null, expected false", id="null is nothing"
    ),
    pytest.param(
        {"path": "$.lable", "equals": "POSITIVE"},
        f"$.lable selects nothing in {SHOWN}… ({len(json.dumps(ANSWER, ensure_ascii=False))} "
        'characters), expected "POSITIVE"',
        id="nothing is selected",
    ),
    pytest.param(
        {"path": "$.top[*].score", "number": 0.98},
        "$.top[*].score selects more than one value, first 0.98 and 0.02, expected the number 0.98",
        id="several values are selected",
    ),
    pytest.param(
        {"path": "$.text", "matches": "^second"},
        '$.text is "Zürich, 日本\\nsecond line", expected a text in which /^second/ is found',
        id="no match",
    ),
    pytest.param(
        {"path": "$.count", "matches": "3"},
        "$.count is 3, expected a text in which /3/ is found",
        id="a number has no text to search",
    ),
    pytest.param(
        {"path": "$.score", "number": 0.9, "tolerance": 0.0799},
        "$.score is 0.98, expected the number 0.9 ± 0.0799",
        id="just outside of the tolerance",
    ),
    pytest.param(
        {"path": "$.flag", "number": 1, "tolerance": 10},
        "$.flag is true, expected the number 1 ± 10",
        id="true is no number",
    ),
    pytest.param(
        {"path": "$.label", "number": 1},
        '$.label is "POSITIVE", expected the number 1',
        id="a text is no number",
    ),
]


@pytest.mark.parametrize(("expectation", "failure"), FAILS)
def test_it_does_not_hold(expectation, failure):
    assert failures(expectation) == [failure]


def test_all_failures_are_told_in_order_and_what_holds_is_not():
    assert failures(
        {"path": "$.label", "equals": "a"},
        {"path": "$.label", "equals": "POSITIVE"},
        {"path": "$.score", "number": 1},
    ) == [
        '$.label is "POSITIVE", expected "a"',
        "$.score is 0.98, expected the number 1",
    ]


def test_huge_values_are_cut():
    expectation = {"path": "$.text", "equals": "b" * 1000}
    assert failures(expectation, answer={"text": "a" * 10**6}) == [
        f'$.text is "{"a" * 199}… (1000002 characters), expected "{"b" * 199}… (1002 characters)'
    ]


def test_sixteen_long_failures_leave_room_for_each():
    expectations = [
        {"path": f"$['{'n' * 400}{number}']", "equals": "e" * 1000} for number in range(16)
    ]
    answer = {f"{'n' * 400}{number}": "a" * 1000 for number in range(16)}
    told = failures(*expectations, answer=answer)
    assert len(told) == 16
    assert len("; ".join(told)) < 3600


def test_a_path_that_cannot_be_followed():
    answer = []
    for _ in range(500):
        answer = [answer]
    assert failures({"path": "$..name", "equals": 1}, answer=answer) == [
        "$..name cannot be followed: recursion limit exceeded, expected 1"
    ]


ONE = {"path": "$.a", "equals": 1}

CORRECT = "spec.update.verify (without Kubernetes, the file of `modelyard serve --verify`)"
EITHER = f"If the answer is right, correct {CORRECT}; if not, spec.model. "
EITHER += "`modelyard serve DIR --verify FILE` tries both without a cluster."
REQUEST = f"Any client would be refused so; correct the request in {CORRECT}."

REPLIES = [
    pytest.param(
        Reply(200, "application/json", b'{"a": 2}'),
        ("the answer to POST /predict is not as expected: $.a is 2, expected 1", EITHER),
        id="another value",
    ),
    pytest.param(
        Reply(404, "application/json", b'{"error": "no \x1b route"}'),
        (
            'POST /predict was answered with status 404, expected 200: {"error": "no \\x1b route"}',
            REQUEST,
        ),
        id="a refusal",
    ),
    pytest.param(
        Reply(500, "application/json", b"{}"),
        (
            "POST /predict was answered with status 500, expected 200: {}",
            "The model failed as it would for any client; the log has the details.",
        ),
        id="a fault of the model",
    ),
    pytest.param(
        Reply(200, "text/event-stream; charset=utf-8", b"data: {}\n\n"),
        (
            "POST /predict was answered with a stream, expected one JSON document",
            "Leave `stream` out of spec.update.verify.request.body.",
        ),
        id="a stream",
    ),
    pytest.param(
        Reply(200, "application/json", b"\xff{"),
        ("POST /predict was answered with no JSON object or list: �{", EITHER),
        id="no JSON",
    ),
    pytest.param(
        Reply(200, "application/json", b'"[a"'),
        ('POST /predict was answered with no JSON object or list: "[a"', EITHER),
        id="a text",
    ),
]


@pytest.mark.parametrize(("reply", "expected"), REPLIES)
def test_another_reply_is_told(reply, expected):
    with pytest.raises(CannotStart) as caught:
        judge(plan_of(ONE), reply)
    fault = caught.value
    assert fault.reason is Reason.VERIFICATION_FAILED
    assert (fault.message, fault.hint) == expected


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": 1.0, "b": null}'])
def test_the_expected_reply_is_good(body):
    judge(plan_of(ONE), Reply(200, "application/json", body))


def test_a_list_can_be_expected():
    expectation = {"path": "$[1].label", "equals": "b"}
    judge(plan_of(expectation), Reply(200, "application/json", b'[{"label": "a"}, {"label": "b"}]'))
