"""The gRPC port has the same door as HTTP's: keys, bounds and accounts."""

import asyncio
import gzip
import ssl

import grpc
import grpc.aio
import pytest

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.access.certificate import open_certificate
from modelyard_runtime.access.gate import Gate
from modelyard_runtime.access.key_folder import open_keys
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.settings import Settings
from tests.support.certificates import make_authority
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.grpc_calls import MESSAGES, build_question, call, read_texts
from tests.support.mounted_secret import MountedSecret, hashes
from tests.support.runtime_server import Records, running

SOON = 20
KEY = "mdl_the-key-of-alice"
BEARER = ("authorization", f"Bearer {KEY}")
LIVE = MESSAGES["ServerLiveRequest"]()


def classifier(**changes):
    return FakeBatchEngine(Task.TEXT_CLASSIFICATION, **changes)


async def fault_of(calling):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(calling, SOON)
    return caught.value


async def code_of(calling):
    return (await fault_of(calling)).code()


@pytest.fixture
def keys(tmp_path):
    return MountedSecret(tmp_path / "keys", {"alice": hashes(KEY)})


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param((), id="none"),
        pytest.param((("authorization", "Bearer mdl_guess"),), id="a wrong one"),
        pytest.param((BEARER, BEARER), id="two"),
        pytest.param((("x-api-key-bin", KEY.encode()),), id="under another name"),
    ],
)
async def test_without_a_key_there_is_no_answer(metadata, keys):
    gate = Gate(keys=open_keys(keys.path))
    async with (
        running(classifier(), gate=gate, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        for method in ("ServerLive", "ModelInfer", "RepositoryIndex", "Nothing"):
            code = await code_of(call(channel, LIVE, method=method, metadata=metadata))
            assert (method, code) == (method, grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize("metadata", [BEARER, ("x-api-key", KEY)], ids=["bearer", "own header"])
async def test_with_a_key_there_is_one_and_its_owner_is_written_down(metadata, keys):
    gate, records = Gate(keys=open_keys(keys.path)), Records()
    async with (
        running(classifier(), gate=gate, records=records, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        calling = call(channel, build_question("good one", "bad"), metadata=(metadata,))
        answer = await asyncio.wait_for(calling, SOON)
        assert read_texts(answer.raw_output_contents[0]) == ["POSITIVE", "NEGATIVE"]
        told = dict(await calling.trailing_metadata())
    (usage,) = [record for record in records.all if record["event"] == "usage"]
    assert {name: usage[name] for name in ("owner", "route", "prompt_tokens", "units")} == {
        "owner": "alice",
        "route": "/inference.GRPCInferenceService/ModelInfer",
        "prompt_tokens": 3,
        "units": {"items": 2},
    }
    assert usage["request_id"] == told["x-request-id"]


async def test_a_revoked_key_is_refused_on_a_connection_that_is_open(keys):
    gate = Gate(keys=open_keys(keys.path))
    async with (
        running(classifier(), gate=gate, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        assert (await call(channel, LIVE, metadata=(BEARER,))).live
        keys.update({"bob": hashes("mdl_bob")})
        for look in gate.looks:
            look()
        code = await code_of(call(channel, LIVE, metadata=(BEARER,)))
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_tls_shows_the_newest_certificate_and_plain_text_gets_no_answer(tmp_path):
    authority = make_authority(tmp_path)
    secret = MountedSecret(tmp_path / "tls", authority.issue("one"))
    gate = Gate(certificate=open_certificate(secret.path))
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
    async with running(classifier(), gate=gate, speaks_grpc=True) as server:

        async def ask():
            async with grpc.aio.secure_channel(server.grpc_address, credentials) as channel:
                assert (await asyncio.wait_for(call(channel, LIVE), SOON)).live

        await ask()
        assert await shown_to(server, authority) == "one"
        secret.update(authority.issue("two"))
        for look in gate.looks:
            look()
        await ask()
        assert await shown_to(server, authority) == "two"
        async with grpc.aio.insecure_channel(server.grpc_address) as channel:
            assert await code_of(call(channel, LIVE)) is grpc.StatusCode.UNAVAILABLE


async def shown_to(server, authority):
    """Return the common name of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", server.grpc.port_number, ssl=context)
    subject = writer.get_extra_info("peercert")["subject"]
    writer.close()
    return dict(pair for part in subject for pair in part)["commonName"]


async def test_a_client_that_gives_up_or_runs_out_of_time_frees_its_place():
    engine = classifier()
    async with (
        running(engine, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        engine.gate.clear()
        calling = call(channel, build_question("given up"))
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        calling.cancel()
        await asyncio.wait_for(engine.has_abandoned.wait(), SOON)

        code = await code_of(call(channel, build_question("too late"), timeout=0.2))
        await asyncio.wait_for(engine.is_idle.wait(), SOON)
        engine.gate.set()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert engine.abandoned[0] == "given up"


async def test_a_full_server_says_when_to_come_again():
    engine = classifier()
    async with (
        running(engine, settings=Settings(max_requests=1), speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        engine.gate.clear()
        first = call(channel, build_question("good"))
        await asyncio.wait_for(engine.waiting_at_gate.wait(), SOON)
        fault = await fault_of(call(channel, build_question("good")))
        engine.gate.set()
        await asyncio.wait_for(first, SOON)
        engine_fault = await fault_of(call(channel, build_question("full")))
    assert fault.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = dict(fault.trailing_metadata())
    assert (told["retry-after"], told["grpc-retry-pushback-ms"]) == ("1", "1000")
    assert dict(engine_fault.trailing_metadata())["grpc-retry-pushback-ms"] == "7000"


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        pytest.param(
            build_question("a", model="other"),
            grpc.StatusCode.NOT_FOUND,
            "model: The model 'other' is not served here",
            id="another model",
        ),
        pytest.param(
            build_question(""),
            grpc.StatusCode.INVALID_ARGUMENT,
            "inputs.text: the text is empty",
            id="an empty text",
        ),
        pytest.param(
            build_question("fail"),
            grpc.StatusCode.INTERNAL,
            "The model failed.",
            id="the model fails",
        ),
        pytest.param(
            build_question("a" * 1024),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "larger",
            id="a message that is too large",
        ),
        pytest.param(
            b"\xff\xff\xff",
            grpc.StatusCode.INVALID_ARGUMENT,
            "The message is no ModelInferRequest.",
            id="no message",
        ),
        pytest.param(
            MESSAGES["ModelInferRequest"](model_name="tiny"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "inputs: There are no inputs.",
            id="an empty message",
        ),
    ],
)
async def test_faults_have_the_status_that_fits(request_, code, said):
    settings = Settings(max_body_bytes=512, max_media_bytes=512)
    async with (
        running(classifier(), settings=settings, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        fault = await fault_of(call(channel, request_, method="ModelInfer"))
        assert (await call(channel, LIVE)).live
    assert fault.code() is code
    assert said in fault.details()


async def test_no_method():
    async with (
        running(classifier(), speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        fault = await fault_of(call(channel, LIVE, method="ModelStreamInfer"))
    assert fault.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_what_is_compressed_is_not_unpacked():
    bomb = build_question("a" * 10**6)
    assert len(gzip.compress(bomb.SerializeToString())) < 4096
    settings = Settings(max_body_bytes=4096, max_media_bytes=4096)
    async with (
        running(classifier(), settings=settings, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        code = await code_of(call(channel, bomb, compression=grpc.Compression.Gzip))
    assert code in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL}


async def test_a_message_that_does_not_come_is_not_waited_for():
    async with (
        running(classifier(), settings=Settings(body_seconds=0.3), speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        silent = channel.stream_unary("/inference.GRPCInferenceService/ServerLive")()
        code = await code_of(silent)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_model_that_still_loads():
    async with (
        running(None, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        assert (await call(channel, LIVE)).live
        ready = await call(channel, MESSAGES["ServerReadyRequest"]())
        code = await code_of(call(channel, build_question("a")))
    assert (ready.ready, code) == (False, grpc.StatusCode.UNAVAILABLE)


async def test_a_port_that_is_taken():
    async with running(classifier(), speaks_grpc=True) as server:
        taken = Settings(host="127.0.0.1", grpc_port=server.grpc.port_number)
        other = type(server.grpc)(None, taken)
        with pytest.raises(CannotStart, match=r"cannot listen on 127\.0\.0\.1 port"):
            await other.open()
        await other.abort()


async def test_generations_are_shared_with_http():
    engine = FakeGenerationEngine()
    async with (
        running(engine, speaks_grpc=True) as server,
        grpc.aio.insecure_channel(server.grpc_address) as channel,
    ):
        request = build_question("a b c")
        request.parameters["max_tokens"].int64_param = 2
        answer = await asyncio.wait_for(call(channel, request), SOON)
    assert read_texts(answer.raw_output_contents[0]) == ["A B"]
