"""The form in which the language model proposes, what of it we take, and why the rest is dropped.

The form is bounded twice: its own limits are wide, so that one long sentence does not cost the whole reply, and refuse
floods; what is kept is bounded tightly. A reply can only choose among columns, values and ids that we offered.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from curation.consultation import Aspect, AspectWords, Attribute, Hypothesis
from curation.questions import CLASS_COLUMN, Offer, plain_text
from curation.records import Condition
from curation.tagging import CANNOT_TELL, MAX_UNKNOWN_SHARE, Dropped, Words
from training.files import digest_of
from training.records import Record

MAX_HYPOTHESES, MAX_ATTRIBUTES, MAX_CONDITIONS, MAX_ATTRIBUTE_VALUES = 8, 4, 3, 4
MAX_CLAIM, MAX_WORDS, MAX_PHRASE, MAX_SCENE_WORD, MAX_TERM = 240, 80, 60, 30, 40
MAX_PHRASES, MAX_SCENE_WORDS, MAX_ASPECTS, MAX_EVIDENCE = 8, 12, 6, 24
_TERM = re.compile(r"[^\W_][\w ,'’()%-]*")  # words as people write them: no markup, paths, addresses or formulas

Text = Annotated[str, Field(max_length=400)]


class ReplyCondition(Record):
    """A column of the data has one of its values, both copied exactly."""

    column: Words
    value: Words


class ReplyAspect(Record):
    """One thing that varies or is missing, in a few words."""

    aspect: Aspect
    words: Text


class ReplyHypothesis(Record):
    """A slice, or an attribute to be tagged; the fields of the other kind are empty."""

    kind: Literal["slice", "attribute"]
    conditions: tuple[ReplyCondition, ...] = Field(max_length=8)
    attribute: Words
    attribute_values: tuple[Words, ...] = Field(max_length=8)
    weak_value: Words
    claim: Text
    evidence: tuple[Words, ...] = Field(max_length=64)
    varies: tuple[ReplyAspect, ...] = Field(max_length=12)
    missing: tuple[ReplyAspect, ...] = Field(max_length=12)
    phrases: tuple[Text, ...] = Field(max_length=24)
    scene_words: tuple[Words, ...] = Field(max_length=24)


class HypothesesReply(Record):
    """The form of the first question."""

    hypotheses: tuple[ReplyHypothesis, ...] = Field(max_length=24)


@dataclass(frozen=True)
class Checked:
    """What is left of the first reply."""

    hypotheses: tuple[Hypothesis, ...]
    dropped: Counter[Dropped]
    failure: str
    """Why the reply as a whole is not used, empty where it is."""


def check_hypotheses(reply: HypothesesReply, offer: Offer, shown: Mapping[str, str]) -> Checked:
    """Check a reply against what was offered; `shown` gives the label behind each crop id.

    A hypothesis that cannot be tested is kept with its reason. Where more than a fifth of the evidence ids do not
    exist, the model did not look at these sheets, and nothing of its reply is used.
    """
    named = [crop for hypothesis in reply.hypotheses for crop in hypothesis.evidence]
    unknown = sum(crop not in shown for crop in named)
    dropped: Counter[Dropped] = Counter({"evidence ids": unknown})
    if unknown > MAX_UNKNOWN_SHARE * len(named):
        return Checked((), dropped, f"{unknown} of {len(named)} evidence ids do not exist")
    dropped["hypotheses"] = max(0, len(reply.hypotheses) - MAX_HYPOTHESES)
    kept: list[Hypothesis] = []
    for answer in reply.hypotheses[:MAX_HYPOTHESES]:
        one = _hypothesis(answer, offer, shown)
        dropped["words"] += len(answer.phrases) - len(one.phrases) + len(answer.scene_words) - len(one.scene_words)
        repeated = "" if one.reason else _repeated(one, kept)
        kept.append(one.dropped(repeated) if repeated else one)
    return Checked(tuple(kept), +dropped, "")


def _hypothesis(answer: ReplyHypothesis, offer: Offer, shown: Mapping[str, str]) -> Hypothesis:
    """Give a reply's hypothesis with only known ids, clean words and, where it cannot be tested, the reason."""
    offered = [offer.condition(one.column, one.value) for one in answer.conditions]
    attribute = _attribute(answer) if answer.kind == "attribute" else None
    reason = _conditions_flaw(answer, offered)
    if attribute is not None:
        reason = reason or _attribute_flaw(attribute, answer, offered, offer)
    conditions = tuple(condition or _as_said(said) for condition, said in zip(offered, answer.conditions, strict=True))
    tested = [[(c.column, c.value) for c in conditions], attribute.plain() if attribute else None]
    return Hypothesis(
        hypothesis_id=digest_of([sorted(tested[0] or []), tested[1]]),
        conditions=conditions,
        attribute=attribute,
        claim=plain_text(answer.claim, MAX_CLAIM),
        evidence=tuple(dict.fromkeys(shown[crop] for crop in answer.evidence if crop in shown))[:MAX_EVIDENCE],
        varies=_aspects(answer.varies),
        missing=_aspects(answer.missing),
        phrases=_terms(answer.phrases, max_length=MAX_PHRASE)[:MAX_PHRASES],
        scene_words=_terms(answer.scene_words, max_length=MAX_SCENE_WORD)[:MAX_SCENE_WORDS],
        status="dropped" if reason else "testable",
        reason=reason,
    )


