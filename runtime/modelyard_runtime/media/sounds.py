"""Sounds that clients send: WAV, FLAC, Ogg and MP3, as one channel at the rate a model takes."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from modelyard_runtime.errors import InvalidRequest

MAX_SECONDS = 600
#: Shorter than a spoken sound, and than the first layers of a model look at.
MIN_SECONDS = 0.05
MAX_CHANNELS = 8
RATES = (4_000, 384_000)

_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3"})
_CODINGS = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_LAYER")
# The library reads many more formats, some of them older than bounds checks: only what begins as
# one of ours gets to it.
_MAGIC = ((b"WAVE", 8), (b"fLaC", 0), (b"OggS", 0), (b"ID3", 0))
_MPEG_FRAME = (0xFF, 0xE0)
#: Of FLAC files that were written into a pipe.
_UNKNOWN_FRAMES = 1 << 62
_BLOCK_FRAMES = 1 << 16
#: Full scale is 1. Files of floating point may hold more, but not so much more.
_MAX_SAMPLE = 1000.0
_MAX_WORDS = 120

Samples = NDArray[np.float32]


def decode_sound(data: bytes, *, rate: int, param: str) -> Samples:
    """Return the sound's samples, shape (samples,), float32: channels averaged, at `rate` Hz.

    Raises:
        InvalidRequest: it is no such file, damaged, too long or too short, has too many channels
            or samples that are no numbers; `param` is the field that is named.
    """
    if not _looks_right(data):
        raise InvalidRequest("this is no WAV, FLAC, Ogg or MP3 file", param=param)
    try:
        # Whatever a decoder raises on foreign bytes, the file is at fault.
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _require_bounds(file, param)
            blocks = _resample(_read_mono(file, param), file.samplerate, rate)
            samples = np.concatenate([*blocks, np.zeros(0, np.float32)])
    except InvalidRequest:
        raise
    except Exception as error:
        words = str(error).rpartition(": ")[2][:_MAX_WORDS] or type(error).__name__
        raise InvalidRequest(f"this sound is damaged or cut off ({words})", param=param) from error
    if len(samples) < MIN_SECONDS * rate:
        raise InvalidRequest(
            f"this sound is {len(samples) / rate:.3f} s long; it must be at least {MIN_SECONDS} s",
            param=param,
        )
    return samples


def _looks_right(data: bytes) -> bool:
    if any(data[place : place + len(magic)] == magic for magic, place in _MAGIC):
        return True
    first, second = _MPEG_FRAME
    return len(data) > 1 and data[0] == first and data[1] & second == second


def _require_bounds(file: Any, param: str) -> None:
    lowest, highest = RATES
    if file.format not in _FORMATS or not file.subtype.startswith(_CODINGS):
        problem = f"a {file.format} file coded as {file.subtype} is not taken"
    elif not lowest <= file.samplerate <= highest:
        problem = f"a rate of {file.samplerate} Hz is not taken; it is {lowest} to {highest} Hz"
    elif file.channels > MAX_CHANNELS:
        problem = f"it has {file.channels} channels; at most {MAX_CHANNELS} are taken"
    elif file.frames >= _UNKNOWN_FRAMES:
        problem = "its header does not say how long it is"
    elif file.frames > MAX_SECONDS * file.samplerate:
        problem = _too_long(file.frames / file.samplerate)
    else:
        return
    raise InvalidRequest(problem, param=param)


def _too_long(seconds: float) -> str:
    return f"this sound is {seconds:.0f} s long; at most {MAX_SECONDS} s are taken"


def _read_mono(file: Any, param: str) -> Iterator[Samples]:
    """Yield the average of the channels, block by block, so that channels take no memory."""
    frames = 0
    while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        frames += len(block)
        # What a header says need not be so.
        if frames > MAX_SECONDS * file.samplerate:
            raise InvalidRequest(_too_long(frames / file.samplerate), param=param)
        if not np.abs(block).max() <= _MAX_SAMPLE:  # nor is NaN
            raise InvalidRequest("this sound has samples that are no numbers", param=param)
        yield block.mean(axis=1)


def _resample(blocks: Iterator[Samples], rate: int, wanted: int) -> Iterator[Samples]:
    if rate == wanted:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
