"""What people did is taken over into the journal: newer over older, nothing lost, nothing applied twice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.decisions import Collected, Edits, HumanDecisions, Journal, take_over
from curation.documents import NamedBoxes
from curation.journal import NAME, read_journal, write_journal
from generation.records import PictureLabel, SyntheticImage
from tests.curation.said import collected
from training.errors import DamagedFile
from training.files import digest_of

NOTHING = Journal(said={}, boxes={})
A, B = "a" * 24, "b" * 24


def entries(*rows: tuple[str, int, str, str, int, bool]) -> Collected:
    """Decisions as (sample, number, verdict, reviewer, second, whether it stands)."""
    sample, number, verdict, reviewer, second, stands = zip(*rows, strict=True) if rows else [()] * 6
    last = {each: place for place, (each, ok) in enumerate(zip(sample, stands, strict=True)) if ok}
    decisions = HumanDecisions(
        sample_id=np.array(sample, "<U24"),
        number=np.array(number, np.int64),
        verdict=np.array(verdict, np.str_),
        reviewer=np.array(reviewer, np.str_),
        reason=np.array(["why" if each == "rejected" else "" for each in verdict], np.str_),
        at=np.array([np.datetime64("2026-01-01T00:00:00", "ms") + np.timedelta64(each, "s") for each in second]),
        stands=np.array(stands, np.bool_),
        counts=np.array([last.get(each) == place for place, each in enumerate(sample)], np.bool_),
    )
    return replace(collected({}), decisions=decisions)


def picture(request_id: str = A) -> SyntheticImage:
    labels = tuple(
        PictureLabel(label=name, xyxy=box, visible_share=0.9, source_id=f"s{name}", added=name == "spill")
        for name, box in (("cone", (0.1, 0.1, 0.3, 0.3)), ("spill", (0.5, 0.5, 0.8, 0.8)))
    )
    return SyntheticImage(
        request_id=request_id, brief_id="b", finding_id="f", backend="paste", digest="d", path="p", width_px=100,
        height_px=100, labels=labels, source_ids=("s",), look="0" * 16,
    )  # fmt: skip


def edited(
    changed: Sequence[str], boxes: Sequence[tuple[str, str, tuple[float, ...]]], there: Sequence[str]
) -> Collected:
    """Boxes as (id, class, corners) on the first of the changed pictures."""
    found = NamedBoxes(
        id=np.array([each[0] for each in boxes], "<U24"),
        image=np.zeros(len(boxes), np.int64),
        name=np.array([each[1] for each in boxes], np.str_),
        xyxy=np.array([each[2] for each in boxes], np.float64).reshape(-1, 4),
    )
    return replace(collected({}), edits=Edits(tuple(changed), found, tuple(there)))


def test_the_last_decision_that_stands_counts_and_each_reviewer_keeps_their_own() -> None:
    found = entries(
        (A, 0, "accepted", "ann", 0, True), (A, 1, "rejected", "bo", 1, True), (B, 0, "rejected", "ann", 2, True)
    )
    said = take_over(NOTHING, found, []).said
    assert (said[A].accepted, said[A].reviewer, said[A].reason) == (False, "bo", "why")
    assert said[A].by_reviewer == {"ann": True, "bo": False}
    assert said[A].at == "2026-01-01T00:00:01.000"
    assert said[B].by_reviewer == {"ann": False}


def test_what_was_taken_back_is_known_no_longer() -> None:
    known = take_over(NOTHING, entries((A, 0, "accepted", "ann", 0, True)), [])
    back = entries((A, 0, "accepted", "ann", 0, False), (A, 1, "undone", "ann", 1, False))
    assert take_over(known, back, []).said == {}


def test_what_stands_after_somebody_took_back_a_later_decision_is_the_earlier_one() -> None:
    first, second = (A, 0, "accepted", "ann", 0, True), (A, 1, "rejected", "ann", 1, True)
    known = take_over(take_over(NOTHING, entries(first), []), entries(first, second), [])
    assert not known.said[A].accepted
    taken_back = entries(first, (*second[:-1], False), (A, 2, "undone", "ann", 2, False))
    assert take_over(known, taken_back, []).said[A].accepted


def test_what_somebody_takes_back_in_a_database_that_was_made_anew_is_not_what_was_known_before() -> None:
    known = take_over(NOTHING, entries((A, 0, "rejected", "ann", 0, True)), [])
    anew = entries((A, 0, "accepted", "bo", 8, False), (A, 1, "undone", "bo", 9, False))
    assert take_over(known, anew, []) == known


def test_a_database_that_was_made_anew_takes_nothing_away() -> None:
    known = take_over(NOTHING, entries((A, 0, "accepted", "ann", 0, True)), [])
    assert take_over(known, collected({}), [picture()]) == known


def test_an_older_decision_does_not_take_the_place_of_a_newer_one() -> None:
    known = take_over(NOTHING, entries((A, 0, "accepted", "ann", 9, True)), [])
    assert take_over(known, entries((A, 0, "rejected", "tag", 3, True)), []).said[A].accepted


def test_a_decision_after_a_tag_counts_also_where_the_tag_has_a_time_of_a_clock_that_is_ahead() -> None:
    known = take_over(NOTHING, entries((A, 0, "accepted", "tag", 8, True)), [])
    taken_in = (A, 0, "accepted", "tag", 9, True)  # its sample was written on since
    found = take_over(known, entries(taken_in, (A, 1, "rejected", "ann", 5, True)), [])
    assert (found.said[A].accepted, found.said[A].reviewer) == (False, "ann")


def test_changed_boxes_keep_what_is_known_of_them_and_new_ones_are_added() -> None:
    first = digest_of([A, 0])
    found = edited([A], [(first, "vest", (0.2, 0.2, 0.4, 0.4)), ("f" * 24, "spill", (0.6, 0.6, 0.9, 0.9))], [A])
    journal = take_over(NOTHING, found, [picture()])
    moved, drawn = journal.correct(picture()).labels
    assert (moved.label, moved.xyxy, moved.source_id, moved.added) == ("vest", (0.2, 0.2, 0.4, 0.4), "scone", False)
    assert (drawn.label, drawn.source_id, drawn.added) == ("spill", "", True)
    assert journal.correct(picture(B)) == picture(B)


def test_boxes_that_were_put_back_are_those_that_were_published() -> None:
    known = take_over(NOTHING, edited([A], [(digest_of([A, 0]), "cone", (0, 0, 0.1, 0.1))], [A]), [picture()])
    assert take_over(known, edited([], [], [A]), [picture()]).boxes == {}
    assert take_over(known, edited([], [], []), [picture()]) == known, "the database does not hold the picture"


def test_a_picture_without_boxes_left_has_none() -> None:
    assert take_over(NOTHING, edited([A], [], [A]), [picture()]).correct(picture()).labels == ()


@given(st.dictionaries(st.sampled_from([A, B, "c" * 24]), st.booleans()), st.booleans())
def test_collecting_twice_is_collecting_once_and_the_file_holds_it_all(
    tmp_path_factory: pytest.TempPathFactory, decided: dict[str, bool], moved: bool
) -> None:
    root, found = tmp_path_factory.mktemp("ws"), collected(decided)
    if moved:
        found = replace(found, edits=edited([A], [(digest_of([A, 0]), "cone", (0, 0, 0.1, 0.1))], [A]).edits)
    once = take_over(NOTHING, found, [picture()])
    assert take_over(once, found, [picture()]) == once
    write_journal(root, once)
    assert read_journal(root) == once


def test_a_decision_that_was_taken_back_leaves_the_file_also_where_it_was_the_only_one(tmp_path: Path) -> None:
    write_journal(tmp_path, NOTHING)
    assert not (tmp_path / NAME).exists(), "nobody has decided yet"
    write_journal(tmp_path, take_over(NOTHING, entries((A, 0, "accepted", "ann", 0, True)), []))
    back = entries((A, 0, "accepted", "ann", 0, False), (A, 1, "undone", "ann", 1, False))
    write_journal(tmp_path, take_over(read_journal(tmp_path), back, []))
    assert read_journal(tmp_path) == NOTHING


@pytest.mark.parametrize("text", ["{", '{"pictures": {}}', '{"pictures": {"a": true}, "boxes": {}}', "[]"])
def test_a_damaged_journal_is_a_sentence_and_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(DamagedFile, match="cannot be read"):
        read_journal(tmp_path)
    assert (tmp_path / NAME).read_text() == text
