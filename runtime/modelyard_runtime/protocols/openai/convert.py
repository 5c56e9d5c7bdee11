"""Between OpenAI's shapes and the domain. Pure."""

import base64
from collections.abc import Sequence
from typing import cast

import numpy as np

from modelyard_runtime.domain import (
    Embedding,
    GenerateRequest,
    Message,
    Sampling,
    TextInput,
)
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.openai.answers import EmbeddingItem, EmbeddingList, Usage
from modelyard_runtime.protocols.openai.requests import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Sampled,
)

#: OpenAI's default for completions. Chats go on until the model ends them, or its context.
_COMPLETION_TOKENS = 16


def to_chat(body: ChatRequest, *, request_id: str) -> GenerateRequest:
    """Return the chat as the engine takes it."""
    return GenerateRequest(
        id=request_id,
        prompt=tuple(_to_message(message) for message in body.messages),
        sampling=_to_sampling(
            body,
            max_tokens=body.max_completion_tokens or body.max_tokens,
            logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        ),
        n=body.n or 1,
    )


def to_completions(body: CompletionRequest, *, request_id: str) -> list[GenerateRequest]:
    """Return one request for each prompt."""
    sampling = _to_sampling(
        body, max_tokens=body.max_tokens or _COMPLETION_TOKENS, logprobs=body.logprobs
    )
    return [
        GenerateRequest(id=f"{request_id}-{i}", prompt=prompt, sampling=sampling, n=body.n or 1)
        for i, prompt in enumerate(_split(body.prompt))
    ]


def to_inputs(body: EmbeddingRequest) -> list[TextInput]:
    """Return one input for each text or list of token ids."""
    return [TextInput(content) for content in _split(body.input)]


def to_embedding_list(embeddings: Sequence[Embedding], body: EmbeddingRequest) -> EmbeddingList:
    """Return the answer, vectors as numbers or as base64 of little-endian float32.

    Raises:
        InvalidRequest: `dimensions` is not what the model has; vectors are not cut here.
    """
    dimensions = embeddings[0].vector.size
    if body.dimensions not in {None, dimensions}:
        raise InvalidRequest(
            f"This model's vectors have {dimensions} dimensions, and other lengths are not "
            f"supported; 'dimensions' is {body.dimensions}.",
            param="dimensions",
            code="unsupported_value",
        )
    tokens = sum(embedding.tokens for embedding in embeddings)
    return {
        "object": "list",
        "model": body.model,
        "data": [_to_item(i, item, body) for i, item in enumerate(embeddings)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def to_usage(prompt_tokens: int, completion_tokens: int) -> Usage:
    """Return the usage with its total."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _to_item(index: int, embedding: Embedding, body: EmbeddingRequest) -> EmbeddingItem:
    vector = np.ascontiguousarray(embedding.vector, dtype="<f4")
    is_text = body.encoding_format == "base64"
    return {
        "object": "embedding",
        "index": index,
        "embedding": base64.b64encode(vector.tobytes()).decode() if is_text else vector,
    }


def _to_message(message: ChatMessage) -> Message:
    if isinstance(message.content, str):
        return Message(role=message.role, content=message.content)
    # Parts are paragraphs: without a break, the end of one would run into the next.
    return Message(role=message.role, content="\n".join(part.text for part in message.content))


def _to_sampling(body: Sampled, *, max_tokens: int | None, logprobs: int | None) -> Sampling:
    stop = (body.stop,) if isinstance(body.stop, str) else body.stop or ()
    return Sampling(
        max_tokens=max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=stop,
        frequency_penalty=body.frequency_penalty or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        logit_bias=tuple((int(token), bias) for token, bias in (body.logit_bias or {}).items()),
        logprobs=logprobs,
    )


def _split(
    content: str | tuple[str, ...] | tuple[int, ...] | tuple[tuple[int, ...], ...],
) -> list[str | tuple[int, ...]]:
    """Tell one list of token ids from a list of several."""
    if isinstance(content, str):
        return [content]
    if isinstance(content[0], int):
        return [content]
    return list(cast(tuple[str | tuple[int, ...], ...], content))
