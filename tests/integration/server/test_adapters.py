"""Adapters by their names, in every protocol, by official clients, on a real model."""

import asyncio

import grpc.aio
import httpx
import openai
import pytest

from modelyard_api.serving import AdapterConfig
from modelyard_runtime.domain import GenerateRequest, Sampling
from tests.support.grpc_calls import MESSAGES, build_question, call, read_texts
from tests.support.lora_adapters import LAYERS, write_adapter, write_merged
from tests.support.runtime_server import Records, running
from tests.support.tiny_models import CHAT_TEMPLATE, write_model, write_tokenizer
from tests.support.tiny_models import running as running_engine

PROMPT = "t5 t6 t7 t8"
MESSAGES_OF_CHAT = [{"role": "user", "content": "t5 t6"}]
NAMES = ("tiny", "sql", "team/poems")
TOKENS = 8


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("base"), "LlamaForCausalLM")
    write_tokenizer(folder, chat_template=CHAT_TEMPLATE)
    return folder


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    folders = [write_adapter(root / str(seed), base, seed=seed) for seed in (1, 2)]
    return tuple(
        AdapterConfig(name=name, path=str(folder))
        for name, folder in zip(NAMES[1:], folders, strict=True)
    )


@pytest.fixture(scope="module")
def expected(base, adapters, tmp_path_factory):
    """How each goes on with the prompt, by a plain model with merged weights."""
    folders = [base]
    for adapter in adapters:
        folder = tmp_path_factory.mktemp("merged")
        scalings = dict.fromkeys(LAYERS, 2.0)
        folders.append(write_merged(folder, base, adapter.path, scalings))

    async def ask(folder):
        async with running_engine(folder) as engine:
            wanted = Sampling(temperature=0, max_tokens=TOKENS)
            stream = await engine.submit(GenerateRequest("id", PROMPT, wanted))
            return "".join([chunk.text async for chunk in stream])

    texts = {name: asyncio.run(ask(folder)) for name, folder in zip(NAMES, folders, strict=True)}
    assert len(set(texts.values())) == len(texts)
    return texts


@pytest.fixture
def records():
    return Records()


@pytest.fixture
async def server(base, adapters, records):
    async with (
        running_engine(base, adapters=adapters) as engine,
        running(engine, adapters=adapters, records=records, speaks_grpc=True) as server,
    ):
        yield server


@pytest.fixture
async def client(server):
    async with openai.AsyncOpenAI(
        base_url=f"{server.url}/v1",
        api_key="none",
        max_retries=0,
        http_client=httpx.AsyncClient(trust_env=False),
    ) as client:
        yield client


@pytest.fixture
async def http(server):
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
        yield http


async def test_completions_whole_and_streamed(client, expected):
    async def complete(name):
        answer = await client.completions.create(
            model=name, prompt=PROMPT, temperature=0, max_tokens=TOKENS
        )
        return answer.model, answer.choices[0].text

    async def stream(name):
        events = [
            event
            async for event in await client.completions.create(
                model=name, prompt=PROMPT, temperature=0, max_tokens=TOKENS, stream=True
            )
        ]
        (model,) = {event.model for event in events}
        return model, "".join(event.choices[0].text for event in events)

    answers = await asyncio.gather(*(ask(name) for name in NAMES for ask in (complete, stream)))
    assert answers == [(name, expected[name]) for name in NAMES for _ in range(2)]


async def test_chats_go_to_the_adapter_too(client):
    async def chat(name):
        answer = await client.chat.completions.create(
            model=name, messages=MESSAGES_OF_CHAT, temperature=0, max_tokens=TOKENS
        )
        return answer.model, answer.choices[0].message.content

    answers = await asyncio.gather(*(chat(name) for name in NAMES))
    assert [model for model, _ in answers] == list(NAMES)
    assert len({text for _, text in answers}) == len(NAMES)


async def test_models_are_the_base_and_its_adapters(client):
    listed = {model.id: getattr(model, "parent", None) async for model in client.models.list()}
    assert listed == {"tiny": None, "sql": "tiny", "team/poems": "tiny"}
    described = await client.models.retrieve("team/poems")
    assert (described.id, described.parent) == ("team/poems", "tiny")


