"""Bytes of tokens, put together, are the text; tokens that are half a character have no text."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from modelyard_runtime.domain import TokenChance
from modelyard_runtime.engine.backends.token_texts import TokenTexts, build_byte_alphabet

TEXT = "Grüße, 世界! 🙂 naïve\n"


def byte_level():
    vocabulary = {character: place for place, character in enumerate(build_byte_alphabet())}
    vocabulary |= {"Gr": 256, "Ġn": 257}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("G", "r"), ("Ġ", "n")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<end>", special=True)])
    tokenizer.add_tokens([AddedToken("<tool>", special=False)])
    return tokenizer


def byte_fallback():
    """In the manner of Llama 2: words begin with ▁, and what has no token is written in bytes."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁Gr,!nave", "▁na", "▁n"]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    merges = [("▁", "n"), ("▁n", "a")]
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def test_the_alphabet_is_that_of_byte_level_tokenizers():
    assert sorted(build_byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = byte_level()
    assert tokenizer.decode(tokenizer.encode(TEXT).ids) == TEXT


@pytest.mark.parametrize("build", [byte_level, byte_fallback])
def test_bytes_add_up_to_the_text(build):
    tokenizer = build()
    texts = TokenTexts(tokenizer)
    tokens = [texts.describe(token, -1.0) for token in tokenizer.encode(TEXT).ids]
    assert b"".join(token.data for token in tokens).decode().removeprefix(" ") == TEXT
    halves = [token for token in tokens if token.text is None]
    assert {token.data for token in halves} >= {bytes([byte]) for byte in "🙂".encode()}
    assert all(token.text.encode() == token.data for token in tokens if token.text is not None)


def test_words_have_the_space_that_they_begin_with():
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    assert TokenTexts(tokenizer).describe(1, -0.5) == TokenChance(" b", b" b", -0.5)


def test_continuing_pieces_have_none():
    tokenizer = Tokenizer(models.WordPiece({"a": 0, "##b": 1}, unk_token="a"))
    tokenizer.decoder = decoders.WordPiece()
    texts = TokenTexts(tokenizer)
    assert [texts.describe(token, 0.0).text for token in (0, 1)] == [" a", "b"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("<end>", ("<end>", None), id="a special token stands for no text"),
        pytest.param("<tool>", ("<tool>", b"<tool>"), id="an added word is text"),
    ],
)
def test_added_tokens(name, expected):
    tokenizer = byte_level()
    token = TokenTexts(tokenizer).describe(tokenizer.token_to_id(name), 0.0)
    assert (token.text, token.data) == expected


def test_a_token_of_the_padding_has_a_number():
    texts = TokenTexts(byte_level())
    assert texts.describe(999, float("-inf")) == TokenChance("token_id:999", None, -9999.0)
