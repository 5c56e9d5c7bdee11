"""Reading a stream of server-sent events."""

import pytest

from bench.load import parse_event


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b'data: {"choices": []}\n', {"choices": []}, id="an event"),
        pytest.param(b"\n", None, id="the empty line between"),
        pytest.param(b": keep-alive\n", None, id="a comment"),
        pytest.param(b"data: [DONE]\n", None, id="the end"),
    ],
)
def test_lines_of_a_stream(line, expected):
    assert parse_event(line) == expected
