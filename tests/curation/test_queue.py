"""Which pictures people look at first."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.queue import Queue, doubts_of, draw_of, queue_of
from generation.records import ObjectCheck, PictureLabel, SyntheticImage, Verdict
from tests.curation.small_pictures import SETTINGS, label, people, picture, rule, say

BACKENDS = ("paste", "gligen")


def many(count: int) -> list[SyntheticImage]:
    return [
        picture(
            f"picture{row}",
            label("cone" if row % 3 else "hat", visible_share=0.4 + 0.6 * (row * 7 % 101) / 101),
            finding_id=f"finding{row % 2}",
            backend=BACKENDS[row // 2 % 2],
        )
        for row in range(count)
    ]


def queue(pictures: list[SyntheticImage], **changes: Any) -> Queue:
    given: dict[str, Any] = {"said": {}, "doubt": None, "disputed": (), "seed": 1, "verdicts": rule(pictures)}
    chosen = given | changes
    return queue_of(pictures, chosen.pop("verdicts"), chosen.pop("said"), settings=SETTINGS, **chosen)


def doubt(one: SyntheticImage, *others: SyntheticImage, **changes: Any) -> float:
    pictures = [one, *others]
    return float(doubts_of(pictures, rule(pictures), settings=SETTINGS, **changes)[0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 60), st.sets(st.integers(0, 59)), st.integers(0, 5))
def test_each_undecided_picture_is_in_the_queue_once(count: int, decided: set[int], seed: int) -> None:
    pictures = many(count)
    said = people({f"picture{row}": True for row in decided})
    ids = queue(pictures, said=said, seed=seed).ids
    assert len(set(ids)) == len(ids)
    assert set(ids) == {each.request_id for each in pictures} - set(said)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(50)), st.sets(st.integers(0, 49)))
def test_the_draw_stays_as_decisions_come_in_and_is_in_the_same_order(order: list[int], decided: set[int]) -> None:
    pictures = many(50)
    before = queue(pictures)
    after = queue([pictures[row] for row in order], said=people({f"picture{row}": False for row in decided}))
    assert after.at_random == before.at_random
    assert queue(many(80)).at_random != before.at_random
    assert set(before.at_random) <= set(queue(many(80)).at_random)


def test_every_fifth_place_is_a_drawn_one_and_no_other_is() -> None:
    pictures = many(300)
    found = queue(pictures)
    drawn = [place for place, request_id in enumerate(found.ids, 1) if request_id in set(found.at_random)]
    assert drawn[:40] == list(range(5, 201, 5))
    assert [each for each in found.ids if each in set(found.at_random)] == list(found.at_random)
    assert set(found.at_random) == {each.request_id for each in pictures if draw_of(each.request_id, 1) < 0.2}


def test_another_seed_draws_others_about_a_fifth_whatever_the_doubt() -> None:
    numbers = np.array([[draw_of(f"picture{row}", seed) for row in range(4000)] for seed in (1, 2)])
    drawn = numbers < 0.2
    assert np.abs(drawn.mean(axis=1) - 0.2).max() < 0.03
    assert abs((drawn[0] & drawn[1]).mean() - 0.04) < 0.02
    pictures = many(60)
    sure = {each.request_id: 0.0 for each in pictures}
    assert queue(pictures, doubt=sure).at_random == queue(pictures).at_random


LARGE = label(xyxy=(0.1, 0.1, 0.5, 0.5))
NEARER: dict[str, tuple[PictureLabel, PictureLabel]] = {
    "a visible share near its minimum": (label(visible_share=0.62), label(visible_share=0.75)),
    "one below it": (label(visible_share=0.58), label(visible_share=0.45)),
    "a side near its minimum": (label(xyxy=(0.1, 0.1, 0.115, 0.2)), label(xyxy=(0.1, 0.1, 0.122, 0.2))),
    "one below its": (label(xyxy=(0.1, 0.1, 0.112, 0.2)), label(xyxy=(0.1, 0.1, 0.107, 0.2))),
}


@pytest.mark.parametrize("name", NEARER)
def test_nearer_to_a_bound_is_more_doubtful(name: str) -> None:
    near, far = NEARER[name]
    assert 1 >= doubt(picture("a", near)) > doubt(picture("a", far)) >= 0
    assert doubt(picture("a", LARGE, near)) == pytest.approx(doubt(picture("a", near)))


def test_the_lowest_score_of_a_class_is_the_most_doubtful_and_the_median_is_not() -> None:
    pictures = [picture(f"p{row}", label(score=0.3 + row / 10)) for row in range(6)]
    pictures += [picture(f"q{row}", label("hat", score=0.05 + row / 1000)) for row in range(6)]
    doubts = doubts_of(pictures, rule(pictures), settings=SETTINGS)
    assert doubts[:6].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0])
    assert doubts[6:].tolist() == pytest.approx(doubts[:6].tolist())


def test_what_nobody_checked_and_what_the_champion_misses_adds_doubt() -> None:
    assert doubt(picture("a")) == 0
    assert doubt(picture("a", verified="unverified")) == 0.5
    assert doubt(picture("a"), disputed=["a"]) == 0.5
    assert doubt(picture("a", verified="unverified"), disputed=["a"]) == 0.75


def test_a_refused_picture_far_beyond_the_bound_is_not_doubtful_whatever_else_is() -> None:
    assert doubt(picture("a", label(visible_share=0.1), verified="unverified"), disputed=["a"]) == 0
    assert doubt(picture("a", label(visible_share=0.1)), doubt={"a": 1.0}) == 0
    assert doubt(picture("a"), doubt={"a": 0.3}) == 0.3
    assert doubt(picture("a"), doubt={"b": 0.3}) == 0
    unjudged = ObjectCheck(label="cone", xyxy=(0, 0, 1, 1), verdict="unjudged", score=None, seen=None, seen_label="")
    assert doubt(picture("a", verified="unverified", checks=(unjudged,))) == 0.5


GROUPS: dict[str, dict[str, tuple[tuple[PictureLabel, ...], dict[str, Any]]]] = {
    "findings and backends": {"a": ((), {}), "b": ((), {"finding_id": "other"}), "c": ((), {"backend": "paste"})},
    "classes": {"a": ((), {}), "b": ((label("hat"),), {}), "c": ((label("vest"),), {})},
}


@pytest.mark.parametrize("groups", GROUPS.values(), ids=list(GROUPS))
def test_the_least_certain_come_first_in_turn_from_each_group(
    groups: dict[str, tuple[tuple[PictureLabel, ...], dict[str, Any]]],
) -> None:
    seed = next(seed for seed in range(1000) if all(draw_of(f"{a}{n}", seed) > 0.2 for a in "abc" for n in range(3)))
    pictures = [picture(f"{name}{n}", *labels, **how) for name, (labels, how) in groups.items() for n in range(3)]
    doubts = {f"a{n}": 0.9 - n / 100 for n in range(3)} | {f"b{n}": 0.5 - n / 100 for n in range(3)}
    doubts |= {f"c{n}": 0.2 - n / 100 for n in range(3)}
    assert queue(pictures, doubt=doubts, seed=seed).ids == ("a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2")
    said = say(["a0", "a1"], True)
    assert queue(pictures, doubt=doubts, seed=seed, said=said).ids[:3] == ("b0", "c0", "b1")


def test_near_duplicates_come_last_even_if_drawn() -> None:
    twins = [picture(f"twin{n}", look="0" * 16) for n in range(20)]
    pictures = [*twins, *many(20)]
    verdicts = rule(pictures)
    ids = queue(pictures, verdicts=verdicts).ids
    refused = [verdicts[each].reason.startswith("near-duplicate") for each in ids]
    assert sum(refused) == 19
    assert refused == sorted(refused)


def test_a_rejected_picture_near_the_bound_is_looked_at_before_a_sure_one() -> None:
    seed = next(seed for seed in range(100) if draw_of("near", seed) > 0.2 and draw_of("sure", seed) > 0.2)
    pictures = [picture("sure"), picture("near", label(visible_share=0.59))]
    verdicts: dict[str, Verdict] = rule(pictures)
    assert not verdicts["near"].accepted
    assert queue(pictures, verdicts=verdicts, seed=seed).ids == ("near", "sure")


def test_no_pictures_are_an_empty_queue() -> None:
    assert queue([]) == Queue(ids=(), at_random=())
