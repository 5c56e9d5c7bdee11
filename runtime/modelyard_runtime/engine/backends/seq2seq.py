"""Texts to texts by encoder-decoder models: translations and summaries.

How a text is generated is the model's own choice, as `generate` of transformers has it: greedy, or
as many beams as its generation_config.json says (or `task_specific_params` of its config.json).
Only drawing by chance is left out, so that the same text has the same answer.
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.languages import (
    Direction,
    find_languages,
    read_task_settings,
)
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows, TokenRow
from modelyard_runtime.errors import CannotStart, EngineFailure, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.rewriting import Rewritten
from modelyard_runtime.tasks.summarization import TextToSummarise
from modelyard_runtime.tasks.translation import TextToTranslate

# Where neither the request nor the model says.
_DEFAULT_TOKENS = 256
# A batch is computed to its end, while others wait.
_MOST_TOKENS = 1024
_SHORT_ANSWER_TOKENS = 32
_MOST_BEAMS = 16
# What a model's settings do not decide: the form of the answer, chance, and the clock.
_FIXED = {
    "do_sample": False,
    "num_return_sequences": 1,
    "return_dict_in_generate": False,
    "max_time": None,
}
# Less than the time after which a step counts as hanging, and the process is replaced.
_SECONDS = 200.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the rows of one `generate` have in common."""

    max_tokens: int
    first_token: int | None
    start_token: int | None


@dataclass(frozen=True, slots=True)
class OrderedRow:
    """A text's tokens, and how its answer is to be generated."""

    row: TokenRow
    order: Order
    beams: int

    @property
    def length(self) -> int:
        """Tokens to read and, by a guess from these, to generate, once for each beam."""
        guessed = min(self.order.max_tokens, 2 * self.row.length + _SHORT_ANSWER_TOKENS)
        return (self.row.length + guessed) * self.beams


