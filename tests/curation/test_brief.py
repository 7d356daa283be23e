"""From findings to briefs: who is funded, with how much, and what is left to people."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.brief import Words, make_briefs
from curation.records import Briefs, Condition, Finding, FindingEdit, Findings, Payoff, Payoffs, Shortage
from curation.serving import Means
from curation.wants import unpaid_rounds
from generation.records import Brief
from training.files import digest_of
from training.records import Interval

NO_LIMITS = Means("paste")


def conditions(label: str | None, size: Any = None, **more: str) -> tuple[Condition, ...]:
    given = {"class": label, "size": size} | more
    return tuple(Condition(column=column, value=value) for column, value in given.items() if value)


def finding(label: str | None, size: Any = None, *, gain: float = 0.1, **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "finding_id": digest_of([label, size, str(changes.get("conditions"))]), "origin": "pre-specified",
        "tested_on": "val", "conditions": conditions(label, size),
        "label": label, "size": size, "versus": "other classes",
        "words": " ".join(word for word in (size, label or "objects") if word), "status": "confirmed", "objects": 40,
        "photos": 20, "recall": 0.5, "recall_rest": 0.8, "effect": Interval(value=0.3, low=0.1, high=0.5, photos=20),
        "p": 0.001, "q": 0.01, "gain": gain, "missed": {label: 20} if label else {"cone": 12, "hat": 20},
        "objects_to_settle": None, "evidence": (), "view": "",
    }  # fmt: skip
    return Finding.model_validate(given | changes)


def shortage(label: str, **changes: Any) -> Shortage:
    given: dict[str, Any] = {
        "finding_id": digest_of(["shortage", label]), "conditions": conditions(label), "label": label, "size": None,
        "words": label, "why": "12 objects in train", "train_objects": 12, "val_objects": 30, "val_photos": 20,
        "recall": 0.4, "gain": 0.1, "evidence": (), "view": "",
    }  # fmt: skip
    return Shortage.model_validate(given | changes)


def briefs(
    *findings: Finding,
    pictures: int = 100,
    min_pictures: int = 20,
    unserved: str = "",
    shortages: Sequence[Shortage] = (),
    suspect_shares: Mapping[str, float] | None = None,
    means: Means | str = NO_LIMITS,
    history: Mapping[int, Payoffs] = MappingProxyType({}),
    edits: Sequence[FindingEdit] = (),
    stopped: Mapping[str, str] = MappingProxyType({}),
) -> Briefs:
    ordered = tuple(sorted(findings, key=lambda each: -each.gain))

    def means_for(brief: Brief, _: Sequence[Condition]) -> Means | str:
        return f"there is no cut-out of a {brief.label}" if brief.label in unserved.split() else means

    return make_briefs(
        Findings(findings=ordered, split="val", min_effect=0.1, max_q=0.05, shortages=tuple(shortages)),
        pictures=pictures,
        min_pictures=min_pictures,
        suspect_shares=suspect_shares or {},
        means_for=means_for,
        history=history,
        edits=edits,
        stopped=stopped,
    )


def actions(made: Briefs) -> list[str]:
    return [action.action for action in made.actions]


def shares(made: Briefs) -> dict[str, int]:
    return {brief.label: brief.pictures for brief in made.briefs if brief.action == "generate"}


gains = st.lists(st.floats(1e-6, 1), min_size=1, max_size=12)


@given(gains=gains, pictures=st.integers(1, 500), min_pictures=st.integers(1, 50))
def test_shares_add_up_to_the_budget_and_none_is_below_the_floor(
    gains: list[float], pictures: int, min_pictures: int
) -> None:
    findings = [finding(f"class {k:02d}", gain=gain) for k, gain in enumerate(gains)]
    counts = [brief.pictures for brief in briefs(*findings, pictures=pictures, min_pictures=min_pictures).briefs]
    assert sum(counts) == pictures
    assert len(counts) == min(len(gains), max(1, pictures // min_pictures))
    assert min(counts) >= min(min_pictures, pictures)
    assert counts == sorted(counts, reverse=True) or max(counts) - counts[0] <= 1


def test_shares_above_the_floor_follow_the_gain() -> None:
    made = briefs(finding("cone", gain=0.3), finding("hat", gain=0.1), pictures=120, min_pictures=20)
    assert shares(made) == {"cone": 20 + 60, "hat": 20 + 20}


def test_where_the_budget_is_too_small_the_smallest_gains_get_nothing() -> None:
    findings = [finding(label, gain=gain) for label, gain in (("cone", 0.1), ("hat", 0.3), ("vest", 0.2))]
    assert list(shares(briefs(*findings, pictures=50, min_pictures=20))) == ["hat", "vest"]
    assert shares(briefs(*findings, pictures=5, min_pictures=20)) == {"hat": 5}


@pytest.mark.parametrize("status", ["refuted", "open"])
def test_what_was_not_confirmed_is_never_funded(status: str) -> None:
    made = briefs(finding("cone", gain=0.9, status=status), finding("hat", gain=0.1))
    assert shares(made) == {"hat": 100}
    alone = briefs(finding("cone", status=status))
    assert alone.briefs == ()
    assert "no finding was confirmed" in alone.note


def test_a_finding_without_gain_is_not_funded() -> None:
    assert briefs(finding("cone", gain=0)).briefs == ()


COVERED = {
    # what: findings with gains, those that are funded
    "a size within its class": ([("cone", None, 0.3), ("cone", "small", 0.2)], [("cone", None)]),
    "a class after its size": ([("cone", "small", 0.3), ("cone", None, 0.2)], [("cone", "small"), ("cone", None)]),
    "two sizes of a class": ([("cone", "small", 0.3), ("cone", "large", 0.2)], [("cone", "small"), ("cone", "large")]),
    "another class": ([("cone", "small", 0.3), ("vest", "small", 0.2)], [("cone", "small"), ("vest", "small")]),
    "a size of all classes within its class": ([("hat", None, 0.3), (None, "small", 0.2)], [("hat", None)]),
    "a size of a class after the same size of all": ([(None, "small", 0.3), ("hat", "small", 0.2)], [("hat", "small")]),
}  # fmt: skip


@pytest.mark.parametrize("name", COVERED)
def test_a_finding_within_one_that_gains_more_is_left_to_that_one(name: str) -> None:
    given, funded = COVERED[name]
    made = briefs(*[finding(label, size, gain=gain) for label, size, gain in given])
    assert [(brief.label, brief.size) for brief in made.briefs] == funded


def test_one_that_is_not_confirmed_covers_nothing() -> None:
    made = briefs(finding("cone", gain=0.3, status="open"), finding("cone", "small", gain=0.2))
    assert [brief.size for brief in made.briefs] == ["small"]


def test_a_finding_of_all_classes_asks_for_the_class_that_it_misses_most() -> None:
    (brief,) = briefs(finding(None, "small")).briefs
    assert (brief.label, brief.size) == ("hat", "small")
    (tie,) = briefs(finding(None, "small", missed={"vest": 3, "cone": 3, "hat": 1})).briefs
    assert tie.label == "cone"


def test_a_size_that_was_always_found_does_not_stop_the_others() -> None:
    perfect = finding(None, "large", gain=0, status="refuted", missed={}, recall=1.0)
    assert shares(briefs(finding("cone"), perfect)) == {"cone": 100}


def test_what_the_generator_cannot_serve_becomes_a_label_brief_with_its_reason() -> None:
    made = briefs(finding("cone", gain=0.3), finding("hat", gain=0.1), unserved="cone")
    generate, label = made.briefs
    assert (generate.label, generate.action, generate.pictures) == ("hat", "generate", 100)
    assert (label.label, label.action, label.pictures) == ("cone", "label", 0)
    assert label.reason == "there is no cut-out of a cone"
    assert label.finding_id == finding("cone").finding_id
    assert made.note == ""


def test_where_nothing_can_be_served_the_note_says_so() -> None:
    made = briefs(finding("cone"), finding("hat"), unserved="cone hat")
    assert {brief.action for brief in made.briefs} == {"label"}
    assert "real photos have to be labelled" in made.note


def test_a_label_brief_costs_no_one_a_place() -> None:
    findings = [finding(label, gain=gain) for label, gain in (("cone", 0.3), ("hat", 0.2), ("vest", 0.1))]
    assert list(shares(briefs(*findings, pictures=40, min_pictures=20, unserved="cone"))) == ["hat", "vest"]


def test_a_brief_says_why_in_words() -> None:
    (brief,) = briefs(finding("cone", "small")).briefs
    assert brief.reason == "small cone: recall 0.50 against 0.80 of other classes"


@given(gains=gains)
def test_ids_are_unique_and_the_same_again_whatever_the_budget(gains: list[float]) -> None:
    findings = [finding(f"class {k:02d}", gain=gain) for k, gain in enumerate(gains)]
    first, second = (briefs(*findings, pictures=pictures, min_pictures=1).briefs for pictures in (100, 200))
    assert len({brief.brief_id for brief in first}) == len(first)
    assert [brief.brief_id for brief in first] == [brief.brief_id for brief in second]


def test_no_findings_make_no_briefs_and_say_so() -> None:
    made = briefs()
    assert made.briefs == ()
    assert made.note


PAYOFF = {"p": "pays", "d": "does not pay", "c": "cannot be shown"}


def past(*verdicts: str, of: str = "cone") -> dict[int, Payoffs]:
    """Give what rounds 1, 2, … said of a finding's pictures: `p`ays, `d`oes not pay, `c`annot be shown, or nothing."""
    return {
        number: Payoffs(findings=(payoff(of, verdict),) if verdict else (), losses=())
        for number, verdict in enumerate(verdicts, 1)
    }


