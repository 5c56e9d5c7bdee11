"""A process that verifies itself: ready only if its answer is as expected."""

import asyncio
import json
import re
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from modelyard_api.report import State, Verification, decode_report
from tests.support.runtime_process import started
from tests.support.tiny_models import write_model

CORRECT = "spec.update.verify (without Kubernetes, the file of `modelyard serve --verify`)"
EITHER = (
    f"If the answer is right, correct {CORRECT}; if not, spec.model. "
    "`modelyard serve DIR --verify FILE` tries both without a cluster."
)
FAILED = "The model failed as it would for any client; the log has the details."
REQUEST = f"Any client would be refused so; correct the request in {CORRECT}."
SLOW = (
    "Ask for less (max_tokens), give the model more CPU or a GPU, "
    "or raise spec.update.verify.timeout."
)
ENDLESS = (
    "A regular expression that repeats what is repeated, such as (a+)+, may search for ever; "
    f"write it without, in {CORRECT}."
)


def config_of(path, body, *expect, task="text-generation", **changes):
    verify = {"request": {"path": path, "body": body}, "expect": expect, **changes}
    return json.dumps({"modelName": "tiny", "task": task, "verify": verify})


def shouts(text="hello world", **changes):
    """Return a configuration: the fake model answers in upper case."""
    expectation = {"path": "$.text", "equals": "HELLO WORLD", **changes}
    return config_of("/predict", {"text": text}, expectation)


