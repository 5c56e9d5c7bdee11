"""Pictures of attributions: what adds is blue, what takes away is orange, nothing is grey."""

import io

import numpy as np
import pytest
from PIL import Image

from modelyard_runtime.media.heat_maps import enlarge, paint

GREY = np.full((40, 40, 3), 100, np.uint8)


def read(file):
    picture = Image.open(io.BytesIO(file))
    assert picture.format == "PNG"
    return np.asarray(picture).astype(int)


def find_colour(pixels, row, column):
    """`blue`, `orange` or `grey`, in the middle of a cell of a grid of 2 x 2."""
    height, width, _ = pixels.shape
    red, _, blue = pixels[height * (2 * row + 1) // 4, width * (2 * column + 1) // 4]
    if abs(red - blue) < 20:
        return "grey"
    return "blue" if blue > red else "orange"


def test_each_part_has_the_colour_of_its_sign():
    pixels = read(paint(GREY, np.array([[1.0, -1.0], [0.0, 0.5]])))
    found = [[find_colour(pixels, row, column) for column in (0, 1)] for row in (0, 1)]
    assert found == [["blue", "orange"], ["grey", "blue"]]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_colours_are_relative_to_the_largest_part(scale):
    grid = np.array([[0.5, -0.25], [0.0, 1.0]])
    assert paint(GREY, grid * scale) == paint(GREY, grid)


def test_nothing_at_all_is_grey():
    pixels = read(paint(GREY, np.zeros((8, 8))))
    assert (pixels == pixels[0, 0]).all()


@pytest.mark.parametrize(
    ("side", "expected"), [(1, 320), (48, 336), (320, 320), (500, 500)], ids=str
)
def test_small_pictures_are_enlarged(side, expected):
    seen = np.zeros((side, side, 3), np.uint8)
    assert read(enlarge(seen)).shape == (expected, expected, 3)
    assert read(paint(seen, np.ones((1, 1)))).shape == (expected, expected, 3)
