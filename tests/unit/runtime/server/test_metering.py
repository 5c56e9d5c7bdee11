"""What a request has used is added up across the tasks that work for it, and for it alone."""

import asyncio

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.metering import Usage, current_usage, open_usage
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.automatic_speech_recognition import Recording
from tests.support.fake_media import FakeMediaEngine
from tests.support.runtime_server import build_life


async def test_what_tasks_add_is_their_requests_alone():
    async def work():
        current_usage().add(prompt_tokens=1, units={"items": 2})

    async def serve():
        usage = open_usage()
        await asyncio.gather(*(asyncio.create_task(work()) for _ in range(3)))
        return usage

    one, other = await asyncio.gather(asyncio.create_task(serve()), asyncio.create_task(serve()))
    expected = Usage(prompt_tokens=3, units={"items": 6})
    assert (one, other, one is other) == (expected, expected, False)


async def test_a_recording_is_billed_by_its_seconds_and_what_was_written():
    life = build_life(FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION))
    service = InferenceService(life, Metrics(life), routes={})
    usage = open_usage()
    await service.run(Task.AUTOMATIC_SPEECH_RECOGNITION, [Recording(b"two words")])
    assert usage == Usage(completion_tokens=2, units={"items": 1, "audio_seconds": 1.5})


def test_where_no_account_is_kept_adding_harms_nobody():
    current_usage().add(completion_tokens=1)
    assert current_usage() == Usage()
