"""What people said about a finding, one after the other, and what it adds up to."""

from typing import Any

import pytest

from curation.edits import Wish, wishes_of
from curation.records import FindingEdit, FindingEdits


def edit(reviewer: str, finding_id: str = "one", **said: Any) -> FindingEdit:
    return FindingEdit(finding_id=finding_id, round=3, reviewer=reviewer, at="2026-01-01T00:00:00.000", **said)


CONFIRMED: dict[str, Any] = {"says": "confirmed"}
DISMISSED: dict[str, Any] = {"says": "dismissed", "reason": "not ours"}
AS_TESTED: dict[str, Any] = {"says": "as tested"}
LABEL: dict[str, Any] = {"action": "label"}
FORTY: dict[str, Any] = {"pictures": 40}

SAID: dict[str, tuple[list[tuple[str, dict[str, Any]]], Wish | None]] = {
    "nothing": ([], None),
    "confirmed": ([("ann", CONFIRMED)], Wish(confirmed_by="ann")),
    "by two": ([("ann", CONFIRMED), ("bob", CONFIRMED)], Wish(confirmed_by="bob")),
    "each for itself": (
        [("ann", CONFIRMED), ("bob", FORTY), ("eve", {"action": "generate"})],
        Wish(confirmed_by="ann", pictures=40, pictures_by="bob", action="generate", action_by="eve"),
    ),
    "later counts": ([("ann", LABEL), ("bob", {"action": "nothing"})], Wish(action="nothing", action_by="bob")),
    "dismissed at last": (
        [("ann", CONFIRMED), ("ann", FORTY), ("bob", DISMISSED)],
        Wish(dismissed_by="bob", reason="not ours"),
    ),
    "confirmed after all": ([("ann", FORTY), ("bob", DISMISSED), ("ann", CONFIRMED)], Wish(confirmed_by="ann")),
    "given an action after all": ([("bob", DISMISSED), ("ann", LABEL)], Wish(action="label", action_by="ann")),
    "given a number after all": ([("bob", DISMISSED), ("ann", FORTY)], Wish(pictures=40, pictures_by="ann")),
    "as tested again": ([("ann", LABEL), ("bob", FORTY), ("bob", AS_TESTED)], None),
    "something after that": (
        [("ann", LABEL), ("bob", AS_TESTED), ("ann", FORTY)],
        Wish(pictures=40, pictures_by="ann"),
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_people_said_adds_up(name: str) -> None:
    said, expected = SAID[name]
    wishes = wishes_of([edit(reviewer, **each) for reviewer, each in said])
    assert wishes == ({"one": expected} if expected else {})


def test_findings_have_wishes_of_their_own() -> None:
    wishes = wishes_of([edit("ann", **DISMISSED), edit("bob", "other", **FORTY)])
    assert wishes == {
        "one": Wish(dismissed_by="ann", reason="not ours"),
        "other": Wish(pictures=40, pictures_by="bob"),
    }


CHOICES = {
    "none": (Wish(confirmed_by="ann"), (None, "")),
    "an action": (Wish(action="label", action_by="ann"), ("label", "ann")),
    "a number": (Wish(pictures=5, pictures_by="bob"), ("generate", "bob")),
    "no pictures": (Wish(action="generate", action_by="ann", pictures=0, pictures_by="bob"), ("nothing", "bob")),
    "a number beside another action": (
        Wish(action="label", action_by="ann", pictures=5, pictures_by="bob"),
        ("label", "ann"),
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_number_of_pictures_is_a_choice_of_pictures(name: str) -> None:
    wish, expected = CHOICES[name]
    assert wish.choice == expected


def test_edits_come_back_from_json_as_they_were() -> None:
    edits = FindingEdits(edits=(edit("ann", **DISMISSED), edit("bob", **FORTY)))
    assert FindingEdits.model_validate_json(edits.model_dump_json()) == edits
