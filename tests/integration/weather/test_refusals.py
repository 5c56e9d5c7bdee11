"""The API server answers, but not with what was asked for."""

from time import monotonic, sleep

import pytest

from tests.integration.conftest import CRD
from tests.support.faults import Reply, error_event, of
from tests.support.waiting import wait_for

MODELS = "modeldeployments"


def is_told(weather, text):
    """Whether the operator has ended by itself, cleanly, and said why."""
    wait_for(
        lambda: weather.exits and any(text in reason for reason in weather.reasons()),
        what=f"an end because of {text!r}",
        seconds=60,
        told=weather.operator.log,
    )
    return {end.status for end in weather.exits} == {1}


def prove_it_works(weather):
    """A model that was there is changed and one is made, and both are acted upon."""
    weather.team.apply(scaling={"replicas": 2})
    weather.team.apply("new")
    weather.team.wait_ready(seconds=90)
    weather.team.wait_ready("new", seconds=90)
    assert weather.team.get("deployment")["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    "answer",
    [
        Reply(429, "TooManyRequests", {"Retry-After": "2"}),
        Reply(503, text="upstream connect error"),
        Reply(401, "Unauthorized"),
    ],
    ids=lambda answer: answer.status,
)
def test_an_api_server_that_refuses_everything_for_a_while_is_survived(weather, answer):
    weather.team.apply()
    weather.team.wait_ready()
    with weather.proxy.faulty(answer):
        weather.proxy.cut_watches()
        weather.team.apply(scaling={"replicas": 2})
        weather.team.apply("new")
        sleep(3)  # a few at once are well
        began = monotonic()
        sleep(3)
        # Pauses are drawn at random; without them it is hundreds.
        assert weather.proxy.count(since=began) <= 90
    weather.team.wait_ready(seconds=90)
    weather.team.wait_ready("new", seconds=90)
    assert weather.exits == []


def test_a_version_that_is_gone_leads_to_a_new_list(weather):
    weather.team.apply()
    weather.team.wait_ready()
    began = monotonic()
    weather.proxy.tell_watches(error_event(410, "Expired"))
    lists = [of(kind, is_list=True) for kind in (MODELS, "deployments", "services", "pods")]
    wait_for(
        lambda: all(weather.proxy.count(where, since=began) for where in lists),
        what="lists of everything",
        seconds=60,
    )
    prove_it_works(weather)
    assert weather.exits == []


def test_a_list_that_expires_between_its_pages_is_begun_anew(weather):
    for name in ("qwen", "second", "third"):
        weather.team.apply(name)
        weather.team.wait_ready(name)
    expired = Reply(410, "Expired")
    is_page = of("", is_continued=True)
    with weather.proxy.paged(1), weather.proxy.faulty(expired, is_page, times=8) as rule:
        weather.proxy.tell_watches(error_event(410, "Expired"))
        wait_for(lambda: rule.hits == 8, what="lists expire", seconds=90)
    prove_it_works(weather)
    assert weather.exits == []


@pytest.mark.parametrize(
    "line", [error_event(500), '{"type": "MODI\n'], ids=["error 500", "torn line"]
)
def test_what_no_watch_should_say_ends_that_watch_of_children_alone(weather, line):
    weather.team.apply()
    weather.team.wait_ready()
    began = monotonic()
    weather.proxy.tell_watches(line, of("deployments"))
    where = of("deployments", is_watch=True)
    wait_for(lambda: weather.proxy.count(where, since=began), what="a new watch", seconds=60)
    prove_it_works(weather)
    assert weather.exits == []


def test_what_no_watch_of_models_should_say_ends_the_process_at_once(weather):
    """kopf cannot go on then; a new process can."""
    weather.team.apply()
    weather.team.wait_ready()
    began = monotonic()
    weather.proxy.tell_watches(error_event(500), of(MODELS))
    assert is_told(weather, "injected 500")
    # Not only when the audit finds out.
    assert weather.exits[0].at - began < 30
    prove_it_works(weather)


def test_rights_that_are_taken_away_and_given_back_are_used_again(weather, account):
    weather.team.apply()
    weather.team.wait_ready()
    weather.cluster.kubectl("delete", "-f", "-", input=account.bindings())
    weather.proxy.cut_watches()
    weather.team.apply(scaling={"replicas": 2})
    sleep(4)
    weather.cluster.kubectl("apply", "-f", "-", input=account.bindings())
    prove_it_works(weather)
    assert weather.exits == []


def test_the_api_may_go_and_come_back(weather):
    """Its objects go with it. Without it the process ends, and the next one waits for it."""
    weather.team.apply()
    weather.team.wait_ready()
    weather.cluster.kubectl("delete", "-f", str(CRD))
    assert is_told(weather, "404")
    assert weather.exits[0].status == 1
    wait_for(
        lambda: "waiting for the ModelDeployment API" in weather.operator.log(),
        what="it waits",
        seconds=60,
    )
    weather.cluster.define(CRD.read_text())
    prove_it_works(weather)
