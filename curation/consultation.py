"""What we keep of what the language model said in a round."""

from typing import Literal, Self

from curation.records import Condition, Findings
from curation.tagging import Dropped, TaggedAttribute
from generation.allowance import Spending
from training.records import FileRef, Record

Aspect = Literal["colour", "light", "occlusion", "floor", "pose", "background"]


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


def proposal_of(hypothesis: Hypothesis) -> SliceProposal:
    """Give the slice that tests a hypothesis: its conditions, and the weak value of its attribute."""
    conditions = hypothesis.conditions
    if hypothesis.attribute is not None:
        conditions += (Condition(column=hypothesis.attribute.name, value=hypothesis.attribute.weak_value),)
    return SliceProposal(hypothesis_id=hypothesis.hypothesis_id, conditions=conditions, claim=hypothesis.claim)
