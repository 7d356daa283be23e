"""How many objects and photos of a split hold each class, and each value of a column; and the interval of a share."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from curation.diagnose import Column, ErrorTable
from training.boxes import Floats, Ints


@dataclass(frozen=True)
class ValueCounts:
    """Objects and photos of a split by class and value of one column."""

    objects: Ints
    """(C, V)"""
    photos: Ints
    """(C, V) photos that hold the value on an object of the class."""
    holders: Ints
    """(C,) photos that hold the class with a value that is known."""

    @property
    def share(self) -> Floats:
        """Give each value's share of the objects of its class."""
        return np.asarray(self.objects / np.maximum(self.objects.sum(axis=1, keepdims=True), 1))


def value_counts(table: ErrorTable, column: Column, class_count: int) -> ValueCounts:
    """Count a split's objects and photos by class and value of a column; unknown values are left out."""
    known = column.codes >= 0
    cells = class_count * len(column.values)
    label, photo = table.label[known], table.photo[known].astype(np.int64)
    cell = label * len(column.values) + column.codes[known]
    shape = (class_count, len(column.values))
    return ValueCounts(
        objects=np.bincount(cell, minlength=cells).reshape(shape),
        photos=np.bincount(_distinct(photo * cells + cell) % cells, minlength=cells).reshape(shape),
        holders=np.bincount(_distinct(photo * class_count + label) % class_count, minlength=class_count),
    )


def class_counts(table: ErrorTable, class_count: int) -> tuple[Ints, Ints]:
    """Give objects and photos (C,) by class."""
    pairs = _distinct(table.photo.astype(np.int64) * class_count + table.label)
    return np.bincount(table.label, minlength=class_count), np.bincount(pairs % class_count, minlength=class_count)


def _distinct(values: Ints) -> Ints:
    """Give each value once; by sorting, because `np.unique` hashes, which takes many times as long for a million."""
    ordered = np.sort(values)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]


def wilson_low(share: Floats, trials: Ints) -> Floats:
    """Give the lower end of the 95 % interval of a share (Wilson 1927); 0 without trials."""
    z2 = float(stats.norm.ppf(0.975)) ** 2
    spread = np.sqrt(z2 * (share * (1 - share) * trials + z2 / 4))
    return np.asarray(np.where(trials > 0, (share * trials + z2 / 2 - spread) / (trials + z2), 0.0))
