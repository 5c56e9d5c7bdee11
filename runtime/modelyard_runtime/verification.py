"""What the answer to the declared verification request must be, and in what it differs. Pure."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from jsonpath import JSONPathEnvironment, JSONPathError

from modelyard_api.durations import format_seconds
from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Expectation, Verify, VerifyRequest
from modelyard_runtime.comparing import is_equal, is_near
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.excerpts import excerpt, excerpt_text

#: Characters for what was expected and found, all failures together: with the rest of the report,
#: they fit into a termination message.
_ROOM = 2400
_MAX_EXCERPT = 200

#: As the CRD has it; a file given to `modelyard serve` has not passed there.
_PATH = re.compile(r"/[A-Za-z0-9/_.:-]*")

_OK = 200
_SERVER_FAULT = 500

_CORRECT = "spec.update.verify (without Kubernetes, the file of `modelyard serve --verify`)"


#: Says something of a value in so many characters.
_Words = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Check:
    """One value of the answer: where it is, whether it is as it must be, and how that is said."""

    path: str
    select: Callable[[Any], list[Any]]
    holds: Callable[[Any], bool]
    expected: _Words


@dataclass(frozen=True, slots=True)
class Plan:
    """A verification that can be carried out."""

    request: VerifyRequest
    timeout_seconds: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    media_type: str
    body: bytes


def parse_plan(verify: Verify) -> Plan:
    """Read what is declared.

    Raises:
        CannotStart: a JSONPath, a regular expression or a number is none.
    """
    if not _PATH.fullmatch(verify.request.path):
        raise _invalid("request.path", f"{verify.request.path!r} is no path such as /predict")
    if not verify.expect:
        raise _invalid("expect", "it is empty, so that any answer would do")
    return Plan(
        request=verify.request,
        timeout_seconds=verify.timeout_seconds,
        checks=tuple(_parse_check(one, f"expect[{i}]") for i, one in enumerate(verify.expect)),
    )


def judge(plan: Plan, reply: Reply) -> None:
    """Return if the reply is as expected.

    Raises:
        CannotStart: it is not; the message names all differences.
    """
    text = excerpt_text(reply.body.decode(errors="replace"), _MAX_EXCERPT)
    if reply.media_type.startswith("text/event-stream"):
        raise _failed(
            f"{_name(plan)} was answered with a stream, expected one JSON document",
            hint="Leave `stream` out of spec.update.verify.request.body.",
        )
    if reply.status != _OK:
        raise _failed(
            f"{_name(plan)} was answered with status {reply.status}, expected {_OK}: {text}",
            hint="The model failed as it would for any client; the log has the details."
            if reply.status >= _SERVER_FAULT
            else f"Any client would be refused so; correct the request in {_CORRECT}.",
        )
    try:
        answer = orjson.loads(reply.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict | list):
        raise _failed(f"{_name(plan)} was answered with no JSON object or list: {text}")
    failures = find_failures(plan.checks, answer)
    if failures:
        raise _failed(f"the answer to {_name(plan)} is not as expected: {'; '.join(failures)}")


def explain_missing_reply(plan: Plan) -> CannotStart:
    """Return the fault of a model that did not answer in time."""
    return _failed(
        f"{_name(plan)} was not answered within {format_seconds(plan.timeout_seconds)}",
        hint="Ask for less (max_tokens), give the model more CPU or a GPU, "
        "or raise spec.update.verify.timeout.",
    )


def explain_endless_comparison(plan: Plan, seconds: float) -> CannotStart:
    """Return the fault of expectations that cannot be judged in any sensible time."""
    return _failed(
        f"the answer to {_name(plan)} was not compared within {format_seconds(seconds)}",
        hint="A regular expression that repeats what is repeated, such as (a+)+, may search for "
        f"ever; write it without, in {_CORRECT}.",
    )


def find_failures(checks: Sequence[Check], answer: Any) -> list[str]:
    """Return one sentence for each expectation that does not hold; `answer` is object or list."""
    broken = [(check, found) for check in checks if (found := _find_failure(check, answer))]
    room = min(_MAX_EXCERPT, _ROOM // (3 * max(len(broken), 1)))
    return [
        f"{excerpt_text(check.path, room)} {found(room)}, expected {check.expected(room)}"
        for check, found in broken
    ]


def _find_failure(check: Check, answer: Any) -> _Words | None:
    """Return what was found instead."""
    try:
        found = check.select(answer)
    except JSONPathError as error:
        reason = str(error.message)
        return lambda room: f"cannot be followed: {excerpt_text(reason, room)}"
    match found:
        case []:
            return lambda room: f"selects nothing in {excerpt(answer, room)}"
        case [value]:
            if check.holds(value):
                return None
            return lambda room: f"is {excerpt(value, room)}"
        case _:
            return lambda room: (
                f"selects more than one value, first {excerpt(found[0], room // 2)} "
                f"and {excerpt(found[1], room // 2)}"
            )


def _parse_check(expectation: Expectation, field: str) -> Check:
    holds, expected = _parse_demand(expectation, field)
    return Check(
        path=expectation.path,
        select=_parse_path(expectation.path, f"{field}.path"),
        holds=holds,
        expected=expected,
    )


def _parse_path(path: str, field: str) -> Callable[[Any], list[Any]]:
    try:
        query = JSONPathEnvironment(strict=True).compile(path)
    # The library lets numbers that are too large for it through to Python's own errors.
    except (JSONPathError, ArithmeticError, RecursionError, ValueError) as error:
        reason = error.message if isinstance(error, JSONPathError) else error
        raise _invalid(
            field, f"{excerpt(path, _MAX_EXCERPT)} is no JSONPath of RFC 9535: {reason}"
        ) from error
    # Two are enough to know that it is not one.
    return lambda answer: [match.obj for match in islice(query.finditer(answer), 2)]


def _parse_demand(expectation: Expectation, field: str) -> tuple[Callable[[Any], bool], _Words]:
    match expectation:
        case Expectation(equals=wanted, matches=None, number=None) if wanted is not None:
            return lambda value: is_equal(value, wanted), lambda room: excerpt(wanted, room)
        case Expectation(equals=None, matches=str(pattern), number=None):
            return _parse_pattern(pattern, f"{field}.matches")
        case Expectation(equals=None, matches=None, number=float(number), tolerance=tolerance):
            if not (math.isfinite(number) and math.isfinite(tolerance)):
                raise _invalid(field, f"{number} ± {tolerance} is not finite")
            spread = f" ± {tolerance:.15g}" if tolerance else ""
            expected = f"the number {number:.15g}{spread}"
            return lambda value: is_near(value, number, tolerance), lambda _: expected
        case _:
            raise _invalid(
                field, "give exactly one of equals (anything but null), matches and number"
            )


def _parse_pattern(pattern: str, field: str) -> tuple[Callable[[Any], bool], _Words]:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        shown = excerpt_text(pattern, _MAX_EXCERPT)
        raise _invalid(field, f"/{shown}/ is no regular expression: {error}") from error
    return (
        lambda value: isinstance(value, str) and compiled.search(value) is not None,
        lambda room: f"a text in which /{excerpt_text(pattern, room)}/ is found",
    )


def _invalid(field: str, problem: str) -> CannotStart:
    message = excerpt_text(f"update.verify: {field}: {problem}", 3 * _MAX_EXCERPT)
    return CannotStart(Reason.CONFIG_INVALID, message, hint=f"Correct {_CORRECT}.")


def _failed(message: str, *, hint: str = "") -> CannotStart:
    return CannotStart(
        Reason.VERIFICATION_FAILED,
        message,
        hint=hint
        or f"If the answer is right, correct {_CORRECT}; if not, spec.model. "
        "`modelyard serve DIR --verify FILE` tries both without a cluster.",
    )


def _name(plan: Plan) -> str:
    return f"POST {excerpt_text(plan.request.path, _MAX_EXCERPT)}"
