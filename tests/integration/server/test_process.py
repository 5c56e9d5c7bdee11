"""The life of a real process: start, warm-up, readiness, failure to start, death."""

import json
import signal
import socket

import httpx
import pytest

from modelyard_api.report import State, decode_report
from tests.support.runtime_process import started


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        yield client


async def statuses(http, runtime):
    return {
        path: (await http.get(f"{runtime.url}{path}")).status_code
        for path in ("/livez", "/startupz", "/readyz")
    }


async def test_a_model_is_loaded_warmed_up_and_then_ready(http):
    async with started() as runtime:
        ready = await runtime.says("ready")
        assert await statuses(http, runtime) == {"/livez": 200, "/startupz": 200, "/readyz": 200}
        report = (await http.get(f"{runtime.internal_url}/report")).json()
        startup = report.pop("startup")
        assert report == {
            "state": "ready",
            "modelName": "tiny",
            "task": "text-generation",
            "format": "transformers",
            "device": {"actual": "cpu", "dtype": "float32"},
            "sizeBytes": 4000,
            "parameters": 1000,
            "contextTokens": 64,
        }
        assert 0 <= startup["load"] + startup["warmup"] <= startup["total"] < 60
        assert ready["total_seconds"] == startup["total"]


async def test_while_it_loads_it_lives_and_says_so(http):
    async with started(FAKE_ENGINE_LOAD="slow") as runtime:
        await runtime.says("listening")
        assert await statuses(http, runtime) == {"/livez": 200, "/startupz": 503, "/readyz": 503}
        assert (await http.get(f"{runtime.url}/readyz")).json() == {
            "status": "unavailable",
            "reason": "the model is loading",
        }
        report = (await http.get(f"{runtime.internal_url}/report")).json()
        assert report == {"state": "loading", "modelName": "tiny"}
        metrics = (await http.get(f"{runtime.internal_url}/metrics")).text
        assert "modelyard_requests_waiting 0.0" in metrics
        runtime.signal()
        assert await runtime.ends() == 0


CONFIG_HINT = (
    "MODELYARD_CONFIG is written by the operator; without Kubernetes, use `modelyard serve`."
)
MUTE = "the model loaded, but did not answer the warm-up request: No room for the request now."
MUTE_HINT = (
    "Try the folder with `modelyard serve DIR` on a machine with more memory, or with "
    'dtype float32. A class of your own that cannot answer "Hello" needs an attribute '
    "`example` that says what it can."
)
NO_PORT = (
    "environment variable MODELYARD_PORT: Input should be a valid integer, "
    "unable to parse string as an integer (it is 'http')"
)

VERIFY_HINT = (
    "Correct spec.update.verify (without Kubernetes, the file of `modelyard serve --verify`)."
)
NO_PATH = (
    'update.verify: expect[0].path: "$.text[" is no JSONPath of RFC 9535: unexpected end of query'
)
NO_PATTERN = (
    "update.verify: expect[0].matches: /(a/ is no regular expression: "
    "missing ), unterminated subpattern at position 0"
)


def declaring(**expectation):
    """Return a configuration with a verification of one expectation."""
    verify = {"request": {"path": "/predict", "body": {"text": "a"}}, "expect": [expectation]}
    return json.dumps({"modelName": "tiny", "verify": verify})