class Deadline(StoppingCriteria):
    """Ends a generation that takes too long by a fault."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = time.monotonic()

    def __call__(self, input_ids: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """Let all rows go on.

        Raises:
            EngineFailure: the time is over.
        """
        if time.monotonic() - self._began > self._seconds:
            raise EngineFailure(
                f"the model did not finish within {self._seconds:.0f} s; ask for fewer max_tokens"
            )
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


class Rewriter:
    """Generates with the model's own settings."""

    def __init__(self, loaded: Loaded, *, settings: dict[str, Any]) -> None:
        self._padded = PaddedModel(loaded)
        self._texts = TextRows(loaded)
        # The one that encodes is told the language of each text; this one is not touched.
        self._decoder: Any = copy.deepcopy(loaded.tokenizer)
        model: Any = loaded.model
        self.generation = _own_settings(model.generation_config, settings)
        self._ends = _end_tokens(self.generation)
        positions = getattr(model.config, "max_position_embeddings", None) or _MOST_TOKENS
        # The token that starts the decoder takes a position.
        self.most_tokens = min(_MOST_TOKENS, int(positions) - 1)
        self._default_tokens = min(_default_tokens(self.generation), self.most_tokens)
        # Every order says how many tokens; transformers warns of a second limit. What is None
        # would be filled from the model's own settings again.
        self.generation.max_length = None
        model.generation_config = self.generation
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def order(self, text: str, direction: Direction, max_tokens: int | None) -> OrderedRow:
        """Return the text's row.

        Raises:
            InvalidRequest: it is empty or too long, or more tokens are wanted than there can be.
        """
        if not text.strip():
            raise InvalidRequest("the text is empty", param="text")
        if max_tokens is not None and max_tokens > self.most_tokens:
            raise InvalidRequest(
                f"max_tokens is {max_tokens}; this model generates at most {self.most_tokens}",
                param="max_tokens",
            )
        if direction.source:
            self._texts.tokenizer.src_lang = direction.source
        row = self._texts.encode(direction.prefix + text, param="text")
        order = Order(
            max_tokens or self._default_tokens, direction.first_token, direction.start_token
        )
        return OrderedRow(row, order, beams=int(self.generation.num_beams or 1))

    @torch.inference_mode()
    def compute(self, rows: Sequence[OrderedRow]) -> list[list[int]]:
        """Return the generated tokens per row, the one that ends the text included."""
        groups: dict[Order, list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault(row.order, []).append(number)
        outputs: list[list[int]] = [[] for _ in rows]
        deadline = StoppingCriteriaList([Deadline(_SECONDS)])
        for order, numbers in groups.items():
            made = self._generate([rows[number].row for number in numbers], order, deadline)
            for number, tokens in zip(numbers, made, strict=True):
                outputs[number] = tokens
        return outputs

    def finish(
        self, _item: Any, rows: Sequence[OrderedRow], outputs: Sequence[Sequence[int]]
    ) -> Rewritten:
        """Return the text."""
        return Rewritten(
            text=self._decoder.decode(outputs[0], skip_special_tokens=True),
            tokens=rows[0].row.length,
            completion_tokens=len(outputs[0]),
        )

    def _generate(
        self, rows: Sequence[TokenRow], order: Order, deadline: StoppingCriteriaList
    ) -> list[list[int]]:
        settings = copy.copy(self.generation)
        settings.max_new_tokens = order.max_tokens
        for least in ("min_length", "min_new_tokens"):
            if getattr(settings, least) is not None:
                setattr(settings, least, min(getattr(settings, least), order.max_tokens))
        if order.first_token is not None:
            settings.forced_bos_token_id = order.first_token
        if order.start_token is not None:
            settings.decoder_start_token_id = order.start_token
        made = self._padded.model.generate(
            **self._padded.pad(rows),
            generation_config=settings,
            stopping_criteria=deadline,
        )
        return [self._cut(tokens) for tokens in made[:, 1:].tolist()]

    def _cut(self, tokens: list[int]) -> list[int]:
        """Return the tokens up to the end of the text: what follows is padding."""
        for number, token in enumerate(tokens):
            if token in self._ends:
                return tokens[: number + 1]
        return tokens


class Translator(Rewriter):
    """Translates."""

    def __init__(self, loaded: Loaded) -> None:
        config: Any = loaded.model.config
        settings = [
            found
            for name, found in read_task_settings(config).items()
            if name.startswith("translation")
        ]
        # Those of T5 are the same for all of its pairs.
        super().__init__(loaded, settings=settings[0] if settings else {})
        self._languages = find_languages(config, loaded.tokenizer, self.generation)

    def sample(self) -> TextToTranslate:
        """Return a short text."""
        source, target = self._languages.name_any()
        return TextToTranslate("Hello", source, target, max_tokens=2)

    def prepare(self, item: TextToTranslate) -> list[OrderedRow]:
        """Return the text's row.

        Raises:
            InvalidRequest: it is empty or too long, or not in a language of the model.
        """
        direction = self._languages.choose(item.source, item.target)
        return [self.order(item.text, direction, item.max_tokens)]


class Summariser(Rewriter):
    """Summarises."""

    def __init__(self, loaded: Loaded) -> None:
        config: Any = loaded.model.config
        settings = read_task_settings(config).get("summarization", {})
        super().__init__(loaded, settings=settings)
        prefix = settings.get("prefix") or getattr(config, "prefix", None) or ""
        self._direction = Direction(str(prefix))

    def sample(self) -> TextToSummarise:
        """Return a short text."""
        return TextToSummarise("Hello", max_tokens=2)

    def prepare(self, item: TextToSummarise) -> list[OrderedRow]:
        """Return the text's row.

        Raises:
            InvalidRequest: it is empty or too long.
        """
        return [self.order(item.text, self._direction, item.max_tokens)]


def _own_settings(own: Any, settings: dict[str, Any]) -> Any:
    """Return the model's settings with those of the task over them: one answer, the same each time.

    Raises:
        CannotStart: ModelUnsupported, more beams than anybody has use for.
    """
    generation = copy.deepcopy(own)
    known = generation.to_dict().keys()
    generation.update(**{name: value for name, value in settings.items() if name in known})
    generation.update(**_FIXED)
    beams = generation.num_beams
    if beams is not None and not (isinstance(beams, int) and 1 <= beams <= _MOST_BEAMS):
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The model's settings ask for {beams} beams; 1 to {_MOST_BEAMS} are served",
            hint="Correct num_beams in generation_config.json, or in task_specific_params of "
            "config.json.",
        )
    return generation


def _default_tokens(generation: Any) -> int:
    if generation.max_new_tokens:
        return int(generation.max_new_tokens)
    # This one counts the token that starts the decoder, too.
    return int(generation.max_length) - 1 if generation.max_length else _DEFAULT_TOKENS


def _end_tokens(generation: Any) -> frozenset[int]:
    ends = generation.eos_token_id
    if ends is None:
        return frozenset()
    return frozenset(ends if isinstance(ends, list) else [ends])
