from curation.records import Batch, Disputed, Review
from curation.tallies import batch_lines, review_lines
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
