"""What is asked by task, and how answers are written down."""

import json

import pytest

from modelyard_cli.plugin.question import (
    Piece,
    Question,
    form_other,
    form_question,
    is_chat_refused,
    parse_event,
    render_answer,
    tell_error,
)

LIMITS = {"model": "m", "max_tokens": 512, "temperature": 0, "stream": True}
CHAT = Question(
    "/v1/chat/completions",
    {**LIMITS, "messages": [{"role": "user", "content": "hi"}]},
    is_streamed=True,
    fallback=Question("/v1/completions", {**LIMITS, "prompt": "hi"}, is_streamed=True),
)
PLAIN = Question("/predict", {"text": "hi"})


@pytest.mark.parametrize(
    ("task", "question"),
    [
        ("text-generation", CHAT),
        ("embeddings", Question("/v1/embeddings", {"model": "m", "input": "hi"})),
        ("text-classification", Question("/predict", {"text": "hi", "top_k": 5})),
        ("fill-mask", Question("/predict", {"text": "hi", "top_k": 5})),
        ("", PLAIN),
        ("of-a-newer-version", PLAIN),
    ],
)
def test_the_route_follows_the_task(task, question):
    assert form_question(task, "m", "hi", is_raw=False) == question


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ('{"question": "Who?", "context": "Me."}', {"question": "Who?", "context": "Me."}),
        (' {"image": "aGk="}', {"image": "aGk="}),
        ("{no JSON", {"text": "{no JSON"}),
        ("[1]", {"text": "[1]"}),
    ],
)
def test_a_json_object_is_the_body(text, body):
    question = form_question("question-answering", "m", text, is_raw=False)
    assert (question.path, question.body) == ("/predict", body)


def test_raw_chats_do_not_stream():
    question = form_question("text-generation", "m", "hi", is_raw=True)
    assert (question.is_streamed, question.body["stream"]) == (False, False)


@pytest.mark.parametrize(
    ("body", "method", "sent"), [(None, "GET", None), ('{"a": 1}', "POST", {"a": 1})]
)
def test_any_other_route_can_be_asked(body, method, sent):
    question = form_other("/v1/models", body)
    assert (question.method, question.body, question.is_raw) == (method, sent, True)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            {
                "token": "cat",
                "score": 0.5,
                "masks": [[{"token": "cat", "score": 0.5}, {"token": "a", "score": 0.25}]],
            },
            "cat  0.5000\na    0.2500",
        ),
        (
            {"data": [{"embedding": [3.0, 4.0, 0, 0, 0, 0, 0]}]},
            "7 dimensions, length 5.000\n[3.0000, 4.0000, 0.0000, 0.0000, 0.0000, 0.0000, …]",
        ),
        ({"embedding": [1.0]}, "1 dimensions, length 1.000\n[1.0000]"),
        ({"label": "good", "score": 0.75}, "good  0.7500"),
        (
            {
                "label": "good",
                "score": 0.75,
                "top": [{"label": "good", "score": 0.75}, {"label": "模\x1b", "score": 0.25}],
            },
            "good    0.7500\n模\\x1b  0.2500",
        ),
        ({"text": "a\x07b\nc"}, "a\\x07b\nc"),
        ({"unheard": "of\x9b"}, '{\n  "unheard": "of\\u009b"\n}'),
    ],
    ids=[
        "candidates for a mask",
        "an embedding",
        "another",
        "a label",
        "labels",
        "a text",
        "anything else",
    ],
)
def test_answers_for_people(answer, text):
    assert render_answer(PLAIN, json.dumps(answer, ensure_ascii=False).encode()) == text


def test_raw_answers_are_the_json_and_what_is_none_is_text():
    raw = Question("/x", None, is_raw=True)
    assert render_answer(raw, b'{"label": "good", "score": 1}') == (
        '{\n  "label": "good",\n  "score": 1\n}'
    )
    assert render_answer(raw, b"metric 1\n\x1b[2J\n") == "metric 1\n\\x1b[2J"


@pytest.mark.parametrize(
    ("line", "piece"),
    [
        (b'data: {"choices": [{"delta": {"content": "Hi\\u001b"}}]}\n', Piece(text="Hi\\x1b")),
        (b'data: {"choices": [{"text": "Hi"}]}\n', Piece(text="Hi")),
        (b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}', Piece(finish="length")),
        (b'data: {"error": {"message": "out of\\nmemory"}}', Piece(error="out of memory")),
        (b"data: [DONE]\n", Piece()),
        (b": keep-alive\n", Piece()),
        (b"\n", Piece()),
        (b"data: nonsense", Piece(error="the stream is not as OpenAI's")),
        (b'data: {"choices": []}', Piece(error="the stream is not as OpenAI's")),
    ],
)
def test_the_lines_of_a_stream(line, piece):
    assert parse_event(line) == piece


@pytest.mark.parametrize(
    ("status", "message", "param", "refused"),
    [
        (400, "this model has no chat template, so it takes no messages", "messages", True),
        (400, "too long", "messages", False),
        (429, "no chat template", "messages", False),
        (400, "no chat template", "prompt", False),
    ],
)
def test_a_model_without_a_chat_template_is_known_by_its_error(status, message, param, refused):
    answer = json.dumps({"error": {"message": message, "param": param}}).encode()
    assert is_chat_refused(status, answer) is refused


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"error": {"message": "full\\nup"}}', "full up"),
        (b"<html>\x1b", "<html>\\x1b"),
        (b'["error"]', '["error"]'),
    ],
)
def test_what_an_error_says(answer, told):
    assert tell_error(answer) == told
