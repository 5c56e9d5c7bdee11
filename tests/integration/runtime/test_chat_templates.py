"""Chats read as transformers renders them; hostile templates stop a start, or their own request."""

import asyncio
import json

import httpx
import pytest
from transformers import AutoTokenizer

from modelyard_api.meta import EXIT_CANNOT_START, Reason
from modelyard_runtime.chat_templates.renderer import Renderer
from modelyard_runtime.domain import Message
from modelyard_runtime.engine.backends.prompts import find_variables
from modelyard_runtime.errors import CannotStart, InvalidRequest
from tests.support.runtime_process import started
from tests.support.tiny_models import generate, running, write_model, write_tokenizer

CHATS = [
    [{"role": "user", "content": "Hello"}],
    [
        {"role": "system", "content": " Be <brief>.\n"},
        {"role": "user", "content": 'What is "1 & 1"?'},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "世界 🙂"},
    ],
]
# The manners of well-known families, in their own words.
TEMPLATES = {
    "ChatML, with a default system prompt": """
        {%- if messages[0]['role'] != 'system' %}
            {{- '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}
        {%- endif %}
        {%- for message in messages %}
            {{- '<|im_start|>' ~ message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
    """,
    "headers, special tokens and slices": """
        {{- bos_token }}
        {% set rest = messages[1:] if messages[0].role == 'system' else messages %}
        {% for message in rest %}
            {% if loop.first and rest | length < messages | length %}
                {{- messages[0].content -}}
            {% endif %}
            {{- '[' ~ loop.index0 ~ '/' ~ loop.length ~ ']' + message['content'] + eos_token }}
        {% endfor %}
    """,
    "JSON, namespaces, macros, loop controls and generation": """
        {% macro show(m, wide=false) %}{{ m | tojson(indent=2 if wide else none) }}{% endmacro %}
        {% set ns = namespace(seen=0, names=dict(user='U', assistant='A', system='S')) %}
        {% for m in messages %}
            {% if m.role == 'system' %}{% continue %}{% endif %}
            {% set ns.seen = ns.seen + 1 %}
            {% generation %}
                {% set inner = 'x' %}{{ ns.names[m.role] }}{{ show(m) }}
            {% endgeneration %}
            {{ show(m, wide=true) if inner is not defined }}
            {% if ns.seen > 1 %}{% break %}{% endif %}
        {% endfor %}
        {{ tools is none }} {{ documents is defined }} {{ strftime_now('%Y') | length }}
        {{ messages | map(attribute='role') | join(', ') | upper }}
    """,
}


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.mark.parametrize("name", TEMPLATES)
def test_texts_are_those_of_transformers(tokenizer, name):
    template = TEMPLATES[name]
    renderer = Renderer(template, find_variables(tokenizer))
    for chat in CHATS:
        theirs = tokenizer.apply_chat_template(
            chat, chat_template=template, add_generation_prompt=True, tokenize=False
        )
        assert renderer.render(chat) == theirs
    renderer.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("small"), "LlamaForCausalLM", num_hidden_layers=1)


def with_template(folder, template, *, place):
    write_tokenizer(folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    if place == "chat_template.jinja":
        (folder / place).write_text(template)
    else:
        document = json.loads((folder / place).read_text())
        (folder / place).write_text(json.dumps({**document, "chat_template": template}))
    return folder


PLACES = ["chat_template.jinja", "tokenizer_config.json"]
SUBCLASSES = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
TWO_FACED = (
    "{% set text = messages[0].content %}{{ text }}{% if text == 't9' %}" + ENDLESS + "{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "place", "reason", "message"),
    [
        pytest.param(SUBCLASSES, PLACES[0], Reason.MODEL_UNSAFE, "'__class__'", id="internals"),
        pytest.param(ENDLESS, PLACES[1], Reason.MODEL_UNSAFE, "processor time", id="no end"),
        pytest.param(
            "{{ 'a' * 10**10 }}", PLACES[0], Reason.MODEL_UNSAFE, "128 MiB of memory", id="no bound"
        ),
        pytest.param("{% for %}", PLACES[1], Reason.MODEL_UNSUPPORTED, "line 1", id="no Jinja"),
    ],
)
async def test_a_template_that_serves_no_chat_stops_the_start(
    small, template, place, reason, message
):
    folder = with_template(small, template, place=place)
    with pytest.raises(CannotStart) as caught:
        async with running(folder):
            pass
    assert caught.value.reason is reason
    assert message in caught.value.message
    assert place in caught.value.hint


async def test_a_template_that_turns_hostile_costs_its_own_requests(small):
    """Texts that run meanwhile come out as they would alone, and so does the next chat."""
    folder = with_template(small, TWO_FACED, place=PLACES[0])
    good, bad = (Message("user", "t5"),), (Message("user", "t9"),)
    async with running(folder) as engine:
        alone = await generate(engine, good)
        crowd = await asyncio.gather(
            *(generate(engine, chat, max_tokens=20) for chat in (good, bad, good, bad)),
            return_exceptions=True,
        )
        after = await generate(engine, good)
        with pytest.raises(InvalidRequest) as caught:
            await generate(engine, bad)
    assert [crowd[0], crowd[2], after] == [alone] * 3
    assert [type(crowd[1]), type(crowd[3])] == [InvalidRequest] * 2
    assert caught.value.param == "messages"
    assert caught.value.message == (
        "the model's chat template takes more than 1 s of processor time for these messages"
    )


async def test_a_template_that_wants_a_system_prompt_starts_all_the_same(small):
    template = (
        "{% if messages[0].role != 'system' %}{{ raise_exception('say who I am') }}{% endif %}t5"
    )
    async with running(with_template(small, template, place=PLACES[0])) as engine:
        with pytest.raises(InvalidRequest, match="refuses these messages: say who I am"):
            await generate(engine, (Message("user", "t5"),))
        assert await generate(engine, (Message("system", "t5"),)) == await generate(engine, "t5")


def serving(folder):
    config = json.dumps({"modelName": "small", "modelPath": str(folder)})
    return started(module="modelyard_runtime", config=config)


async def test_a_process_with_a_hostile_template_ends_with_the_reason(small):
    async with serving(with_template(small, SUBCLASSES, place=PLACES[1])) as runtime:
        assert await runtime.ends(seconds=120) == EXIT_CANNOT_START
        line = await runtime.says("cannot_start")
    assert line["reason"] == "ModelUnsafe"
    assert line["explanation"] == (
        "A chat of one word already shows: the model's chat template does what none may do: "
        "access to attribute '__class__' of 'str' object is unsafe."
    )


async def test_over_http_an_attack_is_answered_with_400_and_the_process_lives(small):
    async with (
        serving(with_template(small, TWO_FACED, place=PLACES[0])) as runtime,
        httpx.AsyncClient(trust_env=False, timeout=120) as http,
    ):
        await runtime.says("ready", seconds=120)

        async def chat(content):
            messages = [{"role": "user", "content": content}]
            body = {"model": "small", "messages": messages, "max_tokens": 3}
            return await http.post(f"{runtime.url}/v1/chat/completions", json=body)

        answers = await asyncio.gather(*map(chat, ["t9", "t5", "t9", "t6"]))
        assert [answer.status_code for answer in answers] == [400, 200, 400, 200]
        assert answers[0].json()["error"]["param"] == "messages"
        assert (await http.get(f"{runtime.url}/readyz")).status_code == 200
