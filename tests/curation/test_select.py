"""Which photos people should label next: shares, copies, chance, order, and reasons."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.acquisition import PoolTable, Target
from curation.select import Choice, select, shares_of

DIMENSIONS = 8


def vectors(count: int, *, seed: int = 0, dimensions: int = DIMENSIONS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)


TRAIN = vectors(30, seed=1)


def pool(count: int, *, seed: int = 0, **columns: Any) -> PoolTable:
    """Photos with scores of all kinds that differ from each other in look and vector, and match nothing."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {
        "id": np.array([f"{number:024d}" for number in range(count)], "<U24"),
        "name": np.array([f"{number}.jpg" for number in range(count)], "<U24"),
        "width_px": np.full(count, 640),
        "height_px": np.full(count, 480),
        "look": rng.integers(2**64, size=count, dtype=np.uint64),
        "entropy": rng.random(count),
        "margin": rng.random(count),
        "disagreement": rng.random(count),
        "faint": rng.random(count),
        "firm": rng.integers(1, 5, count),
        "vector": vectors(count, seed=seed + 2),
        "match": np.zeros((count, 0)),
    }
    return PoolTable(**(drawn | columns))


def target(name: str, weight: float = 1.0) -> Target:
    return Target(finding_id=name, words=f"class is {name}", weight=weight)


def chosen(photos: PoolTable, targets: Sequence[Target] = (), *, count: int = 20, seed: int = 0) -> tuple[Choice, ...]:
    return select(photos, targets, count=count, train_vectors=TRAIN, rng=np.random.default_rng(seed))


def kinds(choices: Sequence[Choice]) -> dict[str, int]:
    return dict(Counter(choice.kind for choice in choices))


def rows_of(choices: Sequence[Choice], kind: str) -> list[int]:
    return [choice.row for choice in choices if choice.kind == kind]


def per_finding(choices: Sequence[Choice]) -> dict[str | None, int]:
    return dict(Counter(choice.finding_id for choice in choices if choice.kind == "finding"))


def flat(count: int, *but: str) -> dict[str, Any]:
    """Give score columns of zeros, all but those that are named."""
    names = {"entropy", "margin", "disagreement", "faint"} - set(but)
    return {name: np.zeros(count) for name in names}


