"""Ask the language model what the detector may be weak at, and make of its answers what can be tested.

It fills in forms: which columns and values, which crops, which words. It changes no label, spends nothing beyond the
caps of its door, and promotes nothing; what it proposes is tested like everybody else's proposals.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol, TypeVar

from pydantic import BaseModel

from curation.consultation import Attribute, Consultation, FailedItem, Hypothesis, proposal_of
from curation.evidence import Pixels
from curation.material import Material
from curation.questions import (
    HYPOTHESES_SYSTEM,
    TAGS_SYSTEM,
    Offer,
    Shown,
    hypotheses_text,
    offer_of,
    tags_text,
)
from curation.reply import Checked, HypothesesReply, check_hypotheses
from curation.sheets import CROPS_PER_SHEET, crop_ids, cut, hide, sheet
from curation.tagging import Dropped, Tagging, Tags, TagsReply, TagTable, check_tags, tag_table
from generation.allowance import Spending
from generation.attempt import NoAnswer
from generation.question import Part
from training.boxes import Ints
from training.records import FileRef

T = TypeVar("T", bound=BaseModel)

SHEETS_PER_QUESTION = 4


class Asks(Protocol):
    """Somebody who answers questions: `generation.chat.Chat`, or its rehearsal, which answers none."""

    def ask(
        self, parts: Sequence[Part], *, system: str, schema: type[T], purpose: str, smaller: Sequence[Part] = ()
    ) -> T | NoAnswer:
        """Give the filled-in form, or why there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, exactly as it leaves."""

    purpose: str
    system: str
    parts: tuple[Part, ...]
    """The text, then one JPEG a sheet."""
    smaller: tuple[Part, ...]
    """The same with the first half of the sheets; empty where there is one sheet."""
    shown: Mapping[str, str]
    """Crop id → id of the label."""

    def put_to(self, chat: Asks, schema: type[T]) -> T | NoAnswer:
        """Ask it."""
        return chat.ask(self.parts, system=self.system, schema=schema, purpose=self.purpose, smaller=self.smaller)


@dataclass(frozen=True)
class Lens:
    """Makes contact sheets of labels: reads each photo once, hides what must not leave, cuts, encodes."""

    material: Material
    read_photo: Callable[[int], Pixels]
    """Gives the upright photo of a row of the `ImageTable`, blue first."""
    encode_jpeg: Callable[[Pixels], bytes]

    def sheets(self, sheets: Sequence[tuple[str, Ints]]) -> tuple[list[Shown], list[bytes], dict[str, str]]:
        """Give each sheet's description and JPEG, and the label behind each crop id."""
        labels = self.material.labels
        crops = iter(self._crops([int(row) for _, rows in sheets for row in rows]))
        described: list[Shown] = []
        jpegs: list[bytes] = []
        shown: dict[str, str] = {}
        for number, (group, rows) in enumerate(sheets):
            ids = crop_ids(number, len(rows))
            captions = [f"{crop_id} {group}".rstrip() for crop_id in ids]
            jpegs.append(self.encode_jpeg(sheet([next(crops) for _ in ids], captions)))
            names = tuple(self.material.classes[label] for label in labels.label[rows])
            described.append(Shown(group=group, ids=ids, labels=names))
            shown |= dict(zip(ids, labels.id[rows].tolist(), strict=True))
        return described, jpegs, shown

    def _crops(self, rows: Sequence[int]) -> list[Pixels]:
        """Give the crop of each label, in order."""
        labels = self.material.labels
        places = sorted(range(len(rows)), key=lambda place: int(labels.image[rows[place]]))
        made: dict[int, Pixels] = {}
        for photo, group in groupby(places, key=lambda place: int(labels.image[rows[place]])):
            pixels = hide(self.read_photo(photo), self.material.hidden_on(photo))
            for place in group:
                x1, y1, x2, y2 = labels.xyxy[rows[place]].tolist()
                made[place] = cut(pixels, (x1, y1, x2, y2))
        return [made[place] for place in range(len(rows))]


@dataclass
class _Gained:
    """What the consultation has so far; a stop in the middle loses none of it."""

    hypotheses: list[Hypothesis] = field(default_factory=list)
    taggings: dict[str, Tagging] = field(default_factory=dict)
    """By id of the hypothesis, in the order of asking."""
    dropped: Counter[Dropped] = field(default_factory=Counter)
    failures: list[FailedItem] = field(default_factory=list)

    def record(self, save_tags: Callable[[TagTable], FileRef], spending: Spending, *, stopped: str) -> Consultation:
        """Give the record; attributes whose tags cannot test anything are dropped with the reason."""
        hypotheses = tuple(map(self._settled, self.hypotheses))
        taggings = list(self.taggings.values())
        return Consultation(
            hypotheses=hypotheses,
            proposals=tuple(proposal_of(one) for one in hypotheses if one.status == "testable"),
            attributes=tuple(tagging.record() for tagging in taggings),
            tags=save_tags(tag_table(taggings)) if taggings else None,
            dropped=dict(sorted((+self.dropped).items())),
            failures=tuple(self.failures),
            spending=spending,
            stopped=stopped,
        )

    def _settled(self, hypothesis: Hypothesis) -> Hypothesis:
        if hypothesis.attribute is None or hypothesis.status == "dropped":
            return hypothesis
        tagging = self.taggings.get(hypothesis.hypothesis_id)
        flaw = tagging.flaw(hypothesis.attribute.weak_value) if tagging else "it was not tagged"
        return hypothesis.dropped(flaw) if flaw else hypothesis


