"""Texts to entities: adjacent tokens of one label, as transformers' "simple" aggregation.

(transformers 5, TokenClassificationPipeline with aggregation_strategy="simple".)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modelyard_runtime.engine.backends.offsets import LocatedRow, locate, require_offsets
from modelyard_runtime.engine.backends.texts import PaddedModel, TextRows
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.token_classification import Entity, Tagged, TextToTag

_OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class Tag:
    """What the model says of a token. Labels are written B-PER where one begins, else I-PER."""

    label: str
    score: float
    word: str
    place: tuple[int, int]

    @property
    def group(self) -> str:
        """The label without the mark of a beginning, for a comparison with its neighbour."""
        return self.label[2:] if self.label.startswith(("B-", "I-")) else self.label

    def continues(self, before: "Tag") -> bool:
        """Say whether both are of one entity."""
        return self.group == before.group and not self.label.startswith("B-")


class TokenClassifier:
    """Labels every token of a text."""

    def __init__(self, loaded: Loaded) -> None:
        require_offsets(loaded)
        self._texts = TextRows(loaded)
        self._padded = PaddedModel(loaded)
        config: Any = loaded.model.config
        self._labels = config.id2label
        self.context_tokens = self._texts.max_tokens
        self.require_health = self._padded.require_health

    def sample(self) -> TextToTag:
        """Return a short text."""
        return TextToTag("Hello")

    def prepare(self, item: TextToTag) -> list[LocatedRow]:
        """Return the text's tokens.

        Raises:
            InvalidRequest: it is empty or too long.
        """
        return [locate(self._texts, item.text, param="text")]

    @torch.inference_mode()
    def compute(self, rows: Sequence[LocatedRow]) -> list[NDArray[np.float32]]:
        """Return the chances of the labels, shape (tokens, labels), per row."""
        output, _ = self._padded.forward([located.row for located in rows])
        chances = torch.softmax(output.logits.float(), dim=-1).cpu().numpy()
        # Copies, or one kept row would hold the whole batch in memory.
        return [chances[i, : row.length].copy() for i, row in enumerate(rows)]

    def finish(
        self,
        item: TextToTag,
        rows: Sequence[LocatedRow],
        outputs: Sequence[NDArray[np.float32]],
    ) -> Tagged:
        """Return the parts of the text that have a label, the outside left out."""
        groups: list[list[Tag]] = []
        for tag in self._find_tags(item.text, rows[0], outputs[0]):
            if groups and tag.continues(groups[-1][-1]):
                groups[-1].append(tag)
            else:
                groups.append([tag])
        entities = [self._join(group) for group in groups]
        kept = tuple(entity for entity in entities if entity.group != _OUTSIDE)
        return Tagged(kept, tokens=rows[0].length)

    def _find_tags(self, text: str, located: LocatedRow, chances: NDArray[np.float32]) -> list[Tag]:
        best = chances.argmax(axis=-1)
        return [
            Tag(
                label=str(self._labels[int(best[i])]),
                score=float(chances[i, best[i]]),
                word=self._name(located.row.tokens[i], text, place),
                place=place,
            )
            for i, place in enumerate(located.places)
            if place is not None
        ]

    def _name(self, token: int, text: str, place: tuple[int, int]) -> str:
        tokenizer: Any = self._texts.tokenizer
        if token == tokenizer.unk_token_id:
            return text[slice(*place)]
        name: str = tokenizer.convert_ids_to_tokens(token)
        return name

    def _join(self, tags: Sequence[Tag]) -> Entity:
        return Entity(
            # As transformers names it: "B-PER" is PER, and a label of another kind, such as
            # "job-title", is "title".
            group=tags[0].label.split("-", 1)[-1],
            score=float(np.mean([tag.score for tag in tags])),
            word=self._texts.tokenizer.convert_tokens_to_string([tag.word for tag in tags]),
            start=tags[0].place[0],
            end=tags[-1].place[1],
        )
