"""Turns prompts into tokens, chats by the model's own template."""

import itertools
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from modelyard_runtime.domain import Message, Prompt
from modelyard_runtime.errors import InvalidRequest


class TokenizedPrompts:
    """Encodes prompts with the model's tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary_size = vocabulary_size

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt's tokens.

        Raises:
            InvalidRequest: the chat cannot be rendered, or a token is not the model's.
        """
        if isinstance(prompt, str):
            return self._encode_text(prompt, special=True)
        messages = [part for part in prompt if isinstance(part, Message)]
        if messages:
            # The template writes the special tokens itself.
            return self._encode_text(self._render(messages), special=False)
        tokens = [part for part in prompt if isinstance(part, int)]
        require_known_tokens(tokens, self._vocabulary_size)
        return tokens

    def _encode_text(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=special)["input_ids"]
        return tokens

    def _render(self, messages: Sequence[Message]) -> str:
        template = self._tokenizer.chat_template
        if not template:
            raise InvalidRequest(
                "this model has no chat template, so it takes no messages; use completions with "
                "a prompt",
                param="messages",
            )
        # "developer" is newer than most templates, and means what "system" meant to them.
        system = "developer" if "developer" in str(template) else "system"
        rendered = [
            {
                "role": system if message.role == "developer" else message.role,
                "content": message.content,
            }
            for message in messages
        ]
        try:
            text: str = self._tokenizer.apply_chat_template(
                rendered, add_generation_prompt=True, tokenize=False
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise InvalidRequest(
                f"the model's chat template refuses these messages: {error}", param="messages"
            ) from error
        return text


def require_known_tokens(tokens: Sequence[int], vocabulary_size: int) -> None:
    """Refuse token ids that are not the model's.

    Raises:
        InvalidRequest: naming the first one.
    """
    unknown = (token for token in tokens if not 0 <= token < vocabulary_size)
    for token in itertools.islice(unknown, 1):
        raise InvalidRequest(
            f"{token} is not a token of this model; it has tokens 0 to {vocabulary_size - 1}",
            param="prompt",
        )
