"""Keys, certificate and accounts of a real process, while its Secrets change under it."""

import asyncio
import json
import ssl
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import openai
import pytest
import pytest_asyncio

from modelyard_api.report import decode_report
from tests.support.certificates import make_authority
from tests.support.mounted_secret import MountedSecret, hashes
from tests.support.runtime_process import started

KEY = "mdl_the-key-of-alice"
OWNERS = {"alice": hashes(KEY)}
REVISION = "91f8cb3a6c9d6039479e"
WORDS = 200
REVOKED_SECONDS = 5

#: One process for all: each test leaves its Secrets as it has found them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def config_of(keys=None, tls=None, **more):
    access = {
        **({"keysPath": str(keys.path)} if keys else {}),
        **({"tlsPath": str(tls.path)} if tls else {}),
        "audit": True,
    }
    return json.dumps({"modelName": "tiny", "access": access, **more})


VERIFY = {
    "request": {"path": "/predict", "body": {"text": "a"}},
    "expect": [{"path": "$.text", "equals": "A"}],
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory, authority):
    """A process that serves with keys, TLS and audit, and has verified itself."""
    folder = tmp_path_factory.mktemp("secrets")
    keys = MountedSecret(folder / "keys", OWNERS)
    pair = authority.issue("one")
    tls = MountedSecret(folder / "tls", pair)
    async with started(
        config=config_of(keys, tls, verify=VERIFY),
        FAKE_ENGINE_STEP_SECONDS="0.02",
        MODELYARD_REVISION=REVISION,
    ) as runtime:
        await runtime.says("ready")
        base = runtime.url.replace("http://", "https://")
        yield SimpleNamespace(runtime=runtime, base=base, keys=keys, tls=tls, pair=pair)


@pytest_asyncio.fixture(loop_scope="module")
async def http(authority):
    trust = ssl.create_default_context(cafile=str(authority.path))
    async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=60) as client:
        yield client


def bearer(key=KEY, **more):
    return {"authorization": f"Bearer {key}", **more}


async def status_of(http, served, key):
    return (await http.get(f"{served.base}/v1/models", headers=bearer(key))).status_code


async def wait_until(look, *, seconds):
    """Ask again until the answer is true; return how long it took."""
    began = time.monotonic()
    while not await look():
        assert time.monotonic() - began < seconds, "not in time"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_key_that_is_taken_back_is_refused_soon_and_one_that_is_given_let_in(http, served):
    assert await status_of(http, served, "mdl_carol") == 401
    served.keys.update({**OWNERS, "carol": hashes("mdl_carol")})

    async def is_let_in():
        return await status_of(http, served, "mdl_carol") == 200

    async def is_refused():
        return await status_of(http, served, "mdl_carol") == 401

    await wait_until(is_let_in, seconds=REVOKED_SECONDS)
    served.keys.update(OWNERS)
    assert await wait_until(is_refused, seconds=REVOKED_SECONDS) < REVOKED_SECONDS
    assert await status_of(http, served, KEY) == 200


async def test_a_secret_without_keys_refuses_everybody_and_the_probes_go_on(http, served):
    served.keys.update({})

    async def is_refused():
        return await status_of(http, served, KEY) == 401

    await wait_until(is_refused, seconds=REVOKED_SECONDS)
    assert (await http.get(f"{served.base}/readyz")).status_code == 200
    assert (await served.runtime.says("no_key_in_force"))["level"] == "error"
    served.keys.update(OWNERS)

    async def is_let_in():
        return await status_of(http, served, KEY) == 200

    await wait_until(is_let_in, seconds=REVOKED_SECONDS)