def two_places(count: int, second: np.ndarray) -> np.ndarray:
    """Give vectors around two places of the detector's view."""
    places = np.eye(DIMENSIONS, dtype=np.float32)
    return np.where(second[:, None], places[0], places[1]) + 0.1 * vectors(count)


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(0, 60),
    count=st.integers(1, 80),
    targets=st.integers(0, 4),
    seed=st.integers(0, 9),
    coarse=st.booleans(),
    burst=st.booleans(),
)
def test_as_many_as_wanted_are_given_each_once_with_a_random_tenth_last(
    size: int, count: int, targets: int, seed: int, coarse: bool, burst: bool
) -> None:
    rng = np.random.default_rng(seed)
    photos = pool(size, seed=seed, match=rng.random((size, targets)).round() * rng.random((size, targets)))
    if coarse:
        photos = replace(photos, entropy=photos.entropy.round(), faint=photos.faint.round(), firm=photos.firm % 2)
    if burst:
        photos = replace(photos, look=photos.look[rng.integers(0, max(size, 1), size) // 3], vector=photos.vector * 0)
    choices = chosen(photos, [target(str(number)) for number in range(targets)], count=count, seed=seed)
    wanted = min(size, count)
    assert len(choices) <= wanted
    assert burst or len(choices) == wanted
    assert len({choice.row for choice in choices}) == len(choices)
    assert all(0 <= choice.row < size for choice in choices)
    random = [choice.kind == "random" for choice in choices]
    assert sum(random) == -(-wanted // 10)
    assert random == sorted(random)
    assert all(choice.reason and "nan" not in choice.reason for choice in choices)
    assert all((choice.finding_id is not None) == (choice.kind == "finding") for choice in choices)


def test_the_random_tenth_does_not_look_at_scores_and_is_uniform() -> None:
    photos = pool(40)
    turned = replace(photos, **flat(40), firm=photos.firm * 0, match=np.ones((40, 1)), vector=photos.vector[::-1])
    drawn = [rows_of(chosen(photos, seed=seed), "random") for seed in range(400)]
    assert drawn[:30] == [rows_of(chosen(turned, [target("a")], seed=seed), "random") for seed in range(30)]
    times = np.bincount(np.concatenate(drawn), minlength=40)  # 20 expected of each, standard deviation 4.4
    assert times.min() >= 5
    assert times.max() <= 40


def test_a_random_photo_may_be_nearly_the_same_as_another_but_then_its_copies_are_not_picked_by_score() -> None:
    photos = pool(60)
    copied = np.arange(60) // 2  # pairs
    photos = replace(photos, look=photos.look[copied], vector=photos.vector[copied])
    both_drawn = 0
    for seed in range(40):
        choices = chosen(photos, count=30, seed=seed)
        drawn = {int(copied[row]) for row in rows_of(choices, "random")}
        both_drawn += len(drawn) < 3
        by_score = [int(copied[choice.row]) for choice in choices if choice.kind != "random"]
        wanted = min(27, 30 - len(drawn))
        assert len(set(by_score[:wanted])) == wanted
        assert not drawn & set(by_score[:wanted])
    assert both_drawn


def test_the_same_seed_gives_the_same_photos_whatever_the_order_of_the_pool() -> None:
    photos = pool(300, match=np.random.default_rng(3).random((300, 2)), firm=np.arange(300) % 2)
    targets = [target("a"), target("b", 3)]
    turned = np.random.default_rng(4).permutation(300)
    first, again = chosen(photos, targets), chosen(photos.take(turned), targets)
    assert [replace(choice, row=int(turned[choice.row])) for choice in again] == list(first)
    assert chosen(photos, targets, seed=1) != first


def test_the_order_of_the_targets_changes_nothing() -> None:
    match = np.random.default_rng(3).random((300, 3))
    targets = [target("a"), target("b"), target("c", 2)]
    first = chosen(pool(300, match=match), targets)
    assert chosen(pool(300, match=match[:, ::-1]), targets[::-1]) == first


SHARES = {
    "twenty, with a target": (20, 1, {"finding": 10, "uncertain": 4, "likely miss": 2, "diverse": 2, "random": 2}),
    "three hundred, with a target": (
        300,
        1,
        {"finding": 150, "uncertain": 60, "likely miss": 30, "diverse": 30, "random": 30},
    ),
    "twenty, without": (20, 0, {"uncertain": 9, "likely miss": 5, "diverse": 4, "random": 2}),
    "one": (1, 1, {"random": 1}),
    "two": (2, 1, {"finding": 1, "random": 1}),
}


@pytest.mark.parametrize(("count", "targets", "expected"), SHARES.values(), ids=SHARES.keys())
def test_half_is_for_findings_and_the_rest_for_what_the_champion_is_unsure_of_or_has_not_seen(
    count: int, targets: int, expected: dict[str, int]
) -> None:
    photos = pool(1500, match=np.full((1500, targets), 0.5))
    assert kinds(chosen(photos, [target("a")] * targets, count=count)) == expected


@settings(deadline=None)
@given(total=st.integers(0, 500), weights=st.lists(st.floats(0.001, 10), min_size=1, max_size=20))
def test_shares_add_up_and_are_less_than_one_off(total: int, weights: list[float]) -> None:
    shares = shares_of(total, weights)
    assert sum(shares) == total
    assert np.abs(np.array(shares) - total * np.array(weights) / sum(weights)).max() < 1 + 1e-6


MATCHING = {
    # targets by weight; photos that match each; expected shares of the 10 that are for findings
    "by weight": ((3.0, 2.0), (200, 200), {"a": 6, "b": 4}),
    "the largest remainder": ((1.0, 1.0, 1.0), (200, 200, 200), {"a": 4, "b": 3, "c": 3}),
    "too few photos": ((3.0, 1.0, 1.0), (2, 100, 100), {"a": 2, "b": 4, "c": 4}),
    "none at all": ((9.0, 1.0), (0, 100), {"b": 10}),
    "too few for all": ((1.0, 1.0), (1, 2), {"a": 1, "b": 2}),
}


@pytest.mark.parametrize(("weights", "sizes", "expected"), MATCHING.values(), ids=MATCHING.keys())
def test_targets_share_by_weight_and_leave_what_they_cannot_use_to_others(
    weights: tuple[float, ...], sizes: tuple[int, ...], expected: dict[str, int]
) -> None:
    count = 700
    match = np.zeros((count, len(weights)))
    for number, size in enumerate(sizes):
        match[number * 200 : number * 200 + size, number] = 0.5
    targets = [target(name, weight) for name, weight in zip("abc", weights, strict=False)]
    # Photos that match are drawn at random too rarely to matter: the seed draws none of the few.
    choices = chosen(pool(count, match=match), targets, seed=2)
    assert per_finding(choices) == expected
    assert len(choices) == 20
    assert all(match[c.row, "abc".index(str(c.finding_id))] > 0 for c in choices if c.kind == "finding")


def test_a_target_gets_its_strongest_match_first_and_no_weak_ones_where_strong_ones_are_enough() -> None:
    match = np.where(np.arange(2_000) < 14, 0.9, 0.1)[:, None]  # 10 places, 40 candidates
    match[7] = 1
    choices = chosen(pool(2_000, match=match), [target("hats")])
    found = rows_of(choices, "finding")
    assert found[0] == 7
    assert max(found) < 14
    assert choices[0].reason == 'finding "class is hats": 1 object expected'


def test_photos_for_a_target_are_spread_among_the_best_of_a_large_pool_alone() -> None:
    rng = np.random.default_rng(0)
    places = np.repeat(np.eye(4, DIMENSIONS), 25, axis=0) + rng.normal(0, 0.01, (100, DIMENSIONS))
    strength = np.repeat([1, 0.9, 0.8, 0.7], 25)  # the strongest 25 lie in one place
    spread = []
    for count in (400, 2_000):  # 10 places: of 400 photos 8 are among the best 2 %, of 2,000 there are 40
        match = np.concatenate([strength, np.full(count - 100, 0.1)])[:, None]
        photos = pool(count, match=match)
        photos.vector[:100] = places
        spread.append({row // 25 for row in rows_of(chosen(photos, [target("a")]), "finding")})
    assert spread == [{0}, {0, 1}]


def test_near_copies_are_not_picked_twice_by_score() -> None:
    photos = pool(400, match=np.random.default_rng(5).random((400, 1)))
    copied = np.where(np.arange(400) < 200, 0, np.arange(400))  # 200 frames of one burst, and they score best
    look = photos.look[copied] ^ np.left_shift(np.uint64(1), (np.arange(400) % 4).astype(np.uint64))
    best = {name: np.where(copied == 0, 0.99, 0.5) for name in ("entropy", "margin", "disagreement", "faint")}
    match = np.where(copied == 0, 1.0, 0.6)[:, None]
    photos = replace(photos, look=look, vector=photos.vector[copied], match=match, **best)
    drawn_once = 0
    for seed in range(10):
        choices = chosen(photos, [target("a")], count=30, seed=seed)
        burst = [choice for choice in choices if choice.row < 200]
        by_score = [choice for choice in burst if choice.kind != "random"]
        drawn_once += len(by_score) < len(burst)
        assert len(by_score) == (0 if len(by_score) < len(burst) else 1)
    assert drawn_once


def test_copies_fill_up_only_where_nothing_else_is_left() -> None:
    photos = pool(20)
    photos = replace(photos, look=photos.look[np.arange(20) // 2], vector=photos.vector[np.arange(20) // 2])
    choices = chosen(photos, count=20)
    drawn = {row // 2 for row in rows_of(choices, "random")}
    assert len(drawn) == 2
    assert len(choices) == 18, "all but the copies of what was drawn"
    filled = [choice for choice in choices if "nearly the same" in choice.reason]
    assert len(filled) == 8
    assert not drawn & {choice.row // 2 for choice in choices if choice.kind != "random"}


def test_uncertain_photos_come_from_the_best_by_rank_so_that_no_score_outweighs_the_others() -> None:
    count = 400
    entropy, margin = np.linspace(0.1, 1, count), np.linspace(0.0001, 0.001, count)[::-1].copy()
    both = np.arange(count) % 20 == 0
    entropy[both], margin[both] = 0.9, 0.002  # among the best in both, and no mean of what differs so in scale shows it
    photos = pool(count, **flat(count, "entropy", "margin"))
    photos = replace(photos, entropy=entropy, margin=margin)
    choices = chosen(photos, count=5)
    found = rows_of(choices, "uncertain")
    assert found
    assert both[found].all()
    assert choices[0].reason == "uncertain: closeness of two classes in the top 5 % of the pool"


def test_a_photo_without_any_uncertainty_is_not_called_uncertain() -> None:
    entropy = np.where(np.arange(100) < 3, 0.5, 0)
    photos = replace(pool(100, **flat(100, "entropy")), entropy=entropy)
    choices = chosen(photos, seed=1)
    assert set(rows_of(choices, "uncertain")) <= {0, 1, 2}
    assert kinds(choices) == {"uncertain": 3, "diverse": 15, "random": 2}


def test_likely_misses_are_faint_boxes_and_places_where_the_champion_sees_nothing() -> None:
    count = 400
    silent = np.arange(count) < 40
    photos = pool(count, firm=np.where(silent, 0, 3), **flat(count, "faint"))
    photos = replace(photos, faint=np.where(np.arange(count) >= 390, 0.5, 0.0))
    photos = replace(photos, vector=two_places(count, silent))
    choices = [choice for choice in chosen(photos, seed=3) if choice.kind == "likely miss"]
    nothing = [choice.row for choice in choices if "sees nothing here" in choice.reason]
    faint = [choice.row for choice in choices if "faint boxes in the top 3 %" in choice.reason]
    assert len(nothing) == 4  # of 9 places, for nothing is uncertain
    assert silent[nothing].all()
    assert len(faint) == 5
    assert min(faint) >= 390


SILENCE = {
    # in which photos the champion sees something, and how many of the last lie in a place of their own
    "scattered among others": (np.arange(400) % 3 > 0, 40),
    "nearly everywhere": (np.arange(400) >= 360, 40),
    "in a few photos alone": (np.arange(400) < 394, 6),
}


@pytest.mark.parametrize(("fires", "apart"), SILENCE.values(), ids=SILENCE.keys())
def test_silence_is_no_miss_where_it_is_scattered_or_rare_or_the_rule(fires: np.ndarray, apart: int) -> None:
    places = two_places(400, np.arange(400) >= 400 - apart)
    photos = pool(400, firm=fires.astype(np.int64), **flat(400), vector=places)
    assert "likely miss" not in kinds(chosen(photos))


def test_diverse_photos_are_typical_of_what_train_lacks_and_not_outliers() -> None:
    rng = np.random.default_rng(0)
    axes = np.eye(DIMENSIONS)
    known = axes[0] + rng.normal(0, 0.05, (300, DIMENSIONS))
    new = axes[1] + rng.normal(0, 0.05, (80, DIMENSIONS))
    outliers = -axes[[2, 3, 4, 5]]
    photos = pool(384, **flat(384), vector=np.concatenate([known, new, outliers]).astype(np.float32))
    train = (axes[0] + rng.normal(0, 0.05, (50, DIMENSIONS))).astype(np.float32)
    choices = select(photos, (), count=2, train_vectors=train, rng=np.random.default_rng(1))
    (row,) = rows_of(choices, "diverse")
    assert rows_of(choices, "random")[0] < 300
    assert 300 <= row < 380
    assert choices[0].reason.startswith("unlike train: farther from it than ")


def test_equal_photos_are_no_trouble_and_said_to_be_alike() -> None:
    photos = pool(30, **flat(30), firm=np.zeros(30, np.int64), vector=np.ones((30, DIMENSIONS), np.float32))
    choices = chosen(photos, count=10)
    assert kinds(choices) == {"diverse": 9, "random": 1}
    assert choices[-2].reason == "hardly differs from train or from another pick: nothing else is left"


def test_without_train_and_with_wide_vectors_photos_are_chosen_all_the_same() -> None:
    for size in (1, 3, 50):
        photos = pool(size, vector=vectors(size, dimensions=70))
        none = np.zeros((0, 0), np.float32)
        assert len(select(photos, (), count=20, train_vectors=none, rng=np.random.default_rng(0))) == min(size, 20)


def test_targets_and_columns_must_agree() -> None:
    with pytest.raises(ValueError, match="a column for each of 1 targets"):
        chosen(pool(5), [target("a")])
