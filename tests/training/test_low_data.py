"""What the efficacy benchmark may rest on: its splits, its lists, its intervals."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.boxes import BoxTable, ImageTable
from training.errors import DataError
from training.mix import Picture

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from efficacy_table import Cost, Scores, reading
from low_data import ARMS, allot, choose_photos, lists_of
from trials import Photos


def photos(label: list[int], image: list[int], *, count: int) -> Photos:
    n = len(label)
    names = [f"{row:024d}" for row in range(count)]
    images = ImageTable(
        id=np.array(names),
        path=np.array(names),
        width_px=np.full(count, 100),
        height_px=np.full(count, 100),
        split=np.full(count, "train"),
    )
    boxes = np.tile([0.1, 0.1, 0.2, 0.2], (n, 1))
    labels = BoxTable(
        np.array([f"{row:024d}" for row in range(n)]), np.array(image), np.array(label), boxes, np.ones(n)
    )
    return Photos(images, labels, ("common", "rare"))


@given(
    st.lists(st.integers(0, 4), min_size=12, max_size=60),
    st.integers(1, 8),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
)
def test_chosen_photos_hold_exactly_the_wanted_number(
    rare: list[int], rare_count: int, photo_count: int, seed: int
) -> None:
    counts = np.array(rare)
    try:
        chosen = choose_photos(counts, rare_count=rare_count, photo_count=photo_count, rng=np.random.default_rng(seed))
    except DataError:
        return
    assert counts[chosen].sum() == rare_count
    assert len(set(chosen.tolist())) == len(chosen) <= photo_count
    without = np.count_nonzero(counts == 0)
    assert len(chosen) == min(photo_count, np.count_nonzero(counts[chosen]) + without)


def test_a_number_that_no_photos_hold_is_refused() -> None:
    with pytest.raises(DataError, match="exactly 3"):
        choose_photos(np.array([2, 2, 0, 0]), rare_count=3, photo_count=3, rng=np.random.default_rng(0))


def test_another_seed_chooses_other_photos() -> None:
    rare = np.tile([0, 1], 50)
    first, second = (
        choose_photos(rare, rare_count=4, photo_count=20, rng=np.random.default_rng(seed)).tolist() for seed in (0, 1)
    )
    assert first != second


@given(st.integers(0, 200), st.lists(st.floats(0.01, 1000), min_size=1, max_size=8))
def test_shares_add_up_and_are_within_one_of_proportion(total: int, weights: list[float]) -> None:
    shares = allot(total, np.array(weights))
    assert shares.sum() == total
    assert (np.abs(shares - total * np.array(weights) / sum(weights)) < 1).all()


def test_a_part_of_the_photos_keeps_its_own_labels() -> None:
    part = photos([0, 1, 1, 0], [0, 1, 3, 3], count=4).take(np.array([3, 1]))
    assert part.counts.tolist() == [[1, 1], [0, 1]]
    assert [picture.objects for picture in part.pictures()] == [{"common": 1, "rare": 1}, {"rare": 1}]


@pytest.mark.parametrize(
    ("max_length", "ceiling_photos"), [pytest.param(100, 25, id="all fit"), pytest.param(12, 8, id="as many as fit")]
)
def test_all_arms_show_equally_many(max_length: int, ceiling_photos: int) -> None:
    everything = [Picture(f"p{row}", f"p{row}", False, {"common": 3}) for row in range(25)]
    few = [Picture("r", "r", False, {"rare": 2}), *everything[:3]]
    targeted = [Picture(f"c{row}", f"c{row}", True, {"rare": 1, "common": 3}) for row in range(5)]
    spread = [Picture(f"u{row}", f"u{row}", True, {"common": 4}) for row in range(4)]
    lists = lists_of(
        few, everything, targeted, spread, rare="rare", max_length=max_length, rng=np.random.default_rng(0)
    )
    lengths = {arm: sum(file.times for file in lists[arm]) for arm in ARMS}
    assert len(set(lengths.values())) == 1
    assert len(lists["ceiling"]) == ceiling_photos
    shares = {arm: sum(file.times for file in lists[arm] if file.synthetic) / lengths[arm] for arm in ARMS}
    assert shares == {"plain": 0, "control": 0, "uniform": 0.5, "candidate": 0.5, "ceiling": 0}
    shown = {arm: next(file.times for file in lists[arm] if file.picture_id == "r") for arm in ("plain", "control")}
    assert shown["control"] > shown["plain"]


def scores(points: list[float], spread: float) -> Scores:
    by_seed = np.array([[point, point] for point in points])
    draws = by_seed.mean(axis=0) + np.linspace(-spread, spread, 101)[:, None]
    return Scores(by_seed, draws, (80, 100))


COST = Cost(np.array([50.0]), np.array([2.0]))


@pytest.mark.parametrize(
    ("ceiling", "words"),
    [
        pytest.param(0.31, "cannot answer", id="no room above the control"),
        pytest.param(0.50, "closed: 50%", id="room"),
    ],
)
def test_where_the_ceiling_is_not_above_the_control_no_gap_is_named(ceiling: float, words: str) -> None:
    flat = np.zeros(101)[:, None]
    wide = Scores(np.full((1, 2), ceiling), ceiling + np.linspace(-0.05, 0.05, 101)[:, None] + flat, (80, 100))
    arms = {"plain": 0.1, "control": 0.3, "uniform": 0.3, "candidate": 0.4}
    measured = {arm: scores([ap], 0.0) for arm, ap in arms.items()} | {"ceiling": wide}
    text = "\n".join(reading(measured, COST, rare="rare", split="val"))
    assert words in text
    assert ("cannot answer" in text) != ("closed" in text)
    assert "+0.200 AP per 100 pictures" in text
    assert "+0.0500 AP per minute" in text


def test_seeds_that_disagree_widen_the_interval() -> None:
    calm, wild = (scores(points, 0.01).intervals()[0] for points in ([0.3, 0.3, 0.3], [0.2, 0.3, 0.4]))
    assert calm.value == pytest.approx(wild.value)
    assert wild.high - wild.low > 5 * (calm.high - calm.low)


def test_differences_are_paired_by_draw() -> None:
    both = scores([0.5], 0.2).minus(scores([0.3], 0.2)).intervals()[0]
    assert (both.low, both.high) == pytest.approx((0.2, 0.2))
