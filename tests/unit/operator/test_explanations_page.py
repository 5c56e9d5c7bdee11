"""docs/explanations.md: every situation has a row, and every row a test that exists."""

import re
from pathlib import Path

import pytest

from modelyard_api.meta import Reason
from tests.support.situations import SITUATIONS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanations.md").read_text()
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.splitlines()
    if line.startswith("| ") and "::" in line
]
BROKEN = re.findall(r"^\$ kubectl describe mdl ([\w-]+)$", PAGE, flags=re.MULTILINE)


def test_every_situation_of_real_pods_has_a_row_with_its_reason():
    told = {situation: re.findall(r"`(\w+)`", says)[:1] for situation, says, _ in ROWS}
    expected = {sentence: [situation.reason] for sentence, situation in SITUATIONS.items()}
    assert {sentence: told.get(sentence) for sentence in SITUATIONS} == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_rows_reason_and_test_exist(row):
    _, says, named = row
    reasons = re.findall(r"`([A-Z]\w+)`", says)
    assert reasons
    assert set(reasons) <= {str(reason) for reason in Reason}
    for path, function in re.findall(r"`([\w/.]+)::(\w+)`", named):
        text = (ROOT / "tests" / path).read_text()
        assert f"\ndef {function}(" in text or f"\nasync def {function}(" in text


def test_five_broken_models_are_shown_as_kubectl_shows_them():
    assert len(BROKEN) == 5