def _repeated(one: Hypothesis, before: Sequence[Hypothesis]) -> str:
    """Say why a hypothesis cannot stand beside those before it, empty where it can."""
    others = [other for other in before if other.status == "testable"]
    attributes = [other.attribute.name for other in others if other.attribute]
    if any(one.hypothesis_id == other.hypothesis_id for other in others):
        return "said twice"
    if one.attribute and one.attribute.name in attributes:
        return "another hypothesis has an attribute of this name"
    return f"more than {MAX_ATTRIBUTES} attributes" if one.attribute and len(attributes) == MAX_ATTRIBUTES else ""


def _conditions_flaw(answer: ReplyHypothesis, offered: Sequence[Condition | None]) -> str:
    unknown = next((said for said, known in zip(answer.conditions, offered, strict=True) if known is None), None)
    if unknown is not None:
        return f"not offered: {plain_text(unknown.column, MAX_WORDS)}: {plain_text(unknown.value, MAX_WORDS)}"
    if len(offered) > MAX_CONDITIONS:
        return "more than three conditions"
    if len({known.column for known in offered if known}) < len(offered):
        return "one column in two conditions"
    return "no condition" if answer.kind == "slice" and not offered else ""


def _attribute(answer: ReplyHypothesis) -> Attribute:
    return Attribute(
        name=plain_text(answer.attribute, MAX_WORDS).lower(),
        values=tuple(plain_text(value, MAX_WORDS).lower() for value in answer.attribute_values),
        weak_value=plain_text(answer.weak_value, MAX_WORDS).lower(),
    )


def _attribute_flaw(
    attribute: Attribute, answer: ReplyHypothesis, offered: Sequence[Condition | None], offer: Offer
) -> str:
    terms = (attribute.name, *attribute.values)
    said = (answer.attribute, *answer.attribute_values)
    flaws = {
        "attribute or value not in plain words": not all(_terms([text], max_length=MAX_TERM) for text in said),
        "an attribute needs two to four different values": not (
            2 <= len(set(attribute.values)) == len(attribute.values) <= MAX_ATTRIBUTE_VALUES
        ),
        f"'{CANNOT_TELL}' is no value": CANNOT_TELL in terms,
        "the weak value is none of the attribute's values": attribute.weak_value not in attribute.values,
        "there is a column of this name": attribute.name in offer.taken,
        "an attribute takes no condition but one on the class": any(
            known is not None and known.column != CLASS_COLUMN for known in offered
        ),
    }
    return next((reason for reason, is_so in flaws.items() if is_so), "")


def _as_said(condition: ReplyCondition) -> Condition:
    return Condition(column=plain_text(condition.column, MAX_WORDS), value=plain_text(condition.value, MAX_WORDS))


def _aspects(said: Sequence[ReplyAspect]) -> tuple[AspectWords, ...]:
    return tuple(AspectWords(aspect=one.aspect, words=plain_text(one.words, MAX_WORDS)) for one in said[:MAX_ASPECTS])


def _terms(said: Sequence[str], *, max_length: int) -> tuple[str, ...]:
    """Give the texts that are plain words of at most so many characters, without repetition."""
    texts = [_spaced(text) for text in said]
    return tuple(dict.fromkeys(text for text in texts if len(text) <= max_length and _TERM.fullmatch(text)))


def _spaced(text: str) -> str:
    return " ".join(text.split())
