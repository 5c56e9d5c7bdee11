"""Whole screens, as files: screens/<case>.yaml is what the cluster says, <case>.txt the screen.

In the input, `unread` says what could not be read, and `log` is the end of the log that is asked
for. ls.txt and ls.json show all cases in one table.

    UPDATE_GOLDEN=1 pytest tests/unit/cli/plugin/test_screens.py   writes them anew, to be reviewed
"""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from modelyard_cli.plugin.explain_screen import render_explanation
from modelyard_cli.plugin.ls_screen import render_json, render_table
from modelyard_cli.plugin.model import parse_model
from modelyard_cli.plugin.picture import Log, Readings, Unread, compose
from modelyard_cli.plugin.text import Paint, measure

SCREENS = Path(__file__).parent / "screens"
CASES = sorted(path.stem for path in SCREENS.glob("*.yaml"))
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PLAIN = Paint()


@cache
def read(case):
    return yaml.safe_load((SCREENS / f"{case}.yaml").read_text())


def draw(case):
    body = read(case)
    unread = {what: Unread(why) for what, why in body.get("unread", {}).items()}

    def find(what):
        return unread.get(what, body.get(what, []))

    kinds = {
        "Deployment": "deployments",
        "Service": "services",
        "HorizontalPodAutoscaler": "autoscalers",
    }
    readings = Readings(
        children={kind: find(what) for kind, what in kinds.items()},
        replica_sets=find("replicaSets"),
        pods=find("pods"),
        events=find("events"),
    )
    picture = compose(parse_model(body["model"]), readings, NOW)
    source = picture.choose_log(is_wanted=body.get("wantsLog", False))
    if source is None:
        assert not body.get("log"), "the case has a log that is not asked for"
        return picture
    return replace(picture, log=Log(source, find("log")))


def check(name, text):
    path = SCREENS / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def read_models():
    return [parse_model(read(case)["model"]) for case in CASES]


@pytest.mark.parametrize("case", CASES)
def test_the_screen_is_as_written_down(case):
    check(f"{case}.txt", render_explanation(draw(case), NOW, columns=80, paint=PLAIN))


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("case", CASES)
def test_no_line_is_wider_than_the_terminal(case, columns):
    text = render_explanation(draw(case), NOW, columns=columns, paint=PLAIN)
    assert [line for line in text.split("\n") if measure(line) > columns] == []


@pytest.mark.parametrize("case", CASES)
def test_nothing_of_the_cluster_steers_the_terminal(case):
    text = render_explanation(draw(case), NOW, columns=80, paint=PLAIN)
    models = read_models()
    text += render_table(models, NOW, across=True, columns=None, paint=PLAIN)
    text += render_json(models, NOW)
    assert {c for c in text if not c.isprintable()} == {"\n"}


def test_colours_change_nothing_else():
    plain = render_explanation(draw("crash"), NOW, columns=80, paint=PLAIN)
    painted = render_explanation(draw("crash"), NOW, columns=80, paint=Paint(is_on=True))
    bare = painted
    for code in ("0", "1", "31", "33"):
        bare = bare.replace(f"\x1b[{code}m", "")
    assert (bare, painted != plain) == (plain, True)


def test_the_table_is_as_written_down():
    check("ls.txt", render_table(read_models(), NOW, across=True, columns=None, paint=PLAIN))


def test_a_narrow_table_gives_way_and_stays_within_the_terminal():
    text = render_table(read_models(), NOW, across=False, columns=80, paint=PLAIN)
    check("ls-80-columns.txt", text)
    assert max(map(measure, text.split("\n"))) <= 80


def test_the_json_is_as_written_down_and_says_the_same_as_the_objects():
    text = render_json(read_models(), NOW)
    check("ls.json", text)
    hostile = json.loads(text)[CASES.index("hostile-text")]
    assert hostile["phase"] == "Failed\x1b[2J"
