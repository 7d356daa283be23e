"""Labels that come back: who is who by bytes, what people changed, and where each photo goes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from curation.handoff import changed_format, hand_off
from curation.imports import Import, Returned, imports_of, placed, tables_of, take_in
from curation.ledger import CONFIG_NAME, Ledger
from curation.returned import MAX_CORNER_SHIFT, Selected, settle, split_of_pick
from curation.select_wiring import add
from curation.selection import Pick
from curation.selections import selected_of
from tests.curation.small_selections import CLASSES, selected
from tests.training.photo_folders import lay_out, photo, yolo
from training.bursts import MAX_LOOK_BITS, MIN_IOU
from training.dataset import read_source
from training.errors import DataError
from training.files import digest_of
from training.source import FoundBox, FoundPhoto, Refusal, Source
from training.splits import assign_splits


@pytest.fixture
def given(tmp_path: Path) -> Selected:
    return selected(tmp_path, count=6, at_random=2, bare=1)


def back(given: Selected, name: str = "coco") -> Source:
    """The photos of a selection as they went out, under other names."""
    boxes = [
        tuple(
            FoundBox(CLASSES[label], tuple(corners))
            for label, corners in zip(own.label.tolist(), own.xyxy.tolist(), strict=True)
        )
        for row in range(len(given.picks))
        for own in [given.prelabels.take(given.prelabels.image == row)]
    ]
    photos = [found(pick.photo_id, f"renamed{row}.jpg", boxes[row]) for row, pick in enumerate(given.picks)]
    return source_of(photos, name)


def found(photo_id: str, name: str, boxes: Sequence[FoundBox]) -> FoundPhoto:
    return FoundPhoto(
        Path("/somewhere/images") / name, photo_id, 40, 30, "val", "", int(photo_id[:12], 16), tuple(boxes)
    )


def source_of(photos: Sequence[FoundPhoto], name: str = "coco", refusals: Sequence[Refusal] = ()) -> Source:
    return Source(name, tuple(photos), (*CLASSES, "typo"), tuple(refusals), len(photos))  # type: ignore[arg-type]


def changed(source: Source, row: int, *boxes: FoundBox) -> Source:
    """The source with other boxes on one photo."""
    photos = list(source.photos)
    photos[row] = replace(photos[row], boxes=boxes)
    return replace(source, photos=tuple(photos))


def settled(
    source: Source, *selections: Selected, known: Sequence[str] = (), may: bool = False
) -> tuple[Source, Returned | None]:
    there = [replace(photo, split="train") for photo in source.photos if photo.photo_id in known]
    return settle(
        source, selections, classes=CLASSES, placed=there, by="Ada", at="2026-01-02T03:04:05+00:00", allow_untouched=may
    )


def counted(source: Source, *selections: Selected, **rest: object) -> Returned:
    _, returned = settled(source, *selections, **rest)  # type: ignore[arg-type]
    assert returned is not None
    return returned


DRAWN = FoundBox("cat", (0.1, 0.1, 0.2, 0.2))


# --- who is who ---


def test_photos_of_no_selection_are_an_import_like_any_other(given: Selected) -> None:
    source = source_of([found("f" * 24, "new.jpg", [DRAWN])])
    assert settled(source, given) == (source, None)
    assert settled(source) == (source, None)


def test_selected_photos_are_known_by_their_bytes_and_placed_whatever_the_folder_says(given: Selected) -> None:
    source, returned = settled(changed(back(given), 0, DRAWN), given)
    splits = [photo.split for photo in source.photos]
    assert splits[:4] == ["train"] * 4, "the folder said val"
    assert set(splits[4:]) <= {"val", "test"}
    assert returned is not None
    assert returned.into == {split: splits.count(split) for split in ("train", "val", "test")}
    assert (returned.by, returned.at) == ("Ada", "2026-01-02T03:04:05+00:00")


def drawn(number: int) -> Pick:
    return Pick(photo_id=digest_of(number), path="p", name=f"n{number}", kind="random", reason="drawn")


def test_half_of_the_random_photos_go_to_val_and_half_to_test_and_never_move() -> None:
    splits = [split_of_pick(drawn(number)) for number in range(2000)]
    assert 900 < splits.count("val") < 1100
    assert splits.count("val") + splits.count("test") == 2000
    assert splits == [split_of_pick(drawn(number)) for number in range(2000)]


@pytest.mark.parametrize("kind", ["finding", "uncertain", "likely miss", "diverse"])
def test_what_was_picked_for_a_reason_never_goes_to_val_or_test(kind: str) -> None:
    picks = [Pick(photo_id=digest_of(n), path="p", name="n", kind=kind, reason="r") for n in range(50)]  # type: ignore[arg-type]
    assert {split_of_pick(pick) for pick in picks} == {"train"}


def scene(rng: np.random.Generator, number: int) -> FoundPhoto:
    """A photo of one of two scenes, each with looks and objects that differ a little: some pairs are alike."""
    place = int(rng.integers(2))
    look = int(digest_of(["scene", place])[:15], 16)
    for bit in rng.integers(0, 64, int(rng.integers(0, 5))):
        look ^= 1 << int(bit)
    boxes = (FoundBox("dog", (0.1, 0.1, 0.5, 0.5 + rng.uniform(0, 0.06))),) * (1 - place)
    return replace(found(digest_of(["scene", number]), f"{number}.jpg", boxes), look=look, split=None)


def alike(first: FoundPhoto, second: FoundPhoto) -> bool:
    """The definition of a burst, for photos with at most one box of one class, which differ in their lower side."""
    sides = [[box.xyxy[3] - box.xyxy[1] for box in photo.boxes] for photo in (first, second)]
    near = (first.look ^ second.look).bit_count() <= MAX_LOOK_BITS and len(sides[0]) == len(sides[1])
    return near and all(min(pair) >= MIN_IOU * max(pair) for pair in zip(*sides, strict=True))


def picked(given: Selected, photos: Sequence[FoundPhoto], rng: np.random.Generator) -> Selected:
    """A selection of photos without pre-labels, about half of them drawn at random."""
    picks = tuple(
        Pick.model_validate(
            {
                "photo_id": photo.photo_id,
                "path": "p",
                "name": "n",
                "reason": "r",
                "kind": rng.choice(["random", "diverse"]),
            }
        )
        for photo in photos
    )
    return replace(given, picks=picks, prelabels=given.prelabels.take(np.zeros(0, np.int64)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@hypothesis.given(seed=st.integers(0, 2**32))
def test_whatever_comes_back_no_photo_of_val_or_test_is_a_near_copy_of_one_of_train(given: Selected, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = [scene(rng, number) for number in range(30)]
    splits = assign_splits(photos[:6]).splits
    there = [replace(photo, split=split) for photo, split in zip(photos[:6], splits, strict=True)]
    selections = [picked(given, photos[6:18], rng), picked(given, photos[18:], rng)]
    kinds = {pick.photo_id: pick.kind for each in selections for pick in each.picks}
    for part in np.split(rng.permutation(np.arange(6, 30)), np.sort(rng.integers(0, 25, 3))):
        if not len(part):
            continue
        source = source_of([photos[row] for row in part])
        try:
            left, _ = settle(source, selections, classes=CLASSES, placed=there, by="", at="", allow_untouched=True)
        except DataError:
            continue  # none has a place
        plan = assign_splits(left.photos, placed=there)
        assert len(left.photos) + len(left.refusals) == len(part), "each is placed or listed"
        new = [replace(photo, split=split) for photo, split in zip(left.photos, plan.splits, strict=True)]
        there += new
        for one in new:
            beside = {other.split for other in there if other is not one and alike(one, other)}
            if kinds[one.photo_id] != "random":
                assert one.split == "train"
            elif not beside:
                pick = Pick(photo_id=one.photo_id, path="p", name="n", kind="random", reason="r")
                assert one.split == split_of_pick(pick)
            assert one.split == "train" or "train" not in beside
            assert one.split != "train" or not beside - {"train"}


# --- what people changed ---

DOG, CAT = FoundBox("dog", (0.25, 0.25, 0.5, 0.75)), FoundBox("cat", (0.6, 0.1, 0.9, 0.4))


def moved(box: FoundBox, by: float) -> FoundBox:
    x1, y1, x2, y2 = box.xyxy
    return FoundBox(box.label, (x1 + by, y1, x2, y2))


@pytest.mark.parametrize(
    ("boxes", "untouched", "is_touched"),
    [
        pytest.param([DOG, CAT], 2, False, id="as they were"),
        pytest.param([CAT, DOG], 2, False, id="in another order"),
        pytest.param([moved(DOG, MAX_CORNER_SHIFT / 2), CAT], 2, False, id="rounded by a tool"),
        pytest.param([moved(DOG, MAX_CORNER_SHIFT * 3), CAT], 1, True, id="moved"),
        pytest.param([FoundBox("cat", DOG.xyxy), CAT], 1, True, id="another class"),
        pytest.param([DOG], 1, True, id="deleted"),
        pytest.param([DOG, CAT, DRAWN], 2, True, id="one drawn"),
        pytest.param([], 0, True, id="all deleted"),
    ],
)
def test_a_box_is_untouched_when_class_and_corners_are(
    given: Selected, boxes: list[FoundBox], untouched: int, is_touched: bool
) -> None:
    returned = counted(changed(back(given), 1, *boxes), given, may=True)
    assert (returned.photos, returned.prelabels) == (6, 10)
    assert returned.untouched == 8 + untouched
    assert returned.untouched_photos == 6 - is_touched


def test_an_object_drawn_where_nothing_was_seen_is_a_change(given: Selected) -> None:
    returned = counted(changed(back(given), 5, DRAWN), given)
    assert (returned.untouched, returned.untouched_photos) == (10, 5)


def test_classes_are_compared_by_name_when_the_workspace_has_learned_more_since(given: Selected) -> None:
    _, returned = settle(
        back(given), [given], classes=("ant", "cat", "dog"), placed=(), by="", at="", allow_untouched=True
    )
    assert returned is not None
    assert returned.untouched == returned.prelabels == 10


def test_a_folder_in_which_nobody_changed_anything_is_refused(given: Selected) -> None:
    with pytest.raises(DataError, match="nobody changed a pre-label of the 6 photos") as caught:
        settled(back(given), given)
    assert "--allow-bad" in caught.value.hint
    assert counted(back(given), given, may=True).untouched_photos == 6


def test_a_stray_photo_does_not_hide_that_nobody_changed_anything(given: Selected) -> None:
    stray = found("f" * 24, "stray.jpg", [DRAWN])
    source = replace(back(given), photos=(*back(given).photos, stray))
    with pytest.raises(DataError, match="nobody changed a pre-label of the 6 photos"):
        settled(source, given)
    assert counted(source, given, may=True).untouched_photos == 6


def test_a_photo_that_is_refused_for_what_people_did_to_it_shows_that_they_worked(given: Selected) -> None:
    returned = counted(changed(back(given), 0, FoundBox("dgo", DOG.xyxy)), given)
    assert (returned.photos, returned.untouched_photos) == (5, 5)


def test_photos_that_come_back_without_a_single_label_are_asked_about(given: Selected) -> None:
    source = back(given)
    for row in range(6):
        source = changed(source, row)
    with pytest.raises(DataError, match="the 6 photos of selections came back without a single label") as caught:
        settled(source, given)
    assert "--allow-bad" in caught.value.hint
    assert counted(source, given, may=True).photos == 6
    assert counted(changed(source, 3, DOG), given).photos == 6


def test_photos_that_were_taken_in_before_are_not_counted_again(given: Selected) -> None:
    known = [pick.photo_id for pick in given.picks[:5]]
    returned = counted(changed(back(given), 5, DRAWN), given, known=known)
    assert (returned.photos, returned.untouched_photos, returned.prelabels) == (1, 0, 0)
    _, nothing = settled(back(given), given, known=[pick.photo_id for pick in given.picks])
    assert nothing is None


def test_photos_of_two_selections_come_back_in_one_folder(tmp_path: Path, given: Selected) -> None:
    other = selected(tmp_path, count=2, at_random=0, number=2, first_seed=700)
    source = replace(back(given), photos=back(given).photos + back(other).photos)
    returned = counted(changed(source, 0, DRAWN), given, other)
    assert (returned.selections, returned.photos, returned.photos_of) == ((1, 2), 8, (6, 2))


def test_photos_that_lost_all_boxes_are_counted_for_people_to_look_at(given: Selected) -> None:
    said = "photos that came back without a label, but went out with pre-labels: 2"
    assert counted(changed(changed(back(given), 0), 2), given).notes == (said,)
    assert counted(changed(back(given), 0, DOG), given).notes == ()


# --- what is refused ---


def test_a_photo_with_a_class_that_is_unknown_is_refused_whole_and_the_rest_goes_in(given: Selected) -> None:
    source = changed(back(given), 0, FoundBox("dgo", DOG.xyxy), FoundBox("dgo", CAT.xyxy), CAT)
    source = replace(source, classes=("dog", "cat", "dgo"))
    left, returned = settled(source, given)
    assert [photo.path.name for photo in left.photos] == [f"renamed{row}.jpg" for row in range(1, 6)]
    assert left.classes == ("dog", "cat"), "a slip of the pen is no new class"
    assert [(each.file, each.kind, each.lost) for each in left.refusals] == [("renamed0.jpg", "unknown class", "photo")]
    assert returned is not None
    (note,) = returned.notes
    assert "'dgo'" in note
    assert "does not know: 2, so photos refused: 1" in note
    assert note.endswith("did you mean 'dog'?")


def test_a_class_like_no_other_is_answered_with_those_that_are_known(given: Selected) -> None:
    returned = counted(changed(back(given), 0, FoundBox("zeppelin", DOG.xyxy)), given)
    assert returned.notes[0].endswith("known are dog, cat")


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        pytest.param("yolo", "unknown class: number 7", id="a number of YOLO"),
        pytest.param("coco", "unknown class: category 7 (annotation 1)", id="a category of COCO"),
        pytest.param("voc", "not a class name: ''", id="an empty name"),
    ],
)
def test_a_label_whose_class_has_no_name_refuses_its_photo_too(given: Selected, layout: str, reason: str) -> None:
    lost = Refusal("any.file", 1, reason, "label", given.picks[2].photo_id)
    left, returned = settled(replace(back(given, layout), refusals=(lost,)), given)
    assert "renamed2.jpg" not in {photo.path.name for photo in left.photos}
    assert len(left.photos) == 5
    assert returned is not None
    assert returned.notes[0].endswith("does not name its class: renamed2.jpg")


def test_a_label_that_is_lost_for_another_reason_leaves_its_photo(given: Selected) -> None:
    lost = Refusal("any.file", 1, "box without an area: corners 0, 0, 0, 0", "label", given.picks[2].photo_id)
    source = replace(changed(back(given), 0, DRAWN), refusals=(lost,))
    assert len(settled(source, given)[0].photos) == 6


def test_one_photo_with_two_label_sets_is_refused_and_listed(given: Selected) -> None:
    source = back(given)
    again = replace(source.photos[3], path=Path("/somewhere/again.jpg"), boxes=(DRAWN,))
    left, returned = settled(replace(source, photos=(*source.photos, again)), given)
    assert len(left.photos) == 5
    assert {each.file for each in left.refusals} == {"renamed3.jpg", "again.jpg"}
    assert returned is not None
    assert "labelled twice, differently: again.jpg, renamed3.jpg" in returned.notes[0]


def test_one_photo_twice_with_the_same_labels_is_one_photo(given: Selected) -> None:
    source = changed(back(given), 0, DRAWN)
    again = replace(source.photos[3], path=Path("/somewhere/again.jpg"), boxes=source.photos[3].boxes[::-1])
    left, returned = settled(replace(source, photos=(*source.photos, again)), given)
    assert left.refusals == ()
    assert returned is not None
    assert returned.photos == 6


@pytest.mark.parametrize(
    ("strangers", "refused"),
    [pytest.param(5, 5, id="fewer than the selected"), pytest.param(6, 0, id="half"), pytest.param(20, 0, id="most")],
)
def test_photos_that_were_never_selected_are_refused_where_most_were(
    given: Selected, strangers: int, refused: int
) -> None:
    others = [found(digest_of(n), f"other{n:02}.jpg", [FoundBox("typo", DRAWN.xyxy)]) for n in range(strangers)]
    source = changed(back(given), 0, DRAWN)
    left, returned = settled(replace(source, photos=(*source.photos, *others)), given)
    assert len(left.photos) == 6 + strangers - refused
    assert sum(each.kind == "not of a selection" for each in left.refusals) == refused
    assert ("typo" in left.classes) == (refused == 0), "an ordinary import may bring a class"
    assert returned is not None
    assert returned.photos == 6
    assert all(photo.split == "val" for photo in left.photos if photo.path.name.startswith("other"))


def test_photos_that_the_workspace_has_are_no_strangers(given: Selected) -> None:
    source = changed(back(given), 0, DRAWN)
    known = found("e" * 24, "known.jpg", [DRAWN])
    left, returned = settled(replace(source, photos=(*source.photos, known)), given, known=["e" * 24])
    assert left.refusals == ()
    assert len(left.photos) == 7
    assert returned is not None
    assert returned.photos == 6


def test_where_nothing_can_be_taken_it_is_said_why(given: Selected) -> None:
    source = replace(back(given), photos=back(given).photos[:1])
    with pytest.raises(DataError, match=r"no photo of the source can be taken.*'typo'") as caught:
        settled(changed(source, 0, FoundBox("typo", DOG.xyxy)), given)
    assert caught.value.hint


# --- through an import ---


def import_of(root: Path, source: Source, returned: Returned | None = None) -> Import:
    earlier = imports_of(root)
    plan = assign_splits(source.photos, placed=placed(root, earlier))
    return take_in(
        root, source, plan, earlier=earlier, dataset="test", name="x", drawn=False, model=None, returned=returned
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    import_of(tmp_path, read_source(lay_out(tmp_path / "first", yolo())))
    return tmp_path


def labelled_folder(root: Path, given: Selected, name: str = "labelled") -> Path:
    files: dict[str, bytes | str] = {"data.yaml": "train: images\nnames: [dog, cat]\n"}
    for row, pick in enumerate(given.picks):
        files[f"images/q{row}.jpg"] = (root / pick.path).read_bytes()
        files[f"labels/q{row}.txt"] = "1 0.5 0.5 0.2 0.4\n"
    return lay_out(root / name, files)


def test_what_came_back_is_kept_with_the_import_and_split_as_it_was_settled(root: Path) -> None:
    given = selected(root)
    source, returned = settled(read_source(labelled_folder(root, given)), *selected_of(root))
    brought = import_of(root, source, returned)
    assert brought.returned == returned == imports_of(root)[-1].returned
    assert returned is not None
    assert brought.photos == returned.into
    assert brought.photos["train"] == 4


def test_an_import_of_an_older_version_still_reads(root: Path) -> None:
    path = root / "data" / "imports" / "001.json"
    path.write_text(path.read_text().replace('  "returned": null,\n', ""))
    assert "returned" not in path.read_text()
    assert imports_of(root)[0].returned is None


def test_photos_that_come_a_second_time_keep_their_first_labels_and_it_is_said(root: Path) -> None:
    given = selected(root)
    source, returned = settled(read_source(labelled_folder(root, given)), given)
    import_of(root, source, returned)
    folder = labelled_folder(root, given, "again")
    lay_out(folder, {"images/more.jpg": photo(900), "labels/more.txt": "0 0.5 0.5 0.1 0.1\n"})
    brought = import_of(root, read_source(folder))
    assert sum(brought.photos.values()) == 1
    assert "photos that the workspace has already, whose labels there stay: 6" in brought.notes


def test_notes_of_what_was_refused_are_notes_of_the_import(root: Path) -> None:
    given = selected(root)
    folder = labelled_folder(root, given)
    lay_out(folder, {"data.yaml": "train: images\nnames: [dog, cat, hose]\n", "labels/q0.txt": "2 0.5 0.5 0.2 0.2\n"})
    source, returned = settled(read_source(folder), given)
    brought = import_of(root, source, returned)
    assert any("'hose'" in note for note in brought.notes)
    assert brought.classes == ("dog", "cat")
    assert [item.file for item in brought.refused] == ["q0.jpg"]


def test_prelabels_are_of_photo_rows_whatever_their_order(given: Selected) -> None:
    order = np.arange(len(given.prelabels))[::-1]
    mixed = replace(given, prelabels=given.prelabels.take(order))
    assert counted(changed(back(given), 5, DRAWN), mixed) == counted(changed(back(given), 5, DRAWN), given)


def test_a_folder_goes_out_is_corrected_and_comes_back(root: Path) -> None:
    given = selected(root)
    hand_off(root, given, root / "out")
    label = next((root / "out" / "labels").iterdir())
    label.write_text(label.read_text().splitlines()[0] + "\n")
    source, returned = settled(read_source(root / "out", changed_format(root / "out")), given)
    brought = import_of(root, source, returned)
    assert returned is not None
    assert (returned.photos, returned.prelabels, returned.untouched, returned.untouched_photos) == (6, 12, 11, 5)
    assert (brought.objects, brought.refused, brought.format) == (11, (), "yolo")


def test_near_copies_of_what_the_workspace_has_go_where_nothing_leaks(root: Path) -> None:
    given = selected(root)
    files: dict[str, bytes | str] = {"data.yaml": "train: images/train\nval: images/val\nnames: [dog, cat]\n"}
    for split, row in (("val", 0), ("train", 4)):
        files[f"images/{split}/copy.jpg"] = (root / given.picks[row].path).read_bytes() + b"\0"
        files[f"labels/{split}/copy.txt"] = "1 0.5 0.5 0.2 0.4\n"
    import_of(root, read_source(lay_out(root / "copies", files)))
    (root / CONFIG_NAME).touch()
    folder = labelled_folder(root, given)

    brought = add(Ledger(root, lambda: 0.0), str(folder), format=None, allow_bad=False, by="Ada")

    images, _ = tables_of(root, brought)
    split_of = dict(zip(images.id.tolist(), images.split.tolist(), strict=True))
    assert [split_of.get(pick.photo_id) for pick in given.picks[:5]] == [None, *["train"] * 4]
    assert split_of[given.picks[5].photo_id] == split_of_pick(given.picks[5])
    assert [(each.file, each.lost) for each in brought.refused] == [("q0.jpg", "photo")]
    assert "photos left out, since train and val or test would hold nearly the same: q0.jpg" in brought.notes
    assert brought.returned is not None
    assert brought.returned.into == brought.photos


def test_two_drawn_near_copies_go_to_one_split(given: Selected) -> None:
    first = next(n for n in range(99) if split_of_pick(drawn(n)) == "val")
    second = next(n for n in range(99) if split_of_pick(drawn(n)) == "test")
    both = replace(given, picks=(drawn(first), drawn(second)))
    photos = [replace(found(pick.photo_id, f"{pick.name}.jpg", [DRAWN]), look=7) for pick in both.picks]
    left, _ = settled(source_of(photos), both)
    assert len(left.photos) == 2
    assert len({photo.split for photo in left.photos}) == 1
    apart = [replace(photo, look=look) for photo, look in zip(photos, (0, 2**40 - 1), strict=True)]
    assert [photo.split for photo in settled(source_of(apart), both)[0].photos] == ["val", "test"]


def test_a_split_that_the_folder_gives_its_other_photos_is_heeded(given: Selected) -> None:
    source = changed(back(given), 0, DRAWN)
    others = [found(digest_of(n), f"other{n:02}.jpg", [DOG]) for n in range(7)]
    others[0] = replace(others[0], look=source.photos[0].look, boxes=(DRAWN,))
    left, _ = settled(replace(source, photos=(*source.photos, *others)), given)
    assert [each.file for each in left.refusals] == ["renamed0.jpg"], "it is like a photo of val"
    assert len(left.photos) == 12
    untouched = replace(others[0], boxes=back(given).photos[0].boxes)
    with pytest.raises(DataError, match="nobody changed"):
        settled(replace(back(given), photos=(*back(given).photos, untouched)), given)
