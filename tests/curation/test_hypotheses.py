"""What is tested, on which objects, and what is left out."""

import numpy as np
import pytest

from curation.diagnose import ErrorTable
from curation.halves import halves
from curation.hypotheses import MAX_CLUSTERS, Hypothesis, Proposal, hypotheses, prespecified
from curation.records import Condition
from tests.curation.simulated import SLICES, conditions, many, photo_ids, table


def asked(objects: object, *proposals: tuple[Condition, ...], **more: int) -> tuple[list[Hypothesis], str]:
    given = [Proposal(each, "llm", f"claim {number}") for number, each in enumerate(proposals)]
    return hypotheses(objects, halves(photo_ids(400)), proposals=given, **more)  # type: ignore[arg-type]


def test_classes_sizes_sizes_of_a_class_and_values_of_columns_are_pre_specified() -> None:
    photo = np.arange(40)
    objects = table(photo, photo % 2, photo // 2 % 2, [1] * 40, light=photo // 4 % 2)
    keys = {tuple(condition.value for condition in part.conditions) for part in prespecified(objects)}
    assert keys == {
        ("cone",), ("hat",), ("small",), ("medium",), ("light0",), ("light1",),
        ("cone", "small"), ("cone", "medium"), ("hat", "small"), ("hat", "medium"),
    }  # fmt: skip


def test_the_sizes_of_the_only_class_are_given_once() -> None:
    objects = table(range(6), [1] * 6, [0, 0, 1, 1, 2, 2], [1, 0] * 3)
    keys = {tuple(condition.value for condition in part.conditions) for part in prespecified(objects)}
    assert keys == {("hat", "small"), ("hat", "medium"), ("hat", "large")}


def test_a_value_that_it_or_its_rest_is_on_too_few_photos_is_not_tested() -> None:
    light = np.array([0] * 4 + [1] * 30 + [2] * 6)
    objects = table(range(40), np.arange(40) % 2, [0] * 40, [1] * 40, light=light, site=[0] * 4 + [1] * 36)
    values = {condition.value for part in prespecified(objects) for condition in part.conditions}
    assert values == {"cone", "hat", "light1", "light2"}


def test_what_was_proposed_is_tested_on_the_confirm_half_alone() -> None:
    objects, split = many(0), halves(photo_ids(400))
    tried, note = asked(objects, SLICES["pair"])
    assert not note
    for each in tried:
        touched = each.part.inside | each.part.rest
        assert (touched & split.in_discover(objects)).any() == (each.origin == "pre-specified")


def test_every_slice_is_tested_once_and_thirty_at_most_are_data_driven() -> None:
    tried, _ = asked(many(1), SLICES["pair"], tuple(reversed(SLICES["pair"])), SLICES["triple"])
    assert len({each.key for each in tried}) == len(tried)
    driven = [each for each in tried if each.origin != "pre-specified"]
    assert [each.claim for each in driven[:2]] == ["claim 0", "claim 2"]
    assert len(driven) == 30


def test_no_more_are_data_driven_than_there_are_places() -> None:
    for given in ([], [SLICES["pair"]], [conditions(site="site1", light=f"light{k}") for k in range(3)] * 2):
        tried, note = asked(many(1), *given, max_proposals=2)
        assert len([each for each in tried if each.origin != "pre-specified"]) == 2
        assert (note != "") is (len(given) > 2)


def test_a_proposal_of_a_pre_specified_slice_lends_it_its_claim() -> None:
    (same,) = (each for each in asked(many(1), SLICES["one"])[0] if each.key == frozenset(SLICES["one"]))
    assert (same.origin, same.claim) == ("pre-specified", "claim 0")


UNTESTABLE = {
    "a column that is not there": conditions(weather="fog", light="light1"),
    "a value that is not there": conditions(light="light9", colour="colour1"),
    "two values of one column": (*conditions(light="light0"), *conditions(light="light1")),
}


@pytest.mark.parametrize("name", UNTESTABLE)
def test_a_proposal_without_objects_is_dropped_and_counted(name: str) -> None:
    tried, note = asked(many(1), UNTESTABLE[name], SLICES["pair"])
    assert note.endswith(": 1")
    assert [each.claim for each in tried if each.origin == "llm"] == ["claim 1"]


def test_on_a_val_too_small_to_halve_only_pre_specified_slices_are_tested_and_the_note_says_so() -> None:
    objects = many(0, photos=30)
    tried, note = asked(objects, SLICES["pair"])
    assert {each.origin for each in tried} == {"pre-specified"}
    assert note.startswith("only pre-specified slices were tested: val has 30 photos")
    assert note.endswith("not tested: 1")


def with_light_as(name: str, source: str, *, only: np.ndarray | None = None) -> ErrorTable:
    """Give objects that are missed at light 1, with the light in a column of another source instead."""
    objects = many(2, one=0.5)
    light = objects.column("light").codes
    codes = {column.name: column.codes for column in objects.columns[3:]}
    shown = light if only is None else np.where(only[objects.photo], light, -1)
    return table(
        objects.photo, objects.label, objects.columns[1].codes, objects.found, **{name: (shown, source)}, **codes
    )


def test_weak_clusters_are_proposals_too() -> None:
    tried, _ = asked(with_light_as("look", "cluster"))
    clusters = [each.part.conditions[0].value for each in tried if each.origin == "cluster"]
    assert clusters[0] == "look1"
    assert len(clusters) <= MAX_CLUSTERS


def test_of_a_tagged_attribute_the_claimed_value_takes_a_place_and_no_other() -> None:
    confirm = ~halves(photo_ids(400)).discover
    objects = with_light_as("worn", "attribute", only=confirm)
    worn = Condition(column="worn", value="worn1")
    tried, _ = asked(objects, (worn,))
    tested = {each.key for each in tried if any(part.column == "worn" for part in each.part.conditions)}
    assert tested == {frozenset([worn])}
    assert [each.claim for each in tried if each.origin == "llm"] == ["claim 0"]


def test_no_objects_give_nothing_to_test() -> None:
    assert asked(table([], [], [], []))[0] == []
