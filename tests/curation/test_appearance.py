"""Light, sharpness and colour of drawn patches, in every light that a photo is taken in."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.appearance import COLOURS, Looks, colours_of, look_of, stack

Pixels = NDArray[np.uint8]
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])
SWATCHES = {  # (red, green, blue) as people see them on things
    "red": [(200, 20, 30), (220, 20, 60), (255, 0, 0)],
    "orange": [(255, 102, 0), (255, 140, 0), (230, 120, 40)],
    "yellow": [(255, 215, 0), (250, 230, 20), (204, 255, 0)],
    "green": [(0, 200, 0), (34, 139, 34), (60, 120, 60)],
    "blue": [(20, 60, 200), (65, 105, 225), (100, 170, 230)],
    "purple": [(128, 0, 128), (102, 51, 153), (75, 0, 130)],
    "pink": [(255, 105, 180), (240, 150, 170), (255, 20, 147)],
    "brown": [(101, 67, 33), (139, 69, 19), (120, 85, 60)],
    "white": [(250, 250, 250), (245, 245, 220), (240, 248, 255)],
    "grey": [(128, 128, 128), (110, 115, 120), (140, 140, 132)],
    "black": [(10, 10, 10), (25, 25, 30), (30, 20, 20)],
}


def patch(rgb: tuple[int, int, int], *, light: float, noise: float = 0.0) -> Pixels:
    rng = np.random.default_rng(0)
    bgr = np.array(rgb[::-1], float) * light + rng.normal(0, noise, (40, 40, 3))
    return np.clip(bgr, 0, 255).astype(np.uint8)


def texture(side_px: int, *, cells: int = 8) -> Pixels:
    """Draw the same soft pattern at any size."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 216, (cells, cells)).astype(np.uint8)
    return np.repeat(cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


@pytest.mark.parametrize("light", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_keeps_its_name_in_moderate_light_and_noise(name: str, light: float) -> None:
    found = {rgb: COLOURS[colours_of(patch(rgb, light=light, noise=6)[None])[0]] for rgb in SWATCHES[name]}
    assert set(found.values()) == {name}, found


def test_the_middle_of_the_box_names_the_colour_not_what_is_behind() -> None:
    pixels = np.full((100, 100, 3), (0, 200, 0), np.uint8)
    cv2.circle(pixels, (50, 50), 30, (20, 20, 220), -1)
    assert COLOURS[look_of(pixels, np.array([[0.2, 0.2, 0.8, 0.8]])).colour[0]] == "red"
    assert COLOURS[look_of(pixels, WHOLE).colour[0]] == "red", "also where the corners are larger than the middle"


@pytest.mark.parametrize("value", [0, 64, 255])
def test_brightness_is_the_mean_luma(value: int) -> None:
    found = look_of(np.full((50, 80, 3), value, np.uint8), WHOLE)
    assert found.brightness == pytest.approx([value / 255], abs=0.002)
    assert found.photo_brightness == pytest.approx([value / 255], abs=0.002)
    assert found.contrast == pytest.approx([0], abs=0.002)
    assert np.isnan(found.sharpness).all(), "what is flat is neither sharp nor blurred"


def test_the_eye_sees_green_brighter_than_blue() -> None:
    green, blue = (look_of(patch(rgb, light=1), WHOLE).brightness[0] for rgb in ((0, 200, 0), (0, 0, 200)))
    assert green > 4 * blue


def test_box_and_photo_are_told_apart() -> None:
    pixels = np.full((100, 200, 3), 30, np.uint8)
    pixels[:, 150:] = 230
    found = look_of(pixels, np.array([[0.8, 0.1, 1.0, 0.9], [0.1, 0.1, 0.4, 0.9]]))
    assert found.brightness == pytest.approx([230 / 255, 30 / 255], abs=0.01)
    assert found.photo_brightness == pytest.approx([80 / 255] * 2, abs=0.01)
    assert found.photo_contrast[0] > 0.3
    assert found.contrast[0] < 0.01


@pytest.mark.parametrize("side_px", [96, 200, 640, 1700])
def test_the_same_pattern_is_about_as_sharp_in_every_size_and_light(side_px: int) -> None:
    reference = look_of(texture(128), WHOLE).sharpness[0]
    assert look_of(texture(side_px), WHOLE).sharpness[0] == pytest.approx(reference, rel=0.3)
    dim = (texture(side_px) * 0.5).astype(np.uint8)
    assert look_of(dim, WHOLE).sharpness[0] == pytest.approx(reference, rel=0.3)


def test_blur_is_seen_in_the_box_and_in_the_photo() -> None:
    cells = np.random.default_rng(2).integers(0, 255, (50, 50, 3)).astype(np.uint8)
    sharp = cv2.resize(cells, (400, 400), interpolation=cv2.INTER_NEAREST)
    softer = [look_of(cv2.GaussianBlur(sharp, (0, 0), sigma), WHOLE) for sigma in (2, 4, 8)]
    for name in ("sharpness", "photo_sharpness"):
        values = [getattr(look, name)[0] for look in (look_of(sharp, WHOLE), *softer)]
        assert values == sorted(values, reverse=True), name
        assert values[0] > 2 * values[-1], name


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((0.5, 0.5, 0.5001, 0.5001), id="less than a pixel"),
        pytest.param((0.9999, 0.9999, 1.0, 1.0), id="the last corner"),
        pytest.param((0.0, 0.3, 1.0, 0.3001), id="a line"),
    ],
)
@pytest.mark.parametrize("size", [(10, 10), (33, 2500), (1700, 1601)])
def test_the_smallest_boxes_can_be_measured(box: tuple[float, ...], size: tuple[int, int]) -> None:
    found = look_of(np.full((*size, 3), 200, np.uint8), np.array([box]))
    assert found.brightness == pytest.approx([200 / 255], abs=0.01)
    assert COLOURS[found.colour[0]] == "white"


def test_a_photo_without_boxes_and_no_photos_at_all_are_empty() -> None:
    assert len(look_of(np.zeros((20, 20, 3), np.uint8), np.zeros((0, 4)))) == 0
    assert len(stack([])) == 0
    two = look_of(texture(50), np.repeat(WHOLE, 2, axis=0))
    assert isinstance(stack([two, two]), Looks)
    assert len(stack([two, two])) == 4
