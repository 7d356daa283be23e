"""Boxes as columns: checked at birth, one convention, arithmetic that agrees with counting pixels."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.boxes import SIZE_BINS, BoxTable, ImageTable, area, concat, iou, overlap, size_bin

GRID = 40


def table(*corners: tuple[float, ...], image: int = 0) -> BoxTable:
    count = len(corners)
    return BoxTable(
        id=np.array([f"{image:012x}{k:012x}" for k in range(count)], "<U24"),
        image=np.full(count, image),
        label=np.zeros(count, np.int64),
        xyxy=np.array(corners, float).reshape(-1, 4),
        score=np.ones(count),
    )


REFUSED = {
    "no width": (0.2, 0.1, 0.2, 0.3),
    "no height": (0.1, 0.3, 0.2, 0.3),
    "turned round": (0.3, 0.1, 0.2, 0.3),
    "left of the picture": (-0.01, 0.1, 0.2, 0.3),
    "right of the picture": (0.1, 0.1, 1.01, 0.3),
    "in pixels": (10, 10, 20, 30),
    "not a number": (0.1, 0.1, float("nan"), 0.3),
    "endless": (0.1, 0.1, float("inf"), 0.3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_box_that_cannot_be_is_refused_at_birth(name: str) -> None:
    with pytest.raises(ValueError, match="within 0–1 and have a positive area"):
        table((0.1, 0.1, 0.2, 0.2), REFUSED[name])


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="scores"):
        replace(table((0, 0, 1, 1)), score=np.array([score]))


def test_columns_must_be_equally_long_and_corners_four() -> None:
    boxes = table((0, 0, 1, 1), (0, 0, 0.5, 0.5))
    with pytest.raises(ValueError, match="equally long"):
        replace(boxes, label=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match=r"shape \(2, 4\)"):
        replace(boxes, xyxy=np.zeros((2, 3)))


def test_rows_are_taken_by_mask_and_by_index_in_its_order() -> None:
    boxes = table((0, 0, 0.1, 0.1), (0, 0, 0.2, 0.2), (0, 0, 0.3, 0.3))
    assert boxes.take(np.array([2, 0])).xyxy[:, 2].tolist() == [0.3, 0.1]
    assert boxes.take(boxes.xyxy[:, 2] > 0.15).xyxy[:, 2].tolist() == [0.2, 0.3]
    assert len(boxes.take(np.zeros(0, np.int64))) == 0


def test_boxes_of_images_keep_their_image_numbers() -> None:
    boxes = concat([table((0, 0, 1, 1), image=k) for k in (5, 3, 5, 7)])
    assert boxes.of_images(np.array([5, 7])).image.tolist() == [5, 5, 7]


def test_stacking_keeps_order_and_types_and_nothing_stacks_to_nothing() -> None:
    first, second = table((0, 0, 0.1, 0.1), image=1), table((0, 0, 0.2, 0.2), (0, 0, 0.3, 0.3), image=2)
    stacked = concat([first, BoxTable.empty(), second])
    assert stacked.xyxy[:, 2].tolist() == [0.1, 0.2, 0.3]
    for field in fields(BoxTable):
        assert getattr(stacked, field.name).dtype == getattr(BoxTable.empty(), field.name).dtype
    assert len(concat([])) == 0


@st.composite
def grid_boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    x1, y1 = draw(st.integers(0, GRID - 1)), draw(st.integers(0, GRID - 1))
    return x1, y1, draw(st.integers(x1 + 1, GRID)), draw(st.integers(y1 + 1, GRID))


def painted(box: tuple[int, int, int, int]) -> np.ndarray:
    x1, y1, x2, y2 = box
    pixels = np.zeros((GRID, GRID), bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


@given(grid_boxes(), grid_boxes())
def test_area_overlap_and_iou_agree_with_counting_pixels(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int]
) -> None:
    a, b = np.array([first]) / GRID, np.array([second]) / GRID
    p, q = painted(first), painted(second)
    assert area(a)[0] * GRID**2 == pytest.approx(p.sum())
    assert overlap(a, b)[0] * GRID**2 == pytest.approx((p & q).sum())
    assert iou(a, b)[0] == pytest.approx((p & q).sum() / (p | q).sum())
    assert iou(a, b)[0] == iou(b, a)[0]
    assert 0 <= iou(a, b)[0] <= 1
    assert iou(a, a)[0] == pytest.approx(1)


SIZES = {
    "just below 32 by 32": (31, 32, "small"),
    "32 by 32": (32, 32, "medium"),
    "wide and low, the same area": (64, 16, "medium"),
    "just below 96 by 96": (95, 96, "medium"),
    "96 by 96": (96, 96, "large"),
}


@pytest.mark.parametrize("name", SIZES)
def test_size_is_by_the_area_in_pixels_of_the_photo_that_the_box_lies_in(name: str) -> None:
    width, height, size = SIZES[name]
    images = ImageTable(
        id=np.array(["a" * 24, "b" * 24]),
        path=np.array(["a.jpg", "b.jpg"]),
        width_px=np.array([8, 128]),
        height_px=np.array([8, 256]),
        split=np.array(["val", "val"]),
    )
    boxes = table((0, 0, width / 128, height / 256), image=1)
    assert SIZE_BINS[int(size_bin(boxes, images)[0])] == size


def test_rows_of_a_split_come_in_order() -> None:
    images = ImageTable(
        id=np.array(["a", "b", "c"]),
        path=np.array(["a", "b", "c"]),
        width_px=np.ones(3, np.int64),
        height_px=np.ones(3, np.int64),
        split=np.array(["val", "train", "val"]),
    )
    assert images.rows_of("val").tolist() == [0, 2]
    assert images.rows_of("test").tolist() == []
