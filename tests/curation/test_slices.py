"""A slice's test: honest about correlated objects, extremes and the classes that a slice happens to hold."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

from curation import slices
from curation.diagnose import ErrorTable
from curation.slices import Effect, Slice
from tests.curation.simulated import CLASSES, conditions, simulate, table

RUNS = 100


def class_slice(objects: ErrorTable, label: int) -> Slice:
    return slices.slice_of(objects, conditions(label=CLASSES[label]))


def test_intervals_cover_the_truth() -> None:
    spread = {0: (80, 6), 1: (40, 3)}
    worlds = [simulate(seed, spread, recall=0.8, correlation=0.4, weaker={1: 0.2}) for seed in range(RUNS)]
    effects = [slices.test(world, class_slice(world, 1)) for world in worlds]
    assert sum(effect.low <= 0.2 <= effect.high for effect in effects) >= stats.binom.ppf(0.02, RUNS, 0.95)


def test_an_effect_is_as_uncertain_as_the_side_on_fewer_photos() -> None:
    spread = {0: (60, 4), 1: (6, 30)}
    worlds = [simulate(seed, spread, recall=0.5, correlation=0.5) for seed in range(300)]
    effects = [slices.test(world, class_slice(world, 0)) for world in worlds]
    assert sum(effect.low <= 0 <= effect.high for effect in effects) >= stats.binom.ppf(0.02, 300, 0.95)


def test_where_photos_are_equally_full_it_is_welchs_test_on_their_means() -> None:
    rng = np.random.default_rng(0)
    means = rng.integers(1, 8, 30) / 8
    found = (np.arange(8) < means[:, None] * 8).ravel()
    objects = table(np.repeat(range(30), 8), np.repeat([0] * 20 + [1] * 10, 8), [0] * 240, found)
    effect = slices.test(objects, class_slice(objects, 1))
    welch = stats.ttest_ind(means[:20], means[20:], equal_var=False)
    assert effect.value / effect.standard_error == pytest.approx(welch.statistic)


def repeated(objects: ErrorTable, times: int) -> ErrorTable:
    return objects.take(np.repeat(np.arange(len(objects)), times))


ROBUST = {
    "some found": simulate(1, {0: (40, 3), 1: (20, 2)}, recall=0.7, correlation=0.3, weaker={1: 0.3}),
    "the slice was never found": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1, 1, 1, 0, 1] * 3 + [0] * 5),
    "the rest was always found": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1] * 15 + [0, 1, 0, 0, 1]),
    "both": table(range(20), [0] * 15 + [1] * 5, [0] * 20, [1] * 15 + [0] * 5),
    "on one photo": table([0] * 8, [0] * 4 + [1] * 4, [0] * 8, [1] * 4 + [0] * 4),
}


@pytest.mark.parametrize("name", ROBUST)
def test_the_same_objects_ten_times_over_prove_nothing_more(name: str) -> None:
    once, often = (
        slices.test(objects, class_slice(objects, 1)) for objects in (ROBUST[name], repeated(ROBUST[name], 10))
    )
    assert often.value == pytest.approx(once.value)
    assert often.p >= once.p / 2
    assert often.photos == once.photos


EDGES = {
    "the slice was never found": [1] * 10 + [0] * 10,
    "the slice was always found": [0] * 10 + [1] * 10,
    "all were found": [1] * 20,
    "none was found": [0] * 20,
}


@pytest.mark.parametrize("name", EDGES)
def test_what_was_found_always_or_never_has_an_interval(name: str) -> None:
    objects = table(range(20), [0] * 10 + [1] * 10, [0] * 20, EDGES[name])
    effect = slices.test(objects, class_slice(objects, 1))
    assert -1 <= effect.low <= effect.value <= effect.high <= 1
    assert effect.low < effect.high
    assert 0 < effect.p < 1


def test_a_slice_that_only_holds_more_of_a_hard_class_is_not_weaker() -> None:
    """Dark photos hold hats, which are hard everywhere; cones are found as often in the dark."""
    label = np.array(([0] * 9 + [1]) * 20 + ([0] + [1] * 9) * 20)
    light = np.repeat([0, 1], 200)
    found = np.where(label == 0, np.arange(400) % 10 != 0, np.arange(400) % 2 == 0)
    objects = table(np.repeat(np.arange(40), 10), label, np.zeros(400), found, light=light)
    effect = slices.test(objects, slices.slice_of(objects, conditions(light="light1")))
    recalls = [[found[(label == k) & (light == lit)].mean() for k in (0, 1)] for lit in (0, 1)]
    assert effect.recall_rest == pytest.approx(0.1 * recalls[0][0] + 0.9 * recalls[0][1])
    assert effect.recall == pytest.approx(0.1 * recalls[1][0] + 0.9 * recalls[1][1])
    assert found[light == 0].mean() - found[light == 1].mean() > 0.2
    assert effect.value < 0.1


def drawn_with_classes(seed: int) -> ErrorTable:
    """Hard and easy classes, unevenly spread over light, which is of a photo and changes nothing."""
    rng = np.random.default_rng(seed)
    light = rng.permutation(60) % 3
    photo = np.repeat(np.arange(60), 1 + rng.poisson(5, 60))
    share = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])[light[photo]]
    label = (rng.random(len(photo))[:, None] > share.cumsum(axis=1)[:, :2]).sum(axis=1)
    luck = np.sqrt(0.2) * rng.normal(size=60)[photo] + np.sqrt(0.8) * rng.normal(size=len(photo))
    found = luck < stats.norm.ppf(np.array([0.95, 0.8, 0.5])[label])
    return table(photo, label, rng.integers(0, 3, len(photo)), found, light=light[photo])


def test_intervals_of_a_standardised_effect_cover_nothing_where_there_is_nothing() -> None:
    runs = 300
    effects = []
    for seed in range(runs):
        world = drawn_with_classes(seed)
        effects.append(slices.test(world, slices.slice_of(world, conditions(light="light2"))))
    assert sum(effect.low <= 0 <= effect.high for effect in effects) >= stats.binom.ppf(0.02, runs, 0.95)
    assert sum(effect.p <= 0.05 for effect in effects) <= stats.binom.ppf(0.98, runs, 0.05)


def test_a_class_that_one_side_lacks_drops_out_of_both() -> None:
    objects = table(range(6), [0, 0, 0, 1, 2, 2], [0] * 6, [1, 1, 0, 0, 1, 0], light=[0, 0, 1, 1, 1, 0])
    part = slices.slice_of(objects, conditions(light="light1"))
    assert part.inside.tolist() == [False, False, True, False, True, False]
    assert part.rest.tolist() == [True, True, False, False, False, True]
    assert slices.test(objects, part).objects == 2


def test_objects_of_which_nothing_is_known_are_on_neither_side() -> None:
    objects = table(range(4), [0] * 4, [0] * 4, [1] * 4, light=[0, 1, -1, 0])
    part = slices.slice_of(objects, conditions(light="light1"))
    assert (part.inside | part.rest).tolist() == [True, True, False, True]


RESTS = {
    "a class: the other classes": ({"label": "cone"}, [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]),
    "a size of a class: its other sizes": ({"label": "hat", "size": "small"}, [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]),
    "a size: all other sizes of the same classes": ({"size": "small"}, [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]),
}


@pytest.mark.parametrize("name", RESTS)
def test_the_rest_is(name: str) -> None:
    named, inside, rest = RESTS[name]
    objects = table(range(6), [0, 0, 1, 1, 2, 2], [0, 1] * 3, [1] * 6)
    part = slices.slice_of(objects, conditions(**named))
    assert (part.inside.tolist(), part.rest.tolist()) == ([*map(bool, inside)], [*map(bool, rest)])


def test_the_order_of_the_objects_does_not_matter() -> None:
    objects = drawn_with_classes(0)
    mixed = objects.take(np.random.default_rng(0).permutation(len(objects)))
    one, other = (slices.test(each, slices.slice_of(each, conditions(light="light0"))) for each in (objects, mixed))
    assert (one.value, one.p, one.low) == pytest.approx((other.value, other.p, other.low))


STATUS = {
    # value, low, high, q: status at min_effect 0.1 and max_q 0.05
    "weak beyond doubt": (0.3, 0.2, 0.4, 0.001, "confirmed"),
    "weak, q at the limit": (0.3, 0.0, 0.6, 0.05, "confirmed"),
    "weak, q above the limit": (0.3, -0.1, 0.7, 0.051, "open"),
    "less than matters, yet sure": (0.05, 0.02, 0.08, 0.001, "confirmed"),
    "less than matters, not sure": (0.02, -0.02, 0.06, 0.3, "refuted"),
    "better": (-0.2, -0.3, -0.1, 1.0, "refuted"),
    "better, but hardly known": (-0.1, -0.5, 0.3, 0.9, "open"),
    "upper end at what matters": (0.0, -0.1, 0.1, 0.5, "open"),
    "no effect with a small q": (0.0, -0.3, 0.3, 0.01, "open"),
}


@pytest.mark.parametrize("name", STATUS)
def test_status_follows_its_rules(name: str) -> None:
    value, low, high, q, status = STATUS[name]
    assert slices.status_of(effect_of(value, 0.1, low=low, high=high), q, min_effect=0.1, max_q=0.05) == status


def effect_of(value: float, standard_error: float, **changes: Any) -> Effect:
    given = {
        "value": value, "low": value - 2 * standard_error, "high": value + 2 * standard_error, "p": 0.2,
        "standard_error": standard_error, "photos": 9, "objects": 40, "recall": 0.5, "recall_rest": 0.5 + value,
    }  # fmt: skip
    return Effect(**(given | changes))


def test_more_doubt_needs_more_objects_and_a_larger_effect_needs_fewer() -> None:
    values, errors = np.linspace(-0.3, 0.9, 25), np.linspace(0.01, 0.5, 25)
    wanted = {
        (value, error): slices.objects_to_settle(effect_of(value, error), min_effect=0.1)
        for value, error in itertools.product(values, errors)
    }
    for value in values:
        by_error = [wanted[value, error] for error in errors]
        assert by_error == sorted(by_error)
    for error in errors:
        by_value = [wanted[value, error] for value in values]
        assert by_value == sorted(by_value, reverse=True)
    assert min(wanted.values()) > 40


def test_objects_to_settle_are_those_that_give_the_power() -> None:
    count = slices.objects_to_settle(effect_of(0.2, 0.15), min_effect=0.1)
    error_then = 0.15 * np.sqrt(40 / count)
    assert stats.norm.sf(stats.norm.ppf(0.975) - 0.2 / error_then) == pytest.approx(0.8, abs=0.01)
