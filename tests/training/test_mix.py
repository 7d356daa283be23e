"""Arms equal by construction: length, real photos, wanted objects, share, epochs."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.boxes import BoxTable, ImageTable
from training.mix import Picture, both_lists, control_list, epochs_for, real_lessons, seen_objects, shown
from training.records import TrainingFile

CLASSES = ("cone", "hat", "vest")


def pictures(counts: list[dict[str, int]], *, synthetic: bool = False) -> list[Picture]:
    kind = "synthetic" if synthetic else "real"
    return [Picture(f"{kind} {k}", f"data/{kind}/{k}.jpg", synthetic, objects) for k, objects in enumerate(counts)]


objects = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 4), max_size=3)
reals = st.lists(objects, min_size=1, max_size=25).map(pictures)
accepteds = st.lists(objects, max_size=25).map(lambda counts: pictures(counts, synthetic=True))
shares = st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20).map(float)


def arms(
    real: list[Picture], accepted: list[Picture], share: float
) -> tuple[list[TrainingFile], list[TrainingFile], dict[str, Picture]]:
    """Make both arms as a first round does."""
    by_id = {picture.picture_id: picture for picture in [*real, *accepted]}
    control, candidate = both_lists(real, [], accepted, max_synthetic_share=share, targets=CLASSES)
    return candidate, control, by_id


def entries(files: list[TrainingFile]) -> int:
    return sum(file.times for file in files)


@given(reals, accepteds, shares)
def test_both_arms_have_the_same_length_and_show_every_real_photo(
    real: list[Picture], accepted: list[Picture], share: float
) -> None:
    candidate, control, _ = arms(real, accepted, share)
    assert entries(control) == entries(candidate)
    for arm in (candidate, control):
        assert {file.picture_id for file in arm} >= {picture.picture_id for picture in real}
        assert len({file.picture_id for file in arm}) == len(arm)


@given(reals, accepteds, shares)
def test_the_control_holds_real_photos_only(real: list[Picture], accepted: list[Picture], share: float) -> None:
    candidate, control, _ = arms(real, accepted, share)
    assert not any(file.synthetic for file in control)
    assert [file.picture_id for file in control] == [picture.picture_id for picture in real]
    assert [file.picture_id for file in candidate if file.synthetic] == [
        picture.picture_id for picture in accepted[: entries(candidate) - len(real)]
    ]


@given(reals, accepteds, shares)
def test_the_synthetic_share_is_at_its_limit_and_never_above(
    real: list[Picture], accepted: list[Picture], share: float
) -> None:
    candidate, _, _ = arms(real, accepted, share)
    exact = Fraction(share).limit_denominator(20)
    synthetic = sum(file.synthetic for file in candidate)
    assert Fraction(synthetic, len(candidate)) <= exact
    one_more = Fraction(synthetic + 1, len(candidate) + 1)
    assert synthetic == len(accepted) or one_more > exact


@given(reals, accepteds, shares)
def test_wanted_objects_are_seen_as_often_in_the_control_where_there_is_room(
    real: list[Picture], accepted: list[Picture], share: float
) -> None:
    candidate, control, by_id = arms(real, accepted, share)
    goal, seen = seen_objects(candidate, by_id), seen_objects(control, by_id)
    plain = seen_objects([shown(picture, times=1) for picture in real], by_id)
    wanted = {label for label in goal if goal[label] > plain.get(label, 0)}
    held = {label for picture in real for label in picture.objects}
    if any(seen[label] < goal[label] for label in wanted & held):  # then no entry went to a photo without wanted ones
        assert all(wanted & by_id[file.picture_id].objects.keys() for file in control if file.times > 1)


@given(reals, accepteds, accepteds, shares)
def test_pictures_of_earlier_rounds_are_in_both_arms_and_new_ones_in_the_candidate_alone(
    real: list[Picture], new: list[Picture], earlier: list[Picture], share: float
) -> None:
    old = [replace(picture, picture_id=f"old {number}") for number, picture in enumerate(earlier)]
    control, candidate = both_lists(real, old, new, max_synthetic_share=share, targets=CLASSES)
    shown_by = [{file.picture_id for file in arm if file.synthetic} for arm in (control, candidate)]
    assert entries(control) == entries(candidate)
    assert shown_by[1] - shown_by[0] == {picture.picture_id for picture in new[: len(shown_by[1] - shown_by[0])]}
    assert shown_by[0] <= shown_by[1]
    assert len(shown_by[1]) == min(len(old) + len(new), int(len(real) * share / (1 - share) + 1e-9))
    assert not shown_by[0] or len(shown_by[1] - shown_by[0]) == len(new), "new pictures come first"
    assert all(file.times == 1 for file in control if file.synthetic), "real photos alone are repeated"


def test_photos_with_wanted_objects_are_repeated_until_they_are_enough_then_all_in_turn() -> None:
    real = pictures([{"hat": 1}, {"cone": 2}, {"vest": 1}, {"cone": 1}])
    control = control_list(real, length=10, wanted={"cone": 5})
    # 1, 3 (3 cones), 1 (5 cones): enough. Three entries are left for all photos in turn.
    assert [file.times for file in control] == [2, 4, 2, 2]


def test_the_rarest_wanted_class_is_served_first() -> None:
    real = pictures([{"cone": 3}, {"cone": 2}, {"spill": 1}])
    control = control_list(real, length=8, wanted={"cone": 9, "spill": 4})
    assert [file.times for file in control] == [2, 1, 5]


def test_with_too_little_room_all_of_it_goes_to_wanted_objects() -> None:
    real = pictures([{"hat": 1}, {"cone": 1}, {"cone": 1}])
    assert [file.times for file in control_list(real, length=6, wanted={"cone": 9})] == [1, 3, 2]


def test_a_wanted_class_that_no_real_photo_holds_ends_in_plain_repetition() -> None:
    real = pictures([{"hat": 1}, {}])
    assert [file.times for file in control_list(real, length=5, wanted={"cone": 3})] == [3, 2]


@pytest.mark.parametrize("wanted", [{}, {"cone": 0}, {"cone": -2}])
def test_nothing_wanted_repeats_all_photos_in_turn(wanted: dict[str, int]) -> None:
    real = pictures([{"cone": 1}, {"hat": 1}])
    assert [file.times for file in control_list(real, length=3, wanted=wanted)] == [2, 1]


@given(reals, accepteds, shares)
def test_the_same_pictures_give_the_same_arms(real: list[Picture], accepted: list[Picture], share: float) -> None:
    assert arms(real, accepted, share) == arms(real, accepted, share)


def test_objects_are_counted_as_often_as_they_are_shown() -> None:
    real = pictures([{"hat": 2, "cone": 1}, {"hat": 1}])
    files = [shown(real[0], times=3), shown(real[1], times=2)]
    assert seen_objects(files, {picture.picture_id: picture for picture in real}) == {"cone": 3, "hat": 8}


@given(st.integers(1, 5000), st.integers(1, 128), st.integers(1, 5000))
def test_epochs_are_the_most_that_keep_within_the_updates_but_at_least_one(length: int, batch: int, limit: int) -> None:
    epochs = epochs_for(length, batch=batch, max_updates=limit)
    updates_of_one = -(-length // batch)
    assert epochs >= 1
    assert epochs == 1 or epochs * updates_of_one <= limit
    assert (epochs + 1) * updates_of_one > limit


@given(st.lists(st.lists(st.integers(0, 2), max_size=3), min_size=1, max_size=6), st.data())
def test_an_entry_has_the_labels_of_its_photo_under_the_learners_numbers(
    held: list[list[int]], luck: st.DataObject
) -> None:
    count = len(held)
    images = ImageTable(
        id=np.array([f"photo{number}" for number in range(count)]),
        path=np.array(["p.jpg"] * count),
        width_px=np.full(count, 10),
        height_px=np.full(count, 10),
        split=np.array(["train"] * count),
    )
    rows = luck.draw(st.permutations([(photo, label) for photo, labels in enumerate(held) for label in labels]))
    left = np.linspace(0.1, 0.5, len(rows))
    labels = BoxTable(
        id=np.arange(len(rows)).astype("<U24"),
        image=np.array([photo for photo, _ in rows], np.int64),
        label=np.array([label for _, label in rows], np.int64),
        xyxy=np.stack([left, left, left + 0.1, left + 0.1], axis=1).reshape(-1, 4),
        score=np.ones(len(rows)),
    )
    order = luck.draw(st.permutations(range(count)))
    files = [TrainingFile(picture_id=f"photo{number}", path="p.jpg", synthetic=False, times=2) for number in order]
    lessons = real_lessons(files, images, labels, number_of=np.array([2, 0, 1]))
    assert [lesson.file for lesson in lessons] == files
    for photo, lesson in zip(order, lessons, strict=True):
        mine = labels.image == photo
        assert lesson.labels.tolist() == [[2, 0, 1][label] for label in labels.label[mine]]
        assert lesson.xyxy.tolist() == labels.xyxy[mine].tolist()
        assert lesson.digest == f"photo{photo}"
