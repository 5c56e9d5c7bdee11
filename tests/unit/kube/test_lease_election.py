"""The election's loop over a lease in memory and a clock that a test moves."""

import pytest

from modelyard_kube.errors import ClusterError, WriteKeptBack
from modelyard_kube.lease_election import LeaseElection
from tests.support.memory_lease import START, FakeClock, MemoryLease, TimeIsUp


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def lease(clock):
    return MemoryLease(clock)


@pytest.fixture
def stand(clock, lease):
    """Make a candidate."""

    def make():
        return LeaseElection(lease, "ns", "l", identity="a", random=lambda: 1.0, clock=clock)

    return make


@pytest.fixture
async def holder(stand, lease):
    """A candidate that has won."""
    election = stand()
    await election.win()
    lease.calls.clear()
    return election


async def test_a_lease_that_is_not_there_is_made(stand, lease, clock):
    election = stand()
    assert (election.may_write(), election.has_looked) == (False, False)
    await election.win()
    assert (election.may_write(), election.has_looked) == (True, True)
    election.check()
    assert (lease.calls, clock.passed) == (["get", "create"], 0)
    assert (lease.spec["holderIdentity"], lease.spec["leaseTransitions"]) == ("a", 0)


async def test_one_that_was_released_is_taken_at_the_next_look(stand, lease, clock):
    lease.put("b", transitions=4)
    clock.at(5.0, lambda: lease.put("", transitions=4))
    await stand().win()
    assert clock.passed == pytest.approx(7.2)  # looks come every 2.4 s with these dice
    assert (lease.spec["holderIdentity"], lease.spec["leaseTransitions"]) == ("a", 5)


async def test_one_whose_holder_is_renewing_it_is_left_alone(stand, lease, clock):
    lease.put("b")
    for second in range(2, 62, 2):
        clock.at(second, lambda: lease.put("b"))
    clock.end = START + 60
    election = stand()
    with pytest.raises(TimeIsUp):
        await election.win()
    assert (set(lease.calls), election.has_looked) == ({"get"}, True)
    with pytest.raises(WriteKeptBack):
        election.check()


async def test_one_whose_holder_has_died_is_taken_when_its_time_is_over(stand, lease, clock):
    lease.put("b")
    clock.at(1.0, lambda: lease.put("b"))  # its last renewal; seen at 2.4 s
    await stand().win()
    assert clock.passed == pytest.approx(12.4)
    assert lease.spec["holderIdentity"] == "a"


async def test_one_that_another_candidate_has_just_taken_is_left_alone(stand, lease, clock):
    lease.put("b")
    clock.at(9.9, lambda: lease.put("c"))
    clock.end = START + 15
    election = stand()
    with pytest.raises(TimeIsUp):
        await election.win()
    assert lease.spec["holderIdentity"] == "c"


async def test_a_candidate_that_was_overtaken_between_look_and_write_waits(stand, lease, clock):
    lease.put("")
    lease.faults = [None, ClusterError("modified", status=409, reason="Conflict")]
    clock.at(1.0, lambda: lease.put("c"))
    clock.end = START + 5
    with pytest.raises(TimeIsUp):
        await stand().win()
    assert lease.calls[:3] == ["get", "patch", "get"]
    assert lease.spec["holderIdentity"] == "c"


async def test_a_holder_renews_with_one_request_every_two_seconds(holder, lease, clock):
    clock.end = START + 20
    with pytest.raises(TimeIsUp):
        await holder.keep()
    assert lease.calls == ["patch"] * 10
    assert lease.spec["leaseTransitions"] == 0


async def test_a_holder_gives_up_seven_seconds_after_its_last_renewal(holder, lease, clock):
    def leave():
        lease.is_away = True

    clock.at(4.5, leave)  # the last renewal was at 4.0
    await holder.keep()
    assert clock.passed == pytest.approx(11.0)
    assert not holder.may_write()
    # Where an answer is refused at once there are several tries before that.
    assert len(lease.calls) >= 2 + 5


async def test_a_holder_outlives_failures_in_between(holder, lease, clock):
    lease.faults = [ClusterError("busy", status=429), TimeoutError(), ClusterError("reset")]
    clock.end = START + 20
    with pytest.raises(TimeIsUp):
        await holder.keep()
    assert holder.may_write()
    # What was asked for and not answered may have been done: it is read before the next try.
    assert lease.calls[:6] == ["patch", "get", "get", "get", "patch", "patch"]


