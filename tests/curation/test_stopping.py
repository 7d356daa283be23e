"""When to stop, and what to label instead."""

from typing import Any

import pytest

from curation.records import Action, Briefs, ClassVerdict, Decision, Difference, Finding, Findings, Shortage
from curation.stopping import PlayedRound, Stop, to_label, why_stop
from training.records import Interval


def interval(value: float = 0.1) -> Interval:
    return Interval(value=value, low=value - 0.1, high=value + 0.1, photos=20)


def finding(number: int, **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "finding_id": f"f{number}", "conditions": (), "origin": "pre-specified", "tested_on": "val", "label": "cone",
        "size": "small", "words": f"slice {number}", "versus": "the rest", "status": "confirmed", "objects": 60,
        "photos": 30, "recall": 0.4, "recall_rest": 0.8, "effect": interval(0.3), "p": 0.0001, "q": 0.01,
        "gain": 1 / number, "missed": {"cone": 41}, "objects_to_settle": None, "evidence": (), "view": "",
    }  # fmt: skip
    return Finding.model_validate(given | changes)


def shortage(**changes: Any) -> Shortage:
    given: dict[str, Any] = {
        "finding_id": "s1", "conditions": (), "label": "vest", "size": None, "words": "vest", "why": "few",
        "train_objects": 12, "val_objects": 30, "val_photos": 20, "recall": 0.25, "gain": 0.02, "evidence": (),
        "view": "",
    }  # fmt: skip
    return Shortage.model_validate(given | changes)


def decision(outcome: str = "inconclusive", *, trained: bool = True, **changes: Any) -> Decision:
    difference = Difference(of="candidate − champion", mean_ap=interval(0), classes={}) if trained else None
    given: dict[str, Any] = {
        "outcome": outcome, "sentence": "Cannot tell: so it is.", "better": difference, "pictures_did_it": difference,
        "attributed": "cannot tell", "attribution": "", "classes": (), "settle": "", "openings": 1, "champion": "m",
        "models": {"champion": "m"},
    }  # fmt: skip
    return Decision.model_validate(given | changes)


def played(
    number: int = 1,
    decided: Decision | None = None,
    *found: Finding,
    photos: str = "same",
    shortages: tuple[Shortage, ...] = (),
    **acts: Any,
) -> PlayedRound:
    """Play a round; `acts` gives the action of each finding by its id, `generate` for one more by default."""
    wanted = acts or {"other": "generate"}
    actions = [Action(finding_id=key, action=name, pictures=0, share=0, reason="why") for key, name in wanted.items()]
    return PlayedRound(
        number=number,
        photos=photos,
        findings=Findings(findings=found, split="val", min_effect=0.1, max_q=0.05, shortages=shortages),
        briefs=Briefs(actions=tuple(actions), briefs=(), note=""),
        decision=decided or decision(),
    )


def stop_after(*rounds: PlayedRound) -> Stop | None:
    return why_stop(rounds, max_without_promotion=3, min_test_photos=50)


