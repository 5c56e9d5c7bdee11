"""How shares become coloured pieces of a text."""

import pytest

from modelyard_runtime.protocols.explain.page import Piece, choose_shade, join_shares
from modelyard_runtime.tasks.attribution import Difference, ExplainedText, Share

DIFFERENCE = Difference("POSITIVE", 1.0, 0.0, 1.0, steps=8)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        pytest.param([], [], id="a text without tokens"),
        pytest.param(
            [Share(0, 2, 0.25), Share(2, 4, 0.5)],
            [Piece(0, 2, 0.25), Piece(2, 4, 0.5)],
            id="parts of a word",
        ),
        pytest.param(
            [Share(0, 1, 0.25), Share(0, 1, 0.25), Share(0, 1, 0.25), Share(1, 2, 1.0)],
            [Piece(0, 1, 0.75), Piece(1, 2, 1.0)],
            id="a letter of several tokens",
        ),
        pytest.param(
            [Share(0, 3, 0.5), Share(2, 5, 0.25)], [Piece(0, 5, 0.75)], id="tokens that overlap"
        ),
        pytest.param(
            [Share(0, 0, 0.5), Share(0, 2, 0.25)], [Piece(0, 2, 0.25)], id="a token of no letters"
        ),
    ],
)
def test_tokens_of_the_same_letters_are_one_piece(shares, expected):
    assert join_shares(ExplainedText(DIFFERENCE, shares, "[MASK]", tokens=9)) == expected


@pytest.mark.parametrize(
    ("attribution", "largest", "expected"),
    [
        (1.0, 1.0, "a10"),
        (-1.0, 1.0, "d10"),
        (0.26, 1.0, "a3"),
        (-0.04, 1.0, ""),
        (0.001, 0.002, "a5"),
        (0.0, 0.0, ""),
    ],
)
def test_the_largest_share_has_the_strongest_colour(attribution, largest, expected):
    assert choose_shade(attribution, largest) == expected
