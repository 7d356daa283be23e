"""Shortages: each rule on worlds where the answer is known, and the rare class of real blood cells."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.diagnose import Column, ErrorTable
from curation.records import Condition, Shortage
from curation.shortage import find_shortages, mask_of, untestable
from training.dataset import read_source
from training.source import Source

CLASSES = ("cone", "vest", "sign")
COLOURS = ("orange", "yellow", "pink")
DATA = os.environ.get("CURATE_DATA", "")


def coded(
    label: np.ndarray,
    photo: np.ndarray,
    *,
    found: np.ndarray | None = None,
    classes: tuple[str, ...] = CLASSES,
    **columns: tuple[tuple[str, ...], np.ndarray],
) -> ErrorTable:
    rows = np.arange(len(label))
    return ErrorTable(
        id=np.array([f"{row:024x}" for row in rows], "<U24"),
        photo=photo,
        label=label,
        found=np.ones(len(label), bool) if found is None else found,
        columns=(
            Column("class", classes, label.astype(np.int16), "label"),
            *(Column(name, values, codes.astype(np.int16), "object") for name, (values, codes) in columns.items()),
        ),
    )


def of_classes(*counts: int, photos: int = 50, missed: tuple[int, ...] = (0, 0, 0)) -> ErrorTable:
    """Spread objects of each class over photos; the first ones of a class are missed."""
    label = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    return coded(label, place % photos, found=place >= np.array(missed)[label])


def shortages(train: ErrorTable, val: ErrorTable, expected=None, classes=CLASSES) -> tuple[Shortage, ...]:
    return find_shortages(
        train,
        val,
        classes=classes,
        train_area=np.linspace(0, 1, len(train)),
        val_area=np.linspace(0, 1, len(val)),
        gain=lambda missed: float(missed.mean()),
        expected=expected or {},
        max_q=0.05,
        view_prefix="round 1",
    )


RARE = {
    # name: train objects by class, val objects by class, missed on val by class, classes that are short
    "nothing is rare": ((100, 100, 100), (50, 50, 50), (25, 25, 25), []),
    "39 objects are too few, found or not": ((100, 39, 100), (50, 50, 50), (0, 0, 0), ["vest"]),
    "40 objects will do": ((100, 40, 100), (50, 50, 50), (0, 0, 0), []),
    "a class that only val has": ((100, 0, 100), (50, 50, 50), (0, 50, 0), ["vest"]),
    "a class that nothing is labelled with is no shortage": ((100, 0, 100), (50, 0, 50), (0, 0, 0), []),
    "less than a third of an equal share, and missed": ((900, 800, 200), (50, 50, 50), (0, 0, 10), ["sign"]),
    "less than a third of an equal share, but found": ((900, 800, 200), (50, 50, 50), (0, 0, 0), []),
    "less than a third, found on too few photos to show it": ((900, 800, 200), (50, 50, 20), (0, 0, 0), ["sign"]),
    "less than a third, and not on val": ((900, 800, 200), (50, 50, 0), (0, 0, 0), ["sign"]),
    "a third of an equal share will do": ((900, 800, 213), (50, 50, 50), (0, 0, 10), []),
    "one class has nearly all": ((9000, 800, 700), (50, 50, 50), (0, 10, 10), ["sign", "vest"]),
}


@pytest.mark.parametrize("case", RARE)
def test_a_rare_class_is_named(case):
    train, val, missed, expected = RARE[case]
    found = shortages(of_classes(*train), of_classes(*val, missed=missed))
    assert sorted(shortage.label for shortage in found) == expected
    for shortage in found:
        number = CLASSES.index(shortage.label)
        assert (shortage.train_objects, shortage.val_objects) == (train[number], val[number])
        assert shortage.recall == (pytest.approx(1 - missed[number] / val[number]) if val[number] else None)
        assert f"{train[number]:,} in" in shortage.why


def test_many_objects_of_few_photos_are_few():
    train = of_classes(100, 100, 100)
    crowded = ErrorTable(
        train.id, np.where(train.label == 1, train.photo % 9, train.photo), train.label, train.found, train.columns
    )
    assert [shortage.label for shortage in shortages(crowded, of_classes(50, 50, 50))] == ["vest"]


def in_colours(counts: dict[int, tuple[int, int, int]], *, each: int = 2) -> ErrorTable:
    """Give objects of each class by colour, two of equal colour in a photo, no photo with two classes."""
    label = np.concatenate([np.full(sum(of), number) for number, of in counts.items()])
    colour = np.concatenate([np.repeat(np.arange(3), of) for of in counts.values()])
    return coded(label, np.arange(len(label)) // each, colour=(COLOURS, colour))


LACKING = {
    # name: colours of cones in train, in val, values that train lacks
    "the same in both": ((100, 100, 100), (40, 40, 40), []),
    "none of a colour that val has": ((100, 100, 0), (40, 40, 40), ["pink"]),
    "few of a colour that val has": ((100, 100, 4), (40, 40, 40), ["pink"]),
    "a third of the share is not so little": ((100, 100, 22), (40, 40, 40), []),
    "too few on val to say": ((100, 100, 0), (20, 20, 9), []),
    "rare in both": ((100, 100, 2), (60, 60, 2), []),
    "too few in train to compare": ((16, 16, 0), (40, 40, 40), []),
    "little, which may be chance": ((31, 31, 2), (54, 54, 16), []),
    "train has more": ((100, 100, 100), (60, 60, 10), []),
}


@pytest.mark.parametrize("case", LACKING)
def test_a_value_that_val_has_and_train_lacks_is_named(case):
    train, val, expected = LACKING[case]
    found = shortages(in_colours({0: train, 1: (60, 60, 60)}), in_colours({0: val, 1: (30, 30, 30)}))
    values = [shortage for shortage in found if len(shortage.conditions) == 2]
    assert [shortage.words for shortage in values] == [f"cone, colour: {value}" for value in expected]
    for shortage in values:
        assert shortage.conditions == (
            Condition(column="class", value="cone"), Condition(column="colour", value="pink"),
        )  # fmt: skip
        assert f"{train[2]} of {sum(train)} in train" in shortage.why
        assert f"{val[2]} of {sum(val)} in val" in shortage.why


def test_one_crowded_photo_does_not_show_that_train_lacks_a_value():
    train, val = in_colours({0: (100, 100, 0)}), in_colours({0: (40, 40, 40)})
    in_one = np.where(val.columns[1].codes == 2, val.photo.max() + np.arange(len(val)) % 4, val.photo)
    crowded = ErrorTable(val.id, in_one, val.label, val.found, val.columns)
    assert shortages(train, crowded) == ()


def test_unknown_values_are_left_out_of_shares():
    val = in_colours({0: (40, 40, 40)})
    train = in_colours({0: (100, 100, 30)})
    hidden = np.where(np.arange(len(train)) < 190, -1, train.columns[1].codes).astype(np.int16)
    most_unknown = train.with_columns([])
    most_unknown = ErrorTable(
        train.id, train.photo, train.label, train.found,
        (train.columns[0], Column("colour", COLOURS, hidden, "object")),
    )  # fmt: skip
    assert {shortage.words for shortage in shortages(most_unknown, val)} == {"cone, colour: orange"}


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_random_splits_of_the_same_photos_lack_nothing(seed):
    rng = np.random.default_rng(seed)
    photo_colour = rng.integers(0, 3, 300)
    photo = np.repeat(np.arange(300), rng.integers(1, 9, 300))
    colour = np.where(rng.random(len(photo)) < 0.7, photo_colour[photo], rng.integers(0, 3, len(photo)))
    is_val = (rng.random(300) < 0.3)[photo]
    label = np.zeros(len(photo), np.int64)
    train, val = (coded(label[mask], photo[mask], colour=(COLOURS, colour[mask])) for mask in (~is_val, is_val))
    assert shortages(train, val) == ()


EXPECTED = {
    # name: colours of vests in train, expected colours, values that are short
    "one colour has all": ((200, 0, 0), ("orange", "yellow", "pink"), ["pink", "yellow"]),
    "one colour dominates": ((184, 8, 8), ("orange", "yellow", "pink"), ["pink", "yellow"]),
    "nine of ten, with two expected": ((180, 20, 0), ("orange", "yellow"), ["yellow"]),
    "less than a third of a half": ((170, 30, 0), ("orange", "yellow"), ["yellow"]),
    "a third of an equal share will do": ((140, 34, 26), ("orange", "yellow", "pink"), []),
    "a colour that no object has": ((70, 70, 60), ("orange", "teal"), ["teal"]),
    "nothing is expected": ((200, 0, 0), (), []),
    "a colour that is not expected may dominate": ((0, 0, 200), ("orange",), ["orange"]),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_an_expected_value_that_train_hardly_shows_is_named(case):
    train, wanted, expected = EXPECTED[case]
    table = in_colours({1: train})
    found = shortages(table, in_colours({1: tuple(count // 2 for count in train)}), {"vest": {"colour": wanted}})
    assert sorted(s.conditions[1].value for s in found) == expected
    for shortage in found:
        assert "is expected" in shortage.why
        dominates = [f"colour: {value}" for value, count in zip(COLOURS, train, strict=True) if count >= 180]
        assert all(words in shortage.why for words in dominates)


def test_unknown_values_are_no_share_of_what_is_expected():
    table = in_colours({1: (99, 21, 80)})
    hidden = np.where(table.columns[1].codes == 2, -1, table.columns[1].codes).astype(np.int16)
    known = ErrorTable(
        table.id, table.photo, table.label, table.found,
        (table.columns[0], Column("colour", COLOURS, hidden, "object")),
    )  # fmt: skip
    expected = {"vest": {"colour": ("orange", "yellow")}}
    (shortage,) = shortages(in_colours({1: (180, 20, 0)}), known, expected)
    assert "20 of 200 vest" in shortage.why
    assert shortages(known, known, expected) == ()  # 21 of 120, not of 200


def test_what_cannot_be_tested_is_said():
    table = in_colours({1: (200, 0, 0)})
    expected = {"vset": {"colour": ["orange"]}, "vest": {"color": ["pink"]}}
    notes = untestable(expected, classes=CLASSES, columns=["class", "colour"])
    assert len(notes) == 2
    assert "'vset'" in notes[0]
    assert "did you mean 'vest'?" in notes[0]
    assert "did you mean 'colour'?" in notes[1]
    assert shortages(table, table, expected) == ()
    assert untestable({"vest": {"colour": ["pink"]}}, classes=CLASSES, columns=["class", "colour"]) == ()


def test_two_reasons_make_one_shortage():
    found = shortages(in_colours({0: (100, 100, 0)}), in_colours({0: (40, 40, 40)}), {"cone": {"colour": COLOURS}})
    assert len(found) == 1
    assert "is expected; " in found[0].why
    assert "in val" in found[0].why


def test_a_shortage_tells_its_size_and_its_evidence_in_an_ascii_view():
    sizes = ("small", "medium", "large")
    names = ("Kegel 锥", "vest", "sign")
    train = coded(np.zeros(200, int), np.arange(200), classes=names, size=(sizes, np.repeat([1, 2], 100)))
    missed = np.arange(90) < 6
    val = coded(np.zeros(90, int), np.arange(90), classes=names, found=~missed, size=(sizes, np.repeat([0, 1, 2], 30)))
    (shortage,) = shortages(train, val, classes=names)
    assert (shortage.size, shortage.words) == ("small", "small Kegel 锥")
    assert shortage.view.isascii()
    assert shortage.view.startswith("round 1: short of small Kegel ?")
    assert (shortage.recall, shortage.val_photos, shortage.gain) == (0.8, 30, pytest.approx(6 / 90))
    assert shortage.evidence == tuple(f"{row:024x}" for row in range(29, 5, -1))


def test_evidence_is_of_train_where_val_has_none_and_what_gains_most_comes_first():
    train, val = of_classes(100, 20, 20), of_classes(50, 0, 10, missed=(0, 0, 5))
    first, second = shortages(train, val)
    assert (first.label, second.label) == ("sign", "vest")
    assert set(second.evidence) == set(train.id[train.label == 1])
    assert (second.recall, second.gain) == (None, 0)


def test_columns_that_were_coded_apart_are_refused():
    train, val = in_colours({0: (50, 50, 50)}), in_colours({0: (50, 50, 50)})
    other = ErrorTable(
        val.id, val.photo, val.label, val.found,
        (val.columns[0], Column("colour", ("red", *COLOURS), val.columns[1].codes, "object")),
    )  # fmt: skip
    with pytest.raises(ValueError, match="'colour' is coded by other values"):
        shortages(train, other)
    only_val = val.with_columns([Column("cluster", ("a",), np.zeros(150, np.int16), "cluster")])
    assert shortages(train, only_val) == ()
    assert not mask_of(train, [Condition(column="cluster", value="a")]).any()


@cache
def blood_cells() -> Source:
    return read_source(Path(DATA) / "data/bccd")


@pytest.mark.skipif(not DATA, reason="CURATE_DATA names no folder with data/bccd")
@pytest.mark.parametrize("train_photos", [60, 205])
def test_platelets_are_named_as_rare_among_blood_cells_and_what_is_always_found_is_not(train_photos):
    source = blood_cells()
    tables = {}
    for split, most in (("train", train_photos), ("val", 87)):
        photos = [photo for photo in source.photos if photo.split == split][:most]
        label = np.array([source.classes.index(box.label) for photo in photos for box in photo.boxes])
        photo = np.array([number for number, photo in enumerate(photos) for _ in photo.boxes])
        missed = (label == source.classes.index("Platelets")) & (np.arange(len(label)) % 5 == 0)
        tables[split] = coded(label, photo, found=~missed, classes=source.classes)
    (shortage,) = shortages(tables["train"], tables["val"], classes=source.classes)
    assert shortage.words == "Platelets"
    assert "less than a third of an equal share" in shortage.why
