"""Requests of OpenAI's protocol, as far as they are served here.

Bounds without a reason beside them are OpenAI's. Fields marked `Unsupported` are documented in
parameters.py.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from modelyard_runtime.protocols.openai.parameters import Unsupported
from modelyard_runtime.schema import Body, Expected, conflict

#: Choices of one prompt are computed at the same time, so each takes a slot of the engine.
MAX_CHOICES = 16
#: Prompts in one request. Each waits for a slot of its own.
MAX_PROMPTS = 64
MAX_EMBEDDING_INPUTS = 2048
MAX_STOPS = 4
#: Likeliest tokens beside each token of a chat, and of a completion.
MAX_CHAT_LOGPROBS = 20
MAX_TEXT_LOGPROBS = 5
#: Tokens in one `logit_bias`: more would only make every step slower.
MAX_BIASES = 1024
#: Token ids and counts are at most this, so that they fit every array library's integers.
MAX_INTEGER = 2**31 - 1
MAX_SEED = 2**63 - 1

TokenId = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
TokenIds = Annotated[tuple[TokenId, ...], Field(min_length=1, fail_fast=True)]
Count = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
#: Longer stop strings would only make every step slower.
StopText = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
#: An error repeats the name.
ModelName = Annotated[str, StringConstraints(max_length=256)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Bias = Annotated[float, Field(ge=-100, le=100)]
#: Informs the provider about the caller; no answer depends on it.
Informational = JsonValue


def _require_token_ids(biases: dict[str, float]) -> dict[str, float]:
    """Refuse keys that are no token ids; JSON has texts for keys only."""
    for key in biases:
        if not (key.isascii() and key.isdecimal() and str(int(key[:10])) == key):
            raise conflict(
                "logit_bias", f"'logit_bias' has the key {key[:32]!r}, which is no token id"
            )
    return biases


class StreamOptions(Body):
    """How a stream is sent."""

    include_usage: bool | None = None
    include_obfuscation: Annotated[JsonValue, Unsupported(unless=[False])] = None


class Sampled(Body):
    """What chat and completions have in common."""

    model: ModelName
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Count | None = None
    seed: Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED)] | None = None
    stop: Annotated[
        StopText | Annotated[tuple[StopText, ...], Field(max_length=MAX_STOPS)] | None,
        Expected(f"a text, or a list of up to {MAX_STOPS} texts, none of them empty"),
    ] = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: (
        Annotated[dict[str, Bias], Field(max_length=MAX_BIASES), AfterValidator(_require_token_ids)]
        | None
    ) = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    user: Informational = None

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise conflict(
                "stream_options", "'stream_options' may only be set when 'stream' is true"
            )
        return self


class TextPart(Body):
    """A piece of a message's content. Other kinds (images, audio) are not served."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One message. Clients send an earlier answer back whole, with its empty fields."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        str | Annotated[tuple[TextPart, ...], Field(min_length=1, fail_fast=True)],
        Expected('a text, or a list of parts {"type": "text", "text": "…"}'),
    ]

    annotations: Annotated[JsonValue, Unsupported(unless=[[]])] = None
    audio: Annotated[JsonValue, Unsupported()] = None
    function_call: Annotated[JsonValue, Unsupported()] = None
    name: Annotated[JsonValue, Unsupported()] = None
    refusal: Annotated[JsonValue, Unsupported()] = None
    tool_calls: Annotated[JsonValue, Unsupported(unless=[[]])] = None


class ChatRequest(Sampled):
    """POST /v1/chat/completions."""

    messages: Annotated[tuple[ChatMessage, ...], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_CHAT_LOGPROBS)] | None = None

    metadata: Informational = None
    prompt_cache_key: Informational = None
    safety_identifier: Informational = None

    audio: Annotated[JsonValue, Unsupported()] = None
    function_call: Annotated[JsonValue, Unsupported(unless=["none"])] = None
    functions: Annotated[JsonValue, Unsupported(unless=[[]])] = None
    modalities: Annotated[JsonValue, Unsupported(unless=[["text"]])] = None
    moderation: Annotated[JsonValue, Unsupported()] = None
    parallel_tool_calls: Annotated[JsonValue, Unsupported(unless=[True])] = None
    prediction: Annotated[JsonValue, Unsupported()] = None
    prompt_cache_options: Annotated[JsonValue, Unsupported()] = None
    prompt_cache_retention: Annotated[JsonValue, Unsupported()] = None
    reasoning_effort: Annotated[JsonValue, Unsupported(unless=["none"])] = None
    response_format: Annotated[JsonValue, Unsupported(unless=[{"type": "text"}])] = None
    service_tier: Annotated[JsonValue, Unsupported(unless=["auto", "default"])] = None
    store: Annotated[JsonValue, Unsupported(unless=[False])] = None
    tool_choice: Annotated[JsonValue, Unsupported(unless=["none"])] = None
    tools: Annotated[JsonValue, Unsupported(unless=[[]])] = None
    verbosity: Annotated[JsonValue, Unsupported(unless=["medium"])] = None
    web_search_options: Annotated[JsonValue, Unsupported()] = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise conflict(
                "max_tokens",
                "'max_tokens' is the old name of 'max_completion_tokens'; set only one of them",
            )
        return self

    @model_validator(mode="after")
    def _likeliest_need_logprobs(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise conflict("top_logprobs", "'top_logprobs' may only be set when 'logprobs' is true")
        return self


class CompletionRequest(Sampled):
    """POST /v1/completions."""

    prompt: Annotated[
        str
        | Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True)]
        | TokenIds
        | Annotated[
            tuple[TokenIds, ...], Field(min_length=1, max_length=MAX_PROMPTS, fail_fast=True)
        ],
        Expected(
            "a text, a list of token ids, or a list of up to "
            f"{MAX_PROMPTS} texts or lists of token ids"
        ),
    ]

    logprobs: Annotated[int, Field(ge=0, le=MAX_TEXT_LOGPROBS)] | None = None

    best_of: Annotated[JsonValue, Unsupported(unless=[1])] = None
    echo: Annotated[JsonValue, Unsupported(unless=[False])] = None
    suffix: Annotated[JsonValue, Unsupported()] = None

    @model_validator(mode="after")
    def _best_of_all(self) -> Self:
        if self.best_of is not None and self.n not in {None, 1}:
            raise conflict("best_of", "'best_of' must not be smaller than 'n'")
        return self


class EmbeddingRequest(Body):
    """POST /v1/embeddings."""

    model: ModelName
    input: Annotated[
        str
        | Annotated[
            tuple[str, ...], Field(min_length=1, max_length=MAX_EMBEDDING_INPUTS, fail_fast=True)
        ]
        | TokenIds
        | Annotated[
            tuple[TokenIds, ...],
            Field(min_length=1, max_length=MAX_EMBEDDING_INPUTS, fail_fast=True),
        ],
        Expected(
            "a text, a list of token ids, or a list of up to "
            f"{MAX_EMBEDDING_INPUTS} texts or lists of token ids"
        ),
    ]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None

    user: Informational = None