def payoff(label: str, verdict: str) -> Payoff:
    given = {
        "finding_id": finding(label).finding_id, "words": label, "pictures": 9, "objects": 9, "photos": 9,
        "champion": 0.1, "control": 0.1, "candidate": 0.1, "gain": Interval(value=0, low=0, high=0, photos=9),
        "verdict": PAYOFF[verdict],
    }  # fmt: skip
    return Payoff.model_validate(given)


PASTS = {
    # what: verdicts of rounds 1, 2, …, the rounds that count against the finding
    "nothing was made": (["", ""], []),
    "it paid": (["p"], []),
    "it cannot be shown": (["c", "c"], []),
    "it did not pay": (["", "d"], [2]),
    "it did not pay twice": (["d", "c", "d"], [1, 3]),
    "it paid since": (["d", "d", "p"], []),
    "it did not pay since it paid": (["d", "p", "d"], [3]),
}


@pytest.mark.parametrize("name", PASTS)
def test_rounds_that_did_not_pay_count_until_the_pictures_pay(name: str) -> None:
    verdicts, rounds = PASTS[name]
    given = past(*verdicts)
    turned = dict(reversed(given.items()))
    assert unpaid_rounds(given).get(finding("cone").finding_id, []) == rounds
    assert unpaid_rounds(turned) == unpaid_rounds(given)


