"""Answers of OpenAI's protocol. Our own code builds them, so mypy checks them, not pydantic."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from modelyard_runtime.domain import FinishReason


class Usage(TypedDict):
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class RankedToken(TypedDict):
    """A token and its chance; `bytes` of one that stands for no text is null."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(RankedToken):
    """A token of the answer, and the likeliest at its place."""

    top_logprobs: list[RankedToken]


class ChatLogprobs(TypedDict):
    """The chances of a message's tokens."""

    content: list[TokenLogprob]
    refusal: None


class TextLogprobs(TypedDict):
    """The chances of a continuation's tokens, one entry of each list per token."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class AssistantMessage(TypedDict):
    """What the model said."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(TypedDict):
    """One of n answers."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(TypedDict):
    """A whole chat answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class Delta(TypedDict):
    """The next piece of a message; the role comes with the first."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]


class ChatChunkChoice(TypedDict):
    """The next piece of one of n answers."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(TypedDict):
    """An event of a chat stream. With include_usage, `usage` is null up to the last one."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: NotRequired[Usage | None]


class TextChoice(TypedDict):
    """A continuation; in a stream its next piece, with finish_reason null but in the last."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class Completion(TypedDict):
    """A whole continuation, or an event of a stream of it."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: NotRequired[Usage | None]


Vector = Annotated[
    Any,  # a numpy vector, or its bytes in base64
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]}),
]


class EmbeddingItem(TypedDict):
    """The vector of one input."""

    object: Literal["embedding"]
    index: int
    embedding: Vector


class EmbeddingUsage(TypedDict):
    """Tokens of one request for embeddings."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(TypedDict):
    """The vectors, in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[EmbeddingItem]
    usage: EmbeddingUsage


class ModelCard(TypedDict):
    """A model that is served. `parent`: it is an adapter of that one."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    parent: NotRequired[str]


class ModelList(TypedDict):
    """All models that are served: one, and its adapters."""

    object: Literal["list"]
    data: list[ModelCard]


class ErrorDetail(TypedDict):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(TypedDict):
    """OpenAI's envelope of an error."""

    error: ErrorDetail
