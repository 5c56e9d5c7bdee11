"""Is it ready, since when, why not, and what to do: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from modelyard_api.meta import ANNOTATION_RETRY, RESOURCE, Condition, Reason
from modelyard_api.v1alpha1 import ConditionStatus, StatusCondition
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.text import clean, read_time, tell_age

#: Seconds that an operator at work needs at most to look at a change.
_PATIENCE_SECONDS: Final = 10
_OPERATOR: Final = "kubectl get pods -A -l app.kubernetes.io/name=modelyard-operator"
#: Work goes on by itself.
_UNDER_WAY: Final = frozenset({Reason.STARTING, Reason.ROLLING_OUT})
#: The failed revision is not what serves.
_SET_BACK: Final = frozenset({Reason.ROLLED_BACK, Reason.UPDATE_PAUSED})

_CURES: Final[Mapping[str, str]] = {
    Reason.INVALID: "Correct the field that the message names.",
    Reason.POLICY_FORBIDS: "Ask for less, or ask the platform's administrator.",
    Reason.NAME_TAKEN: "Rename the ModelDeployment, or remove the object that has its name.",
    Reason.GATEWAY_REQUIRED: "Leave out spec.scaling.idleAfter, or ask the platform's "
    "administrator for a gateway.",
    Reason.APPLY_REFUSED: "These are the API server's words: ask for less, or have the quota or "
    "the rule changed.",
    Reason.SOURCE_UNREACHABLE: "The operator asks again by itself, at least every five minutes.",
    Reason.STARTING: "Wait.",
    Reason.ROLLING_OUT: "Wait.",
    Reason.ROLLED_BACK: "Correct the spec. If the cause was elsewhere, try it again: "
    f"kubectl annotate --overwrite {{object}} {ANNOTATION_RETRY}=1 (another value each time)",
    Reason.UPDATE_PAUSED: "Correct the spec. If the cause was elsewhere, try it again: "
    f"kubectl annotate --overwrite {{object}} {ANNOTATION_RETRY}=1 (another value each time)",
    Reason.SUSPENDED: "Resume it: kubectl patch {object} --type=merge -p "
    '\'{{"spec":{{"suspend":false}}}}\'',
    Reason.SCALED_TO_ZERO: "Scale it up: kubectl scale {object} --replicas=1",
    Reason.SLEEPING: "A request through the platform's gateway wakes it.",
}


class Mood(StrEnum):
    """How a person should take it."""

    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Headline:
    """What a person wants to know first."""

    mood: Mood
    state: str
    since: datetime | None
    reason: str
    cause: str
    cure: str = ""
    serves: bool = False


def find_headline(model: Model, now: datetime) -> Headline:
    """Return the headline of a model."""
    if model.is_leaving:
        return Headline(Mood.WAITING, "Being deleted", None, "Deleting", "It is being deleted.")
    ready = model.find(Condition.READY)
    if ready is None or model.status.observed_generation < model.generation:
        return _headline_unseen(model, now)
    since = read_time(ready.last_transition_time)
    reason, message = clean(ready.reason), clean(ready.message)
    cure = _find_cure(model, ready.reason)
    if ready.status == ConditionStatus.TRUE:
        state = "Asleep" if ready.reason == Reason.SLEEPING else "Ready"
        serves = ready.reason != Reason.SLEEPING
        return Headline(Mood.GOOD, state, since, reason, message, cure, serves)
    return Headline(
        mood=Mood.WAITING if ready.reason in _UNDER_WAY else Mood.BAD,
        state="Serving, but not as the spec asks" if _is_serving(model) else "Not ready",
        since=since,
        reason=reason,
        cause=_find_cause(model, ready),
        cure=cure,
        serves=_is_serving(model),
    )


def _headline_unseen(model: Model, now: datetime) -> Headline:
    waited = (now - model.changed).total_seconds() if model.changed is not None else 0.0
    if waited <= _PATIENCE_SECONDS:
        what = "It has just been changed, and the operator has not looked at it yet."
        return Headline(Mood.WAITING, "Just changed", model.changed, "NotObserved", what, "Wait.")
    seen = model.status.observed_generation
    older = f"it knows generation {seen} of {model.generation}" if seen else "it never has"
    cause = (
        f"No operator has looked at this spec for {tell_age(model.changed, now)} ({older}): none "
        "runs, or it cannot keep up."
    )
    cure = f"Is it there, and what does it say? {_OPERATOR}"
    serves = model.status.ready_replicas > 0
    return Headline(
        Mood.BAD, "Not seen by an operator", model.changed, "NotObserved", cause, cure, serves
    )


def _is_serving(model: Model) -> bool:
    available = model.find(Condition.AVAILABLE)
    return available is not None and available.status == ConditionStatus.TRUE


def _find_cause(model: Model, ready: StatusCondition) -> str:
    """Return what is wrong, without what to do about it, which stands in its own place."""
    failure, message = model.status.failure, clean(ready.message)
    if failure is None:
        return message
    cause = clean(failure.message) or clean(failure.reason)
    if ready.reason not in _SET_BACK:
        return cause
    story = message.removesuffix(clean(failure.hint)).rstrip()
    return story if cause in story else f"{story} {cause}"


def _find_cure(model: Model, reason: str) -> str:
    failure = model.status.failure
    if failure is not None and failure.hint:
        return clean(failure.hint)
    target = f"-n {model.namespace} {RESOURCE} {model.name}"
    return _CURES.get(reason, "").format(object=target)
