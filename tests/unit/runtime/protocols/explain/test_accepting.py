"""Browsers get pages, programs get JSON."""

import pytest

from modelyard_runtime.protocols.explain.accepting import prefers_page


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("application/json", False, id="a program"),
        pytest.param("text/html", True, id="a page only"),
        pytest.param(
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
            True,
            id="a browser",
        ),
        pytest.param("application/json, text/html", False, id="both as much"),
        pytest.param("application/json, text/html;q=0.9", False, id="JSON rather"),
        pytest.param("application/json;q=0.5, text/*;q=0.9", True, id="any text rather"),
        pytest.param("text/html;q=0, */*", False, id="no page"),
        pytest.param("TEXT/HTML ; Q=0.7, */*;q=0.1", True, id="written otherwise"),
        pytest.param("text/html;q=much", False, id="a weight that is none"),
        pytest.param(",;,q=1;text/html", False, id="nonsense"),
    ],
)
def test_who_gets_a_page(accept, expected):
    assert prefers_page(accept) is expected
