"""The sections of `explain` that come from the object itself. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from modelyard_api.fetch import is_digest
from modelyard_api.meta import Condition, Reason
from modelyard_api.v1alpha1 import HistoryEntry, Optimization, Revision, ScalingMode, Spec
from modelyard_cli.plugin.headline import Headline
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.text import align, clean, clip, read_time, tell_age, wrap

_IN: Final = "  "
_REVISION_LETTERS: Final = 12
_GIBI: Final = 2**30
_MILLION: Final = 10**6
#: Conditions whose messages say nothing more.
_USUAL: Final = frozenset({(Condition.ACCEPTED, Reason.ACCEPTED)})


def tell_conditions(model: Model, headline: Headline, now: datetime, columns: int) -> Iterator[str]:
    """Yield each condition with its age; a message is told once, where it stands first."""
    known = {condition.type: condition for condition in model.status.conditions}
    order = [kind for kind in Condition if kind in known]
    rows = [
        [
            kind.value,
            known[kind].status.value,
            tell_age(read_time(known[kind].last_transition_time), now),
            clean(known[kind].reason),
        ]
        for kind in order
    ]
    # The message of Ready is failure and hint in one, as the headline has them.
    cause, cure = headline.cause.rstrip("."), headline.cure
    told = {headline.cause, f"{headline.cause} {cure}", f"{cause}. {cure}"}
    for kind, line in zip(order, align(rows) if rows else (), strict=True):
        stale = known[kind].observed_generation < model.generation
        yield clip(f"{_IN}{line}{'  (of an older spec)' if stale else ''}", columns)
        message = clean(known[kind].message)
        if message not in told and (kind, known[kind].reason) not in _USUAL:
            yield from wrap(message, columns, first="    ", later="    ")
        told.add(message)
    if not rows:
        yield f"{_IN}none yet"


def tell_revisions(model: Model, now: datetime, columns: int) -> Iterator[str]:
    """Yield which revision serves, which is wanted, and how the last ones ended."""
    revision = model.status.revision
    rows = [
        ["current", _shorten(revision.current) or "none", "serves"],
        ["target", _shorten(revision.target) or "none", "what the spec asks for"],
        ["last good", _shorten(revision.last_good), "all of its pods were ready together"],
        ["failed", _shorten(revision.failed), "given up"],
    ]
    if revision != Revision():
        yield from (clip(_IN + line, columns) for line in align([row for row in rows if row[1]]))
    for entry in model.status.history:
        age = tell_age(read_time(entry.at), now)
        first = f"{_IN}{age:>6} ago  "
        yield from wrap(_tell_entry(entry), columns, first=first, later=" " * len(first))


def _tell_entry(entry: HistoryEntry) -> str:
    reason = f" ({clean(entry.reason)})" if entry.reason else ""
    message = f": {clean(entry.message)}" if entry.message else ""
    return f"{_shorten(entry.revision)} {entry.outcome.value}{reason}{message}"


def tell_scaling(model: Model, columns: int) -> Iterator[str]:
    """Yield how many pods there are, and who decides."""
    status = model.status
    counts = (
        f"{status.ready_replicas} ready of {model.wanted} wanted; {status.replicas} there, "
        f"{status.updated_replicas} of the target revision"
    )
    how = _tell_mode(model.spec) if model.spec is not None else ""
    yield from wrap(f"{counts}. {how}".strip(), columns, first=_IN, later=_IN)
    for pod, demand in status.demand.items():
        yield from wrap(
            f"{clean(pod)} holds {demand.waiting} requests", columns, first=_IN, later=_IN
        )


def _tell_mode(spec: Spec) -> str:
    scaling, mode = spec.scaling, spec.scaling.effective_mode
    if spec.suspend:
        return "Suspended."
    if mode is ScalingMode.NONE:
        return f"Fixed at scaling.replicas: {scaling.replicas}."
    bounds = f"{scaling.min} to {max(scaling.max, scaling.min)}"
    idle = f", none after {scaling.idle_after} without requests" if scaling.idle_after else ""
    return f"Mode {mode.value}: {bounds}{idle}."


def tell_startup(model: Model, columns: int) -> Iterator[str]:
    """Yield how long the newest ready pod took."""
    times = model.status.startup
    steps = (
        ("scheduled", times.scheduled),
        ("image", times.image_pull),
        ("download", times.download),
        ("load", times.load),
        ("warm-up", times.warmup),
        ("in all", times.total),
    )
    told = ", ".join(f"{name} {clean(took)}" for name, took in steps if took)
    if told:
        yield from wrap(told, columns, first=_IN, later=_IN)


def tell_device(model: Model, columns: int) -> Iterator[str]:
    """Yield where the model was asked to run, where it runs, and how big it is."""
    device, facts = model.status.device, model.status.model
    told = (
        f"asked for {clean(device.requested)}" if device.requested else "",
        f"runs on {clean(device.actual)}" if device.actual else "",
        clean(device.dtype),
        f"{facts.parameters / _MILLION:.0f} million parameters" if facts.parameters else "",
        f"{facts.size_bytes / _GIBI:.2f} GiB" if facts.size_bytes else "",
        _tell_revision(facts.resolved_revision),
    )
    text = ", ".join(part for part in told if part)
    if text:
        yield from wrap(text, columns, first=_IN, later=_IN)
    if facts.optimization is not None:
        yield from wrap(_tell_optimization(facts.optimization), columns, first=_IN, later=_IN)


def _tell_optimization(done: Optimization) -> str:
    share = done.after.size_bytes / done.before.size_bytes
    times = f"{done.before.milliseconds:.1f} → {done.after.milliseconds:.1f} ms"
    return (
        f"{clean(done.steps)}: {share:.0%} of its size, {times} for one example, "
        f"{done.agreement:.1%} of {done.examples} answers as before"
    )


def _tell_revision(revision: str) -> str:
    """Of a bucket it is no commit, and people compare it with the digest that they computed."""
    kind = "digest" if is_digest(revision) else "commit"
    return f"{kind} {_shorten(revision)}" if revision else ""


def _shorten(revision: str) -> str:
    return clean(revision)[:_REVISION_LETTERS]
