"""Columns are as wide as their widest text."""

import pytest

from modelyard_local.columns import lay_out


def test_columns_are_apart_and_lines_end_with_their_text():
    rows = [("way", "size"), ("", ""), ("pruning 0.3, dynamic-int8", "86.6 → 22.5")]
    assert lay_out(rows, indent="  ").splitlines() == [
        "  way                        size",
        "",
        "  pruning 0.3, dynamic-int8  86.6 → 22.5",
    ]


def test_a_row_with_another_number_of_cells_is_a_mistake():
    with pytest.raises(ValueError, match="shorter"):
        lay_out([("one", "two"), ("one",)])
