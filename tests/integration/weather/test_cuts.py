"""The API server out of reach, and connections that break: the operator goes on afterwards."""

from time import monotonic, sleep

import pytest

from modelyard_local import components
from tests.support.faults import ApplyThenReset, EndWatch, Hang, of
from tests.support.kubectl import MDL

#: Nobody waits for longer than the longest pause of whoever notices last: Kubernetes' controllers
#: rest for half a minute and more where the API server takes long to come back. What is lost the
#: operator's audit finds after two minutes.
SOON = 90
#: How often each child was written in the end, its creation included: its spec, and once for a
#: revision of a Deployment the note that it is good, which counts as a new generation, too.
CAUGHT_UP = {
    ("deployment", "changed"): 3,
    ("deployment", "new"): 2,
    ("deployment", "robbed"): 2,
    ("networkpolicy", "changed"): 1,
    ("networkpolicy", "new"): 1,
    ("networkpolicy", "robbed"): 1,
    ("poddisruptionbudget", "changed"): 1,
    ("service", "changed"): 1,
    ("service", "new"): 1,
    ("service", "robbed"): 1,
}


def start_three(team):
    """Models whose lives go on while the operator is not told."""
    for name in ("changed", "deleted", "robbed"):
        team.apply(name)
    for name in ("changed", "deleted", "robbed"):
        team.wait_ready(name)
        # The note belongs to the beginning, else it may fall into one write with a change.
        team.wait_good(name)


def live_on(team):
    """What others do meanwhile: a new model, a change, a deletion, a child deleted."""
    team.apply("new")
    team.apply("changed", scaling={"replicas": 2})
    team.kubectl("delete", MDL, "deleted")
    team.kubectl("delete", "service,deployment,networkpolicy", "robbed")


def wait_caught_up(weather):
    """Everything that happened is acted upon, and nothing more than once."""
    weather.team.wait(lambda: weather.count_specs() == CAUGHT_UP, "caught up", SOON)
    for name in ("new", "changed", "robbed"):
        weather.team.wait_ready(name)
    assert weather.team.get("deployment", "changed")["spec"]["replicas"] == 2
    assert weather.count_specs() == CAUGHT_UP


@pytest.mark.parametrize("component", ["kube-apiserver", "etcd"])
def test_a_killed_program_of_the_control_plane_is_survived(weather, component):
    start_three(weather.team)
    with components.ended(weather.cluster.name, component):
        sleep(2)
    live_on(weather.team)
    wait_caught_up(weather)
    assert weather.ends_are_clean()


def test_a_frozen_api_server_is_survived(weather):
    start_three(weather.team)
    with components.paused(weather.cluster.name, "kube-apiserver"):
        sleep(weather.silence_seconds + 2)
    live_on(weather.team)
    wait_caught_up(weather)
    assert weather.exits == []


def test_nothing_is_lost_while_the_api_server_is_out_of_reach(weather):
    start_three(weather.team)
    with weather.proxy.away():
        live_on(weather.team)
        sleep(5)
    wait_caught_up(weather)
    assert weather.ends_are_clean()


def test_connections_that_are_half_open_are_given_up(weather):
    start_three(weather.team)
    weather.proxy.freeze_watches()
    live_on(weather.team)
    wait_caught_up(weather)
    assert weather.exits == []


def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_pause(weather):
    start_three(weather.team)
    with weather.proxy.faulty(EndWatch(), lambda seen: seen.is_watch):
        weather.proxy.cut_watches()
        live_on(weather.team)
        sleep(4)  # a few at once are well
        began = monotonic()
        sleep(4)
        asked = weather.proxy.count(lambda seen: seen.is_watch, since=began)
    # Seven watches whose pauses have grown to seconds, each drawn at random. Without them it is
    # hundreds.
    assert asked <= 40
    # By now a watch may rest for half a minute.
    wait_caught_up(weather)


def test_requests_that_nobody_answers_are_given_up_and_made_again(weather):
    start_three(weather.team)
    with weather.proxy.faulty(Hang(), of(weather.team.name)) as rule:
        live_on(weather.team)
        weather.team.wait(lambda: rule.hits, "a request that hangs")
        assert "ok" in weather.operator.ask("/livez")
    wait_caught_up(weather)
    assert weather.exits == []


def test_writes_that_happened_although_nobody_said_so_are_not_made_twice(weather):
    start_three(weather.team)
    where = of(weather.team.name, is_write=True)
    with weather.proxy.faulty(ApplyThenReset(), where, times=6) as rule:
        live_on(weather.team)
        weather.team.wait(lambda: rule.hits == 6, "six writes without an answer")
    wait_caught_up(weather)
    assert weather.exits == []
