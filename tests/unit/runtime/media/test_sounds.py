"""Sounds become one channel at the model's rate; bad ones are refused before they take memory."""

import subprocess
import sys

import numpy as np
import pytest
import soxr

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.media.sounds import decode_sound
from tests.support.media_files import hum, record, write_wav_header

RATE = 16_000
SOUND = hum(1)
ALONE = SOUND[:, 0]
SILENCE = bytes(32_000)


def decode(data):
    return decode_sound(data, rate=RATE, param="audio")


@pytest.mark.parametrize(
    ("kind", "coding", "tolerance"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAV", "ULAW", 3e-2),
        ("WAVEX", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.1),
        ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)
def test_each_format_is_read(kind, coding, tolerance):
    read = decode(record(SOUND, kind, coding=coding))
    assert (read.shape, read.dtype) == (ALONE.shape, np.float32)
    # How far it is off at most places: lossy coding blurs the borders of tones.
    assert np.quantile(np.abs(read - ALONE), 0.95) <= tolerance


def test_channels_are_averaged():
    sound = hum(1, channels=4)
    read = decode(record(sound, coding="FLOAT"))
    assert read == pytest.approx(sound.mean(axis=1), abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_another_rate_is_resampled_as_a_whole(rate):
    """Read in blocks, the borders of blocks are not heard."""
    sound = hum(5, rate=rate)
    read = decode(record(sound, rate=rate, coding="FLOAT"))
    whole = soxr.resample(sound[:, 0], rate, RATE)
    assert len(read) == pytest.approx(5 * RATE, abs=1)
    length = min(len(read), len(whole))
    assert read[:length] == pytest.approx(whole[:length], abs=1e-4)


def test_a_wave_file_from_a_pipe_is_read():
    """Its header has the largest length there is."""
    assert len(decode(write_wav_header(data_bytes=2**32 - 1, body=SILENCE))) == len(SILENCE) / 2


FLAC = record(SOUND, "FLAC")
ENDLESS_FLAC = bytearray(FLAC)
ENDLESS_FLAC[21] &= 0xF0
ENDLESS_FLAC[22:26] = bytes(4)

HOSTILE = {
    "nothing": (b"", "this is no WAV, FLAC, Ogg or MP3 file"),
    "text": (b"hello", "this is no WAV"),
    "aiff": (record(SOUND, "AIFF"), "this is no WAV"),
    "an old coding": (record(SOUND, coding="IMA_ADPCM"), "a WAV file coded as IMA_ADPCM is not"),
    "only a signature": (b"RIFF\xff\xff\xff\xffWAVE", "this sound is damaged or cut off"),
    "half a flac": (FLAC[: len(FLAC) // 2], "damaged or cut off"),
    "no samples": (record(SOUND[:0]), r"0\.000 s long; it must be at least 0\.05 s"),
    "a click": (record(SOUND[:160]), r"0\.010 s long"),
    "more than 10^9 frames": (
        write_wav_header(data_bytes=2_000_000_000, body=b""),
        r"0\.000 s long|damaged",
    ),
    "0 Hz": (write_wav_header(rate=0, data_bytes=32_000, body=SILENCE), "damaged or cut off"),
    "1 Hz": (
        write_wav_header(rate=1, data_bytes=32_000, body=SILENCE),
        "a rate of 1 Hz is not taken; it is 4000 to 384000 Hz",
    ),
    "4 GHz": (write_wav_header(rate=4 * 10**9, data_bytes=32_000, body=SILENCE), "damaged|rate"),
    "1000 channels": (
        write_wav_header(channels=1000, data_bytes=32_000, body=SILENCE),
        "it has 1000 channels; at most 8 are taken",
    ),
    "65535 channels": (
        write_wav_header(channels=65_535, data_bytes=32_000, body=SILENCE),
        "damaged|channels",
    ),
    "no channels": (
        write_wav_header(channels=0, data_bytes=32_000, body=SILENCE),
        "damaged or cut off",
    ),
    "no numbers": (
        record(np.full(RATE, np.nan, np.float32), coding="FLOAT"),
        "samples that are no numbers",
    ),
    "one infinite sample": (
        record(np.append(ALONE, np.inf).astype(np.float32), coding="FLOAT"),
        "no numbers",
    ),
    "too loud a number": (record(np.full(RATE, 1e300), coding="DOUBLE"), "no numbers"),
    "an hour in few bytes": (
        record(np.zeros(RATE * 3600, np.int16), "FLAC"),
        "this sound is 3600 s long; at most 600 s are taken",
    ),
    "an hour of a low rate": (
        record(np.zeros(4_000 * 3600, np.int16), "FLAC", rate=4_000),
        "3600 s long",
    ),
    "no word of how long": (bytes(ENDLESS_FLAC), "header does not say how long it is"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name):
    data, words = HOSTILE[name]
    with pytest.raises(InvalidRequest, match=words) as caught:
        decode(data)
    assert caught.value.param == "audio"
    assert len(caught.value.message) < 250


def test_noise_after_a_good_beginning_harms_nobody():
    random = np.random.default_rng(0)
    for start in range(44, 4000, 400):
        for file in (record(SOUND), FLAC, record(SOUND, "OGG")):
            noise = random.integers(0, 256, 64, dtype=np.uint8).tobytes()
            try:
                read = decode(file[:start] + noise + file[start + 64 :])
            except InvalidRequest:
                continue
            assert np.isfinite(read).all()


#: By VmHWM, since ru_maxrss begins with what the process that starts this one has.
_MEASURE = """
import sys
from pathlib import Path

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.media.sounds import decode_sound
from tests.support.media_files import hum, record


def read_peak_kib():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1])


data = sys.stdin.buffer.read()
decode_sound(record(hum(1, rate=48000), "FLAC", rate=48000), rate=16000, param="audio")
before = read_peak_kib()
try:
    decode_sound(data, rate=16000, param="audio")
except InvalidRequest:
    pass
print(read_peak_kib() - before)
"""


@pytest.mark.parametrize(
    ("name", "most_mib"),
    [
        ("an hour in few bytes", 8),
        ("65535 channels", 8),
        ("many channels", 60),
    ],
)
def test_a_hostile_file_takes_little_memory(name, most_mib):
    if name == "many channels":
        data = record(np.zeros((96_000 * 60, 8), np.int16), "FLAC", rate=96_000)
    else:
        data = HOSTILE[name][0]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        input=data,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(["runtime", "crds", ".", *sys.path])},
    )
    assert int(done.stdout) < most_mib * 1024
