"""Answers are held against a library's part by part, and no task or format is left out."""

import json
import math
from dataclasses import replace

import pytest

from bench.equality import Row, add_earlier, build_table, choose
from bench.equality_answers import Said, measure_difference
from bench.equality_cases import CASES
from bench.equality_requests import COUNT
from bench.results import stamp
from modelyard_api.v1alpha1 import Format, Task


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        pytest.param(Said(("a", "b"), (1.0, 2.0)), 0.0, id="the same"),
        pytest.param(Said(("a", "b"), (1.25, 1.5)), 0.5, id="the largest of several"),
        pytest.param(Said(("b", "a"), (1.0, 2.0)), math.inf, id="another order"),
        pytest.param(Said(("a", "b"), (1.0,)), math.inf, id="fewer numbers"),
        pytest.param(Said(("a", "b"), (math.nan, 2.0)), math.inf, id="no number"),
    ],
)
def test_the_difference_is_that_of_the_worst_part(found, difference):
    assert measure_difference(Said(("a", "b"), (1.0, 2.0)), found) == difference


def test_every_task_and_every_format_has_a_case():
    assert {case.task for case in CASES} == set(Task) - {Task.AUTO}
    assert {case.format.partition(" ")[0] for case in CASES} == set(Format) - {Format.AUTO}
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_asks_sixteen_times(case):
    assert len(case.build()) == COUNT


def test_the_table_tells_what_missed():
    case = replace(CASES[0], task="embeddings", format="onnx", model="m", oracle_name="l")
    rows = {
        "embeddings, onnx": Row(case, alone=1.5e-7, crowd=3e-4, has_numbers=True).figures(),
        "translation, gguf": Row(case, alone=0, crowd=0, has_numbers=False).figures(),
        "rerank, keras": Row(case, alone=0, crowd=math.inf, has_numbers=True).figures(),
    }
    assert build_table(rows).splitlines() == [
        "task         format  model  library  alone      crowd      wanted     ok",
        "embeddings   onnx    m      l        1.5e-07    3.0e-04    1e-04      NO",
        "translation  gguf    m      l        same text  same text  same text  yes",
        "rerank       keras   m      l        0.0e+00    no         1e-04      NO",
    ]


def test_cases_are_chosen_by_words():
    assert [case.name for case in choose(["gguf", "onnx"])] == [
        "text-generation, gguf",
        "predict, onnx",
    ]


def test_rows_of_an_earlier_run_of_the_day_are_kept(tmp_path):
    names = [case.name for case in CASES[:3]]
    earlier = {name: {"alone": "1"} for name in (names[2], names[1])}
    kept = tmp_path / f"{stamp()[:10]}-equality.json"
    assert add_earlier({names[0]: {"alone": "2"}}, tmp_path) == {names[0]: {"alone": "2"}}
    kept.write_text(json.dumps({"figures": earlier}))
    rows = add_earlier({names[1]: {"alone": "3"}}, tmp_path)
    assert list(rows.items()) == [(names[1], {"alone": "3"}), (names[2], {"alone": "1"})]
