"""Which photos of a pool people should label next, by these rules:

1. A tenth, rounded up, is drawn first, uniformly from all photos of the pool and without a look at any score: an
   unbiased view of the pool. All others are picked by score.
2. A photo that is nearly the same (`spread.Copies`) as one that is drawn or picked is not picked by score. Only where
   nothing else is left do copies of picked photos fill the rest. Copies of drawn ones never do: these go into val or
   test, and a copy in train would spoil them.
3. What is picked by score has shares: 5 parts for findings, 2 for uncertain photos, 1 for likely misses and 1 for
   diverse ones, in this order. What one cannot use goes to those after it, in proportion to their parts.
4. The share for findings is divided among the targets by weight (largest remainder). Photos match a target if any
   object of its slice is expected. What a target has too few photos for goes to the others, again by weight.
5. A photo is uncertain by the mean of its ranks in entropy, margin and disagreement: ranks need no common scale. A rank
   is the share of the pool that scores less, with half of those that score the same. All three 0: never uncertain.
6. Likely misses are, half and half, photos with the most faint boxes, and photos without a firm box in clusters of 10
   photos or more where at most 10 % have one, if at least half of the pool has one.
7. For targets, uncertain photos and faint boxes, candidates are the best by score: one for each place, or up to 4 as
   long as they are among the best 2 % of all that score above 0 and have at least half the score of the last that score
   alone would pick. The best of them is picked, then always the one farthest from train and from all that was picked
   (`spread.k_centre`).
8. Diverse photos are those that leave the pool nearest to train and to all that was picked (`spread.cover`).

Rows are taken in the order of their ids, so the order of the pool does not matter; equal scores go by id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.acquisition import PoolTable, Target
from curation.clusters import Vectors
from curation.selection import PickKind
from curation.spread import Copies, Gaps, clusters, cover, distances, k_centre, nearest, points_of
from curation.wording import count_text
from training.boxes import Bools, Floats, Ints

RANDOM_PARTS = 10
"""One in so many is drawn at random."""
CANDIDATES_A_PLACE, CANDIDATES_IN = 4, 50  # one in so many at most
MIN_SCORE_SHARE = 0.5
"""Of the score of the last photo that score alone would pick."""
MAX_SILENT_SHARE, MIN_FIRING_SHARE = 0.1, 0.5
MAX_CLUSTERS, PHOTOS_A_CLUSTER, MIN_CLUSTER = 50, 20, 10  # photos on average, and at least
MAX_TRAIN = 20_000
"""Photos of train that the pool is compared with; a sample where there are more."""
MAX_COVERED = 2_000
"""Photos among which diverse ones are sought, and which they are to stand for; a sample where there are more."""
NO_GAP = 1e-5  # squared distances of equal vectors are not quite 0
UNCERTAIN_WORDS = {"entropy": "entropy", "margin": "closeness of two classes", "disagreement": "change under a flip"}


@dataclass(frozen=True)
class Choice:
    """A photo that is worth labelling."""

    row: int
    """Of the pool."""
    kind: PickKind
    finding_id: str | None
    reason: str
    """Why, in words."""


def select(
    pool: PoolTable, targets: Sequence[Target], *, count: int, train_vectors: Vectors, rng: np.random.Generator
) -> tuple[Choice, ...]:
    """Choose `count` photos of a pool, or fewer where it has no more: by kind as in rule 3, as picked, random last.

    Columns of `pool.match` follow `targets`. `train_vectors` (t, d) are those of the labelled photos; t may be 0.
    """
    if pool.match.shape[1:] != (len(targets),):
        raise ValueError(f"match must have a column for each of {len(targets)} targets, got shape {pool.match.shape}")
    count = min(count, len(pool))
    if not count:
        return ()
    order = np.argsort(pool.id, kind="stable")
    drawn = rng.choice(len(pool), -(-count // RANDOM_PARTS), replace=False)  # first of all, so that no score matters
    batch = _Batch(pool.take(order), targets, train_vectors, drawn, rng)
    left = count - len(drawn)
    for number, (_, pick) in enumerate(PARTS):
        share = shares_of(left, [parts for parts, _ in PARTS[number:]])[0]
        left -= pick(batch, share)
    _fill(batch, left)
    by_score, random = batch.choices[len(drawn) :], batch.choices[: len(drawn)]
    return tuple(replace(choice, row=int(order[choice.row])) for choice in by_score + random)


def shares_of(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a total by weights above 0 into whole numbers: the largest remainder first, ties in the given order."""
    exact = total * np.array(weights, np.float64) / sum(weights)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    first = np.argsort(-(exact - whole).round(9), kind="stable")
    whole[first[: total - int(whole.sum())]] += 1
    return [int(share) for share in whole]


