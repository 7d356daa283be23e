"""What the language model may answer, what we keep of it, and why the rest is dropped.

The form is bounded twice: its own limits are wide, so that one long sentence does not cost the whole reply, and refuse
floods; what is kept is bounded tightly. A reply can only choose among columns, values and ids that we offered.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field

from curation.questions import CLASS_COLUMN, Offer, plain_text
from curation.records import Condition, Findings
from curation.tagging import CANNOT_TELL, MAX_UNKNOWN_SHARE, Dropped, TaggedAttribute, Words
from generation.allowance import Spending
from training.files import digest_of
from training.records import FileRef, Record

MAX_HYPOTHESES, MAX_ATTRIBUTES, MAX_CONDITIONS, MAX_ATTRIBUTE_VALUES = 8, 4, 3, 4
MAX_CLAIM, MAX_WORDS, MAX_PHRASE, MAX_SCENE_WORD, MAX_TERM = 240, 80, 60, 30, 40
MAX_PHRASES, MAX_SCENE_WORDS, MAX_ASPECTS, MAX_EVIDENCE = 8, 12, 6, 24
_TERM = re.compile(r"[^\W_][\w ,'’()%-]*")  # words as people write them: no markup, paths, addresses or formulas

Aspect = Literal["colour", "light", "occlusion", "floor", "pose", "background"]
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


class AspectWords(Record):
    """What the model saw vary, or missed seeing."""

    aspect: Aspect
    words: str


class Attribute(Record):
    """A visual attribute that became, or was to become, a column."""

    name: str
    values: tuple[str, ...]
    weak_value: str
    """The value on which the detector is expected to be weak."""


class Hypothesis(Record):
    """What the language model proposed, and whether it can be tested."""

    hypothesis_id: str
    """Digest of what is to be tested."""
    conditions: tuple[Condition, ...]
    """Of a slice: all of it. Of an attribute: none, or the class that it is looked for on."""
    attribute: Attribute | None
    claim: str
    evidence: tuple[str, ...]
    """Ids of the labels behind the crops that it named."""
    varies: tuple[AspectWords, ...]
    missing: tuple[AspectWords, ...]
    phrases: tuple[str, ...]
    """For a generator."""
    scene_words: tuple[str, ...]
    status: Literal["testable", "dropped"]
    reason: str
    """Why it was dropped, empty otherwise."""

    def dropped(self, reason: str) -> Self:
        """Give the same hypothesis, dropped for a reason."""
        return self.model_copy(update={"status": "dropped", "reason": reason})


class SliceProposal(Record):
    """A slice for the confirm half to test."""

    hypothesis_id: str
    conditions: tuple[Condition, ...]
    claim: str


class FailedItem(Record):
    """A question without a usable answer."""

    item: str
    """hypotheses, or the attribute and the number of its question."""
    reason: str


class Consultation(Record):
    """All that the language model was asked for and gave in a round, as plain data."""

    hypotheses: tuple[Hypothesis, ...]
    proposals: tuple[SliceProposal, ...]
    attributes: tuple[TaggedAttribute, ...]
    tags: FileRef | None
    """`curation.tagging.TagTable`, None where nothing was tagged."""
    dropped: dict[Dropped, int]
    failures: tuple[FailedItem, ...]
    spending: Spending | None
    stopped: str
    """Why not all questions were asked, empty where they were."""


class Consulted(Record):
    """What the language model said, and the findings when its proposals were tested together with all others."""

    consultation: Consultation
    findings: Findings


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


def proposal_of(hypothesis: Hypothesis) -> SliceProposal:
    """Give the slice that tests a hypothesis: its conditions, and the weak value of its attribute."""
    conditions = hypothesis.conditions
    if hypothesis.attribute is not None:
        conditions += (Condition(column=hypothesis.attribute.name, value=hypothesis.attribute.weak_value),)
    return SliceProposal(hypothesis_id=hypothesis.hypothesis_id, conditions=conditions, claim=hypothesis.claim)


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
