import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generation.grounding import MIN_BOX_SHARE
from generation.windows import (
    MIN_TOGETHER_SHARE,
    Window,
    cells_to_paint,
    cut_out,
    feather,
    feather_px,
    in_window,
    is_too_thin,
    passes,
    put_back,
)


@st.composite
def photos_with_boxes(draw, max_boxes=4):
    width, height = draw(st.integers(8, 300)), draw(st.integers(8, 300))
    boxes = []
    for _ in range(draw(st.integers(1, max_boxes))):
        x1, y1 = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
        x2, y2 = draw(st.floats(x1 + 1, width)), draw(st.floats(y1 + 1, height))
        boxes.append([x1, y1, x2, y2])
    return np.array(boxes), width, height


@given(photos_with_boxes())
def test_every_box_is_painted_once_and_lies_whole_in_its_window(example):
    boxes, width, height = example
    plan = passes(boxes, width_px=width, height_px=height)
    assert sorted(member for each in plan for member in each.members) == list(range(len(boxes)))
    for each in plan:
        window = each.window
        own = boxes[list(each.members)] - [window.left, window.top, window.left, window.top]
        assert own.min() >= -1  # a pixel that a box only touches may be cut
        assert own.max() <= window.side + 1
        assert window.side <= max(width, height) + 1


@given(photos_with_boxes())
def test_a_box_that_is_not_too_thin_covers_enough_of_its_window(example):
    boxes, width, height = example
    thin = is_too_thin(boxes, width_px=width, height_px=height)
    shares = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for each in passes(boxes, width_px=width, height_px=height):
        members = list(each.members)
        covered = shares[members] / each.window.side**2
        bound = MIN_TOGETHER_SHARE if len(members) > 1 else MIN_BOX_SHARE
        rounding = (each.window.side / (each.window.side + 1)) ** 2 - 0.01
        assert (covered[~thin[members]] >= bound * min(rounding, 1)).all()


@pytest.mark.parametrize(
    ("boxes", "members"),
    [
        pytest.param([[10, 10, 110, 110], [50, 50, 90, 90]], [(0, 1)], id="a hat on a head: together"),
        pytest.param([[0, 0, 20, 20], [900, 400, 990, 490]], [(1,), (0,)], id="small ones far apart: largest first"),
        pytest.param([[300, 100, 400, 300]], [(0,)], id="alone"),
    ],
)
def test_objects_are_painted_together_where_each_is_large_enough(boxes, members):
    plan = passes(np.array(boxes, float), width_px=1000, height_px=500)
    assert [each.members for each in plan] == members


@pytest.mark.parametrize(
    ("box", "is_thin"),
    [([0, 0, 300, 3], True), ([0, 0, 300, 10], False), ([0, 0, 3, 3], False)],
    ids=["a line", "a plank", "a dot"],
)
def test_only_a_line_is_too_thin(box, is_thin):
    assert is_too_thin(np.array([box], float), width_px=640, height_px=480).tolist() == [is_thin]


@given(photos_with_boxes(), st.integers(0, 2**32 - 1))
@example((np.array([[0.0, 0.0, 1.0, np.nextafter(2, 3)]]), 11, 8), 0)
@settings(max_examples=60)
def test_pixels_outside_the_feathered_boxes_stay_and_those_in_the_boxes_are_painted(drawn, seed):
    boxes, width, height = drawn
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    window = passes(boxes, width_px=width, height_px=height)[0].window
    members = list(passes(boxes, width_px=width, height_px=height)[0].members)
    painted = rng.integers(0, 256, (window.side, window.side, 3), dtype=np.uint8)
    share = feather(boxes[members], window)
    result = put_back(photo, painted, window, share)
    ys, xs = np.mgrid[:height, :width]
    near = np.zeros((height, width), bool)
    inside = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in boxes[members]:
        edge = feather_px(boxes[members]) + 1
        near |= (
            (xs >= np.floor(x1) - edge)
            & (xs < np.ceil(x2) + edge)
            & (ys >= np.floor(y1) - edge)
            & (ys < np.ceil(y2) + edge)
        )
        inside |= (xs >= np.floor(x1)) & (xs < np.ceil(x2)) & (ys >= np.floor(y1)) & (ys < np.ceil(y2))
    assert np.array_equal(result[~near], photo[~near])
    in_both = inside & (xs >= window.left) & (xs < window.left + window.side)
    in_both &= (ys >= window.top) & (ys < window.top + window.side)
    assert np.array_equal(result[in_both], painted[ys[in_both] - window.top, xs[in_both] - window.left])


def test_the_feather_falls_evenly_from_the_box_outwards():
    window = Window(left=10, top=20, side=200)
    share = feather(np.array([[60.0, 70, 160, 170]]), window)
    assert feather_px(np.array([[60.0, 70, 160, 170]])) == 6
    row = share[100, 150:160]  # the box ends at column 150 of the window
    assert np.allclose(row[:7], 1 - np.arange(1, 8) / 7, atol=1e-6)
    assert not row[7:].any()
    assert share[50:150, 50:150].min() == 1


def test_overlapping_boxes_do_not_cancel_out():
    share = feather(np.array([[20.0, 20, 60, 60], [30, 30, 70, 70]]), Window(0, 0, 100))
    assert share[40, 40] == 1
    assert share[25, 25] == 1
    assert share[65, 65] == 1


@given(st.integers(1, 150), st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_a_cell_is_painted_exactly_where_it_touches_a_painted_pixel(side, cells, seed):
    rng = np.random.default_rng(seed)
    share = np.zeros((side, side), np.float32)
    y, x = rng.integers(0, side, 2)
    share[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = 0.5
    rows, columns = np.nonzero(share)
    expected = np.zeros((cells, cells), bool)
    for row, column in zip(rows, columns, strict=True):
        top, bottom = row * cells // side, -(-(row + 1) * cells // side)
        left, right = column * cells // side, -(-(column + 1) * cells // side)
        expected[top:bottom, left:right] = True
    assert np.array_equal(cells_to_paint(share, cells=cells), expected)


def test_a_window_at_its_own_size_is_cut_and_put_back_unchanged():
    photo = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    window = Window(left=-2, top=-27, side=94)
    part = cut_out(photo, window, side_px=94)
    assert np.array_equal(part[27:67, 2:92], photo)
    assert np.array_equal(part[26], part[27])  # mirrored beyond the photo
    assert np.array_equal(put_back(photo, part, window, np.ones((94, 94), np.float32)), photo)


def test_a_box_keeps_its_place_in_its_window():
    window = Window(left=100, top=50, side=80)
    assert np.allclose(in_window(np.array([[120.0, 60, 140, 90]]), window), [[0.25, 0.125, 0.5, 0.5]])