def first_question(lens: Lens, offer: Offer, *, seed: int) -> Question:
    """Make the question for hypotheses, from train and the discover half alone."""
    material = lens.material
    described, jpegs, shown = lens.sheets(material.evidence(seed=seed))
    discover = material.table.take(material.discover)

    def parts(count: int) -> tuple[Part, ...]:
        text = hypotheses_text(
            discover,
            offer,
            classes=material.classes,
            train_labels=material.labels.label[material.train_rows],
            sheets=described[:count],
        )
        return (text, *jpegs[:count])

    return _question("hypotheses", HYPOTHESES_SYSTEM, parts, len(jpegs), shown)


def tag_questions(
    lens: Lens, attribute: Attribute, *, label: str | None, max_count: int, seed: int
) -> Iterator[Question]:
    """Make the questions that tag crops of the confirm half, up to 64 at a time, blind to what the detector found."""
    rows = lens.material.unseen(name=attribute.name, label=label, max_count=max_count, seed=seed)
    step = SHEETS_PER_QUESTION * CROPS_PER_SHEET
    for start in range(0, len(rows), step):
        of_question = rows[start : start + step]
        chunks = [of_question[at : at + CROPS_PER_SHEET] for at in range(0, len(of_question), CROPS_PER_SHEET)]
        described, jpegs, shown = lens.sheets([("", chunk) for chunk in chunks])

        def parts(
            count: int, described: Sequence[Shown] = described, jpegs: Sequence[bytes] = jpegs
        ) -> tuple[Part, ...]:
            return (tags_text(attribute.name, attribute.values, sheets=described[:count]), *jpegs[:count])

        yield _question("tags", TAGS_SYSTEM, parts, len(jpegs), shown)


def consult(
    lens: Lens,
    chat: Asks,
    *,
    seed: int,
    spending: Callable[[], Spending],
    save_tags: Callable[[TagTable], FileRef],
    max_tagged: int,
) -> Consultation:
    """Ask for hypotheses, have their attributes tagged, and give all of it as a record.

    A question without a usable answer is a `FailedItem`, and the rest goes on. `LlmUnavailable` and `LlmBudget` pass
    through: answers that were had are stored, so asking again goes on from there.
    """
    gained = _Gained()
    discover = lens.material.discover
    if discover.all() or not discover.any():
        return gained.record(save_tags, spending(), stopped="val is too small to halve: nothing was asked")
    _propose(lens, chat, gained, seed=seed)
    _tag(lens, chat, gained, max_tagged=max_tagged, seed=seed)
    return gained.record(save_tags, spending(), stopped="")


def _propose(lens: Lens, chat: Asks, gained: _Gained, *, seed: int) -> None:
    offer = offer_of(lens.material.table.take(lens.material.discover))
    question = first_question(lens, offer, seed=seed)
    reply = question.put_to(chat, HypothesesReply)
    if isinstance(reply, NoAnswer):
        checked = Checked((), Counter(), _words(reply))
    else:
        checked = check_hypotheses(reply, offer, question.shown)
    gained.hypotheses += checked.hypotheses
    gained.dropped += checked.dropped
    if checked.failure:
        gained.failures.append(FailedItem(item="hypotheses", reason=checked.failure))


def _tag(lens: Lens, chat: Asks, gained: _Gained, *, max_tagged: int, seed: int) -> None:
    for hypothesis in gained.hypotheses:
        attribute = hypothesis.attribute
        if attribute is None or hypothesis.status == "dropped":
            continue
        label = hypothesis.conditions[0].value if hypothesis.conditions else None
        tagging = Tagging(attribute.name, attribute.values)
        questions = tag_questions(lens, attribute, label=label, max_count=max_tagged, seed=seed)
        for number, question in enumerate(questions, start=1):
            reply = question.put_to(chat, TagsReply)
            if isinstance(reply, NoAnswer):
                tags = Tags.unusable(len(question.shown), _words(reply))
            else:
                tags = check_tags(reply, values=attribute.values, ids=tuple(question.shown))
            tagging = tagging.with_answer(tuple(question.shown.values()), tags)
            gained.taggings[hypothesis.hypothesis_id] = tagging
            gained.dropped += tags.dropped
            if tags.failure:
                gained.failures.append(FailedItem(item=f"{attribute.name}, question {number}", reason=tags.failure))


def _question(
    purpose: str, system: str, parts: Callable[[int], tuple[Part, ...]], sheets: int, shown: Mapping[str, str]
) -> Question:
    smaller = parts(sheets // 2) if sheets > 1 else ()
    return Question(purpose=purpose, system=system, parts=parts(sheets), smaller=smaller, shown=shown)


def _words(none: NoAnswer) -> str:
    return f"{none.kind}: {none.reason}"
