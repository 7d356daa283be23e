from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.boxes import BoxTable, ImageTable, iou
from training.bursts import MAX_LOOK_BITS, MIN_IOU, burst_leaders, earlier_alike
from training.errors import DataError
from training.source import FoundBox, FoundPhoto
from training.splits import assign_splits, free_splits, smallest_visible_change, visible_changes

FAR_LOOKS = np.random.default_rng(7).integers(0, 2**63, 5000)


def found(number: int, *boxes: FoundBox, split=None, group="", look=None, photo_id=None) -> FoundPhoto:
    """A photo that resembles no other unless told so."""
    return FoundPhoto(
        path=Path(f"/photos/{number:04}.jpg"),
        photo_id=photo_id or f"{number:024x}",
        width_px=640,
        height_px=480,
        split=split,
        group=group,
        look=int(FAR_LOOKS[number]) if look is None else look,
        boxes=boxes,
    )


def box(x=0.2, y=0.2, side=0.4, label="cat") -> FoundBox:
    return FoundBox(label, (x, y, x + side, y + side))


def notes(plan) -> dict:
    return {note.kind: note for note in plan.notes}


def test_photos_without_splits_are_shared_out_by_the_shares():
    counts = Counter(assign_splits([found(i) for i in range(2000)]).splits)
    assert counts["train"] == pytest.approx(1400, abs=60)
    assert counts["val"] == pytest.approx(300, abs=50)
    assert counts["test"] == pytest.approx(300, abs=50)


def test_other_seed_texts_give_other_splits_and_the_same_one_the_same():
    photos = [found(i) for i in range(200)]
    assert assign_splits(photos).splits == assign_splits(photos).splits
    assert assign_splits(photos).splits != assign_splits(photos, seed_text="other").splits


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="sum to 1"):
        assign_splits([found(1)], shares=shares)


def test_a_share_of_nothing_gets_nothing():
    photos = [found(i) for i in range(300)]
    assert set(assign_splits(photos, shares=(0.8, 0.2, 0.0)).splits) == {"train", "val"}
    assert set(assign_splits(photos, shares=(1.0, 0.0, 0.0)).splits) == {"train"}


def test_splits_of_the_source_stay():
    photos = [found(i, split=("train", "val", "test")[i % 3]) for i in range(30)]
    plan = assign_splits(photos)
    assert plan.splits == tuple(photo.split for photo in photos)
    assert plan.notes == ()


# name: (splits that the source has, what each becomes, share of the giver that moves)
CUTS = {
    "no val": ({"train", "test"}, "train", "val", 0.15 / 0.85),
    "no test": ({"train", "val"}, "val", "test", 0.5),
}


@pytest.mark.parametrize(("have", "giver", "taker", "share"), CUTS.values(), ids=CUTS)
def test_a_missing_split_is_cut_and_said_so(have, giver, taker, share):
    photos = [found(i, split=sorted(have)[i % 2]) for i in range(1000)]
    plan = assign_splits(photos)
    moved = [(photo.split, split) for photo, split in zip(photos, plan.splits, strict=True) if photo.split != split]
    assert set(moved) == {(giver, taker)}
    assert len(moved) == pytest.approx(500 * share, abs=45)
    assert notes(plan)["cut"].count == len(moved)


def test_val_and_test_are_both_cut_from_a_source_with_train_only():
    counts = Counter(assign_splits([found(i, split="train") for i in range(1000)]).splits)
    assert counts["val"] == pytest.approx(150, abs=40)
    assert counts["test"] == pytest.approx(150, abs=40)


@pytest.mark.parametrize("have", [("val",), ("test",), ("val", "test")])
def test_a_source_with_splits_but_no_train_is_refused(have):
    with pytest.raises(DataError, match="none for train"):
        assign_splits([found(i, split=have[i % len(have)]) for i in range(10)])


def test_photos_that_no_list_of_the_source_names_are_drawn():
    photos = [found(i, split=("train", "val", "test")[i % 3]) for i in range(30)] + [found(i) for i in range(100, 400)]
    plan = assign_splits(photos)
    assert plan.splits[:30] == tuple(photo.split for photo in photos[:30])
    assert set(plan.splits[30:]) == {"train", "val", "test"}


