"""Which slices a round tests, who proposed each, and on which objects each is tested.

Pre-specified, tested on all of val: every class, every size, every size of a class, every value of every column that
was measured or given. Data-driven, tested on the confirm half alone, at most 30: what a language model proposes, the
clusters that look weak on the discover half, and the conjunctions that a search finds there. Of an attribute that the
language model tagged, the value that it claims to be weak is tested and no other: every test costs the others power.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from curation.diagnose import Column, ErrorTable
from curation.halves import Halves, too_small_to_halve
from curation.records import Condition
from curation.search import search
from curation.slices import MIN_VARIED_PHOTOS, Slice, slice_of, test
from training.boxes import Bools

MAX_PROPOSALS = 30
MAX_CLUSTERS = 8
"""At most so many clusters are tested, the weakest first, so that most places are left for conjunctions."""


@dataclass(frozen=True)
class Proposal:
    """A slice that somebody expects to be weak, after a look at train and the discover half and at nothing else."""

    conditions: tuple[Condition, ...]
    origin: Literal["search", "cluster", "llm"]
    claim: str = ""
    """The expectation in the proposer's words."""


@dataclass(frozen=True)
class Hypothesis:
    """A slice to test, and who proposed it."""

    part: Slice
    origin: Literal["pre-specified", "search", "cluster", "llm"]
    claim: str = ""

    @property
    def key(self) -> frozenset[Condition]:
        """Tell slices apart, whatever the order of their conditions."""
        return frozenset(self.part.conditions)


def hypotheses(
    table: ErrorTable, split: Halves, *, proposals: Sequence[Proposal] = (), max_proposals: int = MAX_PROPOSALS
) -> tuple[list[Hypothesis], str]:
    """Give the slices to test, each once, and a note of what could not be tested; empty where all could.

    A proposal of a slice that is pre-specified anyway lends it its claim: it is tested on all of val.
    """
    problem = too_small_to_halve(table, split)
    fixed = [Hypothesis(part, "pre-specified") for part in prespecified(table)]
    claims = {frozenset(proposal.conditions): proposal.claim for proposal in proposals}
    fixed = [replace(each, claim=claims.get(each.key, "")) for each in fixed]
    known = {each.key for each in fixed}
    asked = [proposal for proposal in proposals if frozenset(proposal.conditions) not in known]
    if problem:
        dropped = f"; proposals that were not tested: {len(asked)}" if asked else ""
        return fixed, f"only pre-specified slices were tested: {problem}{dropped}"

    testable = _of_proposals(table, split, asked, known)
    more = _of_proposals(table, split, _weak_clusters(table, split), known)
    given = [*testable, *more][:max_proposals]
    found = search(
        table.take(split.in_discover(table)),
        max_proposals=max_proposals - len(given),
        taken=[each.part.conditions for each in given],
    )
    searched = _of_proposals(table, split, [Proposal(conditions, "search") for conditions in found], known)
    dropped_count = len(asked) - sum(each in testable for each in given)
    note = f"proposals without objects to test, or one too many: {dropped_count}" if dropped_count else ""
    return [*fixed, *given, *searched], note


def prespecified(table: ErrorTable) -> Iterator[Slice]:
    """Give the slices that need no look at what was found: single conditions, and sizes within a class.

    Of a column that is neither class nor size, a value is left out when it or its rest is on fewer than 5 photos: it
    could not be confirmed, and every test costs the others some power. The sizes of the only class are given once.
    """
    if not len(table):
        return
    label, size, *others = table.columns
    one_class = len(np.unique(table.label)) < 2
    for name in _conditions(label):
        yield from _unless_empty(slice_of(table, [name]))
        for of_size in _conditions(size):
            yield from _unless_empty(slice_of(table, [name, of_size]))
    if not one_class:
        for of_size in _conditions(size):
            yield from _unless_empty(slice_of(table, [of_size]))
    for column in others:
        if column.source not in ("cluster", "attribute"):
            parts = (slice_of(table, [value]) for value in _conditions(column))
            yield from (part for part in parts if _on_enough_photos(table, part))


def _conditions(column: Column) -> list[Condition]:
    return [Condition(column=column.name, value=value) for value in column.values]


def _unless_empty(part: Slice) -> Iterator[Slice]:
    if part.inside.any():
        yield part


def _on_enough_photos(table: ErrorTable, part: Slice) -> bool:
    return min(_photos(table, part.inside), _photos(table, part.rest)) >= MIN_VARIED_PHOTOS


def _photos(table: ErrorTable, mask: Bools) -> int:
    return int(np.count_nonzero(np.bincount(table.photo[mask])))


def _of_proposals(
    table: ErrorTable, split: Halves, proposals: Sequence[Proposal], known: set[frozenset[Condition]]
) -> list[Hypothesis]:
    """Give the proposals that are new and have something to compare on the confirm half, and note them as known."""
    confirm = split.in_confirm(table)
    made = []
    for proposal in proposals:
        key = frozenset(proposal.conditions)
        if key in known or not all(_exists(table, condition) for condition in key):
            continue
        part = slice_of(table, proposal.conditions, among=confirm)
        if part.inside.any():
            known.add(key)
            made.append(Hypothesis(part, proposal.origin, proposal.claim))
    return made


def _exists(table: ErrorTable, condition: Condition) -> bool:
    values = {column.name: column.values for column in table.columns}
    return condition.value in values.get(condition.column, ())


def _weak_clusters(table: ErrorTable, split: Halves) -> list[Proposal]:
    """Give the clusters that look weak on the discover half, by falling evidence."""
    discover = split.in_discover(table)
    weak = []
    for column in (column for column in table.columns if column.source == "cluster"):
        for value in _conditions(column):
            part = slice_of(table, [value], among=discover)
            if part.inside.any() and _on_enough_photos(table, part):
                effect = test(table, part)
                weak += [(effect.p, value)] if effect.value > 0 else []
    weak.sort(key=lambda pair: pair[0])
    return [Proposal((value,), "cluster") for _, value in weak[:MAX_CLUSTERS]]
