"""What was forgotten since earlier rounds."""

from typing import Any

import numpy as np
import pytest

from curation.diagnose import Column, ErrorTable
from curation.forgetting import Group, PastChampion, Sightings, groups_of, losses
from curation.records import Condition, Finding
from training.boxes import Bools
from training.records import Interval

OBJECTS = 120


def half(found_share_first: float, found_share_second: float = 0.5) -> Bools:
    """Find a share of the cones (first half of the rows) and of the hats (second half)."""
    row = np.arange(OBJECTS)
    cones = row < OBJECTS // 2
    return np.where(cones, row < found_share_first * 60, row - 60 < found_share_second * 60)


def table(found: Bools | None = None) -> ErrorTable:
    row = np.arange(OBJECTS)
    return ErrorTable(
        id=np.array([f"label{number:03d}" for number in row]),
        photo=row % 40,
        label=(row >= OBJECTS // 2).astype(np.int64),
        found=half(0.5) if found is None else found,
        columns=(
            Column("class", ("cone", "hat", "vest"), (row >= OBJECTS // 2).astype(np.int16), "label"),
            Column("light", ("dark", "day"), (row % 2).astype(np.int16), "photo"),
            Column("look", ("cluster 1", "cluster 2"), (row % 2).astype(np.int16), "cluster"),
        ),
    )


def past(
    number: int, model_id: str, found: Bools, *, keep: Bools | slice = slice(None), order: int = 1
) -> PastChampion:
    ids = table().id[keep][::order]
    return PastChampion(number, model_id, Sightings(ids, found[keep][::order]))


def finding(**conditions: str) -> Finding:
    interval = Interval(value=0.3, low=0.1, high=0.5, photos=20)
    given: dict[str, Any] = {
        "finding_id": str(conditions), "origin": "pre-specified", "tested_on": "val", "label": None, "size": None,
        "conditions": tuple(Condition(column=name, value=value) for name, value in conditions.items()),
        "versus": "the rest", "words": f"objects, {conditions}", "status": "confirmed", "objects": 40, "photos": 20,
        "recall": 0.5, "recall_rest": 0.8, "effect": interval, "p": 0.001, "q": 0.01, "gain": 0.1, "missed": {},
        "objects_to_settle": None, "evidence": (), "view": "",
    }  # fmt: skip
    return Finding.model_validate(given)


CLASSES = groups_of(table(), [])


def test_a_class_that_an_earlier_champion_found_better_is_a_loss_with_its_round() -> None:
    (loss,) = losses(table(half(0.3)), "now", [past(2, "before", half(0.9))], CLASSES)
    assert (loss.words, loss.since_round) == ("cone", 2)
    assert (loss.before, loss.now) == pytest.approx((0.9, 0.3))
    assert loss.change.value == pytest.approx(-0.6)
    assert loss.change.high < 0


def test_the_order_of_the_earlier_labels_does_not_matter() -> None:
    straight, turned = (
        losses(table(half(0.3)), "now", [past(2, "before", half(0.9), order=order)], CLASSES) for order in (1, -1)
    )
    assert straight == turned


NO_LOSS = {
    "better than before": (0.9, "before", 0.3),
    "a little worse": (0.5, "before", 0.55),
    "the same model": (0.3, "now", 0.9),
}


@pytest.mark.parametrize("name", NO_LOSS)
def test_what_is_not_demonstrably_worse_than_another_model_is_no_loss(name: str) -> None:
    now, model_id, before = NO_LOSS[name]
    assert losses(table(half(now)), "now", [past(1, model_id, half(before))], CLASSES) == []


def test_of_several_earlier_champions_the_one_that_is_furthest_ahead_is_named() -> None:
    earlier = [past(1, "first", half(0.7)), past(2, "second", half(1.0)), past(3, "third", half(0.8))]
    (loss,) = losses(table(half(0.2)), "now", earlier, CLASSES)
    assert loss.since_round == 2


def test_a_model_that_was_champion_of_several_rounds_is_compared_once_and_by_its_last_round() -> None:
    earlier = [past(number, "first", half(0.9)) for number in (3, 1, 2)]
    (loss,) = losses(table(half(0.3)), "now", earlier, CLASSES)
    assert loss.since_round == 3
    (alone,) = losses(table(half(0.3)), "now", earlier[:1], CLASSES)
    assert loss.change == alone.change


def test_only_objects_that_both_rounds_hold_are_compared() -> None:
    keep = np.arange(OBJECTS) < 30  # the earlier round held the first half of the cones alone
    (loss,) = losses(table(half(0.1)), "now", [past(1, "before", half(1.0), keep=keep)], CLASSES)
    assert (loss.before, loss.now) == pytest.approx((1.0, 6 / 30))
    nothing_shared = PastChampion(1, "before", Sightings(np.array(["another"]), np.array([True])))
    assert losses(table(half(0.1)), "now", [nothing_shared], CLASSES) == []


def test_a_group_on_too_few_photos_is_not_compared() -> None:
    for photos, count in ((5, 0), (6, 1)):
        group = Group("rare", np.isin(table().photo, np.arange(photos)))
        none, everything = np.zeros(OBJECTS, np.bool_), np.ones(OBJECTS, np.bool_)
        assert len(losses(table(none), "now", [past(1, "before", everything)], [group])) == count


def test_the_more_is_compared_the_more_it_takes() -> None:
    before, now = half(0.62), half(0.5)
    group = CLASSES[0]
    assert len(losses(table(now), "now", [past(1, "before", before)], [group])) == 1
    others = [Group(f"other {number}", table().label == 1) for number in range(400)]
    assert losses(table(now), "now", [past(1, "before", before)], [group, *others]) == []


def test_by_chance_alone_hardly_anything_is_a_loss() -> None:
    rng = np.random.default_rng(1)
    worlds = 200
    groups = groups_of(table(), [finding(light="dark"), finding(light="day")])
    false = 0
    for _ in range(worlds):
        easy = rng.normal(0, 1, 40)[table().photo]
        sight = [easy + rng.normal(0, 1, OBJECTS) > 0 for _ in range(4)]
        earlier = [past(number, f"model {number}", found) for number, found in enumerate(sight[1:], 1)]
        false += bool(losses(table(sight[0]), "now", earlier, groups))
    assert false / worlds <= 0.05


def test_groups_are_the_classes_and_confirmed_slices_that_today_can_be_told() -> None:
    dark = finding(light="dark")
    given = [
        dark, dark, finding(**{"class": "cone"}), finding(look="cluster 1"), finding(mud="much"),
        finding(light="day").model_copy(update={"status": "open"}),
    ]  # fmt: skip
    groups = groups_of(table(), given)
    assert [group.words for group in groups] == ["cone", "hat", dark.words]
    assert groups[2].inside.sum() == OBJECTS // 2