async def test_a_renewal_counts_from_before_its_request(holder, lease, clock):
    lease.latency = 3.0
    clock.at(6.0, lambda: setattr(lease, "is_away", True))
    await holder.keep()
    assert clock.passed == pytest.approx(2.0 + 7.0)  # asked for at 2.0, answered at 5.0


async def test_a_holder_that_stood_still_writes_nothing_more(holder, lease, clock):
    clock.advance(7.0)
    with pytest.raises(WriteKeptBack):
        holder.check()
    await holder.keep()
    assert lease.calls == []


async def test_an_answer_that_was_waited_for_too_long_gives_nothing(holder, lease):
    lease.latency = 30.0
    await holder.keep()
    assert (lease.calls, holder.may_write()) == (["patch"], False)


async def test_a_holder_sees_that_another_has_taken_the_lease(holder, lease, clock):
    clock.at(1.0, lambda: lease.put("b", transitions=1))
    await holder.keep()
    assert clock.passed == pytest.approx(2.5)
    assert (lease.spec["holderIdentity"], lease.calls) == ("b", ["patch", "get"])


async def test_somebodys_edit_of_the_lease_is_no_loss(holder, lease, clock):
    clock.at(1.0, lease.touch)
    clock.end = START + 5
    with pytest.raises(TimeIsUp):
        await holder.keep()
    assert (holder.may_write(), lease.calls[:3]) == (True, ["patch", "get", "patch"])


async def test_a_lease_deleted_under_its_holder_is_made_again(holder, lease, clock):
    clock.at(1.0, lease.remove)
    clock.end = START + 5
    with pytest.raises(TimeIsUp):
        await holder.keep()
    assert (lease.spec["holderIdentity"], holder.may_write()) == ("a", True)


async def test_a_standby_leaves_a_deleted_lease_to_its_holder_for_its_time(stand, lease, clock):
    lease.put("b")
    clock.at(1.0, lease.remove)
    await stand().win()
    assert clock.passed >= 10.0
    assert lease.calls[-1] == "create"


async def test_a_lease_won_by_a_request_that_was_not_answered_is_held(stand, lease):
    lease.faults = [None, TimeoutError()]
    election = stand()
    await election.win()
    assert lease.calls == ["get", "create", "get", "patch"]
    assert (election.may_write(), lease.spec["leaseTransitions"]) == (True, 0)


async def test_a_lease_lost_by_an_outage_is_held_again_when_nobody_took_it(holder, lease, clock):
    clock.at(1.0, lambda: setattr(lease, "is_away", True))
    await holder.keep()
    clock.at(60.0, lambda: setattr(lease, "is_away", False))
    await holder.win()
    assert (holder.may_write(), lease.spec["leaseTransitions"]) == (True, 0)
    assert 60.0 <= clock.passed <= 60.0 + 2.4


async def test_an_outage_is_told_once(stand, lease, clock, caplog):
    lease.is_away = True
    clock.end = START + 60
    with pytest.raises(TimeIsUp):
        await stand().win()
    assert caplog.messages == ["no hold of the lease: no answer: connection refused"]


async def test_a_release_leaves_the_lease_to_nobody_and_stops_writing_first(holder, lease):
    seen = []
    lease.clock.at(0.5, lambda: seen.append(holder.may_write()))
    lease.latency = 1.0
    await holder.release()
    assert seen == [False]
    assert "holderIdentity" not in lease.spec
    assert lease.spec["leaseTransitions"] == 0


async def test_a_release_of_what_another_holds_changes_nothing(holder, lease):
    lease.put("b")
    await holder.release()
    assert (lease.spec["holderIdentity"], lease.calls) == ("b", ["get"])


async def test_a_release_without_an_answer_is_no_error(holder, lease, caplog):
    lease.is_away = True
    await holder.release()
    assert not holder.may_write()
    assert "lease not released, it will run out" in caplog.text


async def test_a_lease_asked_for_and_not_answered_is_released_all_the_same(stand, lease):
    lease.faults = [None, TimeoutError()]
    election = stand()
    await election._attempt(1)
    assert (election.may_write(), lease.spec["holderIdentity"]) == (False, "a")
    await election.release()
    assert "holderIdentity" not in lease.spec
