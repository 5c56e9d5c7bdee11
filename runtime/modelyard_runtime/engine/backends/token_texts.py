"""The text and the bytes of single tokens, as they stand inside of a text."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from modelyard_runtime.domain import TokenChance

# Text and bytes of a token; see TokenChance.
Parts = tuple[str | None, bytes | None]

#: Answers repeat the same few thousand tokens; each takes several calls to find out.
_REMEMBERED = 8192
#: How vocabularies of the SentencePiece kind write a byte that no token of theirs has.
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
#: Below any chance that a softmax in float32 gives; JSON has no infinity. OpenAI's choice.
_NEVER = -9999.0


class TokenTexts:
    """Describes the tokens of a `tokenizers.Tokenizer`."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._added = tokenizer.get_added_tokens_decoder()
        kinds = set(_list_decoders(tokenizer.decoder))
        self._alphabet = build_byte_alphabet() if "ByteLevel" in kinds else None
        self._has_byte_tokens = "ByteFallback" in kinds
        self._parts = functools.lru_cache(_REMEMBERED)(self._find_parts)

    def describe(self, token: int, logprob: float) -> TokenChance:
        """Return the token with its chance."""
        return TokenChance(*self._parts(token), max(logprob, _NEVER))

    def _find_parts(self, token: int) -> Parts:
        name = self._tokenizer.id_to_token(token)
        if name is None:
            # Vocabularies are padded to round numbers.
            return f"token_id:{token}", None
        added = self._added.get(token)
        if added is not None:
            return name, None if added.special else name.encode()
        data = self._find_bytes(token, name)
        try:
            return data.decode(), data
        except UnicodeDecodeError:
            return None, data

    def _find_bytes(self, token: int, name: str) -> bytes:
        if self._alphabet is not None and self._alphabet.keys() >= set(name):
            return bytes(self._alphabet[character] for character in name)
        if self._has_byte_tokens and (byte := _BYTE.fullmatch(name)):
            return bytes.fromhex(byte[1])
        # At the beginning of a text decoders drop the space before a word, so: after itself.
        once: str = self._tokenizer.decode([token], skip_special_tokens=False)
        twice: str = self._tokenizer.decode([token, token], skip_special_tokens=False)
        return twice[len(once) :].encode()


def build_byte_alphabet() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for.

    GPT-2's table: bytes that print in Latin-1 stand for themselves, the others, in order, are the
    characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }


def _list_decoders(decoder: Any) -> Iterator[str]:
    """Yield the types of a tokenizer's decoder and of those that it is made of."""
    if decoder is None:
        return
    # Its own form of serialisation; there is no other way to look inside.
    pending = [json.loads(decoder.__getstate__())]
    while pending:
        part = pending.pop()
        yield part["type"]
        pending += part.get("decoders", [])
