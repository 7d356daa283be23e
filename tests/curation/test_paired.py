"""Two models on the same objects: the difference of their recalls, with photos as the unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curation.paired import recall_change
from training.boxes import Bools


def flags(count: int, found: int) -> Bools:
    return np.arange(count) < found


@given(count=st.integers(1, 60), photos=st.integers(1, 30), seeds=st.integers(1, 4), number=st.integers(0, 2**32 - 1))
def test_the_interval_holds_the_difference_stays_within_one_and_turns_with_the_order(
    count: int, photos: int, seeds: int, number: int
) -> None:
    rng = np.random.default_rng(number)
    photo = rng.integers(photos, size=count)
    before, after = [rng.random((seeds, count)) < share for share in (0.4, 0.7)]
    change = recall_change(list(before), list(after), photo)
    assert change.value == pytest.approx(after.mean() - before.mean())
    assert -1 <= change.low < change.value + 1e-9
    assert change.value - 1e-9 < change.high <= 1
    assert change.high > change.low
    assert change.photos == len(np.unique(photo))
    turned = recall_change(list(after), list(before), photo)
    assert (turned.low, turned.high) == pytest.approx((-change.high, -change.low))


def test_two_models_that_agree_everywhere_are_known_to_agree_the_better_the_more_photos_there_are() -> None:
    few, many = (
        recall_change([flags(n, n // 2)], [flags(n, n // 2)], np.arange(n)).high for n in (10, 100)
    )  # fmt: skip
    assert few > 3 * many > 0


def test_objects_of_one_photo_count_for_less_than_as_many_photos() -> None:
    before, after = flags(60, 20), flags(60, 40)
    apart = recall_change([before], [after], np.arange(60))
    together = recall_change([before], [after], np.arange(60) // 10)
    assert apart.low > 0 > together.low
    assert apart.value == together.value


def test_training_luck_widens_the_interval_and_is_not_seen_with_one_seed() -> None:
    photo = np.arange(200)
    control = [flags(200, 100)] * 3
    steady, lucky = [flags(200, 130)] * 3, [flags(200, found) for found in (100, 130, 160)]
    alike, apart = (recall_change(control, candidate, photo) for candidate in (steady, lucky))
    assert alike.value == apart.value == pytest.approx(0.15)
    assert alike.low > 0 > apart.low
    assert recall_change(control[:1], lucky[1:2], photo).low > 0


def test_a_larger_covered_share_is_a_wider_interval() -> None:
    before, after, photo = [flags(80, 40)], [flags(80, 50)], np.arange(80)
    wide, usual = (recall_change(before, after, photo, covered_share=share).high for share in (0.999, 0.95))
    assert wide > usual


UNPAIRED = {
    "no object": ([flags(0, 0)], [flags(0, 0)], np.arange(0)),
    "no seed": ([], [], np.arange(3)),
    "seeds of one alone": ([flags(3, 1)], [flags(3, 1)] * 2, np.arange(3)),
}


@pytest.mark.parametrize("name", UNPAIRED)
def test_what_cannot_be_paired_is_refused(name: str) -> None:
    before, after, photo = UNPAIRED[name]
    with pytest.raises(ValueError, match="cannot be paired"):
        recall_change(before, after, photo)


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_simulated_arms_without_an_effect_hold_zero(seeds: int) -> None:
    rng = np.random.default_rng(5)
    luck_sd = 0.0 if seeds == 1 else 0.1
    photo = np.repeat(np.arange(50), 3)
    missed = 0
    for _ in range(300):
        base = rng.normal(0, 1, 50)[photo] + rng.normal(0, 1, 150)
        arms = [
            [base + luck_sd * rng.normal() + 0.3 * rng.normal(size=150) > 0 for _ in range(seeds)] for _ in range(2)
        ]
        change = recall_change(arms[0], arms[1], photo)
        missed += not change.low <= 0 <= change.high
    assert missed / 300 <= 0.07


def test_with_equally_many_objects_a_photo_the_interval_is_that_of_the_mean_over_photos() -> None:
    rng = np.random.default_rng(3)
    before, gained = np.zeros((40, 4), np.bool_), rng.random(40) < 0.5
    after = np.repeat(gained[:, None], 4, axis=1)
    change = recall_change([before.ravel()], [after.ravel()], np.repeat(np.arange(40), 4))
    low, high = stats.t.interval(0.95, 39, loc=gained.mean(), scale=stats.sem(gained))
    assert (change.low, change.high) == pytest.approx((low, high))


@pytest.mark.parametrize(("photos", "shown"), [(4, False), (5, True)])
def test_a_gain_on_fewer_than_five_photos_is_not_shown(photos: int, shown: bool) -> None:
    photo = np.repeat(np.arange(40), 3)
    change = recall_change([np.zeros(120, np.bool_)], [photo < photos], photo)
    assert (change.low > 0) is shown
