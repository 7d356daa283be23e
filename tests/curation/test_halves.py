"""Two halves of val that share no photo and stay what they are."""

from dataclasses import replace

import numpy as np
import pytest

from curation.diagnose import Column
from curation.halves import halves, too_small_to_halve
from tests.curation.simulated import photo_ids, table


def test_a_photo_stays_in_its_half_when_others_come_and_go() -> None:
    few, many = photo_ids(50, start=33), photo_ids(500)
    assert halves(few).discover.tolist() == halves(many).discover[33:83].tolist()


def test_the_halves_are_about_equal_and_share_no_photo() -> None:
    split = halves(photo_ids(2000))
    objects = table(np.repeat(np.arange(2000), 2), [0] * 4000, [0] * 4000, [1] * 4000)
    assert 900 < split.discover.sum() < 1100
    discover, confirm = (set(objects.photo[side(objects)]) for side in (split.in_discover, split.in_confirm))
    assert not discover & confirm
    assert discover | confirm == set(range(2000))


SMALL = {
    # photos, each with one object, and classes that take turns: what is said
    "enough": (60, 2, ""),
    "too few photos": (30, 1, "val has 30 photos with objects"),
    "every class on too few photos": (60, 30, "no class is on 5 photos"),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_val_that_is_too_small_to_halve_says_so(name: str) -> None:
    photos, classes, said = SMALL[name]
    label = np.arange(photos) % classes
    objects = table(range(photos), [0] * photos, [0] * photos, [1] * photos)
    column = Column("class", tuple(f"class {k}" for k in range(classes)), label.astype(np.int16), "label")
    objects = replace(objects, label=label, columns=(column, *objects.columns[1:]))
    problem = too_small_to_halve(objects, halves(photo_ids(photos)))
    assert problem.startswith(said)
    assert bool(problem) is bool(said)
