"""A question with a long context as windows that overlap, each a row of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard_runtime.engine.backends.texts import TextRows, TokenRow
from modelyard_runtime.errors import InvalidRequest

# Of transformers 4's pipeline: what the models were trained with (SQuAD).
_WINDOW_TOKENS = 384
_OVERLAP_TOKENS = 128
# About forty thousand words; each window is a row of the model.
_MAX_WINDOWS = 256
_CONTEXT = 1


@dataclass(frozen=True, slots=True)
class Window:
    """The question with a part of the context. One entry of each array per token.

    `is_context` is where an answer may stand; `is_rest` what besides takes part in the chances:
    the token by which models say that there is no answer. `starts` and `ends` are the characters
    of the context at which the token's word begins and ends.
    """

    row: TokenRow
    is_context: NDArray[np.bool_]
    is_rest: NDArray[np.bool_]
    starts: Sequence[int]
    ends: Sequence[int]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return self.row.length


class Windows:
    """Cuts contexts into windows with the model's tokenizer."""

    def __init__(self, texts: TextRows) -> None:
        self._texts = texts
        self._tokenizer: Any = texts.tokenizer
        self._window = min(_WINDOW_TOKENS, texts.max_tokens)
        special = self._tokenizer.num_special_tokens_to_add(pair=True)
        self._room = self._window - special
        self._max_question = self._room - self._window // 4

    def cut(self, question: str, context: str) -> list[Window]:
        """Return the windows, in the order of the context.

        Raises:
            InvalidRequest: one of the texts is empty or too long.
        """
        room = self._room - self._count_tokens(question)
        encoded = self._tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=self._window,
            # Each window must bring something new, beside a long question as well.
            stride=min(_OVERLAP_TOKENS, room // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        for tokens in encoded["input_ids"]:
            self._texts.require_known(tokens, "context")
        count = len(encoded["input_ids"])
        if count > _MAX_WINDOWS:
            raise InvalidRequest(
                f"the context is {count} windows of {self._window} tokens long; at most "
                f"{_MAX_WINDOWS} are read",
                param="context",
                code="context_length_exceeded",
            )
        windows = [self._read(encoded, number) for number in range(count)]
        if not any(window.is_context.any() for window in windows):
            raise InvalidRequest("the context is empty", param="context")
        return windows

    def _count_tokens(self, question: str) -> int:
        tokens = len(self._tokenizer(question, add_special_tokens=False)["input_ids"])
        if not tokens:
            raise InvalidRequest("the question is empty", param="question")
        if tokens > self._max_question:
            raise InvalidRequest(
                f"the question has {tokens} tokens; this model takes at most {self._max_question}",
                param="question",
                code="context_length_exceeded",
            )
        return tokens

    def _read(self, encoded: Any, number: int) -> Window:
        tokens = encoded["input_ids"][number]
        types = encoded.get("token_type_ids")
        is_context = np.array([part == _CONTEXT for part in encoded.sequence_ids(number)])
        starts, ends = _find_words(encoded, number, is_context)
        is_first = np.array([token == self._tokenizer.cls_token_id for token in tokens])
        return Window(
            row=TokenRow(tokens, types[number] if types else None),
            is_context=is_context,
            is_rest=is_first & ~is_context,
            starts=starts,
            ends=ends,
        )


def _find_words(
    encoded: Any, number: int, is_context: NDArray[np.bool_]
) -> tuple[list[int], list[int]]:
    """Return where each token's word begins and ends: an answer is made of whole words."""
    starts, ends = map(list, zip(*encoded["offset_mapping"][number], strict=True))
    words = [
        word if inside else None
        for word, inside in zip(encoded.word_ids(number), is_context, strict=True)
    ]
    joins = [
        index for index in range(1, len(words)) if words[index - 1] == words[index] is not None
    ]
    for index in joins:
        starts[index] = starts[index - 1]
    for index in reversed(joins):
        ends[index - 1] = ends[index]
    return starts, ends