async def test_another_name_is_not_found_and_told_which_there_are(client):
    with pytest.raises(openai.NotFoundError) as caught:
        await client.completions.create(model="poems", prompt=PROMPT)
    assert caught.value.body["message"] == (
        "The model 'poems' is not served here; this is 'tiny', with the adapters sql, team/poems."
    )


async def test_predict_takes_the_base_unless_a_model_is_named(http, expected):
    asked = {"text": PROMPT, "max_tokens": TOKENS}
    texts = [
        (await http.post("/predict", json=asked | named)).json()["text"]
        for named in ({}, {"model": "tiny"}, {"model": "sql"})
    ]
    assert texts == [expected["tiny"], expected["tiny"], expected["sql"]]
    assert (await http.post("/predict", json=asked | {"model": "x"})).status_code == 404


def question(**more):
    tensors = [
        {"name": "text", "shape": [1], "datatype": "BYTES", "data": [PROMPT]},
        {"name": "max_tokens", "shape": [1], "datatype": "INT64", "data": [TOKENS]},
    ]
    return {"inputs": tensors, **more}


async def test_open_inference_over_http(http, expected):
    index = (await http.post("/v2/repository/index")).json()
    assert [(one["name"], one["state"]) for one in index] == [(name, "READY") for name in NAMES]
    answer = (await http.post("/v2/models/sql/infer", json=question(model_name="sql"))).json()
    assert (answer["model_name"], answer["outputs"][0]["data"]) == ("sql", [expected["sql"]])
    assert (await http.get("/v2/models/sql")).json()["name"] == "sql"
    assert (await http.get("/v2/models/sql/ready")).json() == {"ready": True}
    for path in ("/v2/models/team/poems", "/v2/models/team/poems/versions/1"):
        assert (await http.get(path)).json()["name"] == "team/poems"
        assert (await http.get(f"{path}/ready")).json() == {"ready": True}
        answer = (await http.post(f"{path}/infer", json=question())).json()
        assert answer["model_name"] == "team/poems"
    assert (await http.post("/v2/repository/models/sql/load")).status_code == 200
    assert (await http.get("/v2/models/other/ready")).status_code == 404


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"model_name": "tiny"}, 404, "The address names the model 'sql', and the body 'tiny'."),
        (
            {"parameters": {"model": "tiny"}},
            400,
            "The request is for 'sql', and its field 'model' says 'tiny'.",
        ),
    ],
)
async def test_two_names_in_one_request_are_refused(http, more, status, said):
    answer = await http.post("/v2/models/sql/infer", json=question(**more))
    assert (answer.status_code, said in answer.text) == (status, True)


async def test_open_inference_over_grpc(server, expected):
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        request = build_question(PROMPT, model="sql")
        request.parameters["max_tokens"].int64_param = TOKENS
        answer = await call(channel, request)
        ready = await call(channel, MESSAGES["ModelReadyRequest"](name="sql"))
        index = await call(channel, MESSAGES["RepositoryIndexRequest"]())
    assert (answer.model_name, read_texts(answer.raw_output_contents[0])) == (
        "sql",
        [expected["sql"]],
    )
    assert ready.ready
    assert [model.name for model in index.models] == list(NAMES)


async def test_use_is_the_adapters(client, server, records):
    for name in NAMES:
        await client.completions.create(model=name, prompt=PROMPT, temperature=0, max_tokens=TOKENS)
    usage = [record for record in records.all if record["event"] == "usage"]
    assert [(record["model"], record["prompt_tokens"]) for record in usage] == [
        (name, 4) for name in NAMES
    ]
    audit = [record["model"] for record in records.all if record["event"] == "audit"]
    assert audit == list(NAMES)
    async with httpx.AsyncClient(base_url=server.internal_url, trust_env=False) as internal:
        report = (await internal.get("/report")).json()
        metrics = (await internal.get("/metrics")).text.splitlines()
    assert report["adapters"] == ["sql", "team/poems"]
    for name in NAMES[1:]:
        line = f'modelyard_adapter_tokens_total{{adapter="{name}",kind="prompt"}} 4.0'
        assert line in metrics
