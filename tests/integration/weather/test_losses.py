"""The operator itself is stopped for a while, or is not told of what happens."""

import signal
from time import sleep

from tests.support.faults import Drop, of
from tests.support.waiting import wait_for


def test_an_operator_that_stands_still_for_longer_than_any_patience_goes_on(weather):
    """Its watches have timed out, and events wait for it, when it comes to itself."""
    team = weather.team
    team.apply()
    team.wait_ready()
    weather.operator.process.send_signal(signal.SIGSTOP)
    for number in range(10):
        team.kubectl("annotate", "deployment", "qwen", f"example.com/{number}=here")
    team.apply(scaling={"replicas": 2})
    team.apply("new")
    sleep(weather.silence_seconds + 4)
    weather.operator.process.send_signal(signal.SIGCONT)
    team.wait_ready(seconds=90)
    team.wait_ready("new", seconds=90)
    assert team.get("deployment")["spec"]["replicas"] == 2
    assert weather.ends_are_clean()


def test_events_that_never_come_are_made_good_and_end_the_process(weather, make_operator):
    """A watch that looks alive and tells nothing: the next process opens another."""
    is_event = Drop(lambda told: told["type"] != "BOOKMARK")
    where = of("modeldeployments", is_watch=True)
    team = weather.team
    with make_operator(MODELYARD_AUDIT_SECONDS="3") as operator:
        with weather.proxy.faulty(is_event, where):
            operator.start()
            wait_for(lambda: weather.proxy.is_watched(where), what="a watch", seconds=60)
            team.apply()
            # Ready it may become only with the next process, since this one ends soon.
            team.wait(lambda: team.get("deployment"), "what was not told of is acted upon")
            assert operator.process.wait(timeout=60) == 1
        assert "has missed events" in operator.log_lines()[-1]["message"]
    team.wait_ready()
