"""The objects that generations answer with: chat's and completions'."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard_runtime.domain import Chunk, ScoredToken
from modelyard_runtime.protocols.openai.answers import (
    ChatChunk,
    ChatCompletion,
    ChatLogprobs,
    Completion,
    Delta,
    TextLogprobs,
    Usage,
)
from modelyard_runtime.protocols.openai.generating import Choice
from modelyard_runtime.protocols.openai.logprobs import to_chat_logprobs, to_text_logprobs


@dataclass(frozen=True, slots=True)
class ChatShape:
    """Of /v1/chat/completions."""

    id: str
    created: int
    model: str
    with_usage: bool
    with_logprobs: bool

    def whole(self, choices: Sequence[Choice], usage: Usage) -> ChatCompletion:
        """Return the complete answer."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": i,
                    "message": {"role": "assistant", "content": choice.text, "refusal": None},
                    "logprobs": self._logprobs(choice.scored),
                    "finish_reason": choice.finish_reason,
                }
                for i, choice in enumerate(choices)
            ],
            "usage": usage,
        }

    def piece(self, chunk: Chunk, *, is_first: bool) -> ChatChunk:
        """Return the event of a chunk; only the first of a choice has the role."""
        delta: Delta = {}
        if is_first:
            delta["role"] = "assistant"
        if chunk.text or is_first:
            delta["content"] = chunk.text
        event = self._event()
        event["choices"] = [
            {
                "index": chunk.index,
                "delta": delta,
                "logprobs": self._logprobs(chunk.scored),
                "finish_reason": chunk.finish_reason,
            }
        ]
        return event

    def last(self, usage: Usage) -> ChatChunk | None:
        """Return the event of the usage, which has no choices."""
        return {**self._event(), "usage": usage} if self.with_usage else None

    def _logprobs(self, scored: Sequence[ScoredToken]) -> ChatLogprobs | None:
        return to_chat_logprobs(scored) if self.with_logprobs else None

    def _event(self) -> ChatChunk:
        event: ChatChunk = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [],
        }
        if self.with_usage:
            event["usage"] = None
        return event


@dataclass(frozen=True, slots=True)
class TextShape:
    """Of /v1/completions, where events of a stream look like the whole."""

    id: str
    created: int
    model: str
    with_usage: bool
    with_logprobs: bool

    def whole(self, choices: Sequence[Choice], usage: Usage) -> Completion:
        """Return the complete answer."""
        answer = self._answer()
        answer["choices"] = [
            {
                "index": i,
                "text": choice.text,
                "logprobs": self._logprobs(choice.scored),
                "finish_reason": choice.finish_reason,
            }
            for i, choice in enumerate(choices)
        ]
        answer["usage"] = usage
        return answer

    def piece(self, chunk: Chunk, *, is_first: bool) -> Completion:
        """Return the event of a chunk."""
        del is_first  # a text has no heading
        event = self._answer()
        event["choices"] = [
            {
                "index": chunk.index,
                "text": chunk.text,
                "logprobs": self._logprobs(chunk.scored),
                "finish_reason": chunk.finish_reason,
            }
        ]
        if self.with_usage:
            event["usage"] = None
        return event

    def last(self, usage: Usage) -> Completion | None:
        """Return the event of the usage, which has no choices."""
        return {**self._answer(), "usage": usage} if self.with_usage else None

    def _logprobs(self, scored: Sequence[ScoredToken]) -> TextLogprobs | None:
        return to_text_logprobs(scored) if self.with_logprobs else None

    def _answer(self) -> Completion:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": [],
        }
