"""Pictures and sounds as files, good and bad, drawn by the numbers given."""

import io
import struct
import zlib

import numpy as np
import soundfile
from PIL import Image


def draw(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """A picture of soft colours, so that no scaling makes noise of it."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def save(picture: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def write_blank_png(width: int, height: int) -> bytes:
    """A black picture, one bit a pixel: 30000 x 30000 are 100 kB of file."""
    packing = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def write_wrong_size(kind: str, width: int, height: int) -> bytes:
    """A small animation or picture whose header says another size."""
    frames = [draw(20, 20, seed=seed) for seed in range(3)]
    file = bytearray(save(frames[0], kind, save_all=True, append_images=frames[1:]))
    if kind == "GIF":
        file[6:10] = struct.pack("<HH", width, height)
    else:
        file[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(file)


def write_animation(kind: str, frames: int) -> bytes:
    pictures = [draw(8, 8, seed=seed) for seed in range(frames)]
    return save(pictures[0], kind, save_all=True, append_images=pictures[1:])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def hum(seconds: float, *, rate: int = 16_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """A few tones that come and go, shape (samples, channels), float32."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tones = [
        np.sin(2 * np.pi * (random.uniform(100, 1500) * time + random.uniform()))
        * (np.sin(2 * np.pi * random.uniform(0.5, 3) * time) > 0)
        for _ in range(3 * channels)
    ]
    mixed = np.reshape(tones, (channels, 3, -1)).sum(1).T / 4
    return mixed.astype(np.float32)


def record(
    samples: np.ndarray, kind: str = "WAV", *, rate: int = 16_000, coding: str | None = None
):
    """The sound's file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=coding)
    return file.getvalue()


def write_wav_header(
    *,
    rate: int = 16_000,
    channels: int = 1,
    data_bytes: int = 0,
    body: bytes = b"",
    bits: int = 16,
    coding: int = 1,
) -> bytes:
    """A WAV file whose header says anything."""
    frame = channels * bits // 8
    head = struct.pack(
        "<HHIIHH", coding, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits
    )
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", data_bytes)
    return b"RIFF" + struct.pack("<I", 36 + min(data_bytes, 0xFFFFFF00)) + b"WAVE" + chunks + body