def test_a_camera_is_kept_together():
    photos = [found(i, group=f"camera={i % 50}") for i in range(500)]
    plan = assign_splits(photos)
    by_camera = {photo.group: set() for photo in photos}
    for photo, split in zip(photos, plan.splits, strict=True):
        by_camera[photo.group].add(split)
    assert all(len(splits) == 1 for splits in by_camera.values())
    assert set(plan.splits) == {"train", "val", "test"}


def test_a_camera_with_more_than_a_twentieth_of_the_photos_is_reported_and_not_kept_together():
    photos = [found(i, group="camera=main") for i in range(26)] + [
        found(i, group=f"camera={i}") for i in range(26, 500)
    ]
    plan = assign_splits(photos)
    assert len(set(plan.splits[:26])) > 1
    note = notes(plan)["large group"]
    assert (note.count, note.examples) == (26, (("group camera=main",),))
    smaller = assign_splits([*photos[1:], *(found(i) for i in range(500, 503))])
    assert "large group" not in notes(smaller)
    assert len(set(smaller.splits[:25])) == 1


def test_exact_duplicates_stay_together_and_are_counted():
    photos = [found(i) for i in range(100)] + [found(500 + i, photo_id=f"{i:024x}") for i in range(100)]
    plan = assign_splits(photos)
    assert plan.splits[:100] == plan.splits[100:]
    assert set(notes(plan)) == {"duplicates"}
    assert notes(plan)["duplicates"].count == 100
    assert notes(plan)["duplicates"].examples[0] == ("/photos/0000.jpg", "/photos/0500.jpg")


def test_a_duplicate_across_splits_stays_where_a_model_may_have_learned_from_it():
    photos = [found(i, split=("test", "val", "train")[i % 3]) for i in range(30)]
    photos += [
        found(100, split="train", photo_id=photos[0].photo_id),
        found(101, split="val", photo_id=photos[3].photo_id),
    ]
    plan = assign_splits(photos)
    assert (plan.splits[0], plan.splits[30]) == ("train", "train")
    assert (plan.splits[3], plan.splits[31]) == ("val", "val")
    assert notes(plan)["duplicates across splits"].count == 2


def test_duplicates_with_other_labels_are_reported():
    photos = [
        found(0, box()),
        found(1, box(0.1), photo_id=f"{0:024x}"),
        found(2, box()),
        found(3, box(), photo_id=f"{2:024x}"),
    ]
    assert notes(assign_splits(photos))["other labels"].count == 1


def burst(start: int, count: int, **more) -> list[FoundPhoto]:
    """Photos whose look and boxes change a little from one to the next."""
    look = int(FAR_LOOKS[start])
    return [
        found(start + i, box(0.2 + 0.004 * i), box(0.5, 0.5, 0.3, "dog"), look=look ^ (1 << (i % 60)), **more)
        for i in range(count)
    ]


def test_a_burst_is_kept_together():
    photos = [photo for start in range(0, 2000, 5) for photo in burst(start, 4)]
    splits = assign_splits(photos).splits
    assert all(len(set(splits[i : i + 4])) == 1 for i in range(0, len(splits), 4))
    assert set(splits) == {"train", "val", "test"}


def test_a_burst_across_splits_of_the_source_is_reported_and_stays():
    photos = burst(0, 4, split="train") + burst(0, 2, split="test") + burst(50, 1, split="val")
    photos = [replace(photo, photo_id=f"{i:024x}") for i, photo in enumerate(photos)]
    plan = assign_splits(photos)
    assert plan.splits == tuple(photo.split for photo in photos)
    assert notes(plan)["bursts across splits"].count == 1