CANNOT_START = [
    pytest.param(
        {"FAKE_ENGINE_LOAD": "refuse"},
        ("ModelNotFound", "no model here", "look elsewhere"),
        id="the model cannot be loaded",
    ),
    pytest.param(
        {"FAKE_ENGINE_LOAD": "bug"},
        ("LoadFailed", "ZeroDivisionError: division by zero", ""),
        id="loading fails in a way not foreseen",
    ),
    pytest.param(
        {"FAKE_ENGINE_LOAD": "mute"},
        ("WarmupFailed", MUTE, MUTE_HINT),
        id="the warm-up is not answered",
    ),
    pytest.param(
        {"config": None},
        ("ConfigInvalid", "MODELYARD_CONFIG is not set", CONFIG_HINT),
        id="there is no configuration",
    ),
    pytest.param(
        {"config": '{"modelName": "tiny", "version": 2}'},
        (
            "ConfigInvalid",
            "MODELYARD_CONFIG is not valid: version: Input should be 1",
            CONFIG_HINT,
        ),
        id="the configuration is of a later version",
    ),
    pytest.param(
        {"config": declaring(path="$.text[", equals="a"), "FAKE_ENGINE_LOAD": "slow"},
        ("ConfigInvalid", NO_PATH, VERIFY_HINT),
        id="a JSONPath of the verification is none, told before the model is loaded",
    ),
    pytest.param(
        {"config": declaring(path="$.text", matches="(a"), "FAKE_ENGINE_LOAD": "slow"},
        ("ConfigInvalid", NO_PATTERN, VERIFY_HINT),
        id="a regular expression of the verification is none, told before the model is loaded",
    ),
    pytest.param(
        {"MODELYARD_PORT": "http"},
        ("ConfigInvalid", NO_PORT, ""),
        id="a setting is no number",
    ),
]


@pytest.mark.parametrize(("start", "expected"), CANNOT_START)
async def test_a_process_that_cannot_start_says_why_and_ends(start, expected, tmp_path):
    message = tmp_path / "termination-log"
    message.write_text("what an earlier container left, which was longer than this report" * 9)
    async with started(**start, MODELYARD_TERMINATION_LOG=str(message)) as runtime:
        assert await runtime.ends() == 78
        line = await runtime.says("cannot_start")
    assert (line["reason"], line["explanation"], line["hint"]) == expected
    report = decode_report(message.read_text())
    assert report.state is State.FAILED
    assert (report.error.reason, report.error.message, report.error.hint) == expected


async def test_a_taken_port_is_named(tmp_path):
    message = tmp_path / "termination-log"
    message.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(
            MODELYARD_PORT=str(port), MODELYARD_TERMINATION_LOG=str(message)
        ) as runtime:
            assert await runtime.ends() == 78
    error = decode_report(message.read_text()).error
    assert (error.reason, error.message) == (
        "ConfigInvalid",
        f"cannot listen on 127.0.0.1 port {port}: Address already in use",
    )


async def test_without_a_termination_log_it_ends_all_the_same():
    async with started(FAKE_ENGINE_LOAD="refuse") as runtime:
        assert await runtime.ends() == 78


async def test_when_the_engine_dies_the_process_ends_with_a_clear_word(http):
    async with started() as runtime:
        await runtime.says("ready")
        answer = await http.post(f"{runtime.url}/predict", json={"text": "die"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert await runtime.ends() == 70
        assert (await runtime.says("engine_died"))["level"] == "critical"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_process_soon(number):
    async with started(MODELYARD_LAME_DUCK_SECONDS="0") as runtime:
        await runtime.says("ready")
        runtime.signal(number)
        assert await runtime.ends(seconds=30) == 0


async def test_a_second_signal_ends_at_once(http):
    """Though a request is inside, for which the first one would have waited for minutes."""
    body = {"model": "tiny", "prompt": "a " * 1000, "max_tokens": 1000, "stream": True}
    async with started(FAKE_ENGINE_STEP_SECONDS="0.2") as runtime:
        await runtime.says("ready")
        async with http.stream("POST", f"{runtime.url}/v1/completions", json=body) as answer:
            await anext(answer.aiter_lines())
            runtime.signal()
            await runtime.says("draining")
            runtime.signal()
            assert await runtime.ends(seconds=30) == 128 + signal.SIGTERM


async def test_logs_hold_no_prompts(http):
    async with started() as runtime:
        await runtime.says("ready")
        headers = {"x-request-id": "mine-1"}
        for text in ("secret", "secret fail", "secret bug"):
            for path, body in (
                ("/predict", {"text": text}),
                ("/v1/completions", {"model": "tiny", "prompt": text, "stream": True}),
                ("/v1/completions", {"model": "tiny", "prompt": [text, 1]}),
            ):
                await http.post(f"{runtime.url}{path}", json=body, headers=headers)
        runtime.signal()
        await runtime.ends()
    requests = [line for line in runtime.lines if line["event"] == "request"]
    assert len(requests) == 9
    assert {line["request_id"] for line in requests} == {"mine-1"}
    assert "secret" not in str(runtime.lines)
