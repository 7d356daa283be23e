"""What is kept of a reply: only what was offered, only words, and everything else is counted."""

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from curation.consultation import proposal_of
from curation.diagnose import Column, ErrorTable
from curation.questions import Offer, offer_of
from curation.reply import (
    MAX_ATTRIBUTES,
    MAX_CLAIM,
    MAX_HYPOTHESES,
    MAX_PHRASES,
    HypothesesReply,
    check_hypotheses,
)
from generation.form import strict_schema

SHOWN = {f"A{number}": f"label{number}" for number in range(1, 17)}


def offer() -> Offer:
    codes = (np.arange(20) % 2).astype(np.int16)
    columns = (
        Column("class", ("cone", "person"), codes, "label"),
        Column("size", ("small", "large"), codes, "label"),
        Column("light", ("day", "night"), codes, "field"),
        Column("site", ("gate", "hall"), codes, "field"),
    )
    return offer_of(
        ErrorTable(np.arange(20).astype(str), np.arange(20), codes.astype(int), np.zeros(20, bool), columns)
    )


def said(**changes: Any) -> dict[str, Any]:
    """A hypothesis as a model says it: a slice, unless it is told otherwise."""
    return {
        "kind": "slice",
        "conditions": [{"column": "class", "value": "cone"}, {"column": "light", "value": "night"}],
        "attribute": "",
        "attribute_values": [],
        "weak_value": "",
        "claim": "cones vanish at night",
        "evidence": ["A1", "A2"],
        "varies": [{"aspect": "light", "words": "lamps and none"}],
        "missing": [{"aspect": "floor", "words": "wet floors"}],
        "phrases": ["a cone at night"],
        "scene_words": ["loading bay", "rain"],
        **changes,
    }


def attribute(**changes: Any) -> dict[str, Any]:
    told = {"attribute": "State", "attribute_values": ["clean", "Dirty"], "weak_value": "dirty"}
    on_cones = {"kind": "attribute", "conditions": conditions(("class", "cone"))}
    return said(**{**told, **on_cones, **changes})


def reply(*hypotheses: dict[str, Any]) -> HypothesesReply:
    return HypothesesReply.model_validate_json(json.dumps({"hypotheses": hypotheses}))


def conditions(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"column": column, "value": value} for column, value in pairs]


def test_a_slice_that_was_offered_becomes_a_proposal_with_its_claim() -> None:
    checked = check_hypotheses(reply(said()), offer(), SHOWN)
    (one,) = checked.hypotheses
    assert (one.status, one.reason, checked.failure, dict(checked.dropped)) == ("testable", "", "", {})
    assert one.evidence == ("label1", "label2")
    proposal = proposal_of(one)
    assert [(c.column, c.value) for c in proposal.conditions] == [("class", "cone"), ("light", "night")]
    assert (proposal.claim, proposal.hypothesis_id) == ("cones vanish at night", one.hypothesis_id)


def test_an_attribute_becomes_a_conjunction_of_its_class_and_its_weak_value() -> None:
    (one,) = check_hypotheses(reply(attribute()), offer(), SHOWN).hypotheses
    assert one.status == "testable"
    assert [(c.column, c.value) for c in proposal_of(one).conditions] == [("class", "cone"), ("state", "dirty")]
    assert one.attribute is not None
    assert one.attribute.values == ("clean", "dirty")


@pytest.mark.parametrize(
    ("name", "hypothesis", "reason"),
    [
        ("a column not offered", said(conditions=conditions(("weather", "rain"))), "not offered: weather: rain"),
        ("a value not offered", said(conditions=conditions(("light", "dusk"))), "not offered: light: dusk"),
        ("a value of another column", said(conditions=conditions(("light", "gate"))), "not offered: light: gate"),
        ("one of two not offered", said(conditions=conditions(("light", "night"), ("x", "y"))), "not offered: x: y"),
        ("an escape", said(conditions=conditions(("\x1b[2Jlight", "night"))), "not offered: [2Jlight: night"),
        ("no condition", said(conditions=[]), "no condition"),
        (
            "four conditions",
            said(conditions=conditions(("class", "cone"), ("size", "small"), ("light", "day"), ("site", "hall"))),
            "more than three conditions",
        ),
        ("twice", said(conditions=conditions(("light", "day"), ("light", "night"))), "one column in two conditions"),
        ("one value", attribute(attribute_values=["dirty"]), "an attribute needs two to four different values"),
        (
            "five values",
            attribute(attribute_values=["dirty", "b", "c", "d", "e"]),
            "an attribute needs two to four different values",
        ),
        ("alike", attribute(attribute_values=["dirty", "Dirty"]), "an attribute needs two to four different values"),
        ("weak unknown", attribute(weak_value="wet"), "the weak value is none of the attribute's values"),
        ("no name", attribute(attribute=""), "attribute or value not in plain words"),
        ("a path", attribute(attribute="../../etc"), "attribute or value not in plain words"),
        ("markup", attribute(attribute_values=["<b>", "dirty"]), "attribute or value not in plain words"),
        ("a formula", attribute(attribute_values=["=1+1", "dirty"]), "attribute or value not in plain words"),
        ("an essay", attribute(attribute="a " * 30), "attribute or value not in plain words"),
        ("a column's name", attribute(attribute="Light"), "there is a column of this name"),
        ("cannot tell", attribute(attribute_values=["dirty", "cannot tell"]), "'cannot tell' is no value"),
        (
            "another condition",
            attribute(conditions=conditions(("light", "night"))),
            "an attribute takes no condition but one on the class",
        ),
    ],
)
def test_what_cannot_be_tested_is_kept_with_its_reason(name: str, hypothesis: dict[str, Any], reason: str) -> None:
    dropped, other = check_hypotheses(reply(hypothesis, said()), offer(), SHOWN).hypotheses
    assert (dropped.status, dropped.reason) == ("dropped", reason)
    assert other.status == "testable", "one bad hypothesis costs no other"


