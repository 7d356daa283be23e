"""What finding missed labels would return: mean AP without them, from an order that was made once.

COCO's AP only changes for the classes of the labels that are taken out, and precision is only read at hits. So hits
are kept by class and IoU level, each with its place among the predictions of its class; taking labels out shifts
places.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.boxes import Bools, BoxTable, Floats, Ints
from training.matching import IOU_LEVELS, Matches
from training.metrics import joined_ap

Numbers = NDArray[np.int32]
LEVELS = len(IOU_LEVELS)


@dataclass(frozen=True)
class Gains:
    """A model's hits on some photos, ready for the gain of any set of missed labels."""

    place: Numbers
    """(H,) place from 0 of each hit among the predictions of its class, the most confident first."""
    label_row: Numbers
    """(H,) row of the label that it found."""
    first: Ints
    """(class_count × 10 + 1,) where the hits of each class and IoU level start, and the end of the last."""
    holder: Numbers
    """(L,) place of the prediction that found the label at IoU 0.5 within its class, −1 where none did."""
    label: Ints
    """(L,) class of each label."""
    objects: Ints
    """(class_count,) labels."""
    predicted: Ints
    """(class_count,) predictions that count."""

    @classmethod
    def prepare(cls, predictions: BoxTable, labels: BoxTable, matches: Matches, *, class_count: int) -> Self:
        """Sort a model's predictions once, in the order of `metrics.prepare`; all photos of the tables count."""
        rows = np.flatnonzero(matches.kept)
        rows = rows[np.lexsort((predictions.image[rows], -predictions.score[rows]))]
        small = predictions.label[rows].astype(np.min_scalar_type(class_count))  # small numbers are sorted by radix
        rows = rows[np.argsort(small, kind="stable")]
        number = predictions.label[rows]
        predicted = np.bincount(number, minlength=class_count)
        place = (np.arange(len(rows)) - (np.cumsum(predicted) - predicted)[number]).astype(np.int32)
        found = matches.label_row[rows, 0]
        holder = np.full(len(labels), -1, np.int32)
        holder[found[found >= 0]] = place[found >= 0]
        at, label_row, first = _hits(matches.label_row, rows, number, class_count)
        return cls(
            place=place[at],
            label_row=label_row,
            first=first,
            holder=holder,
            label=labels.label,
            objects=np.bincount(labels.label, minlength=class_count),
            predicted=predicted,
        )

    def of(self, missed: Bools) -> float:
        """Give the mean AP that returns when the labels of a mask (L,) no longer count as missed.

        They are taken out as if they were not there, with the predictions that found them at IoU 0.5, as
        `metrics.prepare` does with `label_weight`. A class of which nothing is left counts as found: AP 1. The mean is
        over the ten IoU levels and the classes with labels; 0 where there are none.
        """
        rows = np.flatnonzero(missed)
        rows = rows[np.argsort(self.label[rows], kind="stable")]
        bounds = np.flatnonzero(np.diff(self.label[rows], prepend=-1, append=-1))
        gained = 0.0
        for first, stop in pairwise(bounds):
            number = int(self.label[rows[first]])
            gained += float(self._class_ap(number, missed, rows[first:stop]).mean() - self._before[number])
        return gained / max(1, int(np.count_nonzero(self.objects)))

    @cached_property
    def _before(self) -> Floats:
        """Give the AP of each class as it is, the mean over the levels; 0 where a class has no label."""
        nothing, no_rows = np.zeros(len(self.label), np.bool_), np.zeros(0, np.int64)
        ap = np.zeros(len(self.objects))
        for number in np.flatnonzero(self.objects):
            ap[number] = self._class_ap(int(number), nothing, no_rows).mean()
        return ap

    def _class_ap(self, number: int, missed: Bools, rows: Ints) -> Floats:
        """Give the AP of a class at the ten levels without the labels of `rows`, which are those of the mask."""
        left = int(self.objects[number]) - len(rows)
        if left == 0:
            return np.ones(LEVELS)
        bounds = self.first[number * LEVELS : (number + 1) * LEVELS + 1]
        hits = slice(bounds[0], bounds[-1])
        place, count = self.place[hits], np.diff(bounds)
        seen = place + np.int32(1)
        if len(rows):
            gone = np.zeros(self.predicted[number], np.bool_)
            gone[self.holder[rows][self.holder[rows] >= 0]] = True
            stays = ~(missed[self.label_row[hits]] | gone[place])
            seen = (seen - np.cumsum(gone, dtype=np.int32)[place])[stays]
            count = np.diff(np.append(0, np.cumsum(stays))[bounds - bounds[0]])
        # in the precision of `metrics.weighted_ap`, so that both give the same figure
        return joined_ap(seen.astype(np.float32), count, np.full(LEVELS, left))


def _hits(matched: Ints, rows: Ints, number: Ints, class_count: int) -> tuple[Ints, Numbers, Ints]:
    """Give the hits by class and level: positions in `rows`, label rows, and where each class and level starts."""
    at, label_row, curve = [], [], []
    for level in range(LEVELS):
        found = matched[rows, level]
        here = np.flatnonzero(found >= 0)
        at.append(here)
        label_row.append(found[here].astype(np.int32))
        curve.append(number[here] * LEVELS + level)
    curves = np.concatenate(curve)
    order = np.argsort(curves, kind="stable")
    first = np.append(0, np.cumsum(np.bincount(curves, minlength=class_count * LEVELS)))
    return np.concatenate(at)[order], np.concatenate(label_row)[order], first
