"""Where texts end, and that no part of a stop string is ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard_runtime.engine.stopping import Bounds, StopStrings, bound_new_tokens


def feed_all(stops, pieces):
    """Return the pieces shown, and whether it stopped."""
    watch = StopStrings(stops)
    shown = []
    for piece in pieces:
        text, stopped = watch.feed(piece)
        shown.append(text)
        if stopped:
            return shown, True
    shown.append(watch.flush())
    return shown, False


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "stopped"),
    [
        pytest.param([], ["a", "b"], ["a", "b", ""], False, id="no stop strings hold nothing back"),
        pytest.param(["END"], ["one E", "ND two"], ["one ", ""], True, id="across two pieces"),
        pytest.param(["END"], ["E", "N", "X"], ["", "", "ENX", ""], False, id="a false beginning"),
        pytest.param(["END"], ["EN"], ["", "EN"], False, id="a beginning at the end is shown"),
        pytest.param(["b", "ab"], ["xab"], ["x"], True, id="the earliest of several"),
        pytest.param(["aab"], ["a", "a", "a", "b"], ["", "", "a", ""], True, id="self-overlap"),
        pytest.param(["\n"], ["one\ntwo"], ["one"], True, id="within one piece"),
    ],
)
def test_stop_strings(stops, pieces, shown, stopped):
    assert feed_all(stops, pieces) == (shown, stopped)


alphabet = st.text("ab", max_size=12)


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.lists(alphabet, max_size=8))
def test_however_it_is_cut_the_text_ends_before_the_first_stop_string(stops, pieces):
    whole = "".join(pieces)
    places = [place for stop in stops if (place := whole.find(stop)) >= 0]
    shown, stopped = feed_all(stops, pieces)
    assert stopped == bool(places)
    text = "".join(shown)
    assert whole.startswith(text)
    assert all(stop not in text for stop in stops)
    # Of overlapping stop strings, the cut decides which is seen first; it ends at one of them.
    assert len(text) in (places or [len(whole)])


@pytest.mark.parametrize(
    ("token", "generated", "finish"),
    [
        pytest.param(5, 1, None, id="goes on"),
        pytest.param(2, 1, "stop", id="an end token"),
        pytest.param(5, 3, "length", id="as many as asked for"),
        pytest.param(2, 3, "stop", id="an end token as the last one"),
    ],
)
def test_bounds(token, generated, finish):
    assert Bounds(3, frozenset({2})).decide_finish(token, generated) == finish


@pytest.mark.parametrize(
    ("wanted", "bound"),
    [
        pytest.param(None, 30, id="no wish fills the context"),
        pytest.param(10, 10, id="a wish within the context"),
        pytest.param(50, 30, id="a wish past the context ends with it"),
    ],
)
def test_new_tokens_stay_within_the_context(wanted, bound):
    assert bound_new_tokens(70, 100, wanted) == bound
