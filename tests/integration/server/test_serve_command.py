"""`modelyard serve` with real models: the whole way from a folder to OpenAI's client."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import openai
import pytest

from modelyard_cli.key import hash_key
from tests.support.example_models import ExampleMaker
from tests.support.lora_adapters import write_adapter
from tests.support.tiny_models import edit_json, write_model
from tests.support.waiting import wait_for

#: Importing torch on a busy machine with two cores.
LOAD_SECONDS = 180
#: An answer of a small model there, or the end of its process.
SOON = 60


@pytest.fixture
def example(request, tmp_path):
    """The folder of an example's model. Making it takes minutes once, which no test is given."""
    folder = tmp_path / request.param
    ExampleMaker(request.param).write(folder)
    return folder


@pytest.fixture
def port():
    """A port that is kept from all others until the test is over.

    Whoever shares it, as the command does (SO_REUSEADDR), may still listen on it.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


def start(folder, port, *options):
    """Run the command as a person would, in the folder's parent."""
    ports = ["--port", str(port), "--internal-port", "0", "--grpc-port", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "modelyard_cli", "serve", folder.name, *ports, *options],
        cwd=folder.parent,
        env={**os.environ, "MODELYARD_TERMINATION_LOG": str(folder.parent / "none")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def serving(folder, port, *options):
    """Run the command until it serves, and end it with Ctrl-C."""
    with start(folder, port, *options) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: is_ready(url, process), what="ready", seconds=LOAD_SECONDS)
            yield url
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON) == 0
            assert f"curl {url}/readyz" in process.stdout.read()
        finally:
            process.kill()


def is_ready(url, process):
    assert process.poll() is None, process.stdout.read()
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def client_of(url):
    return openai.OpenAI(
        base_url=f"{url}/v1",
        api_key="none",
        timeout=120,
        http_client=httpx.Client(trust_env=False, timeout=120),
    )


@pytest.mark.parametrize("example", ["smollm2"], indirect=True)
def test_a_chat_model(example, port):
    with serving(example, port) as url, client_of(url) as client:
        request = {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "temperature": 0,
            "max_tokens": 12,
        }
        whole = client.chat.completions.create(**request)
        stream = client.chat.completions.create(**request, stream=True)
        text = whole.choices[0].message.content
        assert "Paris" in text
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text


@pytest.mark.parametrize("example", ["minilm"], indirect=True)
def test_a_sentence_encoder(example, port):
    with serving(example, port) as url, client_of(url) as client:
        cat, kitten, car = (
            item.embedding
            for item in client.embeddings.create(
                model="minilm", input=["a cat", "a kitten", "a car"]
            ).data
        )
        assert similarity(cat, kitten) > similarity(cat, car)
        answer = ask(url, {"text": "a cat"})
        assert answer.json()["embedding"] == pytest.approx(cat, abs=1e-4)


def ask(url, body, **headers):
    return httpx.post(f"{url}/predict", json=body, headers=headers, trust_env=False, timeout=SOON)


def similarity(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    """A classifier of random weights, the same each time: it takes this text for LABEL_1."""
    folder = tmp_path_factory.mktemp("models") / "labels"
    return write_model(folder, "BertForSequenceClassification", type_vocab_size=2, num_labels=2)


def write_check(folder, label):
    expect = [
        {"path": "$.label", "equals": label},
        {"path": "$.score", "number": 0.75, "tolerance": 0.25},
    ]
    request = {"path": "/predict", "body": {"text": "t5 t6 t7"}}
    (folder / "check.json").write_text(json.dumps({"request": request, "expect": expect}))


def test_a_model_that_passes_its_check_is_served(labels, port):
    write_check(labels.parent, "LABEL_1")
    with serving(labels, port, "--verify", "check.json") as url:
        assert ask(url, {"text": "t5 t6 t7"}).json()["label"] == "LABEL_1"


def test_a_model_that_asks_for_keys_keeps_accounts(labels, port, tmp_path):
    (tmp_path / "bob").write_text(hash_key("mdl_bob"))
    url = f"http://127.0.0.1:{port}"
    with start(labels, port, "--keys", str(tmp_path), "--audit") as process:
        try:
            wait_for(lambda: is_ready(url, process), what="ready", seconds=LOAD_SECONDS)
            body = {"text": "t5 t6 t7"}
            assert ask(url, body).status_code == 401
            assert ask(url, body, **{"x-api-key": "mdl_bob"}).status_code == 200
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=SOON)
        finally:
            process.kill()
    assert '-H "Authorization: Bearer $MODELYARD_API_KEY"' in output
    records = [json.loads(line) for line in output.splitlines() if line.startswith('{"time"')]
    assert [(record["event"], record["owner"], record["status"]) for record in records] == [
        ("audit", "", 401),
        ("usage", "bob", 200),
        ("audit", "bob", 200),
    ]
    assert (records[1]["units"], records[1]["prompt_tokens"] > 0) == ({"items": 1}, True)


def test_a_model_that_does_not_is_not_served_and_the_log_says_why(labels, port):
    write_check(labels.parent, "LABEL_0")
    with start(labels, port, "--verify", "check.json") as process:
        try:
            output, _ = process.communicate(timeout=LOAD_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 78
    assert "cannot_start reason=VerificationFailed" in output
    assert '$.label is "LABEL_1", expected "LABEL_0"' in output


@pytest.fixture
def letters(tmp_path):
    """A language model of random weights, and an adapter of it."""
    folder = tmp_path / "letters"
    write_model(folder, "LlamaForCausalLM")
    return folder, write_adapter(folder.parent / "adapter", folder)


def test_an_adapter_is_served_beside_its_model(letters, port):
    folder, _ = letters
    with serving(folder, port, "--adapter", "sql=adapter") as url, client_of(url) as client:
        texts = [
            client.completions.create(model=name, prompt="t5 t6 t7", temperature=0).choices[0].text
            for name in ("letters", "sql")
        ]
        assert [model.id for model in client.models.list()] == ["letters", "sql"]
    assert texts[0] != texts[1]


def test_an_adapter_of_another_kind_is_told_of_at_the_start(letters, port):
    folder, adapter = letters
    edit_json(adapter / "adapter_config.json", use_dora=True)
    with start(folder, port, "--adapter", "sql=adapter") as process:
        try:
            output, _ = process.communicate(timeout=LOAD_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 78
    assert "cannot_start reason=ModelUnsupported" in output
    assert "The adapter 'sql' cannot be served: in adapter_config.json use_dora is True" in output
