"""Which confirmed slice explains which: overlapping ones collapse to the simplest that is enough.

A slice F is explained by a slice G where one of these holds, the first that fits:

* twins: they share 80 % of their objects (Jaccard), or of their missed objects where neither is part of the other;
  G has fewer conditions, or as many and the smaller p
* F is part of G, and no weaker than the rest of G
* G is part of F, G is weaker than the rest of F, and that rest is no longer weak
* they overlap otherwise, what F has to itself is no longer weak, and what G has to itself still is

"No longer weak" and "no weaker": the difference of recalls, classes weighted as in F, is below half of F's tested
effect and within what chance does (one-sided 5 %). Where F is one class of G, the rest of G holds none of that class:
then the two are compared by how far each lies behind what is outside of G.

All this is worked out from counts for all pairs at once, with the binomial variance times the larger design effect of
the two tests: the test itself on every pair would take an hour on a million objects. A pair with a slice that was
tested on the confirm half is counted there, too: elsewhere that slice was chosen for looking weak.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.diagnose import ErrorTable
from curation.slices import Effect, Slice
from training.boxes import Bools, Floats, Ints

MIN_JACCARD = 0.8
MIN_Z = 1.645
MIN_EFFECT_SHARE = 0.5
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Group:
    """Objects of each class, and how many of them were missed, in one part of each pair of slices."""

    objects: Floats
    """(C, K, K), or (C, 1, 1) where it is the same for all pairs."""
    missed: Floats

    def __sub__(self, other: "Group") -> "Group":
        return Group(self.objects - other.objects, self.missed - other.missed)

    def of_any_class(self) -> "Group":
        """Give the group with its classes thrown together."""
        return Group(self.objects.sum(axis=0, keepdims=True), self.missed.sum(axis=0, keepdims=True))

    def swapped(self) -> "Group":
        """Give the group of each pair the other way round."""
        return Group(self.objects.swapaxes(1, 2), self.missed.swapaxes(1, 2))


@dataclass(frozen=True)
class Difference:
    """Recall of the one group minus recall of the other, positive where the other is weaker; each (K, K)."""

    value: Floats
    variance: Floats
    """Binomial."""
    known: Bools

    def __sub__(self, other: "Difference") -> "Difference":
        return Difference(self.value - other.value, self.variance + other.variance, self.known & other.known)

    def where(self, mask: Bools, other: "Difference") -> "Difference":
        """Take this where the mask holds, else the other."""
        return Difference(
            np.where(mask, self.value, other.value),
            np.where(mask, self.variance, other.variance),
            np.where(mask, self.known, other.known),
        )

    def or_else(self, other: "Difference") -> "Difference":
        """Take the other where this is not known."""
        return self.where(self.known, other)


@dataclass(frozen=True)
class Tested:
    """What the tests said of each slice, (K,)."""

    effect: Floats
    p: Floats
    variance: Floats
    conditions: Ints
    """How many."""
    bare_class: Bools
    """Compared with the other classes, not with the rest of its own."""
    data_driven: Bools


def explain(
    table: ErrorTable, parts: Sequence[Slice], effects: Sequence[Effect], *, confirm: Bools, data_driven: Bools
) -> list[int | None]:
    """Give for each confirmed slice the number of the one that explains it, None where none does.

    `confirm` marks the objects (n,) of the confirm half, `data_driven` the slices (K,) that were tested there. What
    explains others is not explained itself.
    """
    if len(parts) < 2:
        return [None] * len(parts)
    tested = Tested(
        effect=np.array([effect.value for effect in effects]),
        p=np.array([effect.p for effect in effects]),
        variance=np.array([effect.standard_error for effect in effects]) ** 2,
        conditions=np.array([len(part.conditions) for part in parts]),
        bare_class=np.array([not part.by_class for part in parts]),
        data_driven=data_driven,
    )
    inside = np.array([table.mask(part.conditions) for part in parts])
    on_val = _count(table, inside, np.arange(len(table)))
    on_confirm = _count(table, inside, np.flatnonzero(confirm)) if data_driven.any() else on_val
    design = np.where(data_driven, _design_effect(*on_confirm, tested), _design_effect(*on_val, tested))
    explained = np.where(
        data_driven[:, None] | data_driven, _judge(*on_confirm, tested, design), _judge(*on_val, tested, design)
    )
    return roots(explained, np.lexsort((tested.conditions, tested.p)))


def _count(table: ErrorTable, inside: Bools, rows: Ints) -> tuple[Group, Group]:
    """Count among some objects what each pair of slices shares, and all there are; one matrix product a class."""
    classes, count = int(table.label.max()) + 1, len(inside)
    shared = Group(np.zeros((classes, count, count)), np.zeros((classes, count, count)))
    everything = Group(np.zeros((classes, 1, 1)), np.zeros((classes, 1, 1)))
    for label in range(classes):
        of_class = rows[table.label[rows] == label]
        everything.objects[label] = len(of_class)
        everything.missed[label] = np.count_nonzero(~table.found[of_class])
        for start in range(0, len(of_class), ROWS_AT_ONCE):
            some = of_class[start : start + ROWS_AT_ONCE]
            members = inside[:, some].astype(np.float32)
            wrong = members[:, ~table.found[some]]
            shared.objects[label] += members @ members.T
            shared.missed[label] += wrong @ wrong.T
    return shared, everything


def _own(shared: Group) -> Group:
    """Give the objects of the first slice of each pair, (C, K, 1)."""
    return Group(*(np.diagonal(counts, axis1=1, axis2=2)[:, :, None] for counts in (shared.objects, shared.missed)))


def _judge(shared: Group, everything: Group, tested: Tested, design: Floats) -> Bools:
    """Tell which slices (rows) are explained by which (columns), by the rules above."""
    first, second = _own(shared), _own(shared).swapped()
    alone, others = first - shared, second - shared
    outside = everything - first - others
    left = _difference(alone, outside, tested)
    left_weak = _is_weak(left, tested, design)
    extra = _difference(shared, others, tested).or_else(
        _difference(shared, outside, tested) - _difference(others, outside, tested)
    )

    part_of = np.asarray(alone.objects.sum(axis=0) == 0)
    no_weaker = part_of & ~part_of.T & extra.known & ~_is_weak(extra, tested, design)
    enough = part_of.T & ~part_of & ~no_weaker.T & left.known & ~left_weak
    apart = ~part_of & ~part_of.T & (shared.objects.sum(axis=0) > 0)
    rather = apart & left.known & ~left_weak & (left.known & left_weak).T

    twins = _jaccard(shared.objects) >= MIN_JACCARD
    twins |= apart & (_jaccard(shared.missed) >= MIN_JACCARD)
    np.fill_diagonal(twins, val=False)
    return np.where(twins, _simpler(tested), no_weaker | enough | rather)


def _is_weak(difference: Difference, tested: Tested, design: Floats) -> Bools:
    """Tell where a difference is more than chance, or at least half of the first slice's tested effect."""
    variance = difference.variance * np.maximum(design[:, None], design)
    z = difference.value / np.sqrt(np.maximum(variance, 1e-12))
    return np.asarray((z >= MIN_Z) | (difference.value >= MIN_EFFECT_SHARE * tested.effect[:, None]), np.bool_)