A_LOOK = int(FAR_LOOKS[0])
# name: (boxes and look of a second photo, whether it is of the burst of one with box() and A_LOOK)
PAIRS = {
    "the same": ((box(),), A_LOOK, True),
    "four bits": ((box(),), A_LOOK ^ 0b10000_10000_10000_10000, True),
    "five bits": ((box(),), A_LOOK ^ 0b1_10000_10000_10000_10000, False),
    "moved a little": ((box(0.21),), A_LOOK, True),
    "moved a lot": ((box(0.23),), A_LOOK, False),
    "another class": ((box(label="dog"),), A_LOOK, False),
    "one more object": ((box(), box(0.6, 0.6, 0.1)), A_LOOK, False),
    "no object": ((), A_LOOK, False),
}


@pytest.mark.parametrize(("boxes", "look", "together"), PAIRS.values(), ids=PAIRS)
def test_a_burst_needs_the_same_look_and_the_same_objects_in_the_same_places(boxes, look, together):
    leaders = burst_leaders([found(0, box(), look=A_LOOK), found(1, *boxes, look=look)])
    assert leaders.tolist() == [0, 0 if together else 1]


def test_photos_of_a_fixed_camera_with_different_objects_are_no_burst():
    rng = np.random.default_rng(0)
    photos = [
        found(i, box(*rng.uniform(0, 0.8, 2), side=0.15), look=A_LOOK ^ (1 << int(rng.integers(60))))
        for i in range(200)
    ]
    leaders = burst_leaders(photos)
    assert len(set(leaders.tolist())) > 190


def near(first: FoundPhoto, second: FoundPhoto) -> bool:
    """The definition, by trying all ways to pair a photo's few boxes."""
    from itertools import permutations

    def fit(a: FoundBox, b: FoundBox) -> bool:
        return a.label == b.label and bool(iou(np.array([a.xyxy]), np.array([b.xyxy]))[0] >= MIN_IOU)

    return (first.look ^ second.look).bit_count() <= MAX_LOOK_BITS and any(
        len(first.boxes) == len(second.boxes) and all(map(fit, first.boxes, order))
        for order in permutations(second.boxes)
    )


def mixed_photos(rng: np.random.Generator, count: int) -> list[FoundPhoto]:
    """Photos of a few scenes, with looks and boxes that differ a little, so that many are near the limit."""
    photos = []
    for i in range(count):
        scene = int(rng.integers(4))
        look = int(FAR_LOOKS[scene])
        for bit in rng.integers(0, 64, int(rng.integers(0, 4))):
            look ^= 1 << int(bit)
        boxes = [box(0.1 + 0.2 * scene + rng.uniform(-0.02, 0.02), side=0.3, label=str(rng.choice(["cat", "dog"])))]
        boxes += [box(0.5, 0.5, 0.3 + rng.uniform(0, 0.02))] * int(rng.integers(0, 2))
        rng.shuffle(boxes)
        photos.append(found(i, *boxes, look=look))
    return photos


@pytest.mark.parametrize(("count", "small_cell"), [(60, 48), (250, 48), (120, 1)])
def test_bursts_are_those_of_the_definition(monkeypatch, count, small_cell):
    monkeypatch.setattr("training.bursts._SMALL_CELL", small_cell)
    monkeypatch.setattr("training.bursts._BLOCK", 1000)
    photos = mixed_photos(np.random.default_rng(count), count)
    leaders = burst_leaders(photos).tolist()
    joined = 0
    for i, leader in enumerate(leaders):
        friends = [j for j in range(i) if near(photos[i], photos[j])]
        assert (leader == i) == (not friends)
        assert leader == i or leader in {leaders[j] for j in friends}
        joined += leader != i
    assert joined > 20


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60))
def test_later_photos_never_change_the_bursts_of_earlier_ones(seed, count, later):
    photos = mixed_photos(np.random.default_rng(seed), count + later)
    assert burst_leaders(photos)[:count].tolist() == burst_leaders(photos[:count]).tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_adding_photos_moves_none_that_is_placed(seed, whole):
    rng = np.random.default_rng(seed)
    photos = [replace(photo, group=str(rng.choice(["", "camera=1", "camera=2"]))) for photo in mixed_photos(rng, 60)]
    old, new = photos[:30], photos[30:]
    new += [replace(old[0], split="train")]
    first = assign_splits(old).splits
    placed = [replace(photo, split=split) for photo, split in zip(old, first, strict=True)]
    plan = assign_splits(new, placed=placed)
    assert len(plan.splits) == len(new)
    assert plan.splits[-1] == first[0]
    if whole:
        again = assign_splits(old, placed=placed)
        assert again.splits == first


