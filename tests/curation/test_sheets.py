"""Contact sheets: their size, what is on them, and what is gone for good."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sheets import (
    CAPTION_PX,
    CELL_PX,
    CROP_PX,
    CROPS_PER_SHEET,
    MAX_SHEET_PX,
    OUTLINE,
    crop_ids,
    cut,
    hide,
    sheet,
    spread,
)

SIDE_PX = 160
MIDDLE = 112  # in the middle of one of the steps that hiding keeps


def _checkerboard(phase: int, *, contrast: int = 100) -> np.ndarray:
    rows, columns = np.indices((SIDE_PX, SIDE_PX))
    board = MIDDLE + contrast * (2 * ((rows + columns + phase) % 2) - 1)
    return np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("sheet_number", "ids"),
    [(0, ("A1", "A2")), (1, ("B1", "B2")), (25, ("Z1", "Z2")), (26, ("AA1", "AA2")), (52, ("BA1", "BA2"))],
)
def test_ids_are_the_letters_of_the_sheet_and_a_number(sheet_number: int, ids: tuple[str, ...]) -> None:
    assert crop_ids(sheet_number, 2) == ids


def test_no_two_crops_of_a_thousand_share_an_id() -> None:
    ids = [crop_id for number in range(63) for crop_id in crop_ids(number, CROPS_PER_SHEET)]
    assert len(set(ids)) == len(ids) == 63 * 16


@pytest.mark.parametrize("count", range(1, CROPS_PER_SHEET + 1))
def test_a_sheet_never_exceeds_512_px(count: int) -> None:
    page = sheet([np.zeros((CROP_PX, CROP_PX, 3), np.uint8)] * count, ["A1"] * count)
    assert max(page.shape[:2]) <= MAX_SHEET_PX
    assert page.dtype == np.uint8


@pytest.mark.parametrize("count", [0, CROPS_PER_SHEET + 1])
def test_a_sheet_of_too_few_or_too_many_crops_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 16 crops"):
        sheet([np.zeros((CROP_PX, CROP_PX, 3), np.uint8)] * count, ["A1"] * count)


def test_the_caption_stands_above_its_crop_and_touches_no_crop() -> None:
    crops = [np.full((CROP_PX, CROP_PX, 3), 10 + number, np.uint8) for number in range(CROPS_PER_SHEET)]
    plain, captioned = sheet(crops, [""] * 16), sheet(crops, ["AA16 missed"] * 16)
    for number in range(CROPS_PER_SHEET):
        top, left = number // 4 * CELL_PX, number % 4 * CELL_PX
        inside = captioned[top + CAPTION_PX : top + CELL_PX, left : left + CROP_PX]
        assert (inside == 10 + number).all()
        strip = np.s_[top : top + CAPTION_PX, left : left + CELL_PX]
        assert (captioned[strip] != plain[strip]).any()


@given(
    left=st.integers(0, 150), top=st.integers(0, 150), width=st.integers(1, 160), height=st.integers(1, 160)
)  # in px of the photo
def test_two_opposite_originals_leave_the_same_pixels(left: int, top: int, width: int, height: int) -> None:
    box = np.array([[left, top, min(left + width, SIDE_PX), min(top + height, SIDE_PX)]]) / SIDE_PX
    first, second = hide(_checkerboard(0), box), hide(_checkerboard(1), box)
    x1, y1, x2, y2 = (box[0] * SIDE_PX).round().astype(int)
    region = np.s_[y1:y2, x1:x2]
    np.testing.assert_array_equal(first[region], second[region])
    assert np.ptp(first[region]) == 0, "a checkerboard of one mean must leave one colour"


def test_of_noise_no_pixel_and_no_edge_survives() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    hidden = hide(noise, np.array([[0.0, 0.0, 1.0, 1.0]])).astype(int)
    assert np.abs(np.diff(hidden, axis=0)).max() <= 2
    assert np.abs(np.diff(hidden, axis=1)).max() <= 2
    assert np.std(hidden) < 20 < np.std(noise)


def test_a_face_of_twenty_pixels_is_left_as_one_colour() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    hidden = hide(photo, np.array([[0.5, 0.5, 0.625, 0.625]]))
    assert len(np.unique(hidden[80:100, 80:100].reshape(-1, 3), axis=0)) == 1


def test_hiding_takes_a_margin_and_leaves_the_rest_and_the_original_alone() -> None:
    photo = _checkerboard(0)
    before = photo.copy()
    hidden = hide(photo, np.array([[0.25, 0.25, 0.75, 0.75]]))  # 40 to 120 px, the margin is 8 px
    np.testing.assert_array_equal(photo, before)
    assert (hidden[32:128, 32:128] == MIDDLE).all()
    outside = np.ones((SIDE_PX, SIDE_PX), bool)
    outside[32:128, 32:128] = False
    np.testing.assert_array_equal(hidden[outside], before[outside])


def test_without_boxes_nothing_is_hidden() -> None:
    np.testing.assert_array_equal(hide(_checkerboard(0), np.zeros((0, 4))), _checkerboard(0))


@pytest.mark.parametrize(
    ("name", "xyxy"),
    [
        ("in the middle", (0.4, 0.4, 0.6, 0.6)),
        ("in a corner", (0.0, 0.0, 0.05, 0.08)),
        ("at the other corner", (0.95, 0.9, 1.0, 1.0)),
        ("the whole photo", (0.0, 0.0, 1.0, 1.0)),
        ("a thin line", (0.1, 0.5, 0.9, 0.505)),
        ("less than a pixel", (0.5, 0.5, 0.501, 0.501)),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(160, 160), (60, 200), (700, 300), (12, 10)])
def test_every_crop_has_the_size_of_its_cell(
    name: str, xyxy: tuple[float, float, float, float], height: int, width: int
) -> None:
    crop = cut(np.zeros((height, width, 3), np.uint8), xyxy)
    assert (crop.shape, crop.dtype) == ((CROP_PX, CROP_PX, 3), np.uint8)


def test_a_crop_shows_the_object_in_its_frame_with_its_own_pixels() -> None:
    photo = np.full((400, 400, 3), 50, np.uint8)
    photo[160:240, 160:240] = (0, 200, 0)
    crop = cut(photo, (0.4, 0.4, 0.6, 0.6))
    object_px = (crop == (0, 200, 0)).all(axis=2)
    framed = (crop == OUTLINE).all(axis=2)
    assert 50 * 50 < object_px.sum() < 60 * 60, "the object fills half of the crop's side"
    ys, xs = np.nonzero(framed)
    oy, ox = np.nonzero(object_px)
    assert ys.min() < oy.min()
    assert ys.max() > oy.max()
    assert xs.min() < ox.min()
    assert xs.max() > ox.max()


def test_every_class_gets_its_turn_and_every_photo_before_any_comes_twice() -> None:
    labels = np.array([0] * 90 + [1] * 6)
    photos = np.concatenate([np.arange(90) // 3, [100, 100, 100, 101, 101, 102]])
    rows = spread(labels, photos, count=12, rng=np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [6, 6]
    assert len(set(photos[rows][labels[rows] == 0])) == 6
    assert set(photos[rows][labels[rows] == 1][:3].tolist()) == {100, 101, 102}


def test_the_choice_of_crops_is_a_matter_of_the_seed_alone() -> None:
    labels, photos = np.arange(200) % 3, np.arange(200) // 5
    first, again, other = (
        spread(labels, photos, count=20, rng=np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(spread(labels[:0], photos[:0], count=20, rng=np.random.default_rng(0))) == 0
