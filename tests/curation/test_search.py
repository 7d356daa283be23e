"""The search proposes the slices that are weak, few in number and unlike each other."""

from itertools import combinations

import numpy as np
import pytest

from curation.search import search
from tests.curation.simulated import SLICES, conditions, many, table


@pytest.mark.parametrize("name", ["pair", "triple"])
def test_a_planted_conjunction_is_among_the_first(name: str) -> None:
    hits = 0
    for seed in range(5):
        found = search(many(seed, photos=400, **{name: 0.4}), max_proposals=30)
        hits += set(SLICES[name]) in [set(each) for each in found[:6]]
    assert hits == 5


def test_two_conjunctions_are_both_proposed() -> None:
    proposed = [set(each) for each in search(many(0, photos=400, pair=0.5, triple=0.3), max_proposals=30)]
    assert set(SLICES["pair"]) in proposed
    assert set(SLICES["triple"]) in proposed


def test_a_strong_conjunction_does_not_take_all_places_from_a_weaker_one() -> None:
    hits = 0
    for seed in range(5):
        found = search(many(seed, photos=400, pair=0.7, triple=0.3), max_proposals=9)
        hits += set(SLICES["triple"]) in [set(each) for each in found]
    assert hits == 5


def test_a_strong_slice_does_not_make_what_is_missed_elsewhere_look_usual() -> None:
    """A third of all objects is nearly always missed, so the share of missed objects is high for every class."""
    hits = 0
    for seed in range(10):
        found = search(many(seed, photos=400, one=0.8, triple=0.2), max_proposals=9)
        hits += set(SLICES["triple"]) in [set(each) for each in found]
    assert hits >= 8


def test_no_more_are_proposed_than_there_are_places_and_each_once() -> None:
    objects = many(1, pair=0.4)
    for places in (0, 1, 4, 7, 30):
        found = search(objects, max_proposals=places)
        assert len(found) <= places
        assert len({frozenset(each) for each in found}) == len(found)
    assert len(search(objects, max_proposals=7)) == 7


def test_every_proposal_has_two_or_three_conditions_on_different_columns_and_is_not_pre_specified() -> None:
    for each in search(many(2, one=0.3), max_proposals=30):
        columns = [condition.column for condition in each]
        assert 2 <= len(set(columns)) == len(columns) <= 3
        assert set(columns) != {"class", "size"}


def test_proposals_have_the_support_that_a_test_needs() -> None:
    objects = many(3, photos=30)
    for each in search(objects, max_proposals=30):
        inside = objects.mask(each)
        assert inside.sum() >= 8
        assert len(np.unique(objects.photo[inside])) >= 4


def test_proposals_are_not_one_slice_in_many_disguises() -> None:
    objects = many(4, photos=300, pair=0.5)
    missed = [objects.mask(each) & ~objects.found for each in search(objects, max_proposals=30)]
    shared = [(one & other).sum() / (one | other).sum() for one, other in combinations(missed, 2)]
    assert max(shared) <= 0.9
    assert np.median(shared) < 0.2


def test_what_resembles_a_slice_that_is_tested_anyway_is_not_proposed() -> None:
    objects = many(5, photos=400, pair=0.5)
    taken = [SLICES["pair"], conditions(light="no such value"), ()]
    assert set(SLICES["pair"]) in [set(each) for each in search(objects, max_proposals=10)]
    assert set(SLICES["pair"]) not in [set(each) for each in search(objects, max_proposals=10, taken=taken)]


def test_a_column_that_is_unknown_for_many_is_not_searched() -> None:
    """All missed objects but few of the others are embedded: every cluster would look weak."""
    objects = many(6)
    rng = np.random.default_rng(0)
    cluster = np.where(objects.found & (rng.random(len(objects)) < 0.7), -1, rng.integers(0, 3, len(objects)))
    codes = {column.name: column.codes for column in objects.columns[2:]}
    objects = table(
        objects.photo, objects.label, objects.columns[1].codes, objects.found, **codes, look=(cluster, "cluster")
    )
    assert all(condition.column != "look" for each in search(objects, max_proposals=30) for condition in each)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = many(7, pair=0.3)
    whole = search(objects, max_proposals=20)
    monkeypatch.setattr("curation.ground.ROWS_AT_ONCE", 100)
    assert search(objects, max_proposals=20) == whole


EMPTY = {
    "no objects": table([], [], [], []),
    "nothing was missed": table(range(40), [0] * 40, [0] * 40, [1] * 40),
    "everything was missed": table(range(40), [0] * 40, [0] * 40, [0] * 40),
    "one object": table([0], [0], [0], [0]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_where_there_is_nothing_to_find_nothing_is_proposed(name: str) -> None:
    assert search(EMPTY[name], max_proposals=30) == []
