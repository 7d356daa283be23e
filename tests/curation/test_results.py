"""Verdicts are published beside people: never over what somebody decided, tagged or took back since."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from curation import schema, session
from curation.decisions import Journal, take_over
from curation.plugin import sitting
from curation.plugin.decisions import ACCEPTED, BY_TAG, REJECTED, decide_stages, undo_stages
from curation.reviewing import _override
from curation.store import Store
from generation.records import PictureLabel, SyntheticImage, Verdict

ID = f"d{0:023x}"
ANN, BOB = "ann", "$bob"  # a name that a database could take for an expression
NOTHING = Journal(said={}, boxes={})
Act = Callable[[Store], Any]


def label(name: str, left: float, source_id: str) -> PictureLabel:
    return PictureLabel(
        label=name, xyxy=(left, 0.25, left + 0.25, 0.5), visible_share=0.75, source_id=source_id, added=True
    )


PICTURE = SyntheticImage(
    request_id=ID, brief_id="b", finding_id="f", backend="paste", digest="0" * 24, path="pictures/x.jpg", width_px=320,
    height_px=240, labels=(label("cone", 0.0, "of cone"), label("vest", 0.5, "of vest")), source_ids=(), look="0" * 16,
)  # fmt: skip


@pytest.fixture
def board(store: Store) -> Store:
    """One picture that nobody has decided."""
    schema.declare_review(store.dataset)
    store.publish_pictures([PICTURE])
    return store


def says(verdict: str, reviewer: str) -> Act:
    return lambda board: sitting.apply(board.dataset, [ID], decide_stages(verdict, reviewer=reviewer))


def undoes(reviewer: str) -> Act:
    return lambda board: sitting.apply(board.dataset, [ID], undo_stages(reviewer=reviewer))


def tags(verdict: str) -> Act:
    return lambda board: board.dataset.tag_samples(verdict)


def rules(verdict: str) -> Act:
    return lambda board: board.publish_verdicts([ruled(verdict)])


def ruled(verdict: str) -> Verdict:
    return Verdict(request_id=ID, accepted=verdict == ACCEPTED, reason=f"$why {verdict}", reviewer="rule")


def collected(board: Store, known: Journal = NOTHING) -> Journal:
    return take_over(known, board.collect([PICTURE]), [PICTURE])


def publish(board: Store, journal: Journal, by_rule: str) -> None:
    """End a review as the program does, with what was collected by then."""
    board.publish_verdicts([_override(ruled(by_rule), journal.said)])


def sample(board: Store) -> dict[str, Any]:
    found: dict[str, Any] = board.dataset._sample_collection.find_one({"request_id": ID})
    return found


def shown(board: Store) -> tuple[Any, ...]:
    """What people see: our tags, verdict, whose it is."""
    found = sample(board)
    return [tag for tag in found["tags"] if tag != "synthetic"], found.get("verdict"), found.get("reviewer")


def decided(journal: Journal) -> tuple[str, str] | None:
    said = journal.said.get(ID)
    return (ACCEPTED if said.accepted else REJECTED, said.reviewer) if said else None


@pytest.mark.parametrize(
    ("before", "between", "by_rule", "expected", "in_journal"),
    [
        pytest.param([], [], ACCEPTED, ([ACCEPTED], ACCEPTED, "rule"), None, id="the rule, where nobody came"),
        pytest.param(
            [], [tags(ACCEPTED)], ACCEPTED, ([ACCEPTED], None, None), (ACCEPTED, BY_TAG), id="a tag that says the same"
        ),
        pytest.param(
            [], [tags(REJECTED)], ACCEPTED, ([REJECTED], None, None), (REJECTED, BY_TAG), id="a tag that says otherwise"
        ),
        pytest.param(
            [], [says(ACCEPTED, ANN)], REJECTED, ([ACCEPTED], ACCEPTED, ANN), (ACCEPTED, ANN), id="a key in the App"
        ),
        pytest.param(
            [rules(ACCEPTED)], [tags(REJECTED)], ACCEPTED, ([ACCEPTED, REJECTED], ACCEPTED, "rule"), (REJECTED, BY_TAG),
            id="a tag beside the rule's",
        ),
        pytest.param(
            [says(ACCEPTED, ANN)], [says(REJECTED, BOB)], ACCEPTED, ([REJECTED], REJECTED, BOB), (REJECTED, BOB),
            id="bob after ann",
        ),
        pytest.param(
            [says(ACCEPTED, ANN)], [tags(REJECTED)], ACCEPTED, ([ACCEPTED, REJECTED], ACCEPTED, ANN),
            (REJECTED, BY_TAG), id="a tag after ann",
        ),
        pytest.param(
            [says(ACCEPTED, ANN)], [undoes(ANN)], REJECTED, ([], None, None), None, id="ann took hers back"
        ),
        pytest.param(
            [tags(REJECTED)], [], ACCEPTED, ([REJECTED], REJECTED, BY_TAG), (REJECTED, BY_TAG), id="the tag collected"
        ),
        pytest.param(
            [tags(REJECTED)], [tags(ACCEPTED)], ACCEPTED, ([REJECTED, ACCEPTED], None, None), (ACCEPTED, BY_TAG),
            id="a second tag beside the one collected",
        ),
        pytest.param(
            [tags(REJECTED)], [says(ACCEPTED, ANN)], ACCEPTED, ([ACCEPTED], ACCEPTED, ANN), (ACCEPTED, ANN),
            id="a key after the tag",
        ),
        pytest.param(
            [says(ACCEPTED, ANN), tags(REJECTED)], [], ACCEPTED, ([REJECTED], REJECTED, BY_TAG), (REJECTED, BY_TAG),
            id="a tag beside ann's, collected",
        ),
    ],
)  # fmt: skip
def test_what_a_person_does_between_collecting_and_publishing_stays(
    board: Store, before: Sequence[Act], between: Sequence[Act], by_rule: str, expected: Any, in_journal: Any
) -> None:
    for act in before:
        act(board)
    journal = collected(board)
    for act in between:
        act(board)
    publish(board, journal, by_rule)
    assert shown(board) == expected
    again = collected(board, journal)
    assert decided(again) == in_journal
    publish(board, again, by_rule)
    assert decided(collected(board, again)) == in_journal, "and publishing it again changes nothing about that"
    if in_journal:
        assert shown(board) == ([in_journal[0]], *in_journal)


def test_a_second_tag_beside_one_that_was_collected_wins_however_often_it_is_collected(board: Store) -> None:
    tags(REJECTED)(board)
    journal = collected(board)
    tags(ACCEPTED)(board)
    for _ in range(2):
        journal = collected(board, journal)
        assert decided(journal) == (ACCEPTED, BY_TAG)
        session.publish_stories(board.dataset, {ID: "told"})  # moves the sample's time on
    assert board.collect([]).tagged_both_ways == (ID,)


def test_a_database_that_was_made_anew_has_what_the_journal_knows(board: Store) -> None:
    says(ACCEPTED, BOB)(board)
    says(REJECTED, ANN)(board)
    journal = collected(board)
    board.dataset.clear()
    board.publish_pictures([PICTURE], journal)
    assert shown(board) == ([REJECTED], REJECTED, ANN)
    rules(ACCEPTED)(board)
    assert shown(board) == ([REJECTED], REJECTED, ANN), "a rule does not change that"
    assert collected(board, journal) == journal
    undoes(ANN)(board)
    assert decided(collected(board, journal)) == (ACCEPTED, BOB), "and each can still take back their own"


def test_what_is_taken_back_in_a_database_that_was_made_anew_gives_way_to_what_was_known_before(board: Store) -> None:
    says(REJECTED, ANN)(board)
    journal = collected(board)
    board.dataset.clear()
    board.publish_pictures([PICTURE], journal)
    says(ACCEPTED, ANN)(board)
    journal = collected(board, journal)
    undoes(ANN)(board)
    assert decided(collected(board, journal)) == (REJECTED, ANN)


def test_a_database_that_got_the_pictures_without_decisions_shows_them_after_the_next_review(board: Store) -> None:
    says(REJECTED, ANN)(board)
    journal = collected(board)
    board.dataset.clear()
    board.publish_pictures([PICTURE])
    publish(board, journal, ACCEPTED)
    assert shown(board) == ([REJECTED], REJECTED, ANN)
    rules(ACCEPTED)(board)
    assert shown(board) == ([REJECTED], REJECTED, ANN)
    assert decided(collected(board, journal)) == (REJECTED, ANN)


def test_a_tag_that_was_taken_in_stays_when_a_later_decision_is_taken_back(board: Store) -> None:
    tags(REJECTED)(board)
    journal = collected(board)
    publish(board, journal, ACCEPTED)
    says(ACCEPTED, ANN)(board)
    journal = collected(board, journal)
    assert decided(journal) == (ACCEPTED, ANN)
    undoes(ANN)(board)
    assert shown(board) == ([REJECTED], REJECTED, BY_TAG)
    assert decided(collected(board, journal)) == (REJECTED, BY_TAG)


def test_every_verdict_moves_the_time_that_the_app_guards_its_edits_by(board: Store) -> None:
    future = sample(board)["last_modified_at"].replace(year=2100)  # of a clock that is ahead
    board.dataset._sample_collection.update_one({"request_id": ID}, {"$set": {"last_modified_at": future}})
    times = [future]
    for verdict in (ACCEPTED, REJECTED):
        rules(verdict)(board)
        times.append(sample(board)["last_modified_at"])
    assert all(earlier < later for earlier, later in pairwise(times))


# --- boxes in a database that is made anew ---


def change(board: Store, stages: dict[str, Any]) -> None:
    board.dataset._sample_collection.update_one({"request_id": ID}, stages)


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        pytest.param(
            {"$pop": {"ground_truth.detections": -1}}, [("vest", "of vest")], id="the first was deleted"
        ),
        pytest.param(
            {"$set": {"ground_truth.detections.0.label": "barrow", "ground_truth.detections.0.bounding_box.0": 0.125}},
            [("barrow", "of cone"), ("vest", "of vest")], id="the first was moved and renamed",
        ),
        pytest.param({"$set": {"ground_truth.detections": []}}, [], id="all were deleted"),
    ],
)  # fmt: skip
def test_boxes_that_people_left_come_back_with_their_origin(
    board: Store, edit: dict[str, Any], left: list[tuple[str, str]]
) -> None:
    change(board, edit)
    journal = collected(board)
    ids = {str(box["_id"]) for box in sample(board)["ground_truth"]["detections"]}
    board.dataset.clear()
    board.publish_pictures([PICTURE], journal)
    assert {str(box["_id"]) for box in sample(board)["ground_truth"]["detections"]} == ids
    again = collected(board, journal)
    assert [(each.label, each.source_id) for each in again.boxes[ID]] == left
    assert again == journal


def test_a_box_that_somebody_drew_does_not_get_the_origin_of_one_that_was_deleted(board: Store) -> None:
    import fiftyone as fo

    opened = board.dataset[ID]
    drawn = fo.Detection(label="cone", bounding_box=[0.125, 0.125, 0.25, 0.25])
    opened.ground_truth.detections = [opened.ground_truth.detections[1], drawn]
    opened.save()
    journal = collected(board)
    board.dataset.clear()
    board.publish_pictures([PICTURE], journal)
    again = collected(board, journal)
    assert [(each.label, each.source_id) for each in again.boxes[ID]] == [("vest", "of vest"), ("cone", "")]
    assert again == journal
    change(board, {"$pop": {"ground_truth.detections": 1}})
    assert [each.label for each in collected(board, again).boxes[ID]] == ["vest"], "and can be deleted again"
