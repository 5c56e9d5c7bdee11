"""The table of `kubectl modelyard ls`, and its JSON. Pure."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from modelyard_cli.plugin.headline import Headline, Mood, find_headline
from modelyard_cli.plugin.model import Model
from modelyard_cli.plugin.text import Paint, align, clean, clean_json, clip, measure

_HEADS = ("NAMESPACE", "NAME", "READY", "PHASE", "REPLICAS", "DEVICE", "TASK", "REASON")
#: Left out in this order where the terminal is too narrow; `explain` and `-o json` have them.
_DISPENSABLE = ("TASK", "DEVICE")


def render_table(
    models: Sequence[Model], now: datetime, *, across: bool, columns: int | None, paint: Paint
) -> str:
    """Return the table; `columns` is the terminal's width, None where it is none."""
    headlines = [find_headline(model, now) for model in models]
    rows = [_build_row(model, told) for model, told in zip(models, headlines, strict=True)]
    keep = [name for name in _HEADS if across or name != "NAMESPACE"]
    lines = _align(rows, keep)
    for name in _DISPENSABLE:
        if columns is not None and max(map(measure, lines)) > columns:
            keep.remove(name)
            lines = _align(rows, keep)
    text = [paint.title(lines[0])]
    for line, told in zip(lines[1:], headlines, strict=True):
        text.append(_paint(line, told, paint))
        if told.mood is not Mood.GOOD and told.cause:
            message = f"    {told.cause}"
            text.append(message if columns is None else clip(message, columns))
    return "\n".join(text) + "\n"


def render_json(models: Sequence[Model], now: datetime) -> str:
    """Return the same as JSON, for programs."""
    rows = [_build_record(model, find_headline(model, now)) for model in models]
    return clean_json(json.dumps(rows, ensure_ascii=False, indent=2)) + "\n"


def _align(rows: Sequence[dict[str, str]], keep: Sequence[str]) -> list[str]:
    return align([keep, *([row[name] for name in keep] for row in rows)])


def _paint(line: str, told: Headline, paint: Paint) -> str:
    if told.mood is Mood.GOOD:
        return line
    return paint.bad(line) if told.mood is Mood.BAD else paint.waiting(line)


def _build_row(model: Model, told: Headline) -> dict[str, str]:
    record = _build_record(model, told)
    return {
        "NAMESPACE": record["namespace"],
        "NAME": record["name"],
        "READY": record["ready"],
        "PHASE": clean(record["phase"]) or "-",
        "REPLICAS": f"{record['replicas']['ready']}/{record['replicas']['wanted']}",
        # `cuda:0 NVIDIA H100` is for those who ask.
        "DEVICE": (clean(record["device"]).split() or ["-"])[0],
        "TASK": clean(record["task"]) or "-",
        "REASON": told.reason,
    }


def _build_record(model: Model, told: Headline) -> dict[str, Any]:
    status = model.status
    seen = status.observed_generation >= model.generation
    return {
        "namespace": model.namespace,
        "name": model.name,
        "ready": str(told.mood is Mood.GOOD) if seen else "Unknown",
        "phase": status.phase,
        "replicas": {"ready": status.ready_replicas, "wanted": model.wanted},
        "device": status.device.actual or status.device.requested,
        "task": model.task,
        "reason": told.reason,
        "message": told.cause,
        "cure": told.cure,
    }
