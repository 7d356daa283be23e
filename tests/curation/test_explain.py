"""Of overlapping confirmed slices the simplest that is enough stays unexplained."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from curation import slices as tested
from curation.diagnose import ErrorTable
from curation.explain import explain, roots
from curation.records import Condition
from curation.slices import slice_of
from tests.curation.simulated import conditions, table

PHOTOS, EACH = 100, 20


def world(weak: str, *, same: bool = False) -> ErrorTable:
    """100 photos × 20 objects; 90 % are found, 40 % where `weak` holds. With `same`, `site` says what `light` says."""
    rng = np.random.default_rng(0)
    photo = np.repeat(np.arange(PHOTOS), EACH)
    label, size, colour = (rng.integers(0, 3, len(photo)) for _ in range(3))
    light = rng.integers(0, 3, PHOTOS)[photo]
    site = light if same else rng.integers(0, 3, PHOTOS)[photo]
    blank = table(photo, label, size, np.ones(len(photo)), light=light, site=site, colour=colour)
    inside = blank.mask(WEAK[weak])
    return replace(blank, found=rng.random(len(photo)) < np.where(inside, 0.4, 0.9))


WEAK = {
    "light1": conditions(light="light1"),
    "hats in light1": conditions(label="hat", light="light1"),
    "hat": conditions(label="hat"),
    "blue in light1": conditions(light="light1", colour="colour2"),
}


def explained(objects: ErrorTable, *slices: tuple[Condition, ...], unseen: bool = False) -> list[int | None]:
    parts = [slice_of(objects, each) for each in slices]
    return explain(
        objects,
        parts,
        [tested.test(objects, part) for part in parts],
        confirm=objects.photo % 2 == 0,
        data_driven=np.array([unseen and len(each) > 1 for each in slices]),
    )


CASES: dict[str, tuple[dict[str, Any], list[tuple[Condition, ...]], list[int | None]]] = {
    "a narrower slice no weaker than the broader one": (
        {"weak": "light1"},
        [WEAK["light1"], WEAK["hats in light1"], WEAK["blue in light1"]],
        [None, 0, 0],
    ),
    "a broader slice whose weakness is the narrower one's": (
        {"weak": "hats in light1"},
        [WEAK["light1"], WEAK["hats in light1"], WEAK["hat"]],
        [1, None, 1],
    ),
    "twins by their objects": (
        {"weak": "light1", "same": True},
        [conditions(light="light1", site="site1"), WEAK["light1"]],
        [1, None],
    ),
    "slices that overlap by chance": (
        {"weak": "light1"},
        [conditions(site="site0", light="light1"), WEAK["light1"], conditions(colour="colour1", light="light1")],
        [1, None, 1],
    ),
    "an overlap that only the other slice makes weak": (
        {"weak": "blue in light1"},
        [WEAK["blue in light1"], conditions(label="vest", colour="colour2")],
        [None, 0],
    ),
}


@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_is_explained(name: str, unseen: bool) -> None:
    given, slices, by = CASES[name]
    assert explained(world(**given), *slices, unseen=unseen) == by


def test_two_weak_slices_that_share_little_explain_nothing_of_each_other() -> None:
    objects = world("light1")
    rng = np.random.default_rng(1)
    objects = replace(objects, found=np.where(objects.mask(WEAK["hat"]), rng.random(len(objects)) < 0.4, objects.found))
    assert explained(objects, WEAK["light1"], WEAK["hat"]) == [None, None]


ROOTS: dict[str, tuple[list[tuple[int, int]], list[int | None]]] = {
    # (explained, by), the order being 0, 1, 2, …: what each is explained by in the end
    "nothing": ([], [None, None, None]),
    "a chain": ([(0, 1), (1, 2)], [2, 2, None]),
    "of several, the first": ([(2, 1), (2, 0)], [None, None, 0]),
    "a circle": ([(0, 1), (1, 0)], [None, 0]),
    "a long circle": ([(0, 1), (1, 2), (2, 0)], [None, 0, 0]),
}


@pytest.mark.parametrize("name", ROOTS)
def test_in_the_end(name: str) -> None:
    pairs, by = ROOTS[name]
    explained = np.zeros((len(by), len(by)), np.bool_)
    for one, other in pairs:
        explained[one, other] = True
    assert roots(explained, np.arange(len(by))) == by


def test_what_explains_is_not_explained_itself() -> None:
    objects = world("light1")
    chain = [WEAK["light1"], WEAK["hats in light1"], conditions(label="hat", light="light1", colour="colour2")]
    assert explained(objects, *chain) == [None, 0, 0]


def test_a_single_slice_stands_for_itself() -> None:
    assert explained(world("light1"), WEAK["light1"]) == [None]
    assert explained(world("light1")) == []


def test_a_pair_with_a_data_driven_slice_is_judged_on_the_confirm_half() -> None:
    """On the other half, the narrow slice was chosen for having been missed there."""
    objects = world("light1")
    lucky = objects.mask(WEAK["hats in light1"]) & (objects.photo % 2 == 1)
    objects = replace(objects, found=objects.found & ~lucky)
    assert explained(objects, WEAK["light1"], WEAK["hats in light1"], unseen=False)[1] is None
    assert explained(objects, WEAK["light1"], WEAK["hats in light1"], unseen=True)[1] == 0
