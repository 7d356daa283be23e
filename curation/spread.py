"""Where photos lie to each other in the detector's view: distances, centres, clusters, and photos nearly the same.

Distances are squared Euclidean ones between vectors of unit length, so they follow the cosine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.clusters import Vectors
from training.boxes import Bools, Ints

Gaps = NDArray[np.float32]
"""Squared distances to the nearest of some points; infinite where there are none."""

MAX_COMPONENTS = 32
MAX_LOOK_BITS = 4  # as for the bursts of `training.bursts`
MIN_COSINE = 0.98
"""Of two photos that are nearly the same. In yolov8n at 160 px, 67 % of copies of 60 blood photos reach it that
are 5 % lighter, moved by 3 px and saved again at quality 60; so do 6 % of the pairs of other photos."""
MAX_SQUARED = 2 - 2 * MIN_COSINE + 1e-4  # the same as a squared distance, and room for rounding
ROWS_AT_ONCE = 1024  # 40 MB of distances to 10,000 points
SAMPLE = 4_000
"""Rows that principal components and clusters are learned from."""
ROUNDS = 10


def points_of(vectors: Vectors, others: Vectors, *, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Give vectors (n, d) and others (m, d) at unit length by their first 32 principal components, or all where fewer.

    m may be 0. The components are learned from at most 4,000 of each. A vector of zeros has no direction and lies at 0.
    """
    if not len(others):
        others = vectors[:0]
    if vectors.shape[1] <= MAX_COMPONENTS:
        return _unit(vectors), _unit(others)
    seen = _unit(np.concatenate([part[_sample(len(part), rng)] for part in (vectors, others)]))
    seen -= seen.mean(axis=0)
    _, axes = np.linalg.eigh(seen.T @ seen)
    components = np.ascontiguousarray(axes[:, ::-1][:, :MAX_COMPONENTS])
    here, there = ((part @ components) / _lengths(part)[:, None] for part in (vectors, others))
    return here, there


def nearest(points: Vectors, others: Vectors) -> tuple[Gaps, Ints]:
    """Give each point's squared distance to the nearest of the others, and its row; infinite and −1 without others."""
    gap, row = np.full(len(points), np.inf, np.float32), np.full(len(points), -1)
    for start in range(0, len(points) if len(others) else 0, ROWS_AT_ONCE):
        here = slice(start, start + ROWS_AT_ONCE)
        squared = distances(points[here], others)
        row[here] = squared.argmin(axis=1)
        gap[here] = squared.min(axis=1)
    return gap, row


def distances(points: Vectors, others: Vectors) -> Vectors:
    """Give the squared distances of all points (n, d) to all others (m, d); (n, m)."""
    squared = points @ (-2 * others.T)
    squared += (points**2).sum(axis=1)[:, None]
    squared += (others**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0, out=squared))


def k_centre(points: Vectors, gap: Gaps, rows: Ints, *, count: int) -> list[int]:
    """Give `count` of the rows, or all where fewer: the first, then always the one farthest from all that is there.

    `gap` (n,) is the distance of every point to what was there before. Greedy k-centre: Sener and Savarese, Active
    Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018.
    """
    left = gap[rows].copy()
    found: list[int] = []
    for _ in range(min(count, len(rows))):
        position = int(left.argmax()) if found else 0
        found.append(int(rows[position]))
        left = np.minimum(left, distances(points[rows], points[rows[[position]]])[:, 0])
        left[position] = -1  # and so it stays: no distance is below 0
    return found


def cover(points: Vectors, gap: Gaps, rows: Ints, *, of: Ints, count: int) -> list[int]:
    """Give `count` of the rows, or all where fewer, that leave the points `of` nearest to something on average.

    Each is the one that lowers the mean gap most: a typical photo of a part that is far from all that is there, neither
    one of many in a part that is covered nor an outlier. Facility location, as in Wei, Iyer and Bilmes, Submodularity
    in Data Subset Selection and Active Learning, ICML 2015. Typical photos teach most where few are labelled (Hacohen,
    Dekel and Weinshall, Active Learning on a Budget, ICML 2022).
    """
    squared, left = distances(points[rows], points[of]), gap[of].copy()
    free = np.ones(len(rows), np.bool_)
    found: list[int] = []
    for _ in range(min(count, len(rows))):
        won = np.maximum(left - squared, 0).sum(axis=1)
        won[~free] = -1
        position = int(won.argmax())
        found.append(int(rows[position]))
        free[position] = False
        left = np.minimum(left, squared[position])
    return found


def clusters(points: Vectors, *, count: int, rng: np.random.Generator) -> Ints:
    """Give the number of each point's cluster: k-means from k-means++ (Arthur and Vassilvitskii, SODA 2007).

    Learned on at most 4,000 points; fewer than `count` clusters where fewer points differ.
    """
    seen = points[_sample(len(points), rng)]
    centres = _first_centres(seen, count, rng)
    for _ in range(ROUNDS):
        _, member = nearest(seen, centres)
        sizes = np.bincount(member, minlength=len(centres))
        sums = (member == np.arange(len(centres))[:, None]).astype(np.float32) @ seen
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres).astype(np.float32)
    return nearest(points, centres)[1]


@dataclass(frozen=True)
class Copies:
    """Which photos are nearly the same: hashes that differ in at most 4 bits, and vectors of a cosine of 0.98 or more.

    Both are needed: photos of a fixed camera share their hash, and unlike pictures of one subject their vector.
    """

    look: NDArray[np.uint64]
    vector: Vectors
    points: Vectors
    """As `points_of` gives them: they lie no farther apart than the vectors, so they rule out most pairs at once."""

    def of(self, row: int, others: Ints) -> Bools:
        """Say which of the other rows are nearly the same as this one; a row is nearly the same as itself."""
        close: Bools = np.bitwise_count(self.look[others] ^ self.look[row]) <= MAX_LOOK_BITS
        close[close] = distances(self.points[others[close]], self.points[[row]])[:, 0] <= MAX_SQUARED
        near = others[close]
        lengths = _lengths(self.vector[near]) * _lengths(self.vector[[row]])
        close[close] = (self.vector[near] @ self.vector[row] >= MIN_COSINE * lengths) | (near == row)
        return close

    def distinct(self, rows: Ints, *, count: int) -> Ints:
        """Give the first `count` of the rows, without any that is nearly the same as one that is given before it."""
        kept: list[int] = []
        while len(rows) and len(kept) < count:
            kept.append(int(rows[0]))
            rows = rows[~self.of(kept[-1], rows)]
        return np.array(kept, np.int64)


def _first_centres(points: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(points)))]
    gap = distances(points, points[chosen])[:, 0].astype(np.float64)
    while len(chosen) < count and gap.sum() > 0:
        chosen.append(int(rng.choice(len(points), p=gap / gap.sum())))
        gap = np.minimum(gap, distances(points, points[chosen[-1:]])[:, 0])
    return points[chosen]


def _sample(count: int, rng: np.random.Generator) -> Ints:
    return np.arange(count) if count <= SAMPLE else np.sort(rng.choice(count, SAMPLE, replace=False))


def _lengths(vectors: Vectors) -> Gaps:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(np.where(lengths > 0, lengths, 1), np.float32)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / _lengths(vectors)[:, None], np.float32)
