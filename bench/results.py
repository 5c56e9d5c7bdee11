"""Prints the figures of a benchmark as a table, keeps them, and ends with one line of JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figures, flatten

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """One measurement with everything that is needed to doubt it or to take it again."""

    benchmark: str
    at: str
    commit: str
    command: str
    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    figures: Figures


def stamp() -> str:
    """Return the time now, as results have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_table(figures: Figures) -> str:
    """Return the figures one a line: a heading for each group, then names and values."""
    rows = flatten(figures)
    width = max((len(name.partition(".")[2] or name) for name, _ in rows), default=0)
    lines: list[str] = []
    heading = ""
    for path, value in rows:
        group, dot, name = path.partition(".")
        if not dot:
            group, name = "", path
        if group != heading:
            lines += ["", group]
            heading = group
        lines.append(f"  {name:<{width}}  {format_value(value):>12}")
    return "\n".join(lines)


def format_value(value: float | str) -> str:
    """Return a value as people read it: no digits that nobody measured."""
    if isinstance(value, str):
        return value
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}"


def keep(result: Result, folder: Path = FOLDER) -> Path:
    """Write the result, named by day and benchmark; a later one of a day replaces it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.at[:10]}-{result.benchmark}.json"
    path.write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n")
    return path


def report(
    result: Result, notes: Sequence[str] = (), show: Callable[[Figures], str] = build_table
) -> None:
    """Print the table, keep the result, and print it once more as the last line, in JSON."""
    print(show(result.figures))
    for note in notes:
        print(f"\n{note}")
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    print(f"\n{machine}\nkept in {keep(result)}\n", flush=True)
    print(json.dumps(asdict(result), ensure_ascii=False), flush=True)