@asynccontextmanager
async def watched(folder, **options):
    """Start a process, and ask all the time whether it is ready: yields the answers.

    A fake model is loaded after the first of them, so that there is one, however busy the machine.
    """
    asked = folder / "asked"
    async with (
        started(FAKE_ENGINE_LOADS_AFTER=str(asked), **options) as runtime,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        await runtime.says("listening")
        answers = []
        watching = asyncio.create_task(ask_again_and_again(http, runtime, answers, asked))
        try:
            yield runtime, answers
        finally:
            watching.cancel()
            await asyncio.wait({watching})


async def ask_again_and_again(http, runtime, answers, asked):
    while runtime.process.returncode is None:
        with suppress(httpx.TransportError):  # it is ending
            answers.append((await http.get(f"{runtime.url}/readyz")).status_code)
            asked.touch()
        await asyncio.sleep(0.02)  # it needs the processor, too


async def test_a_model_that_answers_as_expected_is_ready():
    config = config_of(
        "/v1/completions",
        {"model": "tiny", "prompt": "hello world $HOME " * 5, "max_tokens": 15},
        {"path": "$.choices[0].text", "equals": "HELLO WORLD $HOME " * 4 + "HELLO WORLD $HOME"},
        {"path": "$.choices[0].text", "matches": "^HEL+O"},
        {"path": "$.usage.completion_tokens", "number": 14.5, "tolerance": 0.5},
    )
    async with started(config=config, FAKE_ENGINE_STEP_SECONDS="0.1") as runtime:
        ready = await runtime.says("ready")
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            assert (await http.get(f"{runtime.url}/readyz")).status_code == 200
            report = (await http.get(f"{runtime.internal_url}/report")).json()
            metrics = (await http.get(f"{runtime.internal_url}/metrics")).text
        verified = runtime.event("verified")
    message = report["verification"].pop("message")
    assert report["verification"] == {"passed": True}
    assert re.fullmatch(r"POST /v1/completions was answered as expected in \d+\.\d{3} s", message)
    # The warm-up takes one step of the model, and the verification fifteen.
    assert report["startup"]["warmup"] < verified["seconds"] < report["startup"]["total"]
    assert report["startup"]["total"] == ready["total_seconds"]
    assert "modelyard_requests_total{" not in metrics
    assert 'modelyard_tokens_total{kind="prompt"} 0.0' in metrics
    assert 'modelyard_tokens_total{kind="completion"} 0.0' in metrics
    assert "modelyard_request_seconds_count 0.0" in metrics
    assert "modelyard_time_to_first_token_seconds_count 0.0" in metrics


async def test_until_it_has_passed_clients_are_told_that_it_loads(tmp_path):
    config = config_of("/predict", {"text": "a " * 1000}, {"path": "$.text", "matches": "A"})
    async with watched(tmp_path, config=config, FAKE_ENGINE_STEP_SECONDS="1") as (
        runtime,
        answers,
    ):
        await runtime.says("verifying")
        answers.clear()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            answer = await http.post(f"{runtime.url}/predict", json={"text": "a"})
            started_up = await http.get(f"{runtime.url}/startupz")
            report = (await http.get(f"{runtime.internal_url}/report")).json()
            metrics = (await http.get(f"{runtime.internal_url}/metrics")).text
        while not answers:
            await asyncio.sleep(0.02)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_loading")
    assert (started_up.status_code, report["state"]) == (503, "warming")
    assert "verification" not in report
    assert "modelyard_requests_running 0.0" in metrics
    assert set(answers) == {503}


UNVERIFIED = [
    pytest.param(
        {"config": shouts(equals="hello", path="$.text")},
        'the answer to POST /predict is not as expected: $.text is "HELLO WORLD", expected "hello"',
        EITHER,
        id="another answer",
    ),
    pytest.param(
        {
            "config": config_of(
                "/predict",
                {"text": "bad"},
                {"path": "$.label", "equals": "POSITIVE"},
                {"path": "$.score", "number": 0.25, "tolerance": 0.1},
                {"path": "$.scores", "matches": "x"},
                task="text-classification",
            )
        },
        'the answer to POST /predict is not as expected: $.label is "NEGATIVE", expected '
        '"POSITIVE"; $.score is 0.75, expected the number 0.25 ± 0.1; $.scores selects nothing '
        'in {"label": "NEGATIVE", "score": 0.75}, expected a text in which /x/ is found',
        EITHER,
        id="three differences",
    ),
    pytest.param(
        {"config": config_of("/v2/infer", {}, {"path": "$.a", "equals": 1})},
        "POST /v2/infer was answered with status 404, expected 200: "
        '{"error":"There is no route POST /v2/infer."}',
        REQUEST,
        id="no such route",
    ),
    pytest.param(
        {"config": config_of("/predict", {"prompt": "a"}, {"path": "$.a", "equals": 1})},
        "POST /predict was answered with status 400, expected 200: "
        '{"error":{"code":"missing_required_parameter",'
        '"message":"Missing required parameter: \'text\'.","field":"text"}}',
        REQUEST,
        id="an invalid body",
    ),
    pytest.param(
        {"config": config_of("/v1/completions", {"prompt": "a"}, {"path": "$.a", "equals": 1})},
        "POST /v1/completions was answered with status 400, expected 200: "
        '{"error":{"message":"Missing required parameter: \'model\'.",'
        '"type":"invalid_request_error","param":"model","code":"missing_required_parameter"}}',
        REQUEST,
        id="no model is named, as any client must",
    ),
    pytest.param(
        {
            "config": config_of(
                "/v1/completions",
                {"model": "tiny", "prompt": "a", "stream": True},
                {"path": "$.a", "equals": 1},
            )
        },
        "POST /v1/completions was answered with a stream, expected one JSON document",
        "Leave `stream` out of spec.update.verify.request.body.",
        id="a stream",
    ),
    pytest.param(
        {"config": shouts(text="fail")},
        "POST /predict was answered with status 500, expected 200: "
        '{"error":{"code":"internal_error","message":"The model failed.","field":null}}',
        FAILED,
        id="the model fails",
    ),
    pytest.param(
        {"config": shouts(text="bug")},
        "POST /predict was answered with status 500, expected 200: "
        '{"error":{"code":"internal_error",'
        '"message":"The server failed on this request; its log has the details.","field":null}}',
        FAILED,
        id="the model fails in a way not foreseen",
    ),
    pytest.param(
        {"config": shouts(text="die")},
        "POST /predict was answered with status 503, expected 200: "
        '{"error":{"code":"unavailable","message":"The engine has died.","field":null}}',
        FAILED,
        id="the engine dies of it",
    ),
    pytest.param(
        {
            "config": config_of(
                "/predict",
                {"text": "a " * 100},
                {"path": "$.text", "matches": "A"},
                timeout="1s",
            )
        },
        "POST /predict was not answered within 1.0s",
        SLOW,
        id="no answer in time",
    ),
    pytest.param(
        {
            "config": config_of(
                "/predict", {"text": "a" * 40 + "1"}, {"path": "$.text", "matches": "^(A+)+$"}
            )
        },
        "the answer to POST /predict was not compared within 5.0s",
        ENDLESS,
        id="an expression that searches for ever",
    ),
]


@pytest.mark.parametrize(("start", "message", "hint"), UNVERIFIED)
async def test_a_model_that_does_not_is_never_ready_and_ends(start, message, hint, tmp_path):
    told = tmp_path / "termination-log"
    told.touch()
    # Slow enough to be asked again while it answers itself.
    options = {"FAKE_ENGINE_STEP_SECONDS": "0.5", "MODELYARD_TERMINATION_LOG": str(told), **start}
    async with watched(tmp_path, **options) as (runtime, answers):
        assert await runtime.ends(seconds=60) == 78
        line = await runtime.says("cannot_start")
    assert set(answers) == {503}
    assert (line["reason"], line["explanation"], line["hint"]) == (
        "VerificationFailed",
        message,
        hint,
    )
    report = decode_report(told.read_text())
    assert (report.state, report.verification) == (
        State.FAILED,
        Verification(passed=False, message=message),
    )
    assert (report.error.reason, report.error.message, report.error.hint) == (
        "VerificationFailed",
        message,
        hint,
    )
    assert "ready" not in [line["event"] for line in runtime.lines]


async def test_a_signal_ends_it_while_it_verifies():
    config = shouts(text="a " * 100)
    async with started(config=config, FAKE_ENGINE_STEP_SECONDS="1") as runtime:
        await runtime.says("verifying")
        runtime.signal()
        assert await runtime.ends() == 0
        await runtime.says("stopped_before_ready")


async def test_a_real_model_that_does_not_answer_as_expected_is_never_ready(tmp_path):
    folder = write_model(
        tmp_path / "model", "BertForSequenceClassification", type_vocab_size=2, num_labels=2
    )
    told = tmp_path / "termination-log"
    told.touch()
    verify = {
        "request": {"path": "/predict", "body": {"text": "t5 t6 t7"}},
        "expect": [{"path": "$.label", "equals": "SPAM"}],
    }
    config = {"modelName": "tiny", "modelPath": str(folder), "verify": verify}
    async with watched(
        tmp_path,
        module="modelyard_runtime",
        config=json.dumps(config),
        MODELYARD_TERMINATION_LOG=str(told),
    ) as (runtime, answers):
        assert await runtime.ends(seconds=240) == 78
    assert set(answers) == {503}
    report = decode_report(told.read_text())
    assert report.error.reason == "VerificationFailed"
    assert report.error.message.startswith(
        'the answer to POST /predict is not as expected: $.label is "LABEL_'
    )
