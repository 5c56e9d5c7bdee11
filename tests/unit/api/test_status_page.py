"""docs/status.md lists exactly the conditions, reasons and phases that exist."""

import re
from pathlib import Path

import pytest

from modelyard_api.meta import Condition, Phase, Reason

PAGE = (Path(__file__).parents[3] / "docs" / "status.md").read_text()


def first_column(*headings):
    """Names in backquotes that start a table row under one of the headings."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    rows = [
        line
        for section in sections
        if section.splitlines()[0] in headings
        for line in section.splitlines()
    ]
    return {found[1] for row in rows if (found := re.match(r"\| `(\w+)` \|", row))}


@pytest.mark.parametrize(
    ("headings", "names"),
    [
        (("Conditions",), {str(c) for c in Condition}),
        (("Reasons", "Failures"), {str(r) for r in Reason}),
        (("Phases",), {str(p) for p in Phase}),
    ],
    ids=["conditions", "reasons", "phases"],
)
def test_the_page_lists_each_name_once_and_no_other(headings, names):
    assert first_column(*headings) == names
