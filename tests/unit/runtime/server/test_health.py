"""What the probes say in every state of the process."""

import pytest

from modelyard_api.report import ReportedError
from tests.support.fake_engine import FakeGenerationEngine
from tests.support.runtime_server import build_client, build_life


def loading():
    return build_life(None)


def warming():
    life = build_life(None)
    life.finish_load(FakeGenerationEngine(), seconds=1)
    return life


def ready():
    return build_life(FakeGenerationEngine())


def draining():
    life = ready()
    life.begin_drain()
    return life


def stopped_while_loading():
    life = loading()
    life.begin_drain()
    return life


def dead():
    engine = FakeGenerationEngine()
    engine.kill()
    return build_life(engine)


def failed():
    life = loading()
    life.fail(ReportedError(reason="LoadFailed", message="no"))
    return life


OK = (200, {"status": "ok"})


def no(reason):
    return (503, {"status": "unavailable", "reason": reason})


DEAD = no("the model's engine has died")


@pytest.mark.parametrize(
    ("build", "live", "started", "readied"),
    [
        (loading, OK, no("the model is loading"), no("the model is loading")),
        (warming, OK, no("the model is warming"), no("the model is warming")),
        (ready, OK, OK, OK),
        (draining, OK, OK, no("the process is draining")),
        (
            stopped_while_loading,
            OK,
            no("the process is draining"),
            no("the process is draining"),
        ),
        (dead, DEAD, DEAD, DEAD),
        (failed, OK, no("the process is failed"), no("the process is failed")),
    ],
)
async def test_probes(build, live, started, readied):
    async with build_client(life=build()) as client:
        answers = [await client.get(path) for path in ("/livez", "/startupz", "/readyz")]
    assert [(one.status_code, one.json()) for one in answers] == [live, started, readied]


async def test_probes_are_neither_counted_nor_refused(caplog):
    life = ready()
    async with build_client(life=life) as client:
        assert (await client.get("/readyz")).status_code == 200
    assert "request" not in [record.getMessage() for record in caplog.records]