def test_what_was_said_before_is_not_said_again() -> None:
    other_order = said(conditions=conditions(("light", "night"), ("class", "cone")))
    other_attribute = attribute(attribute_values=["dirty", "wet"])
    reasons = [
        one.reason
        for one in check_hypotheses(reply(said(), other_order, attribute(), other_attribute), offer(), SHOWN).hypotheses
    ]
    assert reasons == ["", "said twice", "", "another hypothesis has an attribute of this name"]


def test_no_more_attributes_are_tagged_than_the_bound() -> None:
    many = [attribute(attribute=f"state {number}") for number in range(MAX_ATTRIBUTES + 2)]
    states = [one.status for one in check_hypotheses(reply(*many), offer(), SHOWN).hypotheses]
    assert states == ["testable"] * MAX_ATTRIBUTES + ["dropped"] * 2


def test_hypotheses_beyond_the_bound_are_counted() -> None:
    checked = check_hypotheses(reply(*[said()] * (MAX_HYPOTHESES + 5)), offer(), SHOWN)
    assert len(checked.hypotheses) == MAX_HYPOTHESES
    assert checked.dropped["hypotheses"] == 5


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ten thousand hypotheses", None),
        ("ten thousand conditions", {"conditions": conditions(("light", "day")) * 10_000}),
        ("ten thousand ids", {"evidence": ["A1"] * 10_000}),
        ("ten thousand phrases", {"phrases": ["a"] * 10_000}),
        ("a novel", {"claim": "x" * 10_000}),
        ("a field more", {"promote": True}),
        ("a field less", None),
        ("another kind", {"kind": "accept all"}),
        ("another aspect", {"varies": [{"aspect": "price", "words": ""}]}),
    ],
)
def test_a_flood_or_another_form_is_refused_as_a_whole(name: str, changes: dict[str, Any] | None) -> None:
    hypotheses = [said()] * 10_000 if name.startswith("ten thousand hyp") else [said(**(changes or {}))]
    if name == "a field less":
        del hypotheses[0]["claim"]
    with pytest.raises(ValidationError):
        reply(*hypotheses)


@pytest.mark.parametrize(
    ("name", "known", "unknown", "fails"),
    [("one of five", 4, 1, False), ("one of four", 3, 1, True), ("all", 0, 3, True), ("none named", 0, 0, False)],
)
def test_invented_ids_are_dropped_and_counted_and_too_many_fail_the_reply(
    name: str, known: int, unknown: int, fails: bool
) -> None:
    evidence = [f"A{number + 1}" for number in range(known)] + [f"Q{number}" for number in range(unknown)]
    checked = check_hypotheses(reply(said(evidence=evidence)), offer(), SHOWN)
    assert checked.dropped["evidence ids"] == unknown
    assert bool(checked.failure) == fails == (not checked.hypotheses)
    if not fails:
        assert checked.hypotheses[0].evidence == tuple(SHOWN[crop] for crop in evidence[:known])


@pytest.mark.parametrize(
    "phrase",
    [
        "<script>alert(1)</script>",
        "http://example.org/x",
        "../../etc/passwd",
        "=HYPERLINK(1)",
        "a cone; rm -rf",
        "![x](y)",
        "cone\x1b[2J",
        "a " * 40,
        "",
        "  ",
    ],
)
def test_a_phrase_that_is_not_plain_words_is_dropped_and_counted(phrase: str) -> None:
    checked = check_hypotheses(reply(said(phrases=[phrase, "a dirty cone"], scene_words=[phrase])), offer(), SHOWN)
    (one,) = checked.hypotheses
    assert (one.phrases, one.scene_words, checked.dropped["words"]) == (("a dirty cone",), (), 2)


def test_words_are_cut_to_their_bounds_and_shown_without_escapes() -> None:
    long = said(claim="\x1b[31m" + "very " * 70, phrases=[f"a cone {number}" for number in range(20)])
    (one,) = check_hypotheses(reply(long), offer(), SHOWN).hypotheses
    assert len(one.claim) <= MAX_CLAIM
    assert one.claim.isprintable()
    assert len(one.phrases) == MAX_PHRASES


def test_the_form_can_be_said_in_a_strict_schema_without_unions() -> None:
    text = json.dumps(strict_schema(HypothesesReply))
    assert not any(f'"{word}"' in text for word in ("oneOf", "allOf", "anyOf", "prefixItems", "patternProperties"))
    assert text.count('"additionalProperties": false') == text.count('"type": "object"') == 4