def test_a_finding_whose_pictures_did_not_pay_weighs_half_and_says_so() -> None:
    cone, hat = finding("cone", gain=0.5), finding("hat", gain=0.25)
    made = briefs(cone, hat, pictures=100, min_pictures=20, history=past("d"))
    assert shares(made) == {"cone": 50, "hat": 50}
    assert made.actions[0].reason.endswith("of other classes; weighs half, as its pictures did not pay in round 1")
    assert made.actions[1].reason.endswith("of other classes")
    assert shares(briefs(cone, hat, pictures=100, min_pictures=20)) == {"cone": 60, "hat": 40}


def test_where_the_budget_is_too_small_those_of_least_weight_get_nothing() -> None:
    cone, hat = finding("cone", gain=0.15), finding("hat", gain=0.1)
    assert shares(briefs(cone, hat, pictures=30, min_pictures=20, history=past("d"))) == {"hat": 30}


def test_what_did_not_pay_twice_is_left_to_people_and_the_others_get_its_share() -> None:
    cone, hat = finding("cone", gain=0.2), finding("hat", gain=0.1)
    made = briefs(cone, hat, history=past("d", "", "d"))
    assert shares(made) == {"hat": 100}
    assert actions(made) == ["label", "generate"]
    assert made.actions[0].reason == "its pictures did not pay in rounds 1 and 3"
    alone = briefs(cone, history=past("d", "d"))
    assert "real photos have to be labelled" in alone.note


