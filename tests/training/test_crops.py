"""Squares around boxes: inside the photo, around the object, and of one size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.crops import square_crops, square_windows

PHOTO_PX = np.array([300, 100, 300, 100])


@pytest.mark.parametrize(
    ("box_px", "window"),
    [
        pytest.param((140, 40, 160, 60), (138, 38, 162, 62), id="in the middle, with a margin"),
        pytest.param((0, 0, 40, 20), (0, 0, 48, 48), id="moved in at the corner"),
        pytest.param((280, 80, 300, 100), (276, 76, 300, 100), id="moved in at the other corner"),
        pytest.param((0, 0, 300, 100), (0, 0, 300, 100), id="as large as the photo"),
        pytest.param((60, 10, 90, 90), (27, 2, 123, 98), id="tall: wide enough for its height"),
    ],
)
def test_a_window_is_a_square_inside_the_photo(
    box_px: tuple[int, int, int, int], window: tuple[int, int, int, int]
) -> None:
    assert square_windows(np.array([box_px]) / PHOTO_PX, width_px=300, height_px=100).tolist() == [list(window)]


edges = st.tuples(st.floats(0, 0.999), st.floats(1e-9, 1)).map(lambda pair: (pair[0], min(1.0, pair[0] + pair[1])))


@given(st.lists(st.tuples(edges, edges), min_size=1, max_size=5), st.integers(1, 50), st.integers(1, 50))
def test_every_window_lies_in_the_photo_and_holds_the_middle_of_its_box(
    drawn: list[tuple[tuple[float, float], tuple[float, float]]], width_px: int, height_px: int
) -> None:
    xyxy = np.array([(x[0], y[0], x[1], y[1]) for x, y in drawn])
    windows = square_windows(xyxy, width_px=width_px, height_px=height_px)
    assert (windows[:, :2] >= 0).all()
    assert (windows[:, :2] < windows[:, 2:]).all()
    assert (windows[:, 2:] <= [width_px, height_px]).all()
    middle = (xyxy[:, :2] + xyxy[:, 2:]) / 2 * [width_px, height_px]
    assert (windows[:, :2] - 0.51 <= middle).all()
    assert (middle <= windows[:, 2:] + 0.51).all()
    square = (windows[:, 2:] - windows[:, :2])[(windows[:, 2:] - windows[:, :2] < [width_px, height_px]).all(axis=1)]
    assert (square[:, 0] == square[:, 1]).all()


def test_crops_show_the_object_in_one_size() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[40:60, 140:160] = (10, 20, 200)
    pixels[0:10, 0:10] = 255
    boxes = np.array([[140, 40, 160, 60], [0, 0, 10, 10]]) / PHOTO_PX
    crops = square_crops(pixels, boxes, side_px=32)
    assert crops.shape == (2, 32, 32, 3)
    assert crops[0, 16, 16].tolist() == [10, 20, 200]
    assert crops[1, 8, 8].tolist() == [255, 255, 255]
    assert square_crops(pixels, np.zeros((0, 4)), side_px=32).shape == (0, 32, 32, 3)
