"""What nobody looked at is decided again."""

from typing import Any

import numpy as np
import pytest

from curation.precision import label_precision
from curation.records import Taught
from curation.redecide import WITHDRAWN, decide_again, open_to_fits, teach
from curation.refit import ClassFit, Refit
from curation.traits import FEATURES
from generation.records import ObjectCheck, SyntheticImage, Verdict
from tests.curation.small_pictures import SETTINGS, label, people, picture, rule
from tests.curation.test_refit import decided, world

UNJUDGED = ObjectCheck(label="cone", xyxy=(0, 0, 1, 1), verdict="unjudged", score=None, seen=None, seen_label="")
HIDDEN = label(visible_share=0.4, score=0.9)
OUTSIDE = label(xyxy=(0.9, 0.1, 1.05, 0.2), visible_share=0.4, score=0.9)
TINY = label(xyxy=(0.1, 0.1, 0.11, 0.2), visible_share=0.4, score=0.9)
LOW, HIGH = label(score=0.1), label(score=0.9)


def by_score(name: str = "cone", **changes: Any) -> ClassFit:
    """A kept fit that accepts scores from a half on."""
    zeros = (0.0,) * len(FEATURES)
    return ClassFit.model_validate(
        {
            "label": name, "decisions": 40, "rejections": 9, "kept": True, "why": "", "centre": (0.5, *zeros[1:]),
            "scale": (1.0,) * len(FEATURES), "weights": (9.0, *zeros[1:]), "intercept": 0.0, "min_probability": 0.5,
        }
        | changes
    )  # fmt: skip


def again(
    pictures: list[SyntheticImage], *fits: ClassFit, said: dict[str, bool] | None = None, drawn: tuple[str, ...] = ()
) -> tuple[dict[str, Verdict], Taught]:
    ruled = rule(pictures)
    open_to = open_to_fits(pictures, ruled, settings=SETTINGS)
    refit, decisions = Refit(classes=fits), people(said or {})
    verdicts, taught = decide_again(pictures, ruled, decisions, refit, open_to=open_to, at_random=drawn)
    assert [each.request_id for each in verdicts] == [each.request_id for each in pictures]
    return {each.request_id: each for each in verdicts}, taught


CASES: dict[str, tuple[SyntheticImage, bool]] = {
    "accepted, and the fit says so": (picture("p", HIGH), True),
    "accepted, and the fit refuses": (picture("p", LOW), False),
    "too little visible, and the fit accepts": (picture("p", HIDDEN), True),
    "too little visible, and the fit refuses": (picture("p", label(visible_share=0.4, score=0.1)), False),
    "outside": (picture("p", OUTSIDE), False),
    "another object outside": (picture("p", HIDDEN, label(xyxy=(-0.01, 0.1, 0.2, 0.2), score=0.9)), False),
    "too small": (picture("p", TINY), False),
    "left to people": (picture("p", HIDDEN, verified="unverified", checks=(UNJUDGED,)), False),
    "nothing was added": (picture("p", label(added=False, visible_share=0.4)), False),
    "accepted, of a class without a fit": (picture("p", label("hat", score=0.1)), True),
    "refused, of a class without a fit": (picture("p", label("hat", visible_share=0.4, score=0.9)), False),
    "one of two classes refuses": (picture("p", LOW, label("hat", score=0.9)), False),
    "refused, one of two classes has a fit": (picture("p", HIDDEN, label("hat", score=0.9)), False),
}


@pytest.mark.parametrize("name", CASES)
def test_what_nobody_looked_at_is_decided_by_these_rules(name: str) -> None:
    one, accepted = CASES[name]
    verdicts, taught = again([one], by_score())
    assert verdicts["p"].accepted is accepted
    was = rule([one])["p"].accepted
    assert (taught.withdrawn, taught.let_in) == (int(was and not accepted), int(accepted and not was))
    assert verdicts["p"].reason == (WITHDRAWN if was and not accepted else "" if accepted else rule([one])["p"].reason)
    assert verdicts["p"].reviewer == "rule"


def test_the_table_of_cases_can_be_refused_for_the_visible_share_alone() -> None:
    assert {rule([CASES[name][0]])["p"].reason for name in CASES if name.startswith(("outside", "too little"))} == {
        "too little of the object is visible"
    }


def test_near_duplicates_of_accepted_pictures_and_of_each_other_are_not_let_in() -> None:
    same = {"look": "0" * 16}
    pictures = [picture("hidden", HIDDEN, **same), picture("seen", HIGH, **same)]
    assert not again(pictures, by_score())[0]["hidden"].accepted
    pictures = [picture("first", HIDDEN, **same), picture("second", HIDDEN, **same)]
    assert [each.accepted for each in again(pictures, by_score())[0].values()] == [True, False]


def test_what_a_person_decided_on_keeps_its_verdict_and_is_not_counted_as_changed() -> None:
    pictures = [picture("looked at", LOW), picture("other", label(xyxy=(0.5, 0.5, 0.7, 0.7), score=0.1))]
    verdicts, taught = again(pictures, by_score(held_out={"looked at": False}), said={"looked at": True})
    assert verdicts["looked at"].accepted
    assert not verdicts["other"].accepted
    assert taught.withdrawn == taught.classes[0].withdrawn == 1


def test_a_fit_that_is_not_kept_changes_nothing_and_is_told() -> None:
    verdicts, taught = again([picture("p", LOW)], by_score(kept=False, why="12 decisions, needs 30"))
    assert verdicts["p"].accepted
    assert (taught.classes[0].kept, taught.classes[0].why) == (False, "12 decisions, needs 30")


def test_label_precision_after_rests_on_what_was_drawn_and_held_out() -> None:
    names = ("right", "wrong", "wrong too", "mistaken", "let in", "undrawn", "undecided")
    pictures = [picture(name, HIDDEN if name == "let in" else HIGH) for name in names]
    said = {name: name in ("right", "mistaken", "let in") for name in names if name != "undecided"}
    held_out = {"right": True, "wrong": False, "wrong too": True, "mistaken": False, "let in": True, "undrawn": True}
    drawn = tuple(name for name in names if name != "undrawn")
    _, taught = again(pictures, by_score(held_out=held_out), said=said, drawn=drawn)
    assert (taught.before.right, taught.before.count) == (2, 4)
    assert (taught.after.right, taught.after.count) == (2, 3)
    assert taught.classes[0].after == taught.after
    before = label_precision(pictures, rule(pictures), people(said), at_random=drawn)
    assert taught.before == before.overall == before.classes["cone"]


def test_a_session_makes_labels_more_often_right_and_says_by_how_much() -> None:
    claims, truths = [], []
    for seed in range(4):
        pictures = world(seed, says=1, count=300)
        ruled, said = rule(pictures), decided(pictures, 100)
        drawn = [each for each in said if int(each.split("/")[1]) % 3 == 0]
        verdicts, taught, refit = teach(
            pictures, ruled, said, settings=SETTINGS, at_random=drawn, backgrounds={}, rng=np.random.default_rng(0)
        )
        assert refit.kept
        right = {each.request_id: each.digest == "right" for each in pictures}
        rest = [each for each in verdicts if each.request_id not in said]
        before = np.mean([right[each.request_id] for each in rest if ruled[each.request_id].accepted])
        after = np.mean([right[each.request_id] for each in rest if each.accepted])
        assert after > before + 0.05
        assert taught.withdrawn == sum(ruled[each.request_id].accepted and not each.accepted for each in rest)
        claims.append(taught.after.value)
        truths.append(after)
    assert np.mean(claims) == pytest.approx(np.mean(truths), abs=0.12)