def _difference(inside: Group, rest: Group, tested: Tested) -> Difference:
    """Compare the recalls of two groups of each pair as the first slice was compared with its rest."""
    by_class, pooled = _standardised(inside, rest), _standardised(inside.of_any_class(), rest.of_any_class())
    return pooled.where(tested.bare_class[:, None], by_class)


def _standardised(inside: Group, rest: Group) -> Difference:
    """Compare recalls, the rest weighted to the classes inside."""
    comparable = (inside.objects > 0) & (rest.objects > 0)
    weight = np.where(comparable, inside.objects, 0.0)
    objects = np.asarray(weight.sum(axis=0))
    total, rest_count = np.maximum(objects, 1), np.maximum(rest.objects, 1)
    share = np.where(comparable, inside.missed, 0.0).sum(axis=0) / total
    rest_share = (weight * rest.missed / rest_count).sum(axis=0) / total
    trials = total**2 / np.maximum((weight**2 / rest_count).sum(axis=0), 1e-9)
    return Difference(share - rest_share, _binomial(share, total) + _binomial(rest_share, trials), objects > 0)


def _binomial(share: Floats, trials: Floats) -> Floats:
    """Give the variance of a share with one success and one failure added, as `slices.test` has it."""
    share = (share * trials + 1) / (trials + 2)
    return share * (1 - share) / (trials + 2)


def _design_effect(shared: Group, everything: Group, tested: Tested) -> Floats:
    """Give how many times the binomial variance each test had, (K,), at least 1."""
    own = _own(shared)
    variance = _difference(own, everything - own, tested).variance
    return np.asarray(np.maximum(tested.variance / variance[:, 0], 1), np.float64)


def _jaccard(shared: Floats) -> Floats:
    both = shared.sum(axis=0)
    count = np.diagonal(both)
    return np.asarray(both / np.maximum(count[:, None] + count - both, 1))


def _simpler(tested: Tested) -> Bools:
    """Tell whether the second of two twins (columns) is to stand for both."""
    place = np.empty(len(tested.p), np.int64)
    place[np.lexsort((np.arange(len(tested.p)), tested.p, tested.conditions))] = np.arange(len(tested.p))
    return place[None, :] < place[:, None]


def roots(explained: Bools, order: Ints) -> list[int | None]:
    """Give each slice the one that explains it in the end; of several, the first in `order`. Circles are left open."""
    by: dict[int, int] = {}

    def root(number: int) -> int:
        while number in by:
            number = by[number]
        return number

    for number in order[::-1].tolist():
        reasons = [other for other in order.tolist() if explained[number, other] and root(other) != number]
        if reasons:
            by[number] = reasons[0]
    return [root(number) if number in by else None for number in range(len(explained))]
