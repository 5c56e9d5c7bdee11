"""Heat maps: the parts of a picture coloured by what each of them adds to a score."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Blue adds, orange takes away: a pair that hardly anybody confuses.
ADDS = (29, 78, 216)
TAKES = (234, 88, 12)
# Small models see small pictures, in which nobody sees much.
_LEAST_SIDE = 320
_OPACITY = 0.85
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def enlarge(seen: NDArray[np.uint8]) -> bytes:
    """Return the picture as a PNG, a few times as large if it is small."""
    return _save(_resize(Image.fromarray(seen)))


def paint(seen: NDArray[np.uint8], grid: NDArray[np.float64]) -> bytes:
    """Return a PNG of the picture in grey, with a grid of signed values of any size over it.

    The largest value, of either sign, is the strongest colour.
    """
    picture = _resize(Image.fromarray(seen))
    cells = Image.fromarray((grid / (np.abs(grid).max() or 1.0)).astype(np.float32))
    smooth: NDArray[np.float32] = np.asarray(
        cells.resize(picture.size, Image.Resampling.BICUBIC)
    ).clip(-1, 1)[..., None]
    # Paler, so that both colours stand out.
    grey = (np.asarray(picture) @ np.array(_GREY))[..., None] / 2 + 128
    colour = np.where(smooth > 0, np.array(ADDS, float), np.array(TAKES, float))
    strength = np.abs(smooth) * _OPACITY
    return _save(Image.fromarray((grey * (1 - strength) + colour * strength).astype(np.uint8)))


def _resize(picture: Image.Image) -> Image.Image:
    times = -(-_LEAST_SIDE // max(picture.size))
    width, height = (side * times for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC) if times > 1 else picture


def _save(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
