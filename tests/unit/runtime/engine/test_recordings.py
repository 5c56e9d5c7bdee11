"""Windows cover a recording, and neighbours share what both give up."""

import pytest

from modelyard_runtime.engine.backends.recordings import Span, cut_windows


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param(1, [(0, Span(1, 0, 0))], id="shorter than a window"),
        pytest.param(30, [(0, Span(30, 0, 0))], id="just a window"),
        pytest.param(
            31, [(0, Span(30, 0, 5)), (20, Span(11, 5, 0))], id="a little longer than a window"
        ),
        pytest.param(
            60,
            [(0, Span(30, 0, 5)), (20, Span(30, 5, 5)), (40, Span(20, 5, 0))],
            id="several windows",
        ),
    ],
)
def test_windows_overlap(samples, expected):
    assert list(cut_windows(samples, 30, 5)) == expected


@pytest.mark.parametrize("samples", [1, 29, 30, 31, 49, 50, 51, 70, 1000])
def test_what_is_kept_of_the_windows_is_the_whole(samples):
    kept = [
        (start + span.left, start + span.samples - span.right)
        for start, span in cut_windows(samples, 30, 5)
    ]
    ends = [0, *(end for _, end in kept)]
    assert [start for start, _ in kept] == ends[:-1]
    assert ends[-1] == samples
