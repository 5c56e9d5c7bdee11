"""How busy pods are: asked over HTTP, and unknown where the answer is none."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelyard_api.serving import ServingConfig
from modelyard_operator.scaling.load import HttpLoadReader, PodLoad, parse_load
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metrics import Metrics
from tests.support.objects import pod, status_of

ANSWER = """\
# HELP modelyard_requests_running Requests being computed.
# TYPE modelyard_requests_running gauge
modelyard_requests_running 3.0
modelyard_requests_waiting 4.0
# TYPE modelyard_requests_total counter
modelyard_requests_total{code="200"} 5.0
modelyard_requests_total{code="429"} 2.0
modelyard_request_seconds_count 7.0
"""


def test_an_answer_is_summed_up():
    assert parse_load(ANSWER) == PodLoad(in_flight=7, served=7)


def test_what_the_runtime_tells_can_be_read():
    metrics = Metrics(Lifecycle(ServingConfig(model_name="qwen")))
    metrics.count_request(code=200, seconds=0.1)
    assert parse_load(metrics.render().decode()) == PodLoad(in_flight=0, served=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no modelyard_requests_running, modelyard_requests_waiting"),
        ("modelyard_requests_running 1\n", "no modelyard_requests_waiting"),
        ("modelyard_requests_running one\nmodelyard_requests_waiting 1\n", "one"),
        ("modelyard_requests_running NaN\nmodelyard_requests_waiting 1\n", "cannot be"),
        ("modelyard_requests_running -1\nmodelyard_requests_waiting 0\n", "cannot be"),
        ("modelyard_requests_running +Inf\nmodelyard_requests_waiting 0\n", "cannot be"),
    ],
)
def test_what_is_no_answer_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_load(text)


class Pod:
    """A runtime's internal port that says what it is told to."""

    def __init__(self):
        self.answer = lambda: web.Response(text=ANSWER)
        self.delay = 0.0
        self.inside = self.most = 0

    async def handle(self, _):
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(self.delay)
        self.inside -= 1
        return self.answer()


@pytest.fixture
async def runtime(request):
    runtime = Pod()
    app = web.Application()
    app.router.add_get("/metrics", runtime.handle)
    async with TestServer(app, host=getattr(request, "param", "127.0.0.1")) as server:
        runtime.port = server.port
        yield runtime


@pytest.fixture
async def reader(runtime):
    async with HttpLoadReader(port=runtime.port, timeout_seconds=10.0) as reader:
        yield reader


def at(ip, name="qwen-a"):
    return pod(name, status=status_of(podIP=ip))


async def test_pods_that_answer_are_known_and_others_are_not(reader):
    here, away, nowhere = at("127.0.0.1"), at("127.1.1.1", "b"), at("", "c")
    assert await reader.read([here, away, nowhere]) == {here.uid: PodLoad(7, 7)}


@pytest.mark.parametrize("runtime", ["::1"], indirect=True)
async def test_an_address_of_ipv6_is_asked(reader):
    assert len(await reader.read([at("::1")])) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500, text=ANSWER),
        lambda: web.Response(status=302, headers={"Location": "/metrics"}),
        lambda: web.Response(text="hello"),
        lambda: web.Response(body=b"\xff\xfe"),
        lambda: web.Response(text=ANSWER + "x" * 600_000),
    ],
    ids=["a fault", "a redirect", "another text", "no text", "too long"],
)
async def test_what_a_pod_must_not_answer_counts_as_none(reader, runtime, answer):
    runtime.answer = answer
    assert await reader.read([at("127.0.0.1")]) == {}


async def test_a_pod_that_hangs_is_left_after_the_timeout(runtime):
    runtime.delay = 30.0
    async with (
        asyncio.timeout(20),
        HttpLoadReader(port=runtime.port, timeout_seconds=0.5) as reader,
    ):
        assert await reader.read([at("127.0.0.1")]) == {}


async def test_so_many_are_asked_at_once_and_waiting_for_a_turn_costs_no_answer(runtime):
    runtime.delay = 1.0
    pods = [at("127.0.0.1", f"p{number}") for number in range(200)]
    async with HttpLoadReader(port=runtime.port, timeout_seconds=3.0) as reader:
        assert len(await reader.read(pods)) == 200
    assert runtime.most <= 64