RULES: dict[str, tuple[dict[str, Any], float, str, str]] = {
    # what: changes of the finding, share of suspects, action, a word of its reason
    "open": ({"status": "open", "objects_to_settle": 90}, 0, "nothing", "about 90 objects would settle it"),
    "refuted": ({"status": "refuted"}, 0, "nothing", "refuted"),
    "explained": ({"explained_by": "abcd1234"}, 0, "nothing", "explained by the finding abcd"),
    "suspected labels": ({}, 0.34, "fix labels", "34% of what it misses are suspected labels"),
    "few suspected labels": ({}, 0.33, "generate", "recall 0.50 against 0.80"),
    "too few photos": ({"photos": 9}, 0, "label", "9 photos of val"),
    "just enough photos": ({"photos": 10}, 0, "generate", "recall 0.50"),
    "no gain": ({"gain": 0}, 0, "nothing", "no AP"),
    "did not pay once": ({"history": past("d")}, 0, "generate", "did not pay in round 1"),
    "did not pay twice": ({"history": past("d", "d")}, 0, "label", "did not pay in rounds 1 and 2"),
    "did not pay thrice": ({"history": past("d", "d", "d")}, 0, "label", "rounds 1, 2 and 3"),
    "did not pay, then paid": ({"history": past("d", "d", "p")}, 0, "generate", "recall 0.50"),
    "did not pay twice, no gain": ({"history": past("d", "d"), "gain": 0}, 0, "nothing", "no AP"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_the_first_rule_that_fits_decides_and_is_named(name: str) -> None:
    changes, share, action, word = RULES[name]
    history = changes.get("history", {})
    one = finding("cone", **{key: value for key, value in changes.items() if key != "history"})
    (taken,) = briefs(one, suspect_shares={one.finding_id: share}, history=history).actions
    assert taken.action == action
    assert word in taken.reason


def test_actions_stand_in_the_order_of_the_findings_and_carry_their_share() -> None:
    made = briefs(finding("cone", gain=0.3), finding("hat", gain=0.2, status="open"), finding("vest", gain=0.1))
    assert actions(made) == ["generate", "nothing", "generate"]
    assert [action.share for action in made.actions] == [0.65, 0, 0.35]


def test_a_conjunction_lies_within_a_finding_of_fewer_conditions() -> None:
    dark = finding("cone", gain=0.1, conditions=conditions("cone", light="dark"))
    assert actions(briefs(finding("cone", gain=0.2), dark)) == ["generate", "nothing"]
    assert actions(briefs(finding("cone", gain=0.05), dark)) == ["generate", "generate"]


def test_what_the_generator_cannot_vary_is_left_to_people() -> None:
    made = briefs(finding("cone"), means="pasting cannot vary position: top left")
    assert [(brief.action, brief.reason) for brief in made.briefs] == [
        ("label", "pasting cannot vary position: top left")
    ]


def test_the_limits_of_a_brief_are_part_of_what_it_is() -> None:
    (dark,) = briefs(finding("cone"), means=Means("paste", background_ids=("a", "b"))).briefs
    (any_,) = briefs(finding("cone")).briefs
    assert dark.background_ids == ("a", "b")
    assert dark.brief_id != any_.brief_id


def test_a_shortage_is_acted_on_by_what_val_misses_of_it() -> None:
    assert actions(briefs(shortages=[shortage("hat")])) == ["generate"]
    assert actions(briefs(shortages=[shortage("hat", gain=0)])) == ["nothing"]
    unseen = briefs(shortages=[shortage("hat", gain=0, val_objects=0, val_photos=0, recall=None)])
    assert actions(unseen) == ["label"]


def test_a_shortage_within_a_finding_that_gains_as_much_is_left_to_it() -> None:
    assert actions(briefs(finding("hat"), shortages=[shortage("hat")])) == ["generate", "nothing"]


def test_words_of_whoever_proposed_a_finding_are_carried_to_what_draws_and_are_nothing_to_pasting() -> None:
    found = finding("cone")
    words = {found.finding_id: Words(("a muddy cone",), ("rain",))}
    drawn, pasted = (
        make_briefs(
            Findings(findings=(found,), split="val", min_effect=0.1, max_q=0.05), pictures=9, min_pictures=1,
            suspect_shares={}, means_for=lambda brief, _, backend=backend: Means(backend), words=words,
        ).briefs[0]
        for backend in ("gligen", "paste")
    )  # fmt: skip
    assert (drawn.phrases, drawn.scene_words) == (("a muddy cone",), ("rain",))
    assert (pasted.phrases, pasted.scene_words) == ((), ())


# --- what people said ---


def edit(each: Finding | Shortage, reviewer: str = "ann", **said: Any) -> FindingEdit:
    return FindingEdit(finding_id=each.finding_id, round=1, reviewer=reviewer, at="2026-01-01T00:00:00.000", **said)


CONE, HAT, UNSURE = finding("cone", gain=0.3), finding("hat", gain=0.1), finding("vest", gain=0.2, status="open")
EXPLAINED = finding("cone", "small", gain=0.2, explained_by="a" * 24)

EDITED = {
    # what: finding, what was said, action, end of the reason
    "nothing said": (CONE, [], "generate", "of other classes"),
    "dismissed": (
        CONE, [{"says": "dismissed", "reason": "not our gate"}], "nothing", "dismissed by ann: not our gate"
    ),
    "dismissed without a word": (CONE, [{"says": "dismissed"}], "nothing", "dismissed by ann"),
    "an open one confirmed": (UNSURE, [{"says": "confirmed"}], "generate", "; confirmed by ann, not by the test"),
    "an explained one confirmed": (EXPLAINED, [{"says": "confirmed"}], "nothing", "explained by the finding aaaa"),
    "a confirmed one confirmed": (CONE, [{"says": "confirmed"}], "generate", "of other classes"),
    "label chosen": (CONE, [{"action": "label"}], "label", "; chosen by ann"),
    "fix labels chosen": (CONE, [{"action": "fix labels"}], "fix labels", "; chosen by ann"),
    "nothing chosen": (CONE, [{"action": "nothing"}], "nothing", "; chosen by ann"),
    "pictures of an open one": (UNSURE, [{"action": "generate"}], "generate", "; chosen by ann, not by the test"),
    "a number for an open one": (UNSURE, [{"pictures": 30}], "generate", "; 30 pictures asked for by ann"),
    "no pictures": (CONE, [{"pictures": 0}], "nothing", "; chosen by ann"),
    "a label action with a number": (CONE, [{"action": "label", "pictures": 9}], "label", "; chosen by ann"),
    "taken back": (CONE, [{"says": "dismissed"}, {"says": "as tested"}], "generate", "of other classes"),
    "without gain": (finding("cone", gain=0), [{"action": "generate"}], "generate", "; chosen by ann"),
    "nothing is missed": (
        finding(None, gain=0, missed={}), [{"action": "label"}], "nothing", "of any class; ann asked for labels"
    ),
    "what none can make": (finding("tent"), [{"action": "generate"}], "label", "a tent; ann asked for pictures"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITED)
def test_what_people_said_of_a_finding_decides_its_action(name: str) -> None:
    given, said, action, ending = EDITED[name]  # the budget is shared, too, where nothing weighs anything
    (made,) = briefs(given, unserved="tent", edits=[edit(given, **each) for each in said]).actions
    assert made.action == action
    assert made.reason.endswith(ending)


def test_a_dismissed_finding_leaves_its_pictures_to_the_others_and_covers_nothing() -> None:
    inner = finding("cone", "small", gain=0.1)
    made = briefs(CONE, inner, edits=[edit(CONE, says="dismissed")])
    assert [(brief.size, brief.pictures) for brief in made.briefs] == [("small", 100)]


def test_a_shortage_can_be_dismissed_too() -> None:
    rare = shortage("vest")
    assert briefs(shortages=[rare], edits=[edit(rare, says="dismissed")]).briefs == ()


NUMBERS = {
    # what: numbers asked for cone, hat and vest of gain 0.3, 0.2 and 0.1; pictures of 100 that each gets
    "one number": ({"hat": 10}, {"cone": 58, "hat": 10, "vest": 32}),
    "below the floor": ({"cone": 3}, {"cone": 3, "hat": 59, "vest": 38}),
    "nearly all": ({"vest": 70}, {"cone": 30, "vest": 70}),
    "all": ({"vest": 100}, {"vest": 100}),
    "beyond the budget": ({"hat": 300}, {"hat": 100}),
    "two beyond it, the heavier first": ({"vest": 70, "cone": 60}, {"cone": 60, "vest": 40}),
    "all given less": ({"cone": 10, "hat": 10, "vest": 10}, {"cone": 10, "hat": 10, "vest": 10}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_people_gave_are_served_first_and_within_the_budget(name: str) -> None:
    asked, expected = NUMBERS[name]
    given = {label: finding(label, gain=gain) for label, gain in (("cone", 0.3), ("hat", 0.2), ("vest", 0.1))}
    made = briefs(*given.values(), edits=[edit(given[label], pictures=n) for label, n in asked.items()])
    assert shares(made) == expected
    by_id = {action.finding_id: action for action in made.actions}
    for label, each in given.items():
        assert by_id[each.finding_id].pictures == expected.get(label, 0)
        assert by_id[each.finding_id].action == ("generate" if label in expected else "nothing")


def test_a_number_that_the_budget_cannot_hold_is_said() -> None:
    made = briefs(CONE, HAT, edits=[edit(CONE, pictures=90), edit(HAT, "bob", pictures=30)])
    assert made.actions[1].reason.endswith("; 30 pictures asked for by bob, of the budget of 100 only 10 were left")
    none = briefs(CONE, HAT, edits=[edit(CONE, pictures=100), edit(HAT, "bob", pictures=30)])
    assert (none.actions[1].action, none.actions[1].pictures) == ("nothing", 0)
    assert none.actions[1].reason == "30 pictures asked for by bob, of the budget of 100 only 0 were left"


@given(numbers=st.lists(st.none() | st.integers(0, 150), min_size=1, max_size=8), min_pictures=st.integers(1, 40))
def test_no_wish_goes_beyond_the_budget(numbers: list[int | None], min_pictures: int) -> None:
    findings = [finding(f"class {k:02d}", gain=1 / (k + 1)) for k in range(len(numbers))]
    edits = [edit(each, pictures=n) for each, n in zip(findings, numbers, strict=True) if n is not None]
    made = briefs(*findings, pictures=100, min_pictures=min_pictures, edits=edits)
    counts = {brief.finding_id: brief.pictures for brief in made.briefs}
    assert sum(counts.values()) <= 100
    assert all(counts.values())
    for each, n in zip(findings, numbers, strict=True):
        assert n is None or counts.get(each.finding_id, 0) <= n


def test_a_finding_whose_pictures_people_keep_rejecting_is_left_to_them() -> None:
    one, other = finding("cone"), finding("vest")
    made = briefs(one, other, stopped={one.finding_id: "people rejected 14 of 16 of its pictures: looks unreal 14"})
    taken = {action.finding_id: action for action in made.actions}
    assert taken[one.finding_id].action == "label"
    assert taken[one.finding_id].reason == "people rejected 14 of 16 of its pictures: looks unreal 14"
    assert taken[other.finding_id].action == "generate"
