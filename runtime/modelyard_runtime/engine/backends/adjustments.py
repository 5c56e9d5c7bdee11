"""What penalties and biases change in the scores of one sequence, before a token is drawn."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from modelyard_runtime.domain import Sampling

_FIRST_ROOM = 64


class Adjustments:
    """The sum of bias and penalties of each token that has any; a vocabulary has many others.

    It follows the text as it grows, so that a step costs what was generated, not the vocabulary.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._frequency = sampling.frequency_penalty
        self._presence = sampling.presence_penalty
        self._biases = dict(sampling.logit_bias)
        self._counts: dict[int, int] = {}
        self._places: dict[int, int] = {}
        self._tokens = np.empty(_FIRST_ROOM, dtype=np.int64)
        self._amounts = np.empty(_FIRST_ROOM, dtype=np.float32)
        for token, bias in self._biases.items():
            self._put(token, bias)

    @property
    def tokens(self) -> NDArray[np.int64]:
        """The tokens whose scores change, each once."""
        return self._tokens[: len(self._places)]

    @property
    def amounts(self) -> NDArray[np.float32]:
        """What is added to each one's score."""
        return self._amounts[: len(self._places)]

    def count(self, token: int) -> None:
        """Take note that the token was generated."""
        if not self._frequency and not self._presence:
            return
        count = self._counts.get(token, 0) + 1
        self._counts[token] = count
        # From the count, not by adding up: many small steps would gather rounding errors.
        penalty = count * self._frequency + self._presence
        self._put(token, self._biases.get(token, 0.0) - penalty)

    def _put(self, token: int, amount: float) -> None:
        place = self._places.setdefault(token, len(self._places))
        if place == len(self._tokens):
            self._tokens = np.resize(self._tokens, 2 * place)
            self._amounts = np.resize(self._amounts, 2 * place)
        self._tokens[place] = token
        self._amounts[place] = amount


def build_adjustments(sampling: Sampling) -> Adjustments | None:
    """Return the state of one sequence; None: nothing of the kind is asked for."""
    wanted = sampling.frequency_penalty or sampling.presence_penalty or sampling.logit_bias
    return Adjustments(sampling) if wanted else None


def adjust_scores(
    scores: torch.Tensor, adjusting: Sequence[tuple[int, Adjustments]]
) -> torch.Tensor:
    """Add to each (row of scores, adjustments), in place; return the scores."""
    sizes = [len(adjustments.tokens) for _, adjustments in adjusting]
    rows = np.repeat([row for row, _ in adjusting], sizes)
    tokens = np.concatenate([adjustments.tokens for _, adjustments in adjusting])
    amounts = np.concatenate([adjustments.amounts for _, adjustments in adjusting])
    # No pair of row and token is there twice, so nothing depends on an order.
    where = (torch.from_numpy(rows).to(scores.device), torch.from_numpy(tokens).to(scores.device))
    scores[where] += torch.from_numpy(amounts).to(scores.device)
    return scores
