"""What requests and answers are, independent of protocol and of model library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modelyard_api.v1alpha1 import Task

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model. Sizes are of the weights in memory."""

    name: str
    task: Task
    format: str
    device: str
    dtype: str
    parameters: int
    size_bytes: int
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. temperature 0 is greedy; a seed makes a draw repeatable."""

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


Prompt = str | tuple[int, ...] | tuple[Message, ...]
"""Plain text, token ids, or a chat that the model's own template renders."""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Continue `prompt` in `n` independent ways."""

    id: str
    prompt: Prompt
    sampling: Sampling
    n: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next piece of choice `index`. The last chunk of each choice carries finish_reason.

    `text` is never half of a character and never part of a stop string; it may be empty.
    `tokens` counts the tokens generated since the choice's previous chunk.
    """

    index: int
    text: str
    tokens: int
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class TextInput:
    """One text, or its token ids, for a model that answers in one step."""

    content: str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector of shape (dimensions,), float32, of unit length if the model normalises."""

    vector: NDArray[np.float32]
    tokens: int


@dataclass(frozen=True, slots=True)
class Classification:
    """Score of every label, highest first."""

    scores: Mapping[str, float]
    tokens: int


BatchResult = Embedding | Classification
