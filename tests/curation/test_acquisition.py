"""Scores of unlabelled photos: what each seeks, what it must not be fooled by, and that order changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.acquisition import by_photo, disagreement, entropy, faint, margin, score_photos
from training.boxes import BoxTable, Floats

HERE, SHIFTED, AWAY = (0.1, 0.1, 0.3, 0.3), (0.11, 0.1, 0.31, 0.3), (0.6, 0.6, 0.9, 0.9)
SHIFTED_IOU = 0.19 / 0.21
MIN_SCORE = 0.25
Box = tuple[int, int, tuple[float, float, float, float], float]


def boxes(*rows: Box) -> BoxTable:
    """Photo, class, corners and score of each box."""
    return BoxTable(
        id=np.array([f"{number:024d}" for number in range(len(rows))], "<U24"),
        image=np.array([row[0] for row in rows], np.int64),
        label=np.array([row[1] for row in rows], np.int64),
        xyxy=np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        score=np.array([row[3] for row in rows], np.float64),
    )


def crowd(score: float, *, image: int = 0, count: int = 100) -> list[Box]:
    """Boxes of one class that do not touch each other."""
    cells = [(column / 10, row / 10) for row in range(10) for column in range(10)]
    return [(image, 0, (x, y, x + 0.08, y + 0.08), score) for x, y in cells[:count]]


ENTROPY = {
    "no box": ([], 0.0),
    "a sure box": ([(0, 0, HERE, 1.0)], 0.0),
    "a coin's toss": ([(0, 0, HERE, 0.5)], 0.5),
    "two coins' tosses": ([(0, 0, HERE, 0.5), (0, 1, AWAY, 0.5)], 0.75),
}


@pytest.mark.parametrize(("rows", "expected"), ENTROPY.values(), ids=ENTROPY.keys())
def test_entropy_is_that_of_scores_and_each_next_box_counts_half(rows: list[Box], expected: float) -> None:
    assert entropy(boxes(*rows), image_count=1) == pytest.approx([expected])


MARGIN = {
    "one class alone": ([(0, 0, HERE, 0.5)], 0.0),
    "two boxes of one class": ([(0, 0, HERE, 0.5), (0, 0, SHIFTED, 0.5)], 0.0),
    "two classes apart": ([(0, 0, HERE, 0.5), (0, 1, AWAY, 0.5)], 0.0),
    "two classes in two photos": ([(0, 0, HERE, 0.5), (1, 1, HERE, 0.5)], 0.0),
    "a tie": ([(0, 0, HERE, 0.6), (0, 1, SHIFTED, 0.6)], 0.3),
    "a tie of noise": ([(0, 0, HERE, 0.06), (0, 1, SHIFTED, 0.06)], 0.03),
    "a clear winner": ([(0, 0, HERE, 0.9), (0, 1, SHIFTED, 0.1)], 0.09),
    "the rival comes first": ([(0, 1, SHIFTED, 0.1), (0, 0, HERE, 0.9)], 0.09),
}


@pytest.mark.parametrize(("rows", "expected"), MARGIN.values(), ids=MARGIN.keys())
def test_margin_is_large_where_two_classes_nearly_tie_in_one_place(rows: list[Box], expected: float) -> None:
    assert margin(boxes(*rows), image_count=2)[0] == pytest.approx(expected)


FLIP = {
    "nothing in either": ([], [], 0.0),
    "the same in both": ([(0, 0, HERE, 0.8)], [(0, 0, HERE, 0.8)], 0.0),
    "gone": ([(0, 0, HERE, 0.8)], [], 0.4),
    "new": ([], [(0, 0, HERE, 0.8)], 0.4),
    "less sure": ([(0, 0, HERE, 0.8)], [(0, 0, HERE, 0.3)], 0.25),
    "more sure": ([(0, 0, HERE, 0.3)], [(0, 0, HERE, 0.8)], 0.25),
    "moved": ([(0, 0, HERE, 0.8)], [(0, 0, SHIFTED, 0.8)], 0.4 * (1 - SHIFTED_IOU)),
    "another class": ([(0, 0, HERE, 0.8)], [(0, 1, HERE, 0.8)], 0.6),
    "elsewhere": ([(0, 0, HERE, 0.8)], [(0, 0, AWAY, 0.8)], 0.6),
    "in another photo": ([(0, 0, HERE, 0.8)], [(1, 0, HERE, 0.8)], 0.4),
}


@pytest.mark.parametrize(("rows", "mirrored", "expected"), FLIP.values(), ids=FLIP.keys())
def test_disagreement_is_what_the_other_view_does_not_confirm(
    rows: list[Box], mirrored: list[Box], expected: float
) -> None:
    assert disagreement(boxes(*rows), boxes(*mirrored), image_count=2)[0] == pytest.approx(expected)


FAINT = {
    "no box": ([], 0.0),
    "a firm box": ([(0, 0, HERE, 0.25)], 0.0),
    "faint boxes add up": ([(0, 0, HERE, 0.2), (0, 0, AWAY, 0.1)], 0.3),
    "a firm box explains it": ([(0, 0, HERE, 0.9), (0, 0, SHIFTED, 0.2)], 0.0),
    "a firm box of another class does, too": ([(0, 1, SHIFTED, 0.2), (0, 0, HERE, 0.9)], 0.0),
    "one of another photo does not": ([(1, 0, HERE, 0.9), (0, 0, SHIFTED, 0.2)], 0.2),
    "a place counts once": ([(0, 0, HERE, 0.2), (0, 1, SHIFTED, 0.1)], 0.2),
    "and once where scores tie": ([(0, 0, HERE, 0.2), (0, 1, SHIFTED, 0.2)], 0.2),
}


@pytest.mark.parametrize(("rows", "expected"), FAINT.values(), ids=FAINT.keys())
def test_faint_is_the_mass_of_low_boxes_that_nothing_explains(rows: list[Box], expected: float) -> None:
    assert faint(boxes(*rows), image_count=2, min_score=MIN_SCORE)[0] == pytest.approx(expected)


def test_a_crowd_of_background_boxes_is_less_uncertain_than_one_telling_box() -> None:
    telling = [(1, 0, HERE, 0.5)]
    found = boxes(*crowd(0.1), *telling)
    scores = score_photos(found, boxes(*telling), image_count=2, min_score=MIN_SCORE)
    assert scores.entropy[0] < scores.entropy[1]
    gone = score_photos(found, boxes(), image_count=2, min_score=MIN_SCORE)
    assert gone.disagreement[0] < gone.disagreement[1]


def test_boxes_below_the_least_score_count_nowhere() -> None:
    noise = boxes(*crowd(0.049))
    scores = score_photos(noise, noise, image_count=1, min_score=0.01)
    assert [getattr(scores, name).tolist() for name in vars(scores)] == [[0]] * 5


def test_firm_counts_boxes_from_the_operating_point_on_and_every_photo_has_a_row() -> None:
    found = boxes((2, 0, HERE, 0.25), (2, 1, AWAY, 0.9), (0, 0, HERE, 0.2))
    scores = score_photos(found, boxes(), image_count=4, min_score=MIN_SCORE)
    assert scores.firm.tolist() == [0, 0, 2, 0]
    assert len(scores) == 4


corner = st.floats(0, 0.8)
box = st.tuples(
    st.integers(0, 3),
    st.integers(0, 2),
    st.tuples(corner, corner, st.floats(0.05, 0.2), st.floats(0.05, 0.2)).map(
        lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3])
    ),
    st.integers(0, 1000).map(lambda score: score / 1000),
)
# Scores that differ, for which of two equal boxes explains the other goes by row.
some_boxes = st.lists(box, max_size=25, unique_by=lambda row: row[3])


@given(rows=some_boxes, mirrored=some_boxes, data=st.data())
def test_scores_are_numbers_in_range_whatever_the_order_of_boxes(
    rows: list[Box], mirrored: list[Box], data: st.DataObject
) -> None:
    scores = score_photos(boxes(*rows), boxes(*mirrored), image_count=4, min_score=MIN_SCORE)
    turned = [data.draw(st.permutations(part)) for part in (rows, mirrored)]
    again = score_photos(boxes(*turned[0]), boxes(*turned[1]), image_count=4, min_score=MIN_SCORE)
    for name in ("entropy", "margin", "disagreement", "faint"):
        column: Floats = getattr(scores, name)
        assert np.isfinite(column).all()
        assert (column >= 0).all()
        assert (column <= (25 if name == "faint" else 1)).all()
        if name != "disagreement":  # of two partners that overlap as much, the later row is matched
            assert column == pytest.approx(getattr(again, name))
    assert scores.firm.tolist() == again.firm.tolist()


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_what_is_joined_lies_between_half_the_largest_and_the_largest(values: list[float]) -> None:
    column = np.array(values)
    (joined,) = by_photo(column, np.zeros(len(column), np.int64), image_count=1)
    assert column.max() / 2 <= joined <= column.max() * (1 + 1e-12)
