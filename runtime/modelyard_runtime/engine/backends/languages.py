"""From which language into which: how each family of translation models is told."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelyard_runtime.errors import InvalidRequest

_SHOWN = 8
_PREFIXED = re.compile(r"translation_(.+)_to_(.+)")
_MARK = re.compile(r">>(.+)<<")
_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Direction:
    """What the model is told: by a prefix of the text, or by tokens.

    `source` is the language whose token the tokenizer adds; `first_token` is what the answer begins
    with, `start_token` what stands before it for the decoder to start from. None: as ever.
    """

    prefix: str = ""
    source: str = ""
    first_token: int | None = None
    start_token: int | None = None


class Languages(Protocol):
    """The languages of a model."""

    def choose(self, source: str, target: str) -> Direction:
        """Return how this direction is asked for; an empty language was not named.

        Raises:
            InvalidRequest: the model cannot translate so; `source` or `target` is at fault.
        """
        ...

    def name_any(self) -> tuple[str, str]:
        """Return a source and a target that can be chosen."""
        ...


@dataclass(frozen=True, slots=True)
class SingleDirection:
    """A model that knows one way only, or is told in the text itself."""

    prefix: str = ""

    def choose(self, source: str, target: str) -> Direction:
        """Return the only direction."""
        for param, language in (("source", source), ("target", target)):
            if language:
                raise InvalidRequest(
                    f"this model translates in one direction only; leave out {param}", param=param
                )
        return Direction(self.prefix)

    def name_any(self) -> tuple[str, str]:
        """Return no languages."""
        return "", ""


@dataclass(frozen=True, slots=True)
class PrefixedPairs:
    """T5: the text begins with a sentence that its config has for each pair."""

    prefixes: Mapping[tuple[str, str], str]

    def choose(self, source: str, target: str) -> Direction:
        """Return the pair's prefix; the only pair need not be named."""
        if len(self.prefixes) == 1 and not source and not target:
            return Direction(next(iter(self.prefixes.values())))
        _require("source", source, {known for known, _ in self.prefixes})
        _require("target", target, {known for start, known in self.prefixes if start == source})
        return Direction(self.prefixes[source, target])

    def name_any(self) -> tuple[str, str]:
        """Return the first pair."""
        return next(iter(self.prefixes))


@dataclass(frozen=True, slots=True)
class TargetMarks:
    """Marian with several targets: the text begins with `>>fr<<`."""

    targets: tuple[str, ...]

    def choose(self, source: str, target: str) -> Direction:
        """Return the target's mark."""
        if source:
            raise InvalidRequest(
                "this model is told only the target language; leave out source", param="source"
            )
        _require("target", target, self.targets)
        return Direction(f">>{target}<< ")

    def name_any(self) -> tuple[str, str]:
        """Return the first target."""
        return "", self.targets[0]


@dataclass(frozen=True, slots=True)
class LanguageTokens:
    """NLLB, M2M100, mBART: a token for each language, in the source and first in the answer.

    Both languages are named, unless the model has a pair of its own: then `own_source` is its
    source. The decoder of the first mBART starts from the target's token (`is_start`).
    """

    tokens: Mapping[str, int]
    own_source: str = ""
    is_start: bool = False

    def choose(self, source: str, target: str) -> Direction:
        """Return the tokens of both languages."""
        if self.own_source and not source and not target:
            return Direction(source=self.own_source)
        _require("source", source, self.tokens)
        _require("target", target, self.tokens)
        token = self.tokens[target]
        if self.is_start:
            return Direction(source=source, start_token=token)
        return Direction(source=source, first_token=token)

    def name_any(self) -> tuple[str, str]:
        """Return the first two languages."""
        first, *others = self.tokens
        return first, (others or [first])[0]


def find_languages(config: Any, tokenizer: Any, generation: Any) -> Languages:
    """Return what the model's config, tokenizer and settings for generation say of languages."""
    prefixes = {
        (found[1], found[2]): str(settings["prefix"])
        for name, settings in read_task_settings(config).items()
        if (found := _PREFIXED.fullmatch(name)) and settings.get("prefix")
    }
    if prefixes:
        return PrefixedPairs(prefixes)
    if hasattr(tokenizer, "src_lang"):
        tokens = _find_tokens(tokenizer)
        if tokens:
            is_start = generation.decoder_start_token_id in tokens.values()
            has_own = is_start or generation.forced_bos_token_id in tokens.values()
            own_source = str(tokenizer.src_lang or "") if has_own else ""
            return LanguageTokens(tokens, own_source, is_start)
    marks = sorted(filter(None, map(_MARK.fullmatch, tokenizer.get_vocab())), key=lambda m: m[1])
    if marks:
        return TargetMarks(tuple(mark[1] for mark in marks))
    return SingleDirection(str(getattr(config, "prefix", None) or ""))


def read_task_settings(config: Any) -> dict[str, dict[str, Any]]:
    """Return what the model's config says of each task that it was trained for, by its name."""
    settings = getattr(config, "task_specific_params", None) or {}
    return {name: found for name, found in settings.items() if isinstance(found, dict)}


def _find_tokens(tokenizer: Any) -> dict[str, int]:
    known = getattr(tokenizer, "lang_code_to_id", None)
    if known is None:
        names = [str(token) for token in tokenizer.all_special_tokens]
        known = {
            name: tokenizer.convert_tokens_to_ids(name) for name in names if _CODE.fullmatch(name)
        }
    return {name: token for name, token in known.items() if token != tokenizer.unk_token_id}


def _require(param: str, language: str, known: Collection[str]) -> None:
    if language in known:
        return
    names = sorted(known)
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    wrong = f"{language!r} is not one of this model's languages" if language else "it is missing"
    raise InvalidRequest(f"{param}: {wrong}; it takes {shown}", param=param)
