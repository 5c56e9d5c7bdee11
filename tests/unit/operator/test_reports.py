"""Reports of pods: asked for in the background, and unknown until they come."""

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelyard_operator import reports as module
from modelyard_operator.records import Key
from modelyard_operator.reports import ReportReader
from tests.support.objects import pod, status_of
from tests.support.scripted_api import until

KEY = Key("team", "qwen")
REPORT = {"state": "ready", "task": "embeddings", "sizeBytes": 7}


class Pod:
    """A runtime's internal port that says what it is told to."""

    def __init__(self):
        self.answers = []
        self.asked = 0

    async def handle(self, _):
        self.asked += 1
        return self.answers.pop(0) if self.answers else web.json_response(REPORT)


@pytest.fixture
async def runtime():
    runtime = Pod()
    app = web.Application()
    app.router.add_get("/report", runtime.handle)
    async with TestServer(app) as server:
        runtime.port = server.port
        yield runtime


@pytest.fixture
async def read(runtime, monkeypatch):
    """A reader that runs; what it tells is in its `told` and `again`."""
    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.0, 0.0))
    told, again = [], []
    reader = ReportReader(
        port=runtime.port,
        timeout_seconds=10.0,
        on_report=told.append,
        on_retry=lambda key, _: again.append(key),
    )
    reader.told, reader.again = told, again
    task = asyncio.create_task(reader.run())
    yield reader
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


POD = pod(status=status_of(podIP="127.0.0.1"))


async def test_a_pod_that_answers_is_known(read):
    assert read.find([POD]) == {}
    read.want(KEY, POD)
    await until(lambda: read.told == [KEY])
    report = read.find([POD])[POD.uid]
    assert (report.task, report.size_bytes) == ("embeddings", 7)


async def test_a_pod_is_asked_once_at_a_time(read, runtime):
    for _ in range(5):
        read.want(KEY, POD)
    await until(lambda: read.told == [KEY])
    assert runtime.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.Response(text="not a report"),
        web.Response(body=b"\xff\xfe"),
        web.json_response({"state": "warming"}),
        web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
    ],
    ids=["an error", "no report", "no text", "not ready yet", "a redirect"],
)
async def test_an_answer_that_is_no_report_of_a_ready_runtime_is_asked_for_again(
    read, runtime, answer
):
    runtime.answers = [answer]
    read.want(KEY, POD)
    await until(lambda: read.again == [KEY])
    assert read.find([POD]) == {}
    read.want(KEY, POD)
    await until(lambda: read.told == [KEY])


async def test_a_pod_that_never_answers_is_left_alone_in_the_end(read):
    silent = pod(status=status_of(podIP="127.0.0.2"))
    for tries in (1, 2):
        read.want(KEY, silent)
        await until(lambda tries=tries: len(read.again) == tries)
    read.want(KEY, silent)
    await until(lambda: read._asked[silent.uid].tries == 3)
    read.want(KEY, silent)
    assert read._waiting.empty()


async def test_a_pod_that_is_gone_is_forgotten(read):
    read.want(KEY, POD)
    await until(lambda: read.told == [KEY])
    read.forget(POD.uid)
    assert read.find([POD]) == {}


async def test_an_answer_of_a_pod_that_went_meanwhile_is_dropped(read, runtime):
    read.want(KEY, POD)
    read.forget(POD.uid)
    await until(lambda: runtime.asked == 1)
    other = pod("other", status=status_of(podIP="127.0.0.1"))
    read.want(KEY, other)
    await until(lambda: read.told == [KEY])
    assert read.find([POD]) == {}


async def test_a_flood_of_words_is_not_read_to_its_end(read, runtime):
    runtime.answers = [web.Response(text=json.dumps({**REPORT, "task": "x" * 1_000_000}))]
    read.want(KEY, POD)
    await until(lambda: read.again == [KEY])
