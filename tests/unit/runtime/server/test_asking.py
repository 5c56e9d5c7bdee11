"""The pod asks itself: a client's whole way, but nothing of it is a client's."""

import asyncio
import logging
import re

import pytest

from modelyard_api.meta import Reason
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task, Verify
from modelyard_runtime.asking import verify
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.logs import current_request_id
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.settings import Settings
from modelyard_runtime.verification import parse_plan
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import MODEL, build_client


def plan_of(path, body, *expect, timeout="1m"):
    return parse_plan(
        Verify.model_validate(
            {"request": {"path": path, "body": body}, "expect": expect, "timeout": timeout}
        )
    )


def warming(engine):
    life = Lifecycle(ServingConfig(model_name=MODEL))
    life.finish_load(engine, seconds=0)
    return life


async def ask(plan, engine, settings=None):
    return await verify(plan, engine, warming(engine), settings or Settings())


GOOD = plan_of("/predict", {"text": "good"}, {"path": "$.label", "equals": "POSITIVE"})


async def test_an_answer_as_expected_is_told_with_its_time():
    outcome = await ask(GOOD, FakeBatchEngine(Task.TEXT_CLASSIFICATION))
    assert outcome.passed
    assert re.fullmatch(r"POST /predict was answered as expected in \d+\.\d{3} s", outcome.message)


async def test_another_answer_is_a_fault():
    plan = plan_of("/predict", {"text": "bad"}, {"path": "$.label", "equals": "POSITIVE"})
    with pytest.raises(CannotStart) as caught:
        await ask(plan, FakeBatchEngine(Task.TEXT_CLASSIFICATION))
    assert caught.value.reason is Reason.VERIFICATION_FAILED
    assert caught.value.message == (
        'the answer to POST /predict is not as expected: $.label is "NEGATIVE", expected "POSITIVE"'
    )


REFUSED = [
    pytest.param(
        plan_of("/predict", {"text": "a" * 1000}, {"path": "$.label", "equals": "a"}),
        "status 413, expected 200: "
        '{"error":{"code":"body_too_large","message":"The body is larger than 100 bytes.",'
        '"field":null}}',
        id="a body too large for a client",
    ),
    pytest.param(
        plan_of("/predict", {"text": "a", "top": 2}, {"path": "$.label", "equals": "a"}),
        "status 400, expected 200: "
        '{"error":{"code":"unknown_parameter","message":"Unknown parameter: \'top\'.",'
        '"field":"top"}}',
        id="a field that no client may send",
    ),
    pytest.param(
        plan_of("/predict", {"text": "fail"}, {"path": "$.label", "equals": "a"}),
        "status 500, expected 200: "
        '{"error":{"code":"internal_error","message":"The model failed.","field":null}}',
        id="a fault of the model",
    ),
]


@pytest.mark.parametrize(("plan", "message"), REFUSED)
async def test_what_a_client_would_be_refused_is_refused(plan, message):
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION)
    with pytest.raises(CannotStart) as caught:
        await ask(plan, engine, Settings(max_body_bytes=100))
    assert caught.value.message == f"POST /predict was answered with {message}"


async def test_nothing_of_it_is_a_clients():
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION)
    life = warming(engine)
    metrics = Metrics(life)
    before = samples(metrics)
    engine.gate.clear()
    asking = asyncio.create_task(verify(GOOD, engine, life, Settings()))
    await engine.waiting_at_gate.wait()
    assert samples(metrics) == before
    async with build_client(life=life) as client:
        answer = await client.post("/predict", json={"text": "good"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_loading")
    engine.gate.set()
    await asking
    assert samples(metrics) == before


def samples(metrics):
    lines = metrics.render().decode().splitlines()
    return [line for line in lines if line.startswith("modelyard_")]


async def test_the_log_names_the_request_and_later_lines_do_not(caplog):
    caplog.set_level(logging.INFO)
    await ask(GOOD, FakeBatchEngine(Task.TEXT_CLASSIFICATION))
    assert current_request_id.get() == ""
    lines = [record for record in caplog.records if record.name.startswith("modelyard")]
    assert [line.getMessage() for line in lines] == ["verifying", "request", "verified"]
    assert {line.path for line in lines} == {"/predict"}


class Stubborn(FakeBatchEngine):
    """Does not let go of a request that is given up, as long as its gate is closed."""

    async def run(self, _inputs):
        while not self.gate.is_set():
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                continue
        return []


async def test_a_model_that_hangs_is_not_waited_for():
    engine = Stubborn(Task.TEXT_CLASSIFICATION)
    engine.gate.clear()
    plan = plan_of(
        "/predict", {"text": "a"}, {"path": "$.label", "equals": "POSITIVE"}, timeout="1s"
    )
    try:
        with pytest.raises(CannotStart) as caught:
            await ask(plan, engine)
    finally:
        engine.gate.set()
    assert (caught.value.reason, caught.value.message) == (
        Reason.VERIFICATION_FAILED,
        "POST /predict was not answered within 1.0s",
    )


async def test_a_process_that_is_asked_to_stop_gives_the_request_up():
    engine = FakeGenerationEngine()
    engine.gate.clear()
    plan = plan_of("/predict", {"text": "a"}, {"path": "$.text", "equals": "A"})
    asking = asyncio.create_task(ask(plan, engine))
    await engine.waiting_at_gate.wait()
    asking.cancel()
    await engine.is_idle.wait()
    with pytest.raises(asyncio.CancelledError):
        await asking
