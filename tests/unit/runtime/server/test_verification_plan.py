"""What is declared, read before anything is loaded: what is a verification, and what is none."""

import json
import math
from pathlib import Path

import pytest
import yaml

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Verify
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.verification import Reply, judge, parse_plan

ONE = {"path": "$.a", "equals": 1}
CORRECT = "spec.update.verify (without Kubernetes, the file of `modelyard serve --verify`)"


def plan_of(*expect, path="/predict"):
    document = {"request": {"path": path, "body": {}}, "expect": list(expect)}
    return parse_plan(Verify.model_validate_json(json.dumps(document)))


INVALID = [
    pytest.param(
        {"path": "$.[", "equals": 1},
        'expect[1].path: "$.[" is no JSONPath of RFC 9535: expected a shorthand selector',
        id="no JSONPath",
    ),
    pytest.param(
        {"path": "label", "equals": 1},
        'expect[1].path: "label" is no JSONPath of RFC 9535: '
        "expected 'TOKEN_ROOT', found 'TOKEN_NAME'",
        id="a JSONPath without its root",
    ),
    pytest.param(
        {"path": "$.a | $.b", "equals": 1},
        "expect[1].path: \"$.a | $.b\" is no JSONPath of RFC 9535: unexpected token '|'",
        id="an extension of the library",
    ),
    pytest.param(
        {"path": f"$[?@.a=={'9' * 400}]", "equals": 1},
        f'expect[1].path: "$[?@.a=={"9" * 191}… (411 characters) is no JSONPath of RFC 9535: '
        "cannot convert float infinity to integer",
        id="a number too large for the library",
    ),
    pytest.param(
        {"path": "$.a", "matches": "(a"},
        "expect[1].matches: /(a/ is no regular expression: "
        "missing ), unterminated subpattern at position 0",
        id="no regular expression",
    ),
    pytest.param(
        {"path": "$.a", "matches": "a{99999999999}"},
        "expect[1].matches: /a{99999999999}/ is no regular expression: "
        "the repetition number is too large",
        id="a repetition too large",
    ),
    pytest.param(
        {"path": "$.a"},
        "expect[1]: give exactly one of equals (anything but null), matches and number",
        id="nothing is demanded",
    ),
    pytest.param(
        {"path": "$.a", "equals": None},
        "expect[1]: give exactly one of equals (anything but null), matches and number",
        id="null is demanded",
    ),
    pytest.param(
        {"path": "$.a", "matches": "a", "number": 1},
        "expect[1]: give exactly one of equals (anything but null), matches and number",
        id="two things are demanded",
    ),
    pytest.param(
        {"path": "$.a", "number": math.inf},
        "expect[1]: inf ± 0.0 is not finite",
        id="infinity is demanded",
    ),
]


@pytest.mark.parametrize(("expectation", "problem"), INVALID)
def test_what_cannot_be_read_is_named(expectation, problem):
    with pytest.raises(CannotStart) as caught:
        plan_of(ONE, expectation)
    assert (caught.value.reason, caught.value.message, caught.value.hint) == (
        Reason.CONFIG_INVALID,
        f"update.verify: {problem}",
        f"Correct {CORRECT}.",
    )


@pytest.mark.parametrize("path", ["", "predict", "http://elsewhere/predict", "/predict?a=1", "/ü"])
def test_a_request_goes_to_a_path_of_the_runtime(path):
    with pytest.raises(CannotStart) as caught:
        plan_of(ONE, path=path)
    assert caught.value.message == (
        f"update.verify: request.path: {path!r} is no path such as /predict"
    )


def test_to_expect_nothing_is_a_mistake():
    with pytest.raises(CannotStart) as caught:
        plan_of()
    assert caught.value.message == (
        "update.verify: expect: it is empty, so that any answer would do"
    )


def test_the_example_of_the_documentation_can_be_read():
    page = (Path(__file__).parents[4] / "docs/updates.md").read_text()
    example = page.partition("## Verify")[2].partition("```yaml")[2].partition("```")[0]
    spec = yaml.safe_load(example)["spec"]
    plan = parse_plan(Verify.model_validate(spec["update"]["verify"]))
    judge(plan, Reply(200, "application/json", b'{"label": "POSITIVE", "score": 0.985}'))