class _Batch:
    """What is picked so far, and what is left."""

    def __init__(
        self,
        pool: PoolTable,
        targets: Sequence[Target],
        train_vectors: Vectors,
        drawn: Ints,
        rng: np.random.Generator,
    ) -> None:
        self.pool, self.targets, self.rng, self.drawn = pool, targets, rng, drawn
        self.points, train = points_of(pool.vector, train_vectors[self.sample(len(train_vectors), MAX_TRAIN)], rng=rng)
        self.train_gap: Gaps = nearest(self.points, train)[0]
        self.gap = self.train_gap
        """(n,) to the nearest of train and of all that is picked."""
        self.copies = Copies(pool.look, pool.vector, self.points)
        self.open: Bools = np.ones(len(pool), np.bool_)
        """(n,) neither picked nor nearly the same as one that is."""
        self.choices: list[Choice] = []
        for row in drawn.tolist():
            self.take(row, "random", "drawn at random")

    def sample(self, count: int, max_count: int) -> Ints:
        if count <= max_count:
            return np.arange(count)
        return np.sort(self.rng.choice(count, max_count, replace=False))

    def take(self, row: int, kind: PickKind, reason: str, *, finding_id: str | None = None) -> None:
        self.choices.append(Choice(row=row, kind=kind, finding_id=finding_id, reason=reason))
        rows = np.flatnonzero(self.open)
        self.open[rows[self.copies.of(row, rows)]] = False
        self.gap = np.minimum(self.gap, distances(self.points, self.points[[row]])[:, 0])

    def best(self, score: Floats, share: int) -> list[int]:
        """Give at most `share` rows by rule 7."""
        rows = np.flatnonzero(self.open & (score > 0))
        if not share or not len(rows):
            return []
        ranked = rows[np.argsort(-score[rows], kind="stable")]
        wanted = max(share, min(CANDIDATES_A_PLACE * share, len(rows) // CANDIDATES_IN))
        rows = self.copies.distinct(ranked, count=wanted)
        bound = MIN_SCORE_SHARE * score[rows[min(share, len(rows)) - 1]]
        return k_centre(self.points, self.gap, rows[score[rows] >= bound], count=share)


def _findings(batch: _Batch, share: int) -> int:
    numbers = sorted(range(len(batch.targets)), key=lambda n: (-batch.targets[n].weight, batch.targets[n].finding_id))
    left = share
    while left and numbers:
        asked = shares_of(left, [batch.targets[number].weight for number in numbers])
        found = [_target(batch, number, part) for number, part in zip(numbers, asked, strict=True)]
        left -= sum(found)
        numbers = [n for n, part, given in zip(numbers, asked, found, strict=True) if given == part]
    return share - left


def _target(batch: _Batch, number: int, share: int) -> int:
    target, expected = batch.targets[number], batch.pool.match[:, number]
    rows = batch.best(expected, share)
    for row in rows:
        count = "less than one object" if expected[row] < 1 else count_text(round(expected[row]), "object")
        reason = f'finding "{target.words}": {count} expected'
        batch.take(row, "finding", reason, finding_id=target.finding_id)
    return len(rows)


def _uncertain(batch: _Batch, share: int) -> int:
    scores = [getattr(batch.pool, name) for name in UNCERTAIN_WORDS]
    ranks = [_ranked(score) for score in scores]
    mean = np.mean([rank for rank, _ in ranks], axis=0)
    rows = batch.best(np.where(np.any(scores, axis=0), mean, 0), share)
    for row in rows:
        top, words = min(
            (int(top[row]), words) for (_, top), words in zip(ranks, UNCERTAIN_WORDS.values(), strict=True)
        )
        batch.take(row, "uncertain", f"uncertain: {words} in the top {top} % of the pool")
    return len(rows)


def _misses(batch: _Batch, share: int) -> int:
    silent = _silent(batch) if share else np.zeros(0, np.int64)
    found = _take_silent(batch, silent, share // 2)
    _, top = _ranked(batch.pool.faint)
    rows = batch.best(batch.pool.faint, share - found)
    for row in rows:
        batch.take(row, "likely miss", f"likely misses: faint boxes in the top {top[row]} % of the pool")
    found += len(rows)
    return found + _take_silent(batch, silent, share - found)


def _silent(batch: _Batch) -> Ints:
    """Give the rows of rule 6 without a firm box, in an order by chance."""
    fires = batch.pool.firm > 0
    if fires.mean() < MIN_FIRING_SHARE:
        return np.zeros(0, np.int64)
    count = min(MAX_CLUSTERS, -(-len(fires) // PHOTOS_A_CLUSTER))
    member = clusters(batch.points, count=count, rng=batch.rng)
    sizes = np.bincount(member)
    silent = (sizes >= MIN_CLUSTER) & (np.bincount(member, fires) <= MAX_SILENT_SHARE * sizes)
    return batch.rng.permutation(np.flatnonzero(~fires & silent[member]))


def _take_silent(batch: _Batch, silent: Ints, share: int) -> int:
    rows = batch.copies.distinct(silent[batch.open[silent]], count=CANDIDATES_A_PLACE * share)
    found = k_centre(batch.points, batch.gap, rows, count=share)
    for row in found:
        batch.take(row, "likely miss", "the champion sees nothing here, unlike in most of the pool")
    return len(found)


def _diverse(batch: _Batch, share: int) -> int:
    left = share
    while left and batch.open.any():
        rows = np.flatnonzero(batch.open)
        rows = batch.copies.distinct(rows[batch.sample(len(rows), MAX_COVERED)], count=len(rows))
        of = batch.sample(len(batch.pool), MAX_COVERED)
        for row in cover(batch.points, batch.gap, rows, of=of, count=left):
            batch.take(row, "diverse", _apart(batch, row))
            left -= 1
    return share - left


def _apart(batch: _Batch, row: int) -> str:
    if batch.gap[row] <= NO_GAP:
        return "hardly differs from train or from another pick: nothing else is left"
    nearer = 100 * int(np.count_nonzero(batch.train_gap < batch.train_gap[row])) // len(batch.pool)
    if nearer < 50:
        return "typical of photos that train and the other picks lack"
    return f"unlike train: farther from it than {nearer} % of the pool"


def _fill(batch: _Batch, count: int) -> None:
    """Take copies, by rule 2."""
    taken = [choice.row for choice in batch.choices]
    rows = np.setdiff1d(np.arange(len(batch.pool)), taken)
    of_drawn = np.zeros(len(rows), np.bool_)
    for row in batch.drawn.tolist() if count else ():
        of_drawn |= batch.copies.of(row, rows)
    for row in rows[~of_drawn][:count].tolist():
        batch.choices.append(Choice(row, "diverse", None, "nearly the same as another pick: nothing else is left"))


def _ranked(score: Floats) -> tuple[Floats, Ints]:
    """Give each photo's rank by rule 5, and the share in whole per cent, rounded up, that scores as much or more."""
    ordered = np.sort(score)
    less, not_more = (np.searchsorted(ordered, score, side) for side in ("left", "right"))
    return (less + not_more) / (2 * len(score)), -(-100 * (len(score) - less) // len(score))


PARTS: tuple[tuple[int, Callable[[_Batch, int], int]], ...] = (
    (5, _findings),
    (2, _uncertain),
    (1, _misses),
    (1, _diverse),
)
"""Parts of rule 3, in the order in which photos are picked."""