NOTHING_TRAINED = decision(trained=False, sentence="Cannot tell: none of 9 pictures was accepted.")
CASES = {
    # what: rounds, a word of the sentence, empty where another round is played
    "no round yet": ([], ""),
    "promoted": ([played(1, decision("promoted"))], ""),
    "promoted, and nothing more to make": ([played(1, decision("promoted"), f1="nothing")], ""),
    "not promoted once": ([played(1)], ""),
    "nothing that pictures could help": ([played(1, f1="label", f2="nothing")], "no confirmed finding of round 1"),
    "nothing trained": ([played(2, NOTHING_TRAINED)], "the same as round 2: Cannot tell: none of 9 pictures"),
    "not promoted three times": ([played(n) for n in (1, 2, 3)], "3 rounds in a row promoted no model"),
    "rejected counts, too": ([played(1), played(2, decision("rejected")), played(3)], "3 rounds in a row"),
    "promoted in between": ([played(1), played(2, decision("promoted")), played(3), played(4)], ""),
    "new labels in between": ([played(1, photos="old"), played(2), played(3)], ""),
    "three on the new labels": ([played(1, photos="old"), *(played(n) for n in (2, 3, 4))], "3 rounds in a row"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_rule_that_fits_stops(name: str) -> None:
    rounds, word = CASES[name]
    stop = stop_after(*rounds)
    assert (stop is None) == (not word)
    if stop:
        assert word in stop.sentence
        assert stop.sentence.startswith("Stopped: ")
        assert stop.sentence.endswith(".")


def label(*found: Finding, decided: Decision | None = None, **more: Any) -> list[str]:
    return to_label(played(3, decided, *found, **more), min_test_photos=50)


LEFT = {
    # what: finding or shortage, action, the line
    "nothing can make it": (
        finding(1), "label", "label: at least 40 more objects in 10 photos for train of slice 1 (why)",
    ),
    "on too few photos of val": (finding(1, photos=7), "label", "label: 3 photos more for val with slice 1 (why)"),
    "suspected labels": (finding(1), "fix labels", "label: mend the suspected labels of slice 1 (why)"),
    "rare in train": (
        shortage(finding_id="f1"), "label", "label: at least 28 more objects in 10 photos for train of vest (why)",
    ),
    "rare in train, yet many": (
        shortage(finding_id="f1", train_objects=90), "label",
        "label: at least 10 more objects in 10 photos for train of vest (why)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_to_people_says_how_much_of_what(name: str) -> None:
    want, action, line = LEFT[name]
    is_finding = isinstance(want, Finding)
    found, short = ((want,), ()) if is_finding else ((), (want,))
    assert label(*found, shortages=short, f1=action) == [line]


def test_an_open_finding_says_how_many_objects_it_still_needs_twice_as_many_where_half_of_val_tests_it() -> None:
    needs: dict[str, Any] = {"status": "open", "objects_to_settle": 90}
    assert label(finding(1, **needs), finding(2, **needs, tested_on="confirm"), finding(3, **needs, gain=0)) == [
        "label: about 30 more objects for val of slice 1, which may be weak",
        "label: about 60 more objects for val of slice 2, which may be weak",
    ]


def verdict(name: str, photos: int, word: str = "too few photos") -> ClassVerdict:
    return ClassVerdict.model_validate(
        {"label": name, "verdict": word, "photos": photos, "champion_ap": 0.1, "control_ap": 0.1, "candidate_ap": 0.1}
    )


def test_classes_on_too_few_test_photos_are_named_the_nearest_first() -> None:
    classes = (verdict("hat", 3), verdict("cone", 90, "better"), verdict("vest", 38))
    lines = label(decided=decision(classes=classes, settle="about 90 more test photos"))
    assert lines == [
        "label: more test photos that hold the class: vest 12, hat 47",
        "to settle round 3: about 90 more test photos",
    ]


def test_what_the_decision_says_of_test_photos_is_not_said_twice() -> None:
    settle = "more test photos that hold the class: vest 12"
    assert label(decided=decision(classes=(verdict("vest", 38),), settle=settle)) == [f"to settle round 3: {settle}"]


def test_at_most_five_lines_with_a_place_for_every_group() -> None:
    found = [finding(number) for number in range(1, 9)]
    opened = finding(9, status="open", objects_to_settle=90)
    acts: dict[str, Any] = {f"f{number}": "label" for number in range(1, 9)}
    lines = label(*found, opened, decided=decision(settle="add test photos"), **acts)
    assert len(lines) == 5
    assert [line.split(" of ")[-1][:7] for line in lines[:3]] == ["slice 1", "slice 2", "slice 3"]
    assert lines[3:] == [
        "to settle round 3: add test photos",
        "label: about 30 more objects for val of slice 9, which may be weak",
    ]
    assert len(label(*found, **acts)) == 5


def test_equal_lines_are_said_once() -> None:
    twins = [finding(number, words="slice") for number in (1, 2)]
    assert len(label(*twins, f1="label", f2="label")) == 1
