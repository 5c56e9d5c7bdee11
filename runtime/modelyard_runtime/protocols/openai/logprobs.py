"""The chances of tokens in the shapes of chats and of completions.

They are the model's own, before temperature, top_p, penalties and biases: OpenAI does not say
which, and these are what vLLM answers with unless told otherwise; they can be compared between
requests whose settings differ.
"""

from collections.abc import Sequence

from modelyard_runtime.domain import ScoredToken, TokenChance
from modelyard_runtime.protocols.openai.answers import (
    ChatLogprobs,
    RankedToken,
    TextLogprobs,
    TokenLogprob,
)


def to_chat_logprobs(scored: Sequence[ScoredToken]) -> ChatLogprobs:
    """Return the tokens as chats show them."""
    return {"content": [_to_token(token) for token in scored], "refusal": None}


def to_text_logprobs(scored: Sequence[ScoredToken]) -> TextLogprobs:
    """Return the tokens as completions show them; offsets count from where the answer begins.

    The chosen token is always among the likeliest, so that there may be one more than asked for.
    """
    return {
        "tokens": [_name_whole(token.chosen) for token in scored],
        "token_logprobs": [token.chosen.logprob for token in scored],
        "top_logprobs": [
            {_name_whole(one): one.logprob for one in (*token.likeliest, token.chosen)}
            for token in scored
        ],
        "text_offset": [token.offset for token in scored],
    }


def _to_token(token: ScoredToken) -> TokenLogprob:
    return {
        **_to_ranked(token.chosen),
        "top_logprobs": [_to_ranked(one) for one in token.likeliest],
    }


def _to_ranked(token: TokenChance) -> RankedToken:
    return {
        "token": _escape(token) if token.text is None else token.text,
        "logprob": token.logprob,
        "bytes": None if token.data is None else list(token.data),
    }


def _name_whole(token: TokenChance) -> str:
    return f"bytes:{_escape(token)}" if token.text is None else token.text


def _escape(token: TokenChance) -> str:
    r"""Write a part of a character as OpenAI does: `\xf0\x9f`."""
    return "".join(f"\\x{byte:02x}" for byte in token.data or b"")