def test_many_added_photos_leave_drawn_ones_where_they_are():
    photos = [found(i) for i in range(1500)]
    assert assign_splits(photos).splits[:500] == assign_splits(photos[:500]).splits


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_new_photo_of_a_placed_burst_follows_it(split):
    old = [replace(photo, split=split) for photo in burst(0, 2)]
    old += [found(i, split=("train", "val", "test")[i % 3]) for i in range(100, 140)]
    new = [replace(burst(0, 3)[2], photo_id="f" * 24), found(200)]
    assert assign_splits(new, placed=old).splits[0] == split


def test_photos_alike_are_those_of_the_definition():
    photos = mixed_photos(np.random.default_rng(5), 90)
    expected = [[j for j in range(i) if near(photos[i], photos[j])] for i in range(30, 90)]
    assert [rows.tolist() for rows in earlier_alike(photos, start=30)] == expected
    assert sum(map(bool, expected)) > 20
    assert earlier_alike(photos, start=90) == earlier_alike([], start=0) == []


FREE = {
    "alone, for train": ("train", (), "train"),
    "alone, for test": ("test", (), "test"),
    "for train, beside train": ("train", ("train",), "train"),
    "for train, beside val": ("train", ("val",), None),
    "for train, beside train and test": ("train", ("train", "test"), None),
    "for test, beside train": ("test", ("train",), "train"),
    "for test, beside val": ("test", ("val",), "val"),
    "for test, beside val and test": ("test", ("val", "test"), "test"),
    "for val, beside train and test": ("val", ("train", "test"), None),
}


@pytest.mark.parametrize(("wanted", "there", "goes"), FREE.values(), ids=FREE)
def test_a_photo_goes_where_nothing_is_learned_from_that_is_judged_by(wanted, there, goes):
    placed = [found(number, box(), look=A_LOOK, split=split) for number, split in enumerate(there)]
    placed.append(found(8, box(label="dog"), look=A_LOOK, split="val"))
    assert free_splits([found(9, box(), look=A_LOOK)], [wanted], placed=placed) == [goes]


def test_an_empty_split_is_said_so():
    assert {note.text for note in assign_splits([found(0, split="train")], placed=[found(1, split="val")]).notes} == {
        "test has no photo"
    }


@pytest.mark.parametrize(("photos", "share"), [(0, 1.0), (1, 1.0), (2, 0.98), (50, 0.196), (200, 0.098)])
def test_more_photos_show_smaller_changes(photos, share):
    assert smallest_visible_change(photos) == pytest.approx(share, abs=1e-3)


def test_visible_changes_count_the_photos_that_hold_a_class():
    images = ImageTable(
        id=np.array(["a", "b", "c"]),
        path=np.array(["a", "b", "c"]),
        width_px=np.full(3, 9),
        height_px=np.full(3, 9),
        split=np.array(["val", "val", "train"]),
    )
    labels = BoxTable(
        id=np.array(list("vwxyz")),
        image=np.array([0, 0, 1, 2, 2]),
        label=np.array([0, 0, 0, 1, 0]),
        xyxy=np.tile([0.1, 0.1, 0.5, 0.5], (5, 1)),
        score=np.ones(5),
    )
    changes = {
        (c.split, c.label): (c.objects, c.photos, c.share) for c in visible_changes(images, labels, ["cat", "dog"])
    }
    assert changes == {
        ("val", "cat"): (3, 2, pytest.approx(0.98)),
        ("val", "dog"): (0, 0, 1.0),
        ("test", "cat"): (0, 0, 1.0),
        ("test", "dog"): (0, 0, 1.0),
    }
