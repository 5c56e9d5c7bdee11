"""So many a second are let through; the next that is tells of those that were not."""

from modelyard_runtime.accounts.trickle import Trickle


def test_a_burst_is_let_through_then_one_a_second():
    trickle = Trickle(per_second=1, burst=3)
    assert [trickle.take(1000.0) for _ in range(5)] == [0, 0, 0, None, None]
    assert trickle.take(1000.5) is None
    assert trickle.take(1001.0) == 3
    assert trickle.take(1001.0) is None
    assert [trickle.take(9000.0) for _ in range(4)] == [1, 0, 0, None]
