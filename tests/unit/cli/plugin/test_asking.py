"""The conversation with a model: the runtime's real routes around a scripted engine."""

import asyncio
import shutil

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelyard_api.v1alpha1 import Task
from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.asking import ask, exchange
from modelyard_cli.plugin.forwarding import Reach, Tunnel
from modelyard_cli.plugin.question import Question, form_other, form_question
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.plugin_models import build_model
from tests.support.runtime_server import MODEL, running


async def nothing():
    """Nobody waits for the first word."""


async def converse(address, question, seconds=10.0):
    await exchange(Tunnel(address), question, nothing, silence_seconds=seconds)


async def ask_engine(engine, question):
    async with running(engine) as server:
        await converse(f"127.0.0.1:{server.port}", question)


async def test_a_chat_is_printed_as_it_comes(capsys):
    engine = FakeGenerationEngine()
    await ask_engine(engine, form_question("text-generation", MODEL, "how are you", is_raw=False))
    assert capsys.readouterr().out == "HOW ARE YOU\n"


async def test_an_embedding_is_told_by_its_size(capsys):
    engine = FakeBatchEngine(Task.EMBEDDINGS)
    await ask_engine(engine, form_question("embeddings", MODEL, "hi", is_raw=False))
    assert capsys.readouterr().out.startswith("4 dimensions, length 2.")


async def test_labels_are_told_with_their_scores(capsys):
    engine = FakeBatchEngine(Task.TEXT_CLASSIFICATION)
    question = form_question("text-classification", MODEL, "good", is_raw=False)
    await ask_engine(engine, question)
    assert capsys.readouterr().out == "POSITIVE  0.7500\nNEGATIVE  0.2500\n"


async def test_any_other_route_is_printed_as_json(capsys):
    engine = FakeBatchEngine(Task.EMBEDDINGS)
    await ask_engine(engine, form_other("/v1/models", None))
    assert '"id": "tiny"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (form_other("/nowhere", None), "the model answers 404: "),
        (
            form_question("text-generation", "another", "hi", is_raw=False),
            "the model answers 404: ",
        ),
        (
            form_question("text-generation", MODEL, "well fail", is_raw=False),
            "the model broke off: ",
        ),
    ],
    ids=["no such route", "no such model", "a fault in the stream"],
)
async def test_what_the_model_refuses_is_told(question, told):
    engine = FakeGenerationEngine()
    with pytest.raises(CommandFailed) as caught:
        await ask_engine(engine, question)
    assert caught.value.message.startswith(told)


def serve(*answers):
    """A server that gives one answer after the other."""
    app, left = web.Application(), list(answers)

    async def handle(request):
        await request.read()
        return left.pop(0)

    app.router.add_route("*", "/{path:.*}", handle)
    return TestServer(app)


async def test_a_model_without_a_chat_template_is_given_the_text_to_continue(capsys):
    refusal = {"error": {"message": "this model has no chat template", "param": "messages"}}
    stream = 'data: {"choices": [{"text": "upon a time", "finish_reason": "length"}]}\n\n'
    async with serve(web.json_response(refusal, status=400), web.Response(text=stream)) as server:
        question = form_question("text-generation", "m", "Once", is_raw=False)
        await converse(f"127.0.0.1:{server.port}", question)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("upon a time\n", "(cut: it had more to say)\n")


async def test_a_full_model_says_when_to_come_again():
    body = {"error": {"message": "all seats are taken"}}
    full = web.json_response(body, status=429, headers={"Retry-After": "3"})
    async with serve(full) as server:
        with pytest.raises(CommandFailed) as caught:
            await converse(f"127.0.0.1:{server.port}", Question("/predict", {}))
    assert (caught.value.message, caught.value.cure) == (
        "the model answers 429: all seats are taken",
        "It is full: try again in 3 s.",
    )


async def test_a_silent_model_is_given_up():
    gone = asyncio.Event()

    async def keep_quiet(reader, writer):
        await reader.read()  # until the client goes
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(keep_quiet, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(CommandFailed, match=r"the model was silent for 0\.2 s"):
            await converse(f"{host}:{port}", Question("/predict", {}), seconds=0.2)
        await gone.wait()


async def test_a_tunnel_that_breaks_is_told_in_kubectls_words(unused_tcp_port):
    tunnel = Tunnel(f"127.0.0.1:{unused_tcp_port}")
    tunnel.complaints.append("error: lost connection to pod")
    with pytest.raises(CommandFailed, match=r"broke \(error: lost connection to pod\)"):
        await exchange(tunnel, Question("/predict", {}), nothing, silence_seconds=5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (build_model("Starting"), "team/qwen is not ready (Starting): Because."),
        (build_model("Sleeping", "True"), "team/qwen is asleep (Sleeping): Because."),
    ],
    ids=["not ready", "asleep"],
)
async def test_a_model_that_cannot_answer_is_not_waited_for(model, message):
    with pytest.raises(CommandFailed) as caught:
        await ask(model, Question("/predict", {}), Reach(), silence_seconds=1)
    assert caught.value.message == message


async def test_an_older_revision_answers_and_it_is_said(monkeypatch, capsys, tmp_path):
    """Here there is no kubectl to go on with, which is told as well."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("kubectl") is None
    model = build_model("RolledBack", available="True")
    with pytest.raises(CommandFailed, match="there is no kubectl in PATH"):
        await ask(model, Question("/predict", {}), Reach(), silence_seconds=1)
    told = capsys.readouterr().err
    assert told == "team/qwen: Serving, but not as the spec asks (RolledBack).\n"


def test_kubectl_is_told_the_same_cluster():
    command = Reach("my/config", "c").build_command("/bin/kubectl", "team", "qwen")
    assert command == [
        *("/bin/kubectl", "port-forward", "--address=127.0.0.1"),
        *("--kubeconfig=my/config", "--context=c", "-n", "team", "service/qwen", ":80"),
    ]
