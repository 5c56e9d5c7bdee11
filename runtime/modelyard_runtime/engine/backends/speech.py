"""Recordings to texts: Whisper, which writes tokens, and models that write a letter per step."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import torch

from modelyard_runtime.engine.backends.recordings import (
    SoundRow,
    SoundRows,
    group_rows,
    stack_rows,
)
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.tasks.automatic_speech_recognition import Recording, Transcript

# Of one window of 30 seconds: nobody says more, and a model that repeats itself must end.
_MAX_TOKENS = 256
# Start, language, task and no timestamps.
_PROMPT_TOKENS = 8
_ENGLISH = "en"
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Written:
    """What the model wrote for a window, as its tokenizer takes it; `count` without padding."""

    tokens: np.ndarray[Any, np.dtype[np.int64]]
    count: int


def build_recogniser(loaded: Loaded) -> "WhisperRecogniser | LetterRecogniser":
    """Return the backend for the model's kind."""
    if loaded.model.config.model_type == "whisper":
        return WhisperRecogniser(loaded)
    return LetterRecogniser(loaded)


class _Recogniser:
    """What both kinds share."""

    context_tokens = 0

    def __init__(self, loaded: Loaded) -> None:
        self.model: Any = loaded.model
        self.tokenizer: Any = loaded.tokenizer
        self.rows = SoundRows(loaded)
        self.device: torch.device = loaded.model.device
        self.dtype = loaded.dtype
        self._sample = Recording(_record_silence(self.rows.rate))
        self.row_bytes = self.rows.encode(self._sample.data)[0].size_bytes

    def sample(self) -> Recording:
        """Return a moment of silence."""
        return self._sample

    def require_health(self) -> None:
        """Raise if the GPU is in an error state."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def count_seconds(self, rows: Sequence[SoundRow]) -> float:
        """Return how long the recording is."""
        shared = sum(row.span.left + row.span.right for row in rows)
        return (sum(row.span.samples for row in rows) - shared) / self.rows.rate


class WhisperRecogniser(_Recogniser):
    """Writes each window by itself, greedily, and joins the texts where windows overlap.

    Whisper's other way, window after window, each told of the one before, is a little better at
    what is said across a border; but its steps are as long as the recording, and meanwhile nobody
    else would be answered.
    """

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        config = self.model.generation_config
        languages = getattr(config, "lang_to_id", None) or {}
        self._languages = frozenset(name.strip("<|>") for name in languages)
        positions = self.model.config.max_target_positions
        self._settings = {
            "max_new_tokens": min(_MAX_TOKENS, positions - _PROMPT_TOKENS),
            "num_beams": 1,
            "do_sample": False,
            "return_timestamps": False,
        }
        self._seconds_per_position = (
            loaded.processor.chunk_length / self.model.config.max_source_positions
        )

    def prepare(self, item: Recording) -> list[SoundRow]:
        """Return the recording's windows.

        Raises:
            InvalidRequest: it cannot be read, or the model does not know the language.
        """
        language = item.language and item.language.lower()
        if language == _ENGLISH and not self._languages:
            language = None  # of one language, and that is it
        if language is not None and language not in self._languages:
            known = ", ".join(sorted(self._languages)) or _ENGLISH
            raise InvalidRequest(
                f"this model does not know the language {language!r}; it knows {known}",
                param="language",
            )
        return self.rows.encode(item.data, language=language)

    @torch.inference_mode()
    def compute(self, rows: Sequence[SoundRow]) -> list[Any]:
        """Return what is said in each window."""
        outputs: list[Any] = [None] * len(rows)
        for places in group_rows(rows):
            inputs = stack_rows([rows[place] for place in places], self.device, self.dtype)
            written = self.model.generate(**inputs, **self._ask_for(rows[places[0]].language))
            for place, tokens in zip(places, written.tolist(), strict=True):
                outputs[place] = self._trim(tokens)
        return outputs

    def finish(
        self, _item: Recording, rows: Sequence[SoundRow], outputs: Sequence[_Written]
    ) -> Transcript:
        """Return the text of all windows."""
        rate = self.rows.rate
        spans = [(row.span.samples, row.span.left, row.span.right) for row in rows]
        pieces = [
            {"tokens": written.tokens[None], "stride": tuple(count / rate for count in span)}
            for written, span in zip(outputs, spans, strict=True)
        ]
        # What transformers' own pipeline joins windows by.
        text, _ = self.tokenizer._decode_asr(  # noqa: SLF001
            pieces,
            return_timestamps=None,
            return_language=None,
            time_precision=self._seconds_per_position,
        )
        tokens = sum(written.count for written in outputs)
        return Transcript(text.strip(), self.count_seconds(rows), tokens)

    def _ask_for(self, language: str | None) -> dict[str, Any]:
        # A model of one language takes neither.
        told = {"language": language, "task": "transcribe"} if self._languages else {}
        return {**self._settings, **told}

    def _trim(self, tokens: list[int]) -> _Written:
        """Drop the padding to the longest of the batch: all from the end of the text on."""
        end = self.tokenizer.eos_token_id
        count = tokens.index(end) + 1 if end in tokens else len(tokens)
        return _Written(np.array(tokens[:count], dtype=np.int64), count)


class LetterRecogniser(_Recogniser):
    """Takes the likeliest letter of each step (CTC)."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self._samples_per_step = int(self.model.config.inputs_to_logits_ratio)

    def prepare(self, item: Recording) -> list[SoundRow]:
        """Return the recording's windows.

        Raises:
            InvalidRequest: it cannot be read, or a language is asked for.
        """
        if item.language is not None:
            raise InvalidRequest(
                "this model writes what it hears and cannot be told a language", param="language"
            )
        return self.rows.encode(item.data)

    @torch.inference_mode()
    def compute(self, rows: Sequence[SoundRow]) -> list[Any]:
        """Return the letters of each window, without those of its overlaps."""
        outputs: list[Any] = [None] * len(rows)
        for places in group_rows(rows):
            inputs = stack_rows([rows[place] for place in places], self.device, self.dtype)
            letters = self.model(**inputs).logits.argmax(dim=-1).cpu().numpy()
            for place, line in zip(places, letters, strict=True):
                kept = line[self._find_kept(rows[place])].copy()
                outputs[place] = _Written(kept, len(kept))
        return outputs

    def finish(
        self, _item: Recording, rows: Sequence[SoundRow], outputs: Sequence[_Written]
    ) -> Transcript:
        """Return the text of all windows."""
        letters = np.concatenate([written.tokens for written in outputs])
        text = self.tokenizer.decode(letters, skip_special_tokens=False)
        # A letter is a token.
        return Transcript(text.strip(), self.count_seconds(rows), len(text))

    def _find_kept(self, row: SoundRow) -> slice:
        steps = round(row.span.samples / self._samples_per_step)
        left, right = (
            round(shared / row.span.samples * steps) for shared in (row.span.left, row.span.right)
        )
        return slice(left, steps - right)


def _record_silence(rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(rate * _SAMPLE_SECONDS), np.int16), rate, format="WAV")
    return file.getvalue()
