"""The screen of `kubectl modelyard explain`: a picture in, text out. Pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from modelyard_cli.plugin.events import Line, tell_objects
from modelyard_cli.plugin.explain_status import (
    tell_conditions,
    tell_device,
    tell_revisions,
    tell_scaling,
    tell_startup,
)
from modelyard_cli.plugin.headline import Headline, Mood, find_headline
from modelyard_cli.plugin.log_lines import read_log_lines
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.picture import Picture, Unread
from modelyard_cli.plugin.pods import Pod
from modelyard_cli.plugin.text import Paint, align, clean, clip, tell_age, wrap

Json = dict[str, Any]

_IN: Final = "  "
#: Pods that are shown one by one; those that are not ready come first.
_PODS_SHOWN: Final = 10


def render_explanation(picture: Picture, now: datetime, *, columns: int, paint: Paint) -> str:
    """Return the screen."""
    model = picture.model
    headline = find_headline(model, now)
    lines = [*_tell_headline(model, headline, now, columns, paint)]
    sections = (
        ("CONDITIONS", tell_conditions(model, headline, now, columns)),
        ("REVISIONS", tell_revisions(model, now, columns)),
        ("SCALING", tell_scaling(model, columns)),
        ("START-UP", tell_startup(model, columns)),
        ("DEVICE", tell_device(model, columns)),
        ("CHILDREN", _tell_children(picture.children, columns)),
        ("PODS", _tell_pods(picture.pods, now, columns)),
        ("EVENTS, newest last", _tell_events(picture.events, now, columns, paint)),
        (_name_log(picture), _tell_log(picture, columns)),
    )
    for title, section in sections:
        found = list(section)
        if found:
            lines += ["", *map(paint.title, wrap(title, columns, later=_IN)), *found]
    return "\n".join(lines) + "\n"


def _tell_headline(
    model: Model, headline: Headline, now: datetime, columns: int, paint: Paint
) -> Iterator[str]:
    paints: dict[Mood, Callable[[str], str]] = {
        Mood.GOOD: paint.good,
        Mood.WAITING: paint.waiting,
        Mood.BAD: paint.bad,
    }
    since = f", since {tell_age(headline.since, now)}" if headline.since is not None else ""
    reason = f" ({headline.reason})" if headline.mood is not Mood.GOOD else ""
    state = f"{headline.state}{reason}{since}"
    for line in wrap(f"{model.namespace}/{model.name}: {state}", columns, later=_IN):
        yield paints[headline.mood](line)
    yield from wrap(headline.cause, columns, first=_IN, later=_IN)
    if headline.cure:
        yield from wrap(headline.cure, columns, first="  To do: ", later="         ")
    does = f", {model.task}" if model.task else ""
    yield from wrap(f"Model: {model.uri}{does}", columns, first=_IN, later="         ")
    if model.status.url:
        yield from wrap(f"Address: {clean(model.status.url)}", columns, first=_IN, later=_IN)


def _tell_children(children: Mapping[str, list[Json] | Unread], columns: int) -> Iterator[str]:
    rows, unread = [], []
    for kind, found in children.items():
        if isinstance(found, Unread):
            unread.append(f"{kind}: {found.why}")
        else:
            rows += [[kind, clean(each["metadata"]["name"]), _sum_up(kind, each)] for each in found]
            if not found and kind in {"Deployment", "Service"}:
                rows.append([kind, "none", ""])
    for line in align(rows) if rows else ():
        yield clip(_IN + line, columns)
    for why in unread:
        yield from wrap(why, columns, first=_IN, later=_IN)


def _sum_up(kind: str, body: Json) -> str:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if kind == "Deployment":
        wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
        return f"{ready} of {wanted} ready, {status.get('updatedReplicas', 0)} updated"
    if kind == "Service":
        ports = ", ".join(str(port.get("port", "?")) for port in spec.get("ports") or ())
        return f"{clean(str(spec.get('clusterIP', '')))} port {ports}"
    if kind == "HorizontalPodAutoscaler":
        bounds = f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas', '?')}"
        return f"{status.get('currentReplicas', 0)} pods, {bounds} allowed"
    return ""


def _tell_pods(pods: tuple[Pod, ...] | Unread, now: datetime, columns: int) -> Iterator[str]:
    if isinstance(pods, Unread):
        yield from wrap(pods.why, columns, first=_IN, later=_IN)
        return
    order = sorted(pods, key=lambda pod: (pod.is_ready, pod.name))
    for pod in order[:_PODS_SHOWN]:
        yield from wrap(f"{pod.name}: {_sum_up_pod(pod, now)}", columns, first=_IN, later="    ")
        if pod.waits:
            yield from wrap(pod.waits, columns, first="    waits: ", later="           ")
        if pod.died:
            yield from wrap(pod.died, columns, first="    last: ", later="          ")
    if len(order) > _PODS_SHOWN:
        rest = order[_PODS_SHOWN:]
        yield f"{_IN}and {len(rest)} more, {sum(pod.is_ready for pod in rest)} of them ready"
    if not pods:
        yield f"{_IN}none"


def _sum_up_pod(pod: Pod, now: datetime) -> str:
    restarts = "1 restart" if pod.restarts == 1 else f"{pod.restarts} restarts"
    facts = (
        pod.phase,
        "ready" if pod.is_ready else "not ready",
        "stopping" if pod.is_leaving else "",
        restarts,
        f"on {pod.node}" if pod.node else "no node",
        f"{tell_age(pod.created, now)} old",
    )
    return ", ".join(fact for fact in facts if fact)


def _tell_events(
    events: list[Line] | Unread, now: datetime, columns: int, paint: Paint
) -> Iterator[str]:
    if isinstance(events, Unread):
        yield from wrap(events.why, columns, first=_IN, later=_IN)
        return
    for line in events:
        times = f" x{line.count}" if line.count > 1 else ""
        what = f"{tell_objects(line.objects)} {line.reason}{times}: {line.message}"
        first = f"{_IN}{tell_age(line.last, now):>6}  "
        wrapped = wrap(what, columns, first=first, later=" " * len(first))
        yield from (paint.waiting(text) if line.is_warning else text for text in wrapped)
    if not events:
        yield from wrap("none (Kubernetes keeps them for an hour)", columns, first=_IN, later=_IN)


def _name_log(picture: Picture) -> str:
    failure = picture.model.status.failure
    if picture.log is None or (isinstance(picture.log.text, Unread) and failure is not None):
        return f"LAST WORDS of {clean(failure.pod)}" if failure is not None else "LOG"
    source = picture.log.source
    run = ", the run before this one" if source.previous else ""
    return f"LOG of {source.pod}, container {source.container}{run}"


def _tell_log(picture: Picture, columns: int) -> Iterator[str]:
    """Tell the log; where there is none, what status.failure has kept of it."""
    if picture.log is not None and isinstance(picture.log.text, str):
        yield from _tell_text(picture.log.text or "(empty)", columns)
        return
    if picture.log is not None and isinstance(picture.log.text, Unread):
        yield from wrap(picture.log.text.why, columns, first=_IN, later=_IN)
    failure = picture.model.status.failure
    if failure is not None and failure.log_tail:
        yield f"{_IN}Kept in status.failure:"
        yield from _tell_text(failure.log_tail, columns)


def _tell_text(text: str, columns: int) -> Iterator[str]:
    for line in read_log_lines(text):
        indent = line[: len(line) - len(line.lstrip())]
        yield from wrap(line.strip(), columns, first=_IN + indent, later=f"{_IN}{indent}  ")
