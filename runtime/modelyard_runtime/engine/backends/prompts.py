"""Turns prompts into tokens, chats by the model's own template."""

import itertools
import logging
from collections.abc import Sequence
from typing import Any

from modelyard_api.meta import Reason
from modelyard_runtime.chat_templates.renderer import (
    ChatRefused,
    Renderer,
    RenderingError,
    TemplateBroken,
    TemplateUnsafe,
)
from modelyard_runtime.domain import Message, Prompt
from modelyard_runtime.errors import CannotStart, InvalidRequest

_log = logging.getLogger(__name__)

#: Any honest template of a chat model renders this.
_GREETING = ({"role": "user", "content": "Hello"},)


class TokenizedPrompts:
    """Encodes prompts with the model's tokenizer.

    Raises:
        CannotStart: the model's chat template renders no chat, or is not safe.
    """

    def __init__(self, tokenizer: Any, vocabulary_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary_size = vocabulary_size
        self._template = find_template(tokenizer)
        self._renderer = Renderer(self._template, find_variables(tokenizer))
        if self._template:
            _try(self._renderer)

    @property
    def takes_chats(self) -> bool:
        """Whether the model has a chat template."""
        return bool(self._template)

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt's tokens.

        Raises:
            InvalidRequest: the chat cannot be rendered, or a token is not the model's.
        """
        if isinstance(prompt, str):
            return self._encode_text(prompt, special=True, param="prompt")
        messages = [part for part in prompt if isinstance(part, Message)]
        if messages:
            # The template writes the special tokens itself.
            return self._encode_text(self._render(messages), special=False, param="messages")
        tokens = [part for part in prompt if isinstance(part, int)]
        self.require_known(tokens, param="prompt")
        return tokens

    def require_known(self, tokens: Sequence[int], *, param: str) -> None:
        """Refuse token ids that are not the model's.

        Raises:
            InvalidRequest: naming the first one, and `param`.
        """
        require_known_tokens(tokens, self._vocabulary_size, param=param)

    def close(self) -> None:
        """End the process that renders chats."""
        self._renderer.close()

    def _encode_text(self, text: str, *, special: bool, param: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=special)["input_ids"]
        # Some tokenizers have more tokens than the model: added ones that it never learnt.
        self.require_known(tokens, param=param)
        return tokens

    def _render(self, messages: Sequence[Message]) -> str:
        if not self._template:
            raise InvalidRequest(
                "this model has no chat template, so it takes no messages; use completions with "
                "a prompt",
                param="messages",
            )
        # "developer" is newer than most templates, and means what "system" meant to them.
        system = "developer" if "developer" in self._template else "system"
        chat = [
            {
                "role": system if message.role == "developer" else message.role,
                "content": message.content,
            }
            for message in messages
        ]
        try:
            return self._renderer.render(chat)
        except RenderingError as error:
            raise InvalidRequest(str(error), param="messages") from error


def find_template(tokenizer: Any) -> str:
    """Return the template for chats without tools; empty: the model has none."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return str(template or "")


def find_variables(tokenizer: Any) -> dict[str, Any]:
    """Return the special tokens by the names that templates use."""
    return {
        name: [str(token) for token in value] if isinstance(value, list) else str(value)
        for name, value in tokenizer.special_tokens_map.items()
    }


def _try(renderer: Renderer) -> None:
    """Render a greeting: a template that cannot do that should not wait for a client to tell."""
    try:
        renderer.render(_GREETING)
    except ChatRefused as error:
        # It may insist on a system prompt, for example.
        _log.warning("chat_template_refuses_a_greeting", extra={"explanation": str(error)})
    except TemplateBroken as error:
        renderer.close()
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"No chat can be rendered: {error}",
            hint="Correct chat_template in tokenizer_config.json or the file chat_template.jinja; "
            "without any, the model is served for completions only.",
        ) from error
    except TemplateUnsafe as error:
        renderer.close()
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"A chat of one word already shows: {error}",
            hint="Get the model from a source that you trust, or remove its chat template "
            "(chat_template in tokenizer_config.json, chat_template.jinja); without any, it is "
            "served for completions only.",
        ) from error


def require_known_tokens(
    tokens: Sequence[int], vocabulary_size: int, *, param: str = "prompt"
) -> None:
    """Refuse token ids that are not the model's.

    Raises:
        InvalidRequest: naming the first one, and `param`.
    """
    unknown = (token for token in tokens if not 0 <= token < vocabulary_size)
    for token in itertools.islice(unknown, 1):
        raise InvalidRequest(
            f"{token} is not a token of this model; it has tokens 0 to {vocabulary_size - 1}",
            param=param,
        )
