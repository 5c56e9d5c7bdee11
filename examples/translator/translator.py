"""A small encoder-decoder that translates word by word; its vocabulary lies beside this file."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

VOCABULARY = Path(__file__).parent / "vocabulary.json"
PAD, START, END = 0, 1, 2
_FIRST_WORD = 3


class Translator(nn.Module):
    """A transformer over words, with learned positions.

    `predict` translates; `forward` gives the scores of the next words, for training.
    """

    #: A text that `predict` can answer, for a server to try before it says that it is ready.
    example = "twenty one"

    def __init__(self, *, width: int, heads: int, layers: int, longest: int) -> None:
        super().__init__()
        vocabulary = json.loads(VOCABULARY.read_text())
        self.target_words: list[str] = vocabulary["target"]
        self.source_numbers = _number(vocabulary["source"])
        self.target_numbers = _number(self.target_words)
        self.longest = longest
        self.source = nn.Embedding(_FIRST_WORD + len(self.source_numbers), width)
        self.target = nn.Embedding(_FIRST_WORD + len(self.target_numbers), width)
        self.places = nn.Embedding(longest + 1, width)
        settings = {"dim_feedforward": 4 * width, "dropout": 0.0, "batch_first": True}
        encoder = nn.TransformerEncoderLayer(width, heads, **settings)  # type: ignore[arg-type]
        self.encoder = nn.TransformerEncoder(encoder, layers, enable_nested_tensor=False)
        decoder = nn.TransformerDecoderLayer(width, heads, **settings)  # type: ignore[arg-type]
        self.decoder = nn.TransformerDecoder(decoder, layers)
        self.scores = nn.Linear(width, self.target.num_embeddings)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Score each next word: [texts, words] and [texts, words so far] to [..., vocabulary]."""
        return self._decode(target, self._encode(source), source == PAD)

    @torch.inference_mode()
    def predict(self, inputs: list[str]) -> list[str]:
        """Translate texts, all at once; the answers do not depend on what else is translated.

        Raises:
            ValueError: a text is empty, too long, or has a word that was never learned.
        """
        device = self.scores.weight.device
        source = pad([self._read(text) for text in inputs]).to(device)
        states, hidden = self._encode(source), source == PAD
        written = torch.full((len(inputs), 1), START, device=device)
        while written.shape[1] <= self.longest and not (written == END).any(dim=1).all():
            following = self._decode(written, states, hidden)[:, -1].argmax(dim=-1)
            written = torch.cat([written, following[:, None]], dim=1)
        return [self._write(numbers) for numbers in written[:, 1:].tolist()]

    def _encode(self, source: Tensor) -> Tensor:
        embedded = self.source(source) + self._place(source)
        states: Tensor = self.encoder(embedded, src_key_padding_mask=source == PAD)
        return states

    def _decode(self, target: Tensor, states: Tensor, hidden: Tensor) -> Tensor:
        size = target.shape[1]
        later = torch.ones(size, size, dtype=torch.bool, device=target.device).triu(diagonal=1)
        decoded = self.decoder(
            self.target(target) + self._place(target),
            states,
            tgt_mask=later,
            memory_key_padding_mask=hidden,
        )
        scores: Tensor = self.scores(decoded)
        return scores

    def _place(self, words: Tensor) -> Tensor:
        places: Tensor = self.places(torch.arange(words.shape[1], device=words.device))
        return places

    def _read(self, text: str) -> list[int]:
        words = text.lower().replace("-", " ").split()
        unknown = [word for word in words if word not in self.source_numbers]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a word that this model has learned")
        if not 0 < len(words) <= self.longest:
            raise ValueError(f"{len(words)} words; this model takes 1 to {self.longest}")
        return [self.source_numbers[word] for word in words]

    def _write(self, numbers: list[int]) -> str:
        end = numbers.index(END) if END in numbers else len(numbers)
        return " ".join(self.target_words[number - _FIRST_WORD] for number in numbers[:end])


def pad(rows: list[list[int]]) -> Tensor:
    """Return rows as one tensor, the shorter ones filled up."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _number(words: list[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words, start=_FIRST_WORD)}
