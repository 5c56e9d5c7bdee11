"""What a benchmark prints and keeps."""

import json

import pytest

from bench.results import Result, build_table, format_value, keep

RESULT = Result(
    benchmark="operator",
    at="2026-11-22T10:00:00Z",
    commit="abc",
    command="make bench-operator",
    machine={"cpu": "Some CPU", "cores": 2},
    versions={"python": "3.11"},
    settings={"objects": 300},
    figures={"burst": {"rate": 12.5}},
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(3, "3", id="a whole number"),
        pytest.param(3.0, "3", id="a whole number that was a median"),
        pytest.param(1234.567, "1,234.57", id="two digits are enough"),
        pytest.param("1e-5", "1e-5", id="a text as it is"),
    ],
)
def test_values_are_written_as_people_read_them(value, expected):
    assert format_value(value) == expected


def test_a_table_has_a_heading_for_each_group():
    figures = {"runs": 1, "burst": {"ms": {"p50": 12.5, "p99": 1400.0}}, "idle": {"writes": 0}}
    assert build_table(figures).splitlines() == [
        "  runs               1",
        "",
        "burst",
        "  ms.p50         12.50",
        "  ms.p99         1,400",
        "",
        "idle",
        "  writes             0",
    ]


def test_a_result_is_kept_under_its_day_and_a_later_one_replaces_it(tmp_path):
    keep(RESULT, tmp_path / "results")
    path = keep(RESULT, tmp_path / "results")
    assert path == tmp_path / "results" / "2026-11-22-operator.json"
    assert json.loads(path.read_text())["figures"] == {"burst": {"rate": 12.5}}
