"""The objects of an error table as a 0/1 matrix, in which conjunctions of conditions are counted by products."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.diagnose import ErrorTable
from curation.records import Condition
from training.boxes import Floats, Ints

MAX_CONDITIONS = 3
MAX_UNKNOWN = 0.05
"""Of a column that is kept. Clusters and tags may be known of all missed objects and of some of the found ones, so
that each of their values would look weak; a test compares known objects alone, but a search expects all."""
MAX_ALIKE = 0.5
ROWS_AT_ONCE = 16_384

Matrix = NDArray[np.float32]
Terms = Ints
"""(K, 3) numbers of items, ascending; a place that is not used holds the number behind the last item."""


@dataclass(frozen=True)
class Ground:
    """The objects that are searched, in the order of their photos, as a 0/1 matrix of items."""

    items: tuple[Condition, ...]
    column: Ints
    """(V + 1,) number of each item's column, −1 for the item that always holds."""
    has: Matrix
    """(n, V + 1)"""
    missed: Matrix
    rate: Matrix
    """(n,) share of missed objects of the same class."""
    starts: Ints
    """Row at which each photo starts."""
    alike: float
    """Correlation 0–0.5 of missing two objects of one photo."""

    def blocks(self) -> Iterator[tuple[slice, Ints]]:
        """Cut the rows between photos into blocks that fit into memory; each with the starts of its photos."""
        firsts = np.unique(np.searchsorted(self.starts, np.arange(0, len(self.has), ROWS_AT_ONCE)))
        bounds = np.append(self.starts, len(self.has))
        for first, last in zip(firsts, np.append(firsts[1:], len(self.starts)), strict=True):
            if first < last:
                yield slice(int(bounds[first]), int(bounds[last])), self.starts[first:last] - bounds[first]

    def inside(self, rows: slice, terms: Terms) -> Matrix:
        """Give which of some rows meet which conjunctions, (b, K)."""
        has = self.has[rows]
        return np.asarray(has[:, terms[:, 0]] * has[:, terms[:, 1]] * has[:, terms[:, 2]], np.float32)


def ground_of(table: ErrorTable) -> Ground:
    """Give the 0/1 matrix of a table's column values; those that no object has are left out."""
    table = table.take(np.argsort(table.photo, kind="stable"))
    known = [(k, column) for k, column in enumerate(table.columns) if (column.codes < 0).mean() <= MAX_UNKNOWN]
    values = [(k, column, value) for k, column in known for value in np.unique(column.codes) if value >= 0]
    missed = ~table.found
    count = np.bincount(table.label)
    rate = (np.bincount(table.label, weights=missed) / np.maximum(count, 1))[table.label]
    starts = np.flatnonzero(np.diff(table.photo, prepend=-1))
    has = np.ones((len(table), len(values) + 1), np.float32)
    for item, (_, column, value) in enumerate(values):
        has[:, item] = column.codes == value
    return Ground(
        items=tuple(Condition(column=column.name, value=column.values[value]) for _, column, value in values),
        column=np.array([*(k for k, _, _ in values), -1]),
        has=has,
        missed=missed.astype(np.float32),
        rate=rate.astype(np.float32),
        starts=starts,
        alike=_alike(missed - rate, np.sqrt(rate * (1 - rate)), starts),
    )


def _alike(surprise: Floats, spread: Floats, starts: Ints) -> float:
    """Estimate the correlation of two objects of a photo, from the products of all pairs."""
    products, scale = (
        (np.add.reduceat(each, starts) ** 2 - np.add.reduceat(each**2, starts)).sum() for each in (surprise, spread)
    )
    return float(np.clip(products / max(scale, 1e-9), 0, MAX_ALIKE))


def terms_of(ground: Ground, conjunctions: Sequence[Sequence[Condition]]) -> Terms:
    """Write conjunctions as numbers of items; one that no object meets, or that is too long, as no condition at all."""
    number = {item: k for k, item in enumerate(ground.items)}
    nothing = len(ground.items)
    rows = [sorted(number.get(condition, nothing) for condition in each) for each in conjunctions]
    rows = [row if len(row) <= MAX_CONDITIONS and nothing not in row else [] for row in rows]
    return np.array([row + [nothing] * (MAX_CONDITIONS - len(row)) for row in rows], np.int64).reshape(-1, 3)
