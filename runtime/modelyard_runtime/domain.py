"""What requests and answers are, independent of protocol and of model library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modelyard_api.v1alpha1 import Optimization, Task

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
    adapters: tuple[str, ...] = ()
    optimization: Optimization | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. temperature 0 is greedy; a seed makes a draw repeatable.

    Before anything else, greedy or not, each token's score becomes
    `score + bias - count * frequency_penalty - (count > 0) * presence_penalty`, where count is how
    often the token stands in the text generated so far (OpenAI's definition). `logprobs` asks for
    each token's chance, with so many alternatives.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: int | None = None


Prompt = str | tuple[int, ...] | tuple[Message, ...]
"""Plain text, token ids, or a chat that the model's own template renders."""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Continue `prompt` in `n` independent ways, with that adapter of the model, if any."""

    id: str
    prompt: Prompt
    sampling: Sampling
    n: int = 1
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A token, and the natural logarithm of its chance.

    `text` is None for a token that is only a part of a character; `data` is None for one that
    stands for no text, as those that end one.
    """

    text: str | None
    data: bytes | None
    logprob: float


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A generated token, the likeliest tokens at its place, and where its text begins.

    Chances are the model's own, before temperature, top_p, penalties and biases. `offset` counts
    characters of the choice's text.
    """

    chosen: TokenChance
    likeliest: tuple[TokenChance, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next piece of choice `index`. The last chunk of each choice carries finish_reason.

    `text` is never half of a character and never part of a stop string; it may be empty.
    `tokens` counts the tokens generated since the choice's previous chunk. `scored` holds those
    of them that begin within the text, if the request asked for logprobs: neither a token that
    ends the text nor those that a stop string cut off.
    """

    index: int
    text: str
    tokens: int
    finish_reason: FinishReason | None = None
    scored: tuple[ScoredToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Continuation:
    """A whole continuation, of a client that does not want it piece by piece."""

    text: str
    tokens: int


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


@dataclass(frozen=True, slots=True)
class TensorSignature:
    """A tensor that a model takes or returns. -1 stands for a dimension that is free.

    `datatype` is a key of DATATYPES.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """All tensors that a model takes, and all that it returns."""

    inputs: tuple[TensorSignature, ...]
    outputs: tuple[TensorSignature, ...] = ()


#: The Open Inference Protocol's names of number types, and numpy's. BYTES are texts.
DATATYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
