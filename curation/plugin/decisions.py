"""What people decide about samples, as updates that the database runs; nothing but arguments.

A decision is only ever appended to the sample's list `decisions`, numbered by its place; `undo` is one more entry,
which names the number that it takes back. What people see, tags and verdict, is computed from the list by the server in
the same update, so two reviewers at once lose nothing. A tag that was set by hand since is first taken into the list;
of two, the later: FiftyOne appends a tag to those that are there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

Document = dict[str, Any]

ACCEPTED, REJECTED, UNDONE = "accepted", "rejected", "undone"
TO_LABEL, LABELLED = "to label", "labelled"
"""Tags of photos of a selection: waiting for people, and done by them."""
BY_TAG = "tag"
"""Reviewer of what somebody decided by setting a tag."""
EXTRA_OBJECT = "extra object"
REASONS = ("wrong class", "box does not fit", EXTRA_OBJECT, "looks unreal", "too small")
"""Why a picture is rejected; anything else is free text. Their order is that of the keys 1 to 5."""
MAX_REASON = 200
"""Characters of a reason in free text."""

# FiftyOne's App writes whole samples back, guarded by this time alone, which has milliseconds: so it must always grow.
TOUCHED: Document = {"$max": ["$$NOW", {"$add": [{"$ifNull": ["$last_modified_at", "$$NOW"]}, 1]}]}
_SAID_BY_TAG: Document = {"$and": [{"$in": ["$$this", [ACCEPTED, REJECTED]]}, {"$ne": ["$$this", "$verdict"]}]}
TAGGED: Document = {"$slice": [{"$filter": {"input": {"$ifNull": ["$tags", []]}, "cond": _SAID_BY_TAG}}, -1]}
"""What the last tag says other than the verdict; one value where somebody decided by hand since, else none."""
_LISTED: Document = {"$ifNull": ["$decisions", []]}
_BY_HAND: Document = {
    "number": {"$size": _LISTED},
    "verdict": {"$first": TAGGED},
    "reviewer": BY_TAG,
    "reason": "",
    "at": {"$ifNull": ["$last_modified_at", "$$NOW"]},
}
IS_DECIDED: Document = {"$or": [{"$eq": ["$review.decided", True]}, {"$eq": [{"$size": TAGGED}, 1]}]}
"""Whether a person has decided, in the App or by tag."""
SHOWN: Document = {"$cond": [{"$eq": [{"$size": TAGGED}, 1]}, {"$first": TAGGED}, "$verdict"]}
"""The verdict that counts."""


def decide_stages(verdict: str, *, reviewer: str, reason: str = "") -> list[Document]:
    """Give the update that appends a decision, `ACCEPTED` or `REJECTED`, and shows it."""
    entry = {
        "number": {"$size": "$decisions"},
        "verdict": verdict,
        "reviewer": {"$literal": reviewer},
        "reason": {"$literal": reason},
        "at": "$$NOW",
    }
    return [_take_in_tags(), {"$set": {"decisions": {"$concatArrays": ["$decisions", [entry]]}}}, *_show()]


def undo_stages(*, reviewer: str) -> list[Document]:
    """Give the update that takes back a reviewer's last decision that stands; without one, only tags are taken in."""
    mine = {"$filter": {"input": _standing(), "cond": {"$eq": ["$$this.reviewer", {"$literal": reviewer}]}}}
    entry = {
        "number": {"$size": "$decisions"},
        "verdict": UNDONE,
        "reviewer": {"$literal": reviewer},
        "reason": "",
        "at": "$$NOW",
        "undoes": {"$last": "$_mine.number"},
    }
    appended = {"$concatArrays": ["$decisions", [entry]]}
    last = {"$cond": [{"$eq": [{"$size": "$_mine"}, 0]}, "$decisions", appended]}
    return [_take_in_tags(), {"$set": {"_mine": mine}}, {"$set": {"decisions": last}}, {"$unset": "_mine"}, *_show()]


def decided_fields(said: Sequence[tuple[str, bool, str, datetime]]) -> Document:
    """Give what a sample has after these decisions: reviewer, whether they accepted, reason and time; all stand."""
    entries = [
        {"number": number, "verdict": ACCEPTED if yes else REJECTED, "reviewer": who, "reason": reason, "at": at}
        for number, (who, yes, reason, at) in enumerate(said)
    ]
    last = entries[-1]
    shown = {"verdict": last["verdict"], "verdict_reason": last["reason"], "reviewer": last["reviewer"]}
    return {"decisions": entries, "review": {"decided": True}} | shown


def take_in_stages() -> list[Document]:
    """Give the update that takes what somebody decided by tag into the list, and shows it."""
    return [_take_in_tags(), *_show()]


def by_tag(tags: Sequence[str], verdict: str | None) -> str | None:
    """Say what somebody decided by tag since, as `TAGGED` does; None where nobody did."""
    said = [tag for tag in tags if tag in (ACCEPTED, REJECTED) and tag != verdict]
    return said[-1] if said else None


def standing(decisions: Sequence[Document]) -> list[Document]:
    """Give the decisions that nobody took back, in their order; the last one is what people see."""
    taken_back = {entry["undoes"] for entry in decisions if entry["verdict"] == UNDONE}
    return [entry for entry in decisions if entry["verdict"] != UNDONE and entry["number"] not in taken_back]


def _take_in_tags() -> Document:
    """Append what somebody decided by tag since; where no decision stands, keep what the rule said."""
    ruled = {"verdict": "$verdict", "reason": "$verdict_reason", "reviewer": "$reviewer"}
    undecided = {"$ne": ["$review.decided", True]}
    by_hand: Document = {"$cond": [{"$eq": [{"$size": TAGGED}, 1]}, [_BY_HAND], []]}
    return {
        "$set": {
            "decisions": {"$concatArrays": [_LISTED, by_hand]},
            "review": {"$mergeObjects": ["$review", {"$cond": [undecided, {"ruled": ruled}, {}]}]},
        }
    }


def _standing() -> Document:
    is_undo = {"$eq": ["$$this.verdict", UNDONE]}
    taken_back = {"$map": {"input": {"$filter": {"input": "$decisions", "cond": is_undo}}, "in": "$$this.undoes"}}
    stands = {"$not": [{"$or": [is_undo, {"$in": ["$$this.number", "$$taken_back"]}]}]}
    kept = {"$filter": {"input": "$decisions", "cond": stands}}
    return {"$let": {"vars": {"taken_back": taken_back}, "in": kept}}


def _show() -> list[Document]:
    """Let tags and verdict say the last decision that stands, or what the rule said where none does."""
    own = {"$not": [{"$in": ["$$this", [ACCEPTED, REJECTED]]}]}
    others = {"$filter": {"input": {"$ifNull": ["$tags", []]}, "cond": own}}
    verdict = {"$ifNull": ["$_shown.verdict", None]}
    shown = {
        "verdict": verdict,
        "verdict_reason": {"$ifNull": ["$_shown.reason", None]},
        "reviewer": {"$ifNull": ["$_shown.reviewer", None]},
        "tags": {"$concatArrays": [others, {"$cond": [{"$eq": [verdict, None]}, [], [verdict]]}]},
        "last_modified_at": TOUCHED,
    }
    decided = {"$mergeObjects": ["$review", {"decided": {"$gt": [{"$size": _standing()}, 0]}}]}
    last = {"$ifNull": [{"$last": _standing()}, "$review.ruled"]}
    return [{"$set": {"review": decided, "_shown": last}}, {"$set": shown}, {"$unset": "_shown"}]
