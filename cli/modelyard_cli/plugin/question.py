"""What to ask a model, by its task, and how to write down its answer: pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelyard_api.v1alpha1 import Task
from modelyard_cli.plugin.text import align, clean, clean_block, clean_json

Json = dict[str, Any]

#: Enough for an answer to a try, and an end to a small model's ramblings.
_MAX_TOKENS: Final = 512
_LABELS: Final = 5
#: Tasks that answer with the best of many, and tell more of them when asked.
_RANKING: Final = frozenset({Task.FILL_MASK, Task.TEXT_CLASSIFICATION})
_NUMBERS: Final = 6
_DATA: Final = b"data:"
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Question:
    """A request. `is_raw` wants the answer's JSON; `fallback` is for models that refuse chats."""

    path: str
    body: Json | list[Any] | None
    is_raw: bool = False
    is_streamed: bool = False
    fallback: "Question | None" = None

    @property
    def method(self) -> str:
        """Without a body there is nothing to post."""
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a streamed answer; `error` is a fault that came after its beginning."""

    text: str = ""
    finish: str = ""
    error: str = ""


def form_question(task: str, model_name: str, text: str, *, is_raw: bool) -> Question:
    """Return what to ask a model of that task. `/predict` fits every task, also an unknown one.

    A JSON object is a body as it is, for tasks that take more than a text.
    """
    if task == Task.TEXT_GENERATION:
        return _form_chat(model_name, text, is_raw=is_raw)
    if task == Task.EMBEDDINGS:
        return Question("/v1/embeddings", {"model": model_name, "input": text}, is_raw)
    body = _parse_object(text)
    if body is not None:
        return Question("/predict", body, is_raw)
    labels = {"top_k": _LABELS} if task in _RANKING else {}
    return Question("/predict", {"text": text, **labels}, is_raw)


def _parse_object(text: str) -> Json | None:
    try:
        body = json.loads(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return None  # a text that begins like one
    return body if isinstance(body, dict) else None


def _form_chat(model_name: str, text: str, *, is_raw: bool) -> Question:
    # The same answer each time: at temperature 1 small models make no good impression.
    limits = {
        "model": model_name,
        "max_tokens": _MAX_TOKENS,
        "temperature": 0,
        "stream": not is_raw,
    }
    messages = [{"role": "user", "content": text}]
    return Question(
        "/v1/chat/completions",
        {**limits, "messages": messages},
        is_raw,
        is_streamed=not is_raw,
        # Base models have no chat template: they continue a text.
        fallback=Question(
            "/v1/completions", {**limits, "prompt": text}, is_raw, is_streamed=not is_raw
        ),
    )


def form_other(path: str, body: str | None) -> Question:
    """Return a question to any route.

    Raises:
        ValueError: the body is no JSON.
    """
    return Question(path, None if body is None else json.loads(body), is_raw=True)


def is_chat_refused(status: int, answer: bytes) -> bool:
    """Whether the model takes no messages at all (it has no chat template)."""
    error = _read_error(answer)
    return (
        status == _BAD_REQUEST
        and error.get("param") == "messages"
        and "no chat template" in str(error.get("message"))
    )


def tell_error(answer: bytes) -> str:
    """Return what an error's body says."""
    message = _read_error(answer).get("message")
    return clean(str(message)) if message else clean(answer.decode(errors="replace"))[:200]


def parse_event(line: bytes) -> Piece:
    """Read one line of a stream; what is no event is an empty piece."""
    data = line.removeprefix(_DATA).strip()
    if not line.startswith(_DATA) or data == b"[DONE]":
        return Piece()
    try:
        event = json.loads(data)
        if "error" in event:
            return Piece(error=clean(str(event["error"].get("message"))))
        choice = event["choices"][0]
        text = choice["delta"].get("content") if "delta" in choice else choice.get("text")
        return Piece(text=clean_block(text or ""), finish=choice.get("finish_reason") or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return Piece(error="the stream is not as OpenAI's")


def render_answer(question: Question, answer: bytes) -> str:
    """Return the answer for people, or its JSON where that is wanted or nothing else fits."""
    text = answer.decode(errors="replace")
    try:
        body = json.loads(text)
    except ValueError:
        return clean_block(text).rstrip("\n")  # /metrics, for example
    if not question.is_raw:
        try:
            return _tell_answer(body)
        except (LookupError, TypeError, ValueError, AttributeError):
            pass  # not as expected: shown as it is
    return clean_json(json.dumps(body, ensure_ascii=False, indent=2))


def _tell_answer(body: Json) -> str:
    if "data" in body:
        return _tell_vector(body["data"][0]["embedding"])
    if "embedding" in body:
        return _tell_vector(body["embedding"])
    if "label" in body:
        ranked = body.get("top") or [body]
        return _tell_ranking(ranked, "label")
    if "masks" in body:
        return "\n\n".join(_tell_ranking(mask, "token") for mask in body["masks"])
    return clean_block(body["text"])


def _tell_ranking(ranked: Sequence[Json], name: str) -> str:
    rows = [[clean(str(each[name])), f"{each['score']:.4f}"] for each in ranked]
    return "\n".join(align(rows))


def _tell_vector(vector: Sequence[float]) -> str:
    first = ", ".join(f"{number:.4f}" for number in vector[:_NUMBERS])
    more = ", …" if len(vector) > _NUMBERS else ""
    return f"{len(vector)} dimensions, length {math.hypot(*vector):.3f}\n[{first}{more}]"


def _read_error(answer: bytes) -> Mapping[str, Any]:
    try:
        error = json.loads(answer)["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
