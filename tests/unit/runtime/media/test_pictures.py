"""Pictures become upright RGB, and what is no good picture is refused before it takes memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.media.pictures import decode_picture
from tests.support.media_files import (
    draw,
    save,
    write_animation,
    write_blank_png,
    write_wrong_size,
)

RED = (200, 20, 10)


def decode(data):
    return decode_picture(data, param="image")


def with_orientation(picture, number):
    exif = Image.Exif()
    exif[0x0112] = number
    return save(picture, "PNG", exif=exif)


def halves():
    """Red on the left, black on the right."""
    picture = Image.new("RGB", (8, 4))
    picture.paste(RED, (0, 0, 4, 4))
    return picture


def grey_of_16_bits():
    return Image.fromarray(np.array([[0, 0x4000], [0x8000, 0xFFFF]], dtype=np.uint16))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "JPEG"])
def test_each_format_is_read(kind):
    read = decode(save(Image.new("RGB", (6, 4), RED), kind))
    assert (read.mode, read.size) == ("RGB", (6, 4))
    assert np.abs(np.asarray(read).astype(int) - RED).max() < 8


@pytest.mark.parametrize(
    ("data", "corner"),
    [
        pytest.param(save(Image.new("L", (2, 2), 77)), (77, 77, 77), id="grey"),
        pytest.param(save(Image.new("LA", (2, 2), (77, 0))), (77, 77, 77), id="grey with alpha"),
        pytest.param(save(Image.new("RGBA", (2, 2), (*RED, 0))), RED, id="alpha is dropped"),
        pytest.param(save(Image.new("RGB", (2, 2), RED).quantize(2)), RED, id="a palette"),
        pytest.param(save(Image.new("1", (2, 2), 1)), (255, 255, 255), id="black and white"),
        pytest.param(
            save(Image.new("CMYK", (2, 2)), "JPEG"), (255, 255, 255), id="printing colours"
        ),
        pytest.param(write_animation("GIF", 3), None, id="the first of an animation"),
    ],
)
def test_other_colours_become_rgb(data, corner):
    read = decode(data)
    assert read.mode == "RGB"
    pixel = read.getpixel((0, 0))
    expected = corner or draw(8, 8, seed=0).getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(pixel, expected, strict=True)) < 12


def test_a_palette_with_transparency_becomes_rgb():
    picture = Image.new("P", (2, 2), 1)
    picture.putpalette([0, 0, 0, *RED])
    assert decode(save(picture, transparency=b"\xff\x00")).getpixel((0, 0)) == RED


def test_sixteen_bits_of_grey_become_eight():
    read = decode(save(grey_of_16_bits()))
    assert np.asarray(read)[:, :, 0].tolist() == [[0, 0x40], [0x80, 0xFF]]


def test_a_picture_is_turned_upright():
    """6: the camera was turned to the right, so what it has on the left is on top."""
    read = decode(with_orientation(halves(), 6))
    assert read.size == (4, 8)
    assert (read.getpixel((0, 0)), read.getpixel((0, 7))) == (RED, (0, 0, 0))


GOOD_JPEG = save(draw(300, 200), "JPEG")
GOOD_PNG = save(draw(300, 200))

HOSTILE = {
    "nothing": (b"", "this is no PNG, JPEG, WebP or GIF file"),
    "text": (b"hello", "this is no PNG"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this is no PNG"),
    "tiff": (save(draw(8, 8), "TIFF"), "this is no PNG"),
    "only a signature": (GOOD_PNG[:8], "this picture is damaged"),
    "bomb": (write_blank_png(30_000, 30_000), "30000 x 30000 pixels is too large; at most 4000"),
    "small bomb": (write_blank_png(9_000, 9_000), "9000 x 9000 pixels is too large"),
    "thread": (write_blank_png(1, 16_000), "1 x 16000 pixels is too long and thin"),
    "half a jpeg": (GOOD_JPEG[: len(GOOD_JPEG) // 2], "damaged or cut off"),
    "half a png": (GOOD_PNG[: len(GOOD_PNG) // 2], "damaged or cut off"),
    "a png of noise": (GOOD_PNG[:60] + bytes(200) + GOOD_PNG[60:], "damaged or cut off"),
    "gif of another size": (write_wrong_size("GIF", 65_535, 65_535), "pixels is too large"),
    "webp of another size": (write_wrong_size("WEBP", 12_000, 12_000), "too large"),
    "huge webp": (write_wrong_size("WEBP", 16_384, 16_384), "too large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name):
    data, words = HOSTILE[name]
    with pytest.raises(InvalidRequest, match=words) as caught:
        decode(data)
    assert caught.value.param == "image"
    assert len(caught.value.message) < 250


def test_the_limit_of_pixels_may_be_lower():
    with pytest.raises(InvalidRequest, match="300 x 200 pixels is too large; at most 59999 pix"):
        decode_picture(GOOD_PNG, param="image", max_pixels=59_999)


#: By VmHWM, since ru_maxrss begins with what the process that starts this one has.
_MEASURE = """
import sys
from pathlib import Path

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.media.pictures import decode_picture
from tests.support.media_files import draw, save


def read_peak_kib():
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1])


decode_picture(save(draw(64, 64), sys.argv[1]), param="image")
before = read_peak_kib()
try:
    decode_picture(sys.stdin.buffer.read(), param="image")
except InvalidRequest:
    pass
print(read_peak_kib() - before)
"""


@pytest.mark.parametrize(
    ("kind", "name", "most_mib"),
    [
        ("PNG", "bomb", 4),
        ("WEBP", "webp of another size", 16),
        ("GIF", "gif of another size", 4),
        ("GIF", "animation", 4),
    ],
)
def test_a_hostile_file_takes_no_memory(kind, name, most_mib):
    data = write_animation("GIF", 3000) if name == "animation" else HOSTILE[name][0]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, kind],
        input=data,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(["runtime", "crds", ".", *sys.path])},
    )
    assert json.loads(done.stdout) < most_mib * 1024
