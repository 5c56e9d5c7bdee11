"""No accepted call is lost when a process is told to stop."""

import asyncio

import grpc
import grpc.aio
import pytest

from tests.support.grpc_calls import MESSAGES, build_question, call, read_texts
from tests.support.runtime_process import started

SOON = 60


async def test_calls_inside_are_finished_when_the_process_is_told_to_stop():
    config = '{"modelName": "tiny", "task": "text-generation"}'
    words = " ".join(f"w{i}" for i in range(60))
    async with started(
        # Longer than by default, so that a busy machine gets to its questions in time.
        config=config,
        FAKE_ENGINE_STEP_SECONDS="0.05",
        MODELYARD_LAME_DUCK_SECONDS="3",
    ) as runtime:
        await runtime.says("ready")
        async with grpc.aio.insecure_channel(runtime.grpc_address) as channel:
            await call(channel, build_question("warm"))
            callings = [call(channel, build_question(words)) for _ in range(8)]
            # Behind them on the same connection: when it is answered, they are inside.
            await call(channel, build_question("one"))
            runtime.signal()
            await runtime.says("draining")
            ready = await call(channel, MESSAGES["ServerReadyRequest"]())
            late = await call(channel, build_question("late"))
            answers = await asyncio.gather(*callings)
        assert await runtime.ends() == 0
    assert not ready.ready
    assert read_texts(late.raw_output_contents[0]) == ["LATE"]
    assert [read_texts(one.raw_output_contents[0]) for one in answers] == [[words.upper()]] * 8


async def test_calls_that_outlive_the_drain_are_told_so():
    config = '{"modelName": "tiny", "drainSeconds": 1}'
    async with started(config=config, FAKE_ENGINE_STEP_SECONDS="0.2") as runtime:
        await runtime.says("ready")
        async with grpc.aio.insecure_channel(runtime.grpc_address) as channel:
            calling = call(channel, build_question(" ".join("a" * 100)))
            await call(channel, build_question("one"))
            runtime.signal()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(calling, SOON)
            fault = caught.value
        assert await runtime.ends() == 0
    assert (fault.code(), fault.details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "The engine has ended.",
    )
