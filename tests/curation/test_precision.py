"""How right labels are, how far people agree, and what they reject."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.precision import (
    about_what_was_made,
    agreement,
    label_precision,
    reasons_by_brief,
    share_of,
    stopped_findings,
    wilson,
)
from curation.queue import queue_of
from generation.records import ObjectCheck, SyntheticImage
from tests.curation.small_pictures import SETTINGS, label, people, picture, rule, say, told

UNJUDGED = ObjectCheck(label="cone", xyxy=(0, 0, 1, 1), verdict="unjudged", score=None, seen=None, seen_label="")
# of Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3
NEWCOMBE = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611), (1, 29): (0.0061, 0.1718)}


@pytest.mark.parametrize(("right", "count"), NEWCOMBE)
def test_the_interval_is_that_of_the_literature(right: int, count: int) -> None:
    assert wilson(right, count) == pytest.approx(NEWCOMBE[right, count], abs=5e-5)


def test_the_plugin_can_take_the_interval_without_numpy() -> None:
    code = "import curation.precision, sys; sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.booleans(), max_size=300))
def test_a_share_lies_within_its_interval(flags: list[bool]) -> None:
    share = share_of(flags)
    assert 0 <= share.low <= share.high <= 1
    assert (share.right, share.count) == (sum(flags), len(flags))
    if share.value is not None:
        assert share.low <= share.value <= share.high


def test_label_precision_counts_what_was_drawn_decided_and_accepted_by_the_program() -> None:
    pictures = [picture(name) for name in ("right", "wrong", "undecided", "undrawn")]
    pictures.append(picture("refused", label(visible_share=0.3)))
    said = people({"right": True, "wrong": False, "undrawn": False, "refused": False})
    drawn = ("right", "wrong", "undecided", "refused", "of another round")
    found = label_precision(pictures, rule(pictures), said, at_random=drawn)
    assert (found.overall.right, found.overall.count) == (1, 2)


def test_a_picture_counts_for_each_class_it_adds_and_for_none_that_was_there() -> None:
    both = picture("a", label("cone"), label("cone", xyxy=(0.5, 0.5, 0.6, 0.6)), label("hat"), backend="paste")
    beside = picture("b", label("cone"), label("vest", added=False))
    found = label_precision([both, beside], rule([both, beside]), people({"a": True, "b": False}), at_random=("a", "b"))
    assert {name: (share.right, share.count) for name, share in found.classes.items()} == {
        "cone": (1, 2),
        "hat": (1, 1),
    }
    assert {name: share.right for name, share in found.backends.items()} == {"gligen": 0, "paste": 1}


def test_the_random_fifth_tells_the_truth_where_all_decisions_do_not() -> None:
    """The more doubtful a picture, the more often it is wrong; people stop after a hundred."""
    every, drawn, truth = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        pictures = [picture(f"{seed}/{n}", label(visible_share=float(rng.uniform(0.6, 1)))) for n in range(400)]
        right = {each.request_id: bool(rng.random() < each.labels[0].visible_share) for each in pictures}
        verdicts = rule(pictures)
        queue = queue_of(pictures, verdicts, {}, settings=SETTINGS, seed=seed)
        said = people({name: right[name] for name in queue.ids[:100]})
        every.append(np.mean([each.accepted for each in said.values()]))
        drawn.append(label_precision(pictures, verdicts, said, at_random=queue.at_random).overall.value)
        truth.append(np.mean(list(right.values())))
    assert np.mean(every) < np.mean(truth) - 0.08
    assert abs(np.mean(drawn) - np.mean(truth)) < 0.04


def test_a_picture_whose_boxes_were_corrected_was_not_right() -> None:
    said = people({"as made": True, "corrected": True, "both": False})
    found = about_what_was_made(said, ["corrected", "both", "of another round"])
    assert {name: (each.accepted, each.reason) for name, each in found.items()} == {
        "as made": (True, ""),
        "corrected": (False, "boxes were corrected"),
        "both": (False, ""),
    }
    pictures = [picture(name) for name in said]
    assert label_precision(pictures, rule(pictures), found, at_random=said).overall.right == 1


def test_agreement_is_over_pictures_that_two_people_saw() -> None:
    said = {each.request_id: each for each in (
        told("same", True, ben=True), told("other", False, ben=True), told("three", True, ben=True, cleo=False),
        told("alone", True), told("tagged", True, tag=False),
    )}  # fmt: skip
    found = agreement(said)
    assert (found.pictures.right, found.pictures.count, found.reviewers) == (1, 3, 3)
    assert agreement({}).pictures.value is None


def test_reasons_are_counted_by_brief() -> None:
    pictures = [picture(f"p{n}", brief_id="cones") for n in range(5)] + [picture("q", brief_id="hats")]
    said = say(["p0", "p1"], False, "too small") | say(["p2"], False, "looks unreal") | say(["p3"], False)
    found = reasons_by_brief(pictures, said | say(["q", "of another round"], True))
    assert list(found) == ["cones", "hats"]
    assert (found["cones"].accepted, found["cones"].rejected) == (0, 4)
    assert found["cones"].reasons == {"too small": 2, "looks unreal": 1, "no reason given": 1}
    assert next(iter(found["cones"].reasons)) == "too small"
    assert (found["hats"].accepted, found["hats"].reasons) == (1, {})


STOPPED = {
    "all of ten": (10, 0, True),
    "nine are too few": (9, 0, False),
    "nine of ten": (10, 1, True),
    "eight of ten": (10, 2, False),
    "twelve of sixteen": (16, 4, True),
    "eleven of sixteen": (16, 5, False),
    "half of forty": (40, 20, False),
}


@pytest.mark.parametrize("name", STOPPED)
def test_a_finding_whose_pictures_people_keep_rejecting_is_stopped(name: str) -> None:
    count, accepted, stopped = STOPPED[name]
    pictures = [picture(f"p{n}") for n in range(count)]
    said = people({f"p{n}": n < accepted for n in range(count)})
    assert bool(stopped_findings(pictures, rule(pictures), said, at_random=())) is stopped


def test_it_says_how_many_and_why() -> None:
    pictures = [picture(f"p{n}") for n in range(16)] + [picture("other", finding_id="g")]
    said = say([f"p{n}" for n in range(9)], False, "looks unreal") | say(["p14", "p15", "other"], True)
    said |= say([f"p{n}" for n in range(9, 14)], False, "box does not fit")
    assert stopped_findings(pictures, rule(pictures), said, at_random=()) == {
        "f": "people rejected 14 of 16 of its pictures: looks unreal 9, box does not fit 5"
    }


def stops(pictures: list[SyntheticImage], accepted: set[str], drawn: set[str]) -> bool:
    said = people({each.request_id: each.request_id in accepted for each in pictures})
    return "f" in stopped_findings(pictures, rule(pictures), said, at_random=drawn)


def test_doubtful_pictures_alone_do_not_stop_a_finding_whose_drawn_ones_are_right() -> None:
    pictures = [picture(f"p{n}") for n in range(20)]
    assert stops(pictures, {"p0", "p1"}, {"p2", "p3", "p4"})
    assert stops(pictures, {"p0", "p1"}, {"p0", "p1", "p2", "p3"})
    assert not stops(pictures, {"p0", "p1"}, {"p0", "p1", "p2"})


def test_what_the_rule_refuses_is_no_sign_against_a_finding_but_what_it_leaves_to_people_is() -> None:
    refused = [picture(f"p{n}", label(visible_share=0.59)) for n in range(12)]
    assert not stops(refused, set(), set())
    left = [picture(f"p{n}", verified="unverified", checks=(UNJUDGED,)) for n in range(12)]
    assert not any(verdict.accepted for verdict in rule(left).values())
    assert stops(left, set(), set())
