"""A template has bounds that it cannot leave, and its end is nobody else's."""

import signal
from pathlib import Path

import pytest

from modelyard_runtime.chat_templates import renderer as module
from modelyard_runtime.chat_templates.renderer import (
    ChatRefused,
    Renderer,
    TemplateBroken,
    TemplateUnsafe,
)

GREETING = [{"role": "user", "content": "Hello"}]
PLAIN = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
# Well with a greeting, hostile when told to be.
TWO_FACED = "{% if messages[0].content == 'attack' %}ATTACK{% else %}fine{% endif %}"
ATTACK = [{"role": "user", "content": "attack"}]

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
RECURSIVE = (
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}"
)
DOUBLING = (
    "{% set ns = namespace(s='xxxxxxxx') %}"
    "{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
)
BUILTINS = "{{ cycler.__init__.__globals__.os.popen('id').read() }}"
SUBCLASSES = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
PRIVATE = "{% set ns = namespace() %}{% set ns.__class__ = 1 %}"
TIME = "takes more than 1 s of processor time for these messages"
MEMORY = "takes more than 128 MiB of memory for these messages"

HOSTILE = [
    pytest.param(ENDLESS, TemplateUnsafe, TIME, id="loops in loops"),
    pytest.param(RECURSIVE, TemplateUnsafe, TIME, id="macros that call themselves twice"),
    pytest.param(
        "{{ 7 ** (messages | length + 4 ** 17) }}", TemplateUnsafe, TIME, id="a power in one step"
    ),
    pytest.param("{{ ('a' * 10**6) * 10**6 }}", TemplateUnsafe, MEMORY, id="a text times a number"),
    pytest.param(DOUBLING, TemplateUnsafe, MEMORY, id="a text that doubles"),
    pytest.param("{{ 'a' | center(10**10) }}", TemplateUnsafe, MEMORY, id="a filter that pads"),
    pytest.param("{{ '%9999999999d' % 1 }}", TemplateUnsafe, MEMORY, id="a format that pads"),
    pytest.param(
        "{{ messages | tojson(indent=10**9) }}", TemplateUnsafe, MEMORY, id="JSON far indented"
    ),
    pytest.param(
        "{{ 'a' * 5000000 }}",
        TemplateUnsafe,
        "makes far too long a text of these messages: 5000000 characters",
        id="a text too long for the tokenizer",
    ),
    pytest.param(SUBCLASSES, TemplateUnsafe, "'__class__' of 'str' object", id="all classes"),
    pytest.param(BUILTINS, TemplateUnsafe, "'__init__' of 'type' object", id="a module's globals"),
    pytest.param(PRIVATE, TemplateUnsafe, "no attribute '__class__' to set", id="a private name"),
    pytest.param(
        "{% for i in range(10**12) %}x{% endfor %}", ChatRefused, "Range too big", id="range"
    ),
    pytest.param("{{ raise_exception('no users') }}", ChatRefused, "no users", id="raised"),
    pytest.param("{{ 1 / 0 }}", ChatRefused, "division by zero", id="an error of arithmetic"),
    pytest.param("{{ nothing.here }}", ChatRefused, "'nothing' is undefined", id="a name unknown"),
    pytest.param(r"{{ '\ud800' }}", ChatRefused, "surrogates not allowed", id="half a character"),
    pytest.param("{% include '/etc/passwd' %}", ChatRefused, "no loader", id="another file"),
    pytest.param(
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ChatRefused, "recursion", id="recursion"
    ),
]


@pytest.fixture
def build():
    built = []

    def build(template, **variables):
        built.append(Renderer(template, variables))
        return built[-1]

    yield build
    for renderer in built:
        renderer.close()


def test_a_chat_is_rendered_again_and_again(build):
    renderer = build(PLAIN, bos_token="<s>")
    assert [renderer.render(GREETING) for _ in range(3)] == ["<s>user: Hello\n"] * 3


@pytest.mark.parametrize(
    "content",
    ["", "line\nbreak", 'quote" \\ {{ 7*7 }} {% for %}', "世界 🙂 \u2028 \x00", "x" * 2**20],
)
def test_what_users_write_is_only_text(build, content):
    chat = [{"role": "user", "content": content}]
    assert build(PLAIN, bos_token="").render(chat) == f"user: {content}\n"


@pytest.mark.parametrize(("attack", "kind", "message"), HOSTILE)
def test_an_attack_costs_its_own_request_only(build, attack, kind, message):
    renderer = build(TWO_FACED.replace("ATTACK", attack))
    assert renderer.render(GREETING) == "fine"
    with pytest.raises(kind) as caught:
        renderer.render(ATTACK)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 600
    assert renderer.render(GREETING) == "fine"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("one\n{% for %}", "line 2: "),
        ("{% foreign %}", "Encountered unknown tag 'foreign'"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "recursion"),
    ],
    ids=["a syntax error", "a tag unknown", "brackets without end"],
)
def test_what_is_not_jinja_is_broken(build, template, message):
    with pytest.raises(TemplateBroken, match="is not valid Jinja") as caught:
        build(template).render(GREETING)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("template", "message"),
    [("{{ 7 ** (4 ** 17) }}", TIME), ("x" * 100 * 1024**2, MEMORY)],
    ids=["a constant that takes for ever", "a template of 100 MiB"],
)
def test_a_template_is_bounded_before_its_first_chat(build, template, message):
    with pytest.raises(TemplateUnsafe, match=message):
        build(template).render(GREETING)


def test_a_long_chat_is_no_attack(build):
    chat = [{"role": "user", "content": f"{number} " * 100} for number in range(5000)]
    assert len(build(PLAIN, bos_token="").render(chat)) > 2_000_000


def test_the_child_has_nothing_of_ours(build, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    renderer = build(PLAIN, bos_token="")
    renderer.render(GREETING)
    number = renderer._child.pid
    assert b"secret" not in Path(f"/proc/{number}/environ").read_bytes()
    open_files = {str(link.readlink()) for link in Path(f"/proc/{number}/fd").iterdir()}
    assert {name.split(":")[0] for name in open_files} <= {"pipe", "/dev/null"}


def test_a_child_that_was_killed_is_started_again(build):
    renderer = build("fine")
    renderer.render(GREETING)
    renderer._child.kill()
    renderer._child.wait()
    assert renderer.render(GREETING) == "fine"


def test_a_child_that_never_answers_is_given_up(build, monkeypatch):
    renderer = build("fine")
    renderer.render(GREETING)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    renderer._child.send_signal(signal.SIGSTOP)
    with pytest.raises(TemplateUnsafe, match="exit status -9"):
        renderer.render(GREETING)


def test_closing_ends_the_child(build):
    renderer = build("fine")
    renderer.render(GREETING)
    child = renderer._child
    renderer.close()
    renderer.close()
    assert child.returncode == 0
    assert renderer.render(GREETING) == "fine"


def test_the_current_folder_is_no_place_to_import_from(build, monkeypatch, tmp_path):
    (tmp_path / "jinja2.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert build("fine").render(GREETING) == "fine"
