"""How far answers are from the library's own, alone and in a crowd of 16: `make equality`.

For each task and format a model is made, the library answers 16 requests one by one, then
`modelyard serve` answers the same ones over HTTP: one by one, and all at once, in several orders
and by both of its routes. bench/README.md says what each column means.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import torch

from bench import results, running
from bench.equality_answers import Body, Said, measure_difference
from bench.equality_cases import CASES, Case, run_example
from bench.equality_requests import NAME
from bench.figures import Figures
from bench.model_processes import serving
from modelyard_local.columns import lay_out
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr

WANTED = 1e-4
#: So often all requests are sent at once, each time in another order: by each route once.
CROWDS = 2
HEADINGS = ("task", "format", "model", "library", "alone", "crowd", "wanted", "ok")
_LIMIT = aiohttp.ClientTimeout(total=300)


@dataclass(frozen=True)
class Row:
    """The largest differences of a case; infinite where a text is another one, or there is none.

    `has_numbers`: there was more to compare than texts.
    """

    case: Case
    alone: float
    crowd: float
    has_numbers: bool

    @property
    def is_near(self) -> bool:
        """Whether all answers are the library's."""
        return max(self.alone, self.crowd) <= WANTED

    def figures(self) -> dict[str, str]:
        """What is kept of it."""
        return {
            "model": self.case.model,
            "library": self.case.oracle_name,
            "alone": self._write(self.alone),
            "crowd": self._write(self.crowd),
            "wanted": f"{WANTED:.0e}" if self.has_numbers else "same text",
            "ok": "yes" if self.is_near else "NO",
        }

    def _write(self, difference: float) -> str:
        if difference == math.inf:
            return "no"
        return f"{difference:.1e}" if self.has_numbers else "same text"


def compare_all(expected: Sequence[Said], found: Sequence[Said]) -> float:
    """Return the largest difference of any answer."""
    return max(map(measure_difference, expected, found))


class Asker:
    """Asks one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, case: Case) -> None:
        self._session, self._url, self._case = session, url, case

    async def ask(self, body: Body, path: str) -> Said:
        """Return what is answered.

        Raises:
            LocalError: it is an error.
        """
        async with self._session.post(self._url + path, json=body, timeout=_LIMIT) as answer:
            if not answer.ok:
                told = await answer.text()
                raise LocalError(f"{self._case.name}: POST {path}: {answer.status} {told}")
            return self._case.read(body, await answer.json())


async def ask_all(case: Case, url: str, bodies: Sequence[Body]) -> tuple[list[Said], ...]:
    """Return the answers alone, and those of each crowd, in the order of the requests."""
    paths = case.paths
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, trust_env=False) as session:
        asker = Asker(session, url, case)
        alone = [await asker.ask(body, paths[0]) for body in bodies]
        crowds = []
        for crowd in range(CROWDS):
            order = list(range(len(bodies)))
            random.Random(crowd).shuffle(order)  # noqa: S311 - the same each time
            answers = await asyncio.gather(
                *(asker.ask(bodies[place], paths[(place + crowd) % len(paths)]) for place in order)
            )
            found = dict(zip(order, answers, strict=True))
            crowds.append([found[place] for place in range(len(bodies))])
        return alone, *crowds


def measure_case(case: Case, folder: Path, log: Path) -> Row:
    """Hold a served model against its library."""
    bodies = case.build()
    expected = case.oracle(folder, bodies)
    if len(set(expected)) < len(bodies) // 2:
        raise LocalError(f"{case.name}: the answers are too much alike to tell them apart")
    with serving(folder, log, "--name", NAME, *case.options) as server:
        alone, *crowds = asyncio.run(ask_all(case, server.url, bodies))
    return Row(
        case,
        alone=compare_all(expected, alone),
        crowd=max(compare_all(expected, crowd) for crowd in crowds),
        has_numbers=any(said.numbers for said in expected),
    )


def measure(cases: Sequence[Case], models: Path, logs: Path) -> Figures:
    """Make what is not there yet of the models, and hold each against its library."""
    words = models / "words"
    if not words.exists():
        run_example("minilm")(words, words)
    rows: dict[str, Mapping[str, str]] = {}
    for number, case in enumerate(cases, start=1):
        folder = models / case.name.replace(", ", "-").replace(" ", "-")
        to_stderr(f"[{number}/{len(cases)}] {case.name}: {case.model}")
        try:
            if not folder.exists():
                case.make(folder, words)
            row = measure_case(case, folder, logs / f"{folder.name}.log")
        except LocalError as error:
            to_stderr(f"    {error}")
            row = Row(case, alone=math.inf, crowd=math.inf, has_numbers=False)
        rows[case.name] = row.figures()
        to_stderr(f"    alone {rows[case.name]['alone']}, crowd {rows[case.name]['crowd']}")
    return rows


def add_earlier(rows: Figures, folder: Path = results.FOLDER) -> Figures:
    """Return the rows, and those of an earlier run of the day that these do not replace."""
    kept = folder / f"{results.stamp()[:10]}-equality.json"
    earlier = json.loads(kept.read_text())["figures"] if kept.exists() else {}
    both = {**earlier, **rows}
    return {case.name: both[case.name] for case in CASES if case.name in both}


def build_table(rows: Figures) -> str:
    """Return the rows in columns."""
    cells: list[Sequence[str]] = [HEADINGS]
    cells += [(*name.split(", "), *_read_texts(row)) for name, row in rows.items()]
    return lay_out(cells)


def _read_texts(row: Any) -> list[str]:
    return [row[heading] for heading in HEADINGS[2:]]


def choose(words: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases whose name has one of the words; without any, all."""
    return tuple(case for case in CASES if not words or any(word in case.name for word in words))


def main() -> None:
    """Read the command line, measure; exit code 1 if an answer is not the library's."""
    parser = argparse.ArgumentParser(prog="python -m bench.equality", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], help="renew the rows whose name has one of these words"
    )
    parser.add_argument("--models", type=Path, help="keep the models here, and make none anew")
    options = parser.parse_args()
    cases = choose(options.only)
    # The threads of a second one spin while they wait, at the cost of the server.
    torch.set_num_threads(1)

    def hold_all() -> Figures:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            models = (options.models or scratch / "models").resolve()
            models.mkdir(parents=True, exist_ok=True)
            return add_earlier(measure(cases, models, scratch))

    rows = running.run(
        "equality",
        "bench.equality",
        argparse.Namespace(only=options.only),
        hold_all,
        packages=("torch", "transformers", "keras", "onnxruntime", "gguf", "numpy"),
        settings={"requests": 16, "crowds": CROWDS, "wanted": WANTED},
        show=build_table,
    )
    missed = [name for name, row in rows.items() if _read_texts(row)[-1] != "yes"]
    if missed:
        sys.exit(f"\nbench-equality: not the library's: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
