"""Pictures that clients send: PNG, JPEG, WebP and GIF, as upright RGB."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from modelyard_runtime.errors import InvalidRequest

MAX_PIXELS = 40_000_000
#: Models scale the shorter side to a few hundred pixels, some of them before they cut the longer
#: one off: of a picture of 1 x 16000 that would make one of 256 x 4 million.
MAX_ASPECT = 50
#: What decoding and scaling take for a moment per pixel: the file's own form (with alpha, or the
#: coefficients of a progressive JPEG), RGB, and the processor's copies of it.
BYTES_PER_PIXEL = 16

Opening = Callable[[io.BytesIO], Image.Image]

# By a file's first bytes, whatever its name or type says. The classes are called by themselves:
# Image.open would try others, and warns of large pictures, which are refused below.
_FORMATS: tuple[tuple[bytes, int, Opening], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, PngImageFile),
    (b"\xff\xd8\xff", 0, JpegImageFile),
    (b"WEBP", 8, WebPImageFile),
    (b"GIF8", 0, GifImageFile),
)
_MAX_WORDS = 120


def decode_picture(data: bytes, *, param: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the picture (of an animation the first) in RGB, turned upright as its EXIF says.

    Transparency is dropped, as transformers does; 16 bits of grey become 8.

    Raises:
        InvalidRequest: it is no such picture, damaged, too large, or too long and thin; `param` is
            the field that is named.
    """
    opening = _find_format(data)
    if opening is None:
        raise InvalidRequest("this is no PNG, JPEG, WebP or GIF file", param=param)
    try:
        # Whatever a decoder raises on foreign bytes (OSError, struct.error, SyntaxError,
        # zlib.error, EOFError and more), the file is at fault.
        with opening(io.BytesIO(data)) as opened:
            _require_size(opened.size, max_pixels=max_pixels, param=param)
            opened.load()
            _require_size(opened.size, max_pixels=max_pixels, param=param)
            # In place, for a copy of a large picture is large.
            ImageOps.exif_transpose(opened, in_place=True)
            return _to_rgb(opened)
    except InvalidRequest:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("this picture", max_pixels, param) from error
    except Exception as error:
        words = str(error)[:_MAX_WORDS] or type(error).__name__
        raise InvalidRequest(
            f"this picture is damaged or cut off ({words})", param=param
        ) from error


def _find_format(data: bytes) -> Opening | None:
    for magic, place, opening in _FORMATS:
        if data[place : place + len(magic)] == magic:
            return opening
    return None


def _require_size(size: tuple[int, int], *, max_pixels: int, param: str) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_large(f"a picture of {width} x {height} pixels", max_pixels, param)
    if max(size) > MAX_ASPECT * min(size):
        raise InvalidRequest(
            f"a picture of {width} x {height} pixels is too long and thin; one side may be at "
            f"most {MAX_ASPECT} times the other",
            param=param,
        )


def _too_large(what: str, max_pixels: int, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"{what} is too large; at most {max_pixels} pixels are taken", param=param
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # Pillow would cut off at 255 what has 16 bits.
        values: Any = np.asarray(picture).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
