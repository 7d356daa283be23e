"""Find conjunctions of two or three conditions that look weak on the discover half, to be tested on the other half.

Every pair of column values is counted, and the best pairs are extended by every value: a beam search. All counts are
products of 0/1 matrices; no loop runs over objects.

A conjunction's score is the z of its missed objects beyond those expected of their classes: first of a score test,
then, for the best few hundred, of the exact binomial tail with the objects divided by the design effect of photos that
are alike. z²/2 is a log-likelihood, from which the logarithm of the number of rivals with as many conditions and about
as many objects is taken: of equal evidence the simpler and the larger slice win.

Thirty places must not go to one slice in thirty disguises, yet the strongest of these is not always the true one. So
the places are given out in three rounds: each takes the best few, near copies left out; then the strongest slice of
all, pre-specified ones included, counts as explained, and the next round looks at what is left. Of 93 planted slices
that the other half confirms and that are hard to see here (z below 3.5), 69 % were proposed in three rounds, 33 % in
one and 71 % in five, which take longer; what is lost has a z that thousands of conjunctions reach by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from curation.diagnose import ErrorTable
from curation.ground import MAX_CONDITIONS, Ground, Matrix, Terms, ground_of, terms_of
from curation.records import Condition
from training.boxes import Bools, Floats, Ints

MIN_OBJECTS, MIN_PHOTOS = 8, 4
"""On the discover half; fewer cannot be confirmed on the other half either."""
ROUNDS = 3
BEAM = 300
MAX_RATED = 150
"""Pairs, and triples, that are looked at more closely in each round."""
SCALES = 32
"""Slices are rivals where the logarithms of their objects to the base 2 have the same integer."""
MIN_Z = 1.0
MIN_EXPLAINING_Z = 2.0
MAX_SHARED = 0.9
"""Of missed objects (Jaccard): more alike than this, two conjunctions are one."""
DECIMALS = 3
"""Of what is sorted: sums in single precision end differently on other machines, and ties must not."""


@dataclass(frozen=True)
class Rated:
    """Conjunctions with their evidence."""

    terms: Terms
    z: Floats
    effect: Floats
    """Share of missed objects beyond what is explained, less that of the other objects of the same classes."""
    score: Floats
    """Log-likelihood ratio, less the logarithm of the number of rivals."""
    shared: Floats
    """(K, K) share that the missed objects of two have in common (Jaccard)."""


def search(
    table: ErrorTable, *, max_proposals: int, taken: Sequence[Sequence[Condition]] = ()
) -> list[tuple[Condition, ...]]:
    """Propose at most so many conjunctions of two or three conditions, most promising first.

    `table` holds the discover half alone. `taken` are slices that will be tested anyway: what resembles one of them is
    put back. A class with a size is never proposed: it is pre-specified.
    """
    if max_proposals <= 0 or not len(table) or table.found.all():
        return []
    ground = ground_of(table)
    left = ground.missed - ground.rate
    chosen = terms_of(ground, taken)
    for places in np.diff(np.linspace(0, max_proposals, ROUNDS + 1).astype(int)):
        fresh, rivals = _scan(ground, left)
        rated = _rate(ground, left, np.vstack([chosen, fresh]), rivals)
        picked = _pick(ground, rated, int(places), taken=len(chosen))
        chosen = np.vstack([chosen, rated.terms[picked]])
        left = _without_strongest(ground, left, rated)
    nothing = len(ground.items)
    return [tuple(ground.items[term] for term in terms if term != nothing) for terms in chosen[len(taken) :]]


def _scan(ground: Ground, left: Matrix) -> tuple[Terms, Floats]:
    """Give all single items and the best pairs and triples by a score test, and the rivals (length, scale) of each."""
    nothing = len(ground.items)
    singles = np.column_stack([np.arange(nothing), np.full((nothing, 2), nothing)])
    rivals = np.full((MAX_CONDITIONS + 1, SCALES), float(nothing))
    best = [singles]
    for length in (2, 3):
        terms, z, count = _extend(ground, left, best[-1])
        at_scale = np.bincount(_scale(count), minlength=SCALES)
        rivals[length] = np.maximum(at_scale * np.count_nonzero(at_scale), 1)
        best.append(terms[np.argsort(-z, kind="stable")[:BEAM]])
    return np.vstack([singles, *(terms[:MAX_RATED] for terms in best[1:])]), rivals


def _scale(count: Floats) -> Ints:
    return np.log2(np.maximum(count, 1)).astype(np.int64)


def _extend(ground: Ground, left: Matrix, terms: Terms) -> tuple[Terms, Floats, Floats]:
    """Give each conjunction with one more item of another column, where objects suffice; once, with z and objects."""
    count, surplus, spread = (np.zeros((len(terms), len(ground.items))) for _ in range(3))
    for rows, _ in ground.blocks():
        has, inside = ground.has[rows, :-1], ground.inside(rows, terms)
        rate = ground.rate[rows]
        count += inside.T @ has
        surplus += (inside * left[rows, None]).T @ has
        spread += (inside * (rate * (1 - rate))[:, None]).T @ has
    z = np.round(surplus / np.sqrt(np.maximum(spread, 1e-9)), DECIMALS)
    column = ground.column[:-1]
    other = (ground.column[terms][:, :, None] != column).all(axis=1)
    row, item = np.nonzero(other & (count >= MIN_OBJECTS) & (z > 0))
    longer = terms[row]
    longer[np.arange(len(row)), (longer == len(ground.items)).argmax(axis=1)] = item
    longer, first = np.unique(np.sort(longer, axis=1), axis=0, return_index=True)
    return longer, z[row, item][first], count[row, item][first]


def _rate(ground: Ground, left: Matrix, terms: Terms, rivals: Floats) -> Rated:
    """Work out the evidence for conjunctions, against the other objects of their classes."""
    of_class = np.flatnonzero(ground.column == 0)
    count, surplus, missed, photos, squares = np.zeros((5, len(terms)))
    by_class, both = np.zeros((len(of_class), len(terms))), np.zeros((len(terms), len(terms)))
    for rows, starts in ground.blocks():
        inside = ground.inside(rows, terms)
        counts = np.add.reduceat(inside, starts, axis=0)
        count, photos, squares = count + counts.sum(0), photos + (counts > 0).sum(0), squares + (counts**2).sum(0)
        surplus += left[rows] @ inside
        by_class += ground.has[rows][:, of_class].T @ inside
        wrong = inside[ground.missed[rows] > 0]
        missed, both = missed + wrong.sum(0), both + wrong.T @ wrong
    count = np.maximum(count, 1)
    # What a slice itself adds to the mean of its class hides part of its effect, and its rest varies, too.
    whole = ground.has[:, of_class].sum(axis=0)
    rest_share = np.maximum(1 - (by_class**2 / whole[:, None]).sum(axis=0) / count, 0.05)
    expected = np.clip((missed - surplus / rest_share) / count, 0.005, 0.98)
    design = 1 + ground.alike * np.maximum(squares / count - 1, 0)
    z = _tail(missed / design, count / design, expected) * np.sqrt(rest_share)
    z = np.where((count >= MIN_OBJECTS) & (photos >= MIN_PHOTOS), np.round(z, DECIMALS), 0.0)
    length = (terms < len(ground.items)).sum(axis=1)
    log_likelihood = np.maximum(z, 0) ** 2 / 2 - np.log(rivals[length, _scale(count)])
    union = missed[:, None] + missed - both
    return Rated(terms, z, surplus / count / rest_share, log_likelihood, both / np.maximum(union, 1))


def _tail(missed: Floats, objects: Floats, expected: Floats) -> Floats:
    """Give the z of so many missed objects by the exact binomial tail, half of their own probability included."""
    more = special.betainc(missed + 1, np.maximum(objects - missed, 1e-6), expected)
    as_many = special.betainc(np.maximum(missed, 1e-6), objects - missed + 1, expected)
    return np.asarray(stats.norm.isf(np.clip((more + as_many) / 2, 1e-300, 1 - 1e-12)), np.float64)


def _pick(ground: Ground, rated: Rated, places: int, *, taken: int) -> list[int]:
    """Choose the conjunctions of the highest score that are not nearly the same as one chosen before; the first are."""
    shared = rated.shared[:taken].max(axis=0, initial=0.0)
    score = np.where((rated.z >= MIN_Z) & ~_prespecified(ground, rated.terms), rated.score, -np.inf)
    picked: list[int] = []
    while len(picked) < places:
        best = int(np.where(shared <= MAX_SHARED, score, -np.inf).argmax())
        if shared[best] > MAX_SHARED or score[best] == -np.inf:
            break
        picked.append(best)
        shared = np.maximum(shared, rated.shared[best])
    return picked


def _prespecified(ground: Ground, terms: Terms) -> Bools:
    """Tell single conditions, and a class with a size; those two columns come first."""
    column = ground.column[terms]
    return np.asarray((column[:, 1] < 0) | ((column[:, 0] == 0) & (column[:, 1] == 1) & (column[:, 2] < 0)), np.bool_)


def _without_strongest(ground: Ground, left: Matrix, rated: Rated) -> Matrix:
    """Give what is left to explain when the strongest slice is known.

    The mean of its classes was larger for it; without it, more of what the others missed is surprising.
    """
    best = int(rated.score.argmax())
    if rated.z[best] < MIN_EXPLAINING_Z:
        return left
    whole = slice(0, len(ground.has))
    left = left - np.float32(rated.effect[best]) * ground.inside(whole, rated.terms[[best]])[:, 0]
    of_class = ground.has[:, np.flatnonzero(ground.column == 0)]
    return np.asarray(left - of_class @ (left @ of_class / np.maximum(of_class.sum(axis=0), 1)), np.float32)