async def see_certificate(served, authority):
    """Return the common name that a new connection is shown."""
    trust = ssl.create_default_context(cafile=str(authority.path))
    host, port = served.base.removeprefix("https://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return dict(pair[0] for pair in certificate["subject"])["commonName"]


async def test_a_new_certificate_is_for_new_connections_and_drops_none(http, served, authority):
    prompt = " ".join(f"w{i}" for i in range(WORDS))
    body = {"model": "tiny", "prompt": prompt, "max_tokens": WORDS + 1, "stream": True}
    async with http.stream(
        "POST", f"{served.base}/v1/completions", json=body, headers=bearer()
    ) as answer:
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("data: ")
        assert await see_certificate(served, authority) == "one"
        served.tls.update(authority.issue("two"))

        async def is_renewed():
            return await see_certificate(served, authority) == "two"

        await wait_until(is_renewed, seconds=60)
        rest = [line async for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    served.tls.update({**served.pair, "tls.key": b"broken"})
    refused = await served.runtime.says("certificate_refused")
    assert refused["explanation"].endswith("; the one before stays")
    assert await see_certificate(served, authority) == "two"
    served.tls.update(served.pair)


async def test_who_does_not_speak_tls_gets_no_answer(served):
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{served.runtime.url}/livez")


def tell_apart(records):
    """Return the usage and the audit of a request, their times checked and left out."""
    usage, audit = records
    for record in (usage, audit):
        age = datetime.now(UTC) - datetime.fromisoformat(record.pop("time"))
        assert timedelta(0) <= age < timedelta(minutes=1)
    assert 0 < usage.pop("seconds") < 60
    return usage, audit


def usage_of(request_id, route, **more):
    return {
        "event": "usage",
        "request_id": request_id,
        "owner": "alice",
        "model": "tiny",
        "revision": REVISION,
        "task": "text-generation",
        "route": route,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "units": {},
        "status": 200,
        "streamed": False,
        **more,
    }


def audit_of(request_id, route, **more):
    return {
        "event": "audit",
        "request_id": request_id,
        "owner": "alice",
        "client": "127.0.0.1",
        "model": "tiny",
        "task": "text-generation",
        "method": "POST",
        "route": route,
        "status": 200,
        **more,
    }


CHAT = "/v1/chat/completions"
MESSAGES = {"model": "tiny", "messages": [{"role": "user", "content": "a secret plan"}]}
ANSWERED = [
    pytest.param(
        CHAT,
        MESSAGES,
        {"prompt_tokens": 3, "completion_tokens": 3},
        id="a chat",
    ),
    pytest.param(
        CHAT,
        {**MESSAGES, "stream": True, "max_tokens": 2},
        {"prompt_tokens": 3, "completion_tokens": 2, "streamed": True},
        id="a stream",
    ),
    pytest.param(
        "/v1/completions",
        {"model": "tiny", "prompt": ["a b", "c"], "n": 2},
        {"prompt_tokens": 3, "completion_tokens": 6},
        id="several prompts, with two answers to each",
    ),
    pytest.param(
        "/predict",
        {"text": "a b"},
        {"prompt_tokens": 2, "completion_tokens": 2},
        id="predict",
    ),
    pytest.param(
        CHAT, {**MESSAGES, "model": "other"}, {"status": 404}, id="a model that is not here"
    ),
    pytest.param(
        "/predict",
        {"text": "a fail"},
        {"prompt_tokens": 2, "completion_tokens": 1, "status": 500},
        id="a fault of the model",
    ),
]


@pytest.mark.parametrize(("route", "body", "used"), ANSWERED)
async def test_each_answer_is_accounted_for(route, body, used, http, served):
    name = f"answered-{uuid.uuid4().hex}"
    headers = bearer(**{"x-request-id": name})
    await http.post(f"{served.base}{route}", json=body, headers=headers)
    usage, audit = tell_apart(await served.runtime.writes_down(name, 2))
    assert usage == usage_of(name, route, **used)
    assert audit == audit_of(name, route, status=usage["status"])


async def test_a_client_that_leaves_is_accounted_for_what_it_has_had(http, served):
    # So many that a busy server sees that it has left long before the end.
    words = 10 * WORDS
    prompt = " ".join(f"w{i}" for i in range(words))
    body = {"model": "tiny", "prompt": prompt, "max_tokens": words + 1, "stream": True}
    async with http.stream(
        "POST",
        f"{served.base}/v1/completions",
        json=body,
        headers=bearer(**{"x-request-id": "left"}),
    ) as answer:
        await anext(answer.aiter_lines())
    usage, audit = tell_apart(await served.runtime.writes_down("left", 2))
    assert 0 < usage.pop("completion_tokens") < words
    expected = usage_of("left", "/v1/completions", status=499, streamed=True, prompt_tokens=words)
    del expected["completion_tokens"]
    assert usage == expected
    assert audit == audit_of("left", "/v1/completions", status=499)


async def test_who_has_no_key_is_audited_and_not_billed(http, served):
    async def is_written_down():
        answer = await http.post(
            f"{served.base}/predict", json={"text": "a plan"}, headers={"x-request-id": "none"}
        )
        assert answer.status_code == 401
        return any(record["request_id"] == "none" for record in served.runtime.records)

    # Others may have used up what strangers are written down at once.
    await wait_until(is_written_down, seconds=60)
    audit = {**served.runtime.writes_of("none")[0]}
    audit.pop("unrecorded", None)
    del audit["time"]
    assert audit == audit_of("none", "", owner="", status=401, path="/predict")


async def test_probes_are_not_accounted_for(http, served):
    await http.get(f"{served.base}/readyz", headers={"x-request-id": "probe"})
    await http.get(f"{served.base}/v1/models", headers=bearer(**{"x-request-id": "after"}))
    await served.runtime.writes_down("after", 2)
    assert "probe" not in {record["request_id"] for record in served.runtime.records}


async def test_openais_client_is_let_in_by_its_api_key(served, authority):
    trust = ssl.create_default_context(cafile=str(authority.path))
    async with httpx.AsyncClient(verify=trust, trust_env=False) as inner:
        good = openai.AsyncOpenAI(base_url=f"{served.base}/v1", api_key=KEY, http_client=inner)
        assert [model.id async for model in await good.models.list()] == ["tiny"]
        bad = openai.AsyncOpenAI(base_url=f"{served.base}/v1", api_key="none", http_client=inner)
        with pytest.raises(openai.AuthenticationError, match="This needs an API key"):
            await bad.models.list()


async def test_nothing_written_down_has_a_prompt_or_a_key(http, served):
    await http.post(
        f"{served.base}{CHAT}", json=MESSAGES, headers=bearer(**{"x-request-id": "quiet"})
    )
    await served.runtime.writes_down("quiet", 2)
    told = json.dumps([*served.runtime.records, *served.runtime.lines])
    assert [word for word in ("secret plan", "SECRET PLAN", KEY, "mdl_carol") if word in told] == []


async def test_metrics_tell_use_by_owner(http, served):
    await http.post(
        f"{served.base}{CHAT}", json=MESSAGES, headers=bearer(**{"x-request-id": "counted"})
    )
    await served.runtime.writes_down("counted", 2)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as plain:
        metrics = (await plain.get(f"{served.runtime.internal_url}/metrics")).text
    assert 'modelyard_usage_requests_total{code="200",owner="alice"} ' in metrics
    assert 'modelyard_usage_tokens_total{kind="prompt",owner="alice"} ' in metrics
    assert "modelyard_records_lost_total 0.0" in metrics


async def test_a_tls_connection_that_is_idle_holds_up_no_end(tmp_path, authority):
    """A client that keeps a connection and does not look at it never sees that it is closed."""
    tls = MountedSecret(tmp_path / "tls", authority.issue("three"))
    config = config_of(tls=tls, drainSeconds=60)
    async with started(
        config=config, MODELYARD_LAME_DUCK_SECONDS="0", MODELYARD_PARTING_SECONDS="0"
    ) as runtime:
        await runtime.says("ready")
        port = int(runtime.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=ssl.create_default_context(cafile=str(authority.path))
        )
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"}")
            writer.transport.pause_reading()
            runtime.signal()
            # The drain would take longer.
            assert await runtime.ends(seconds=40) == 0
        finally:
            writer.transport.abort()


@pytest.mark.parametrize("part", ["keysPath", "tlsPath"])
async def test_what_is_not_there_ends_the_start_with_a_clear_word(part, tmp_path):
    secret = MountedSecret(tmp_path / "secret")
    message = tmp_path / "termination-log"
    message.touch()
    config = json.dumps({"modelName": "tiny", "access": {part: str(secret.path)}})
    async with started(
        config=config, FAKE_ENGINE_LOAD="slow", MODELYARD_TERMINATION_LOG=str(message)
    ) as runtime:
        assert await runtime.ends() == 78
    error = decode_report(message.read_text()).error
    assert error.reason == "AccessInvalid"
    assert "does not exist in this namespace" in error.message
    assert "kubectl create secret" in error.hint
