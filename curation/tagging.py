"""What the language model may answer when it tags crops, and the columns that come of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.diagnose import Column
from curation.questions import plain_text
from training.boxes import Ints, Table, Texts
from training.records import Record

MAX_UNKNOWN_SHARE = 0.2
CANNOT_TELL = "cannot tell"

Dropped = Literal["hypotheses", "evidence ids", "words", "tags of unknown ids", "tags said twice", "tags not offered"]
Words = Annotated[str, Field(max_length=100)]


class ReplyTag(Record):
    """The value that fits one crop."""

    id: Words
    value: Words


class TagsReply(Record):
    """The form of a tagging question."""

    tags: tuple[ReplyTag, ...] = Field(max_length=256)


class TaggedAttribute(Record):
    """An attribute that was tagged: what it takes to build its column again."""

    name: str
    values: tuple[str, ...]
    asked: int
    """Crops that were shown."""
    tagged: int
    cannot_tell: int
    """Where these two do not add up to the first, crops got no usable answer."""


@dataclass(frozen=True)
class TagTable(Table):
    """One row an object that was tagged."""

    id: Texts
    """Id of the label."""
    attribute: Ints
    """Number in `Consultation.attributes`."""
    code: Ints
    """Number of the value."""


@dataclass(frozen=True)
class Tags:
    """What is left of a tagging reply."""

    codes: Ints
    """(n,) one for each crop that was shown: number of the value, −1 for `cannot tell` and for no answer."""
    cannot_tell: int
    dropped: Counter[Dropped]
    failure: str
    """Why the reply as a whole is not used, empty where it is."""

    @classmethod
    def unusable(cls, count: int, failure: str, dropped: Counter[Dropped] | None = None) -> Self:
        """Give what is left of so many crops where there is no reply to use."""
        return cls(np.full(count, -1, np.int64), 0, dropped or Counter(), failure)


def check_tags(reply: TagsReply, *, values: Sequence[str], ids: Sequence[str]) -> Tags:
    """Check the tags of the crops that were shown under `ids`, in their order.

    Of an id that is said twice the first counts. Where more than a fifth of the ids do not exist, nothing is used.
    """
    known = [tag for tag in reply.tags if tag.id in set(ids)]
    unknown = len(reply.tags) - len(known)
    dropped: Counter[Dropped] = Counter({"tags of unknown ids": unknown})
    if unknown > MAX_UNKNOWN_SHARE * len(reply.tags):
        return Tags.unusable(len(ids), f"{unknown} of {len(reply.tags)} ids do not exist", dropped)
    code_of: dict[str, int] = {CANNOT_TELL: -1, **{value: code for code, value in enumerate(values)}}
    said: dict[str, str] = {}
    for tag in known:
        dropped["tags said twice"] += tag.id in said
        said.setdefault(tag.id, plain_text(tag.value).lower())
    dropped["tags not offered"] = sum(value not in code_of for value in said.values())
    codes = np.array([code_of.get(said.get(crop, CANNOT_TELL), -1) for crop in ids], np.int64)
    return Tags(codes, sum(value == CANNOT_TELL for value in said.values()), +dropped, "")


@dataclass(frozen=True)
class Tagging:
    """All that was tagged with one attribute so far."""

    name: str
    values: tuple[str, ...]
    ids: tuple[str, ...] = ()
    """Labels of the crops that were shown."""
    codes: tuple[int, ...] = ()
    cannot_tell: int = 0

    def with_answer(self, ids: Sequence[str], tags: Tags) -> Self:
        """Give the tagging with one more question's tags."""
        codes = (*self.codes, *tags.codes.tolist())
        return replace(self, ids=(*self.ids, *ids), codes=codes, cannot_tell=self.cannot_tell + tags.cannot_tell)

    def flaw(self, weak_value: str) -> str:
        """Say why the tags cannot test the value, empty where they can."""
        tagged = [code for code in self.codes if code >= 0]
        weak = tagged.count(self.values.index(weak_value))
        if not tagged:
            return "no crop could be tagged"
        if weak in (0, len(tagged)):
            return f"{'every' if weak else 'none'} of {len(tagged)} tagged crops is '{weak_value}'"
        return ""

    def record(self) -> TaggedAttribute:
        """Give the counts as a record."""
        tagged = sum(code >= 0 for code in self.codes)
        return TaggedAttribute(
            name=self.name, values=self.values, asked=len(self.ids), tagged=tagged, cannot_tell=self.cannot_tell
        )


def tag_table(taggings: Sequence[Tagging]) -> TagTable:
    """Give the tags of all attributes in columns, in the order of the attributes; untagged crops are left out."""
    ids = np.array([label_id for tagging in taggings for label_id in tagging.ids], np.str_)
    codes = np.array([code for tagging in taggings for code in tagging.codes], np.int64)
    numbers = np.repeat(np.arange(len(taggings)), [len(tagging.ids) for tagging in taggings])
    return TagTable(id=ids, attribute=numbers, code=codes).take(codes >= 0)


def attribute_columns(attributes: Sequence[TaggedAttribute], tags: TagTable, ids: Texts) -> tuple[Column, ...]:
    """Give the columns of an error table whose objects have these ids, (n,): −1 for all that were not tagged.

    Needs nothing but what the round has stored. Raises `ValueError` for tags of objects that are not among them.
    """
    if not np.isin(tags.id, ids).all():
        raise ValueError("tags of objects that the error table does not hold")
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids, tags.id, sorter=order)]
    columns = []
    for number, attribute in enumerate(attributes):
        codes: NDArray[np.int16] = np.full(len(ids), -1, np.int16)
        own = tags.attribute == number
        codes[rows[own]] = tags.code[own]
        columns.append(Column(name=attribute.name, values=attribute.values, codes=codes, source="attribute"))
    return tuple(columns)
