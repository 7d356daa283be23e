"""What was forgotten since earlier rounds: classes and slices of val that an earlier champion found better.

Models are compared on the labelled objects that both rounds hold (a label that somebody edited is another object),
paired by photo. Suspected labels stay in: they are suspected by today's champion, which would be spared what it
confuses. The slices are those of findings that some round confirmed, as their conditions select objects today; clusters
are numbered anew in each round, so slices of clusters are left out.

Each class and slice is compared with every earlier champion that is another model than today's. Picking the worst of so
many comparisons makes chance look like loss, so all intervals hold together at 95 % (Bonferroni): each is one of
1 − 0.05/m, m being the number of comparisons. A loss is an interval wholly below 0; of several earlier champions the
one that today's is furthest behind is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from curation.diagnose import ErrorTable
from curation.paired import COVERED_SHARE, recall_change
from curation.records import Condition, Finding, Loss
from curation.shortage import mask_of
from training.boxes import Bools, Table, Texts
from training.records import Interval

MIN_PHOTOS = 6  # a loss on each of five photos has p = 2/2⁵ by the sign test, which is above 0.05


@dataclass(frozen=True)
class Sightings(Table):
    """Which labelled objects of val a champion found at the operating point."""

    label_id: Texts
    found: Bools


@dataclass(frozen=True)
class PastChampion:
    """The champion that a round started from, on the val of that round."""

    round: int
    model_id: str
    seen: Sightings


class Group(NamedTuple):
    """A class or a slice of today's val."""

    words: str
    inside: Bools
    """(n,)"""


class Compared(NamedTuple):
    """Today's champion beside an earlier one, on the objects of a group that both rounds hold."""

    words: str
    round: int
    before: Bools
    now: Bools
    photo: "np.ndarray[tuple[int], np.dtype[np.int64]]"


def losses(table: ErrorTable, model_id: str, earlier: Sequence[PastChampion], groups: Sequence[Group]) -> list[Loss]:
    """Give the groups that an earlier champion found demonstrably better than today's, the largest loss first.

    `table` holds all of today's objects of val with what the champion `model_id` found. A model that was champion of
    several rounds is compared once, in the last of them.
    """
    others = {past.model_id: past for past in sorted(earlier, key=lambda past: past.round)}
    compared = [pair for past in others.values() if past.model_id != model_id for pair in _pairs(table, past, groups)]
    covered_share = 1 - (1 - COVERED_SHARE) / max(1, len(compared))
    found: dict[str, Loss] = {}
    for pair in compared:
        change = recall_change([pair.before], [pair.now], pair.photo, covered_share=covered_share)
        if change.high < 0 and (pair.words not in found or change.value < found[pair.words].change.value):
            found[pair.words] = _loss(pair, change)
    return sorted(found.values(), key=lambda loss: loss.change.value)


def groups_of(table: ErrorTable, confirmed: Sequence[Finding]) -> list[Group]:
    """Give every class, and the slices of findings that earlier rounds confirmed, each once; the latest words stand.

    Slices that today's columns do not have are left out, and so are those of clusters.
    """
    column = table.column("class")
    classes = [Group(name, column.codes == number) for number, name in enumerate(column.values)]
    clusters = {each.name for each in table.columns if each.source == "cluster"}
    wanted: Mapping[str, Finding] = {each.finding_id: each for each in confirmed if each.status == "confirmed"}
    slices = [
        Group(each.words, mask_of(table, each.conditions))
        for each in wanted.values()
        if not _is_class(each.conditions) and clusters.isdisjoint(one.column for one in each.conditions)
    ]
    return [group for group in [*classes, *slices] if group.inside.any()]


def _is_class(conditions: Sequence[Condition]) -> bool:
    return {each.column for each in conditions} == {"class"}


def _pairs(table: ErrorTable, past: PastChampion, groups: Sequence[Group]) -> Iterator[Compared]:
    """Give the groups that enough photos hold in both rounds."""
    _, ours, theirs = np.intersect1d(table.id, past.seen.label_id, return_indices=True)
    for words, inside in groups:
        rows = inside[ours]
        if len(np.unique(table.photo[ours[rows]])) >= MIN_PHOTOS:
            now, photo = table.found[ours[rows]], table.photo[ours[rows]]
            yield Compared(words, past.round, past.seen.found[theirs[rows]], now, photo)


def _loss(pair: Compared, change: Interval) -> Loss:
    return Loss(
        words=pair.words,
        since_round=pair.round,
        before=float(pair.before.mean()),
        now=float(pair.now.mean()),
        change=change,
    )
