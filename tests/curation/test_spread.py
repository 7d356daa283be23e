"""Where photos lie to each other: distances, centres, clusters and near copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.spread import Copies, clusters, cover, distances, k_centre, nearest, points_of


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def on_a_line(*places: float) -> np.ndarray:
    return np.array(places, np.float32)[:, None]


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("channels", [3, 32, 200])
def test_points_lie_as_far_apart_as_the_vectors_at_unit_length(channels: int) -> None:
    """Wide vectors here vary in 20 directions, which 32 components can hold."""
    made = rng().normal(size=(90, min(channels, 20))) @ rng(1).normal(size=(min(channels, 20), channels)) + 0.5
    made = made.astype(np.float32) * rng(2).uniform(0.1, 9, (90, 1)).astype(np.float32)
    points, others = points_of(made[:60], made[60:], rng=rng())
    assert points.shape[1] <= 32
    assert distances(points, others) == pytest.approx(distances(unit(made[:60]), unit(made[60:])), abs=1e-4)


def test_points_never_lie_farther_apart_than_the_vectors_and_zeros_are_no_trouble() -> None:
    made = rng().normal(size=(100, 80)).astype(np.float32)
    made[3] = 0
    points, _ = points_of(made, np.zeros((0, 0), np.float32), rng=rng())
    known = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    assert np.isfinite(points).all()
    assert (distances(points, points) <= distances(known, known) + 1e-4).all()


def test_the_nearest_point_is_found_in_every_part_of_many() -> None:
    points, others = rng().normal(size=(3000, 4)).astype(np.float32), rng(1).normal(size=(50, 4)).astype(np.float32)
    gap, row = nearest(points, others)
    every = ((points[:, None] - others) ** 2).sum(axis=2)
    assert row.tolist() == every.argmin(axis=1).tolist()
    assert gap == pytest.approx(every.min(axis=1), abs=1e-4)
    gap, row = nearest(points, others[:0])
    assert np.isinf(gap).all()
    assert (row == -1).all()


CENTRES = {
    # place of train, rows to choose from (places 0, 1, 2, 8, 9, 10), how many, expected
    "the first row is first": (0.0, [2, 0, 5], 1, [2]),
    "then the farthest from train and from it": (0.0, [0, 1, 2, 3, 4, 5], 3, [0, 5, 2]),
    "train counts": (10.0, [2, 0, 5], 2, [2, 0]),
    "no more than there are": (0.0, [4, 1], 9, [4, 1]),
    "none": (0.0, [], 3, []),
}


@pytest.mark.parametrize(("train", "rows", "count", "expected"), CENTRES.values(), ids=CENTRES.keys())
def test_centres_are_far_from_each_other_and_from_train(
    train: float, rows: list[int], count: int, expected: list[int]
) -> None:
    points = on_a_line(0, 1, 2, 8, 9, 10)
    gap, _ = nearest(points, on_a_line(train))
    assert k_centre(points, gap, np.array(rows, np.int64), count=count) == expected


def test_what_covers_is_typical_and_not_an_outlier() -> None:
    points = on_a_line(0, 0.1, 5, 5.1, 5.2, 5.3, 5.4, -7)
    gap, _ = nearest(points, on_a_line(0))
    every = np.arange(8)
    assert cover(points, gap, every, of=every, count=2) == [4, 7]
    assert cover(points, gap, every[:2], of=every, count=5) == [1, 0]


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 30), count=st.integers(0, 40), same=st.booleans())
def test_centres_and_covers_give_each_row_once(size: int, count: int, same: bool) -> None:
    points = np.ones((size, 3), np.float32) if same else rng(size).normal(size=(size, 3)).astype(np.float32)
    gap, _ = nearest(points, points[:1])
    rows = rng(size).permutation(size)
    for found in (k_centre(points, gap, rows, count=count), cover(points, gap, rows, of=np.arange(size), count=count)):
        assert len(found) == len(set(found)) == min(count, size)


def test_clusters_are_found_and_no_more_than_points_differ() -> None:
    points = on_a_line(*np.repeat([0.0, 5, 6, 20], 25))
    member = clusters(points, count=4, rng=rng())
    assert [len(set(part.tolist())) for part in np.split(member, 4)] == [1, 1, 1, 1]
    assert len(set(member.tolist())) == 4
    assert set(clusters(points[:25], count=4, rng=rng()).tolist()) == {0}


COPIES = {
    "the same": (0, 0.0, True),
    "four bits": (4, 0.0, True),
    "five bits": (5, 0.0, False),
    "near in view": (0, 0.2, True),  # a cosine of 0.98
    "far in view": (0, 0.25, False),  # a cosine of 0.97
}


@pytest.mark.parametrize(("bits", "tangent", "expected"), COPIES.values(), ids=COPIES.keys())
def test_copies_are_near_both_in_look_and_in_view(bits: int, tangent: float, expected: bool) -> None:
    look = np.array([2**63 + 5, (2**63 + 5) ^ (2**bits - 1)], np.uint64)
    views = np.array([[3, 0], [1, tangent]], np.float32)
    copies = Copies(look, views, points_of(views, views[:0], rng=np.random.default_rng(0))[0])
    assert copies.of(0, np.array([1])).tolist() == [expected]
    assert copies.distinct(np.array([1, 0]), count=2).tolist() == ([1] if expected else [1, 0])
