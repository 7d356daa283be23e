from curation.imports import Import, Returned
from curation.records import Batch, Disputed, Review
from curation.tallies import batch_lines, import_lines, review_lines
from training.records import FileRef

REF = FileRef(name="lines.jsonl", digest="d")


def batch(**changes: object) -> Batch:
    return Batch.model_validate({"pictures": REF, "failures": REF, "made": 8, "failed": 0} | changes)


def test_pasted_pictures_are_one_line() -> None:
    assert batch_lines(batch(verified={"by construction": 8}), 100) == ["8 pictures made, 0 requests failed"]


def test_what_nobody_has_checked_what_was_refused_and_what_the_champion_misses_is_said() -> None:
    said = batch_lines(batch(failed=3, refused=2, verified={"judged": 5, "unverified": 3}, disputed=("a", "b")), 100)
    assert said[0] == "8 pictures made, 3 requests failed"
    assert said[1].startswith("2 of the failed were refused")
    assert said[2].startswith("3 pictures unverified")
    assert said[3].startswith("in 2 pictures the judge sees")


def test_how_right_the_judge_is_where_it_sees_more_is_said_once_people_have_looked() -> None:
    review = Review(verdicts=REF, accepted=6, rejected=2, reasons={"object too small": 2})
    assert review_lines(review, 100) == ["6 pictures accepted, 2 rejected", "     2  object too small"]
    unseen = review.model_copy(update={"disputed": Disputed(pictures=4, reviewed=0, right=0)})
    assert review_lines(unseen, 100) == review_lines(review, 100)
    seen = review.model_copy(update={"disputed": Disputed(pictures=4, reviewed=3, right=2)})
    assert review_lines(seen, 200)[-1].endswith("2 of 3 that people reviewed were accepted")


def brought(returned: Returned | None) -> Import:
    return Import(
        number=2, dataset="d", source="labelled", format="coco", drawn=False, classes=("dog",),
        photos={"train": 16, "val": 1, "test": 1}, objects=40, model_id=None, refused=(), notes=(), visible=(),
        images=REF, labels=REF, traits=REF, returned=returned,
    )  # fmt: skip


def test_an_import_says_what_came_back_of_selections_and_what_nobody_touched() -> None:
    back = Returned(
        selections=(1, 3), photos=18, into={"train": 16, "val": 0, "test": 2}, prelabels=55, untouched=40,
        untouched_photos=2, by="Ada", at="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    said = import_lines(brought(back), 120)
    assert said[2:5] == [
        "of selections 1, 3: 18 photos back (16 into train, 2 into test), labelled by Ada",
        "pre-labels that nobody touched: 40 of 55",
        "photos that came back as they went out: 2 of 18",
    ]
    without = back.model_copy(update={"selections": (1,), "prelabels": 0, "untouched": 0, "untouched_photos": 0})
    assert import_lines(brought(without), 120)[2:4] == [
        "of selection 1: 18 photos back (16 into train, 2 into test), labelled by Ada",
        "smallest change of recall that could be seen there, at 95 %:",
    ]


def test_an_import_without_selected_photos_says_nothing_of_selections() -> None:
    assert not any("selection" in line for line in import_lines(brought(None), 120))
