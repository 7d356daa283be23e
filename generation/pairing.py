"""Which of the things that a judge sees is which of those that were expected: the rounds of `verify`, as arithmetic."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from generation.records import ObjectVerdict
from training.boxes import Bools, Floats, Ints, Table, area, iou, overlap

MAX_AREA_RATIO = 4.0
"""A moved object is at most so many times as large, or as small, as it was requested."""
TO_DRAW_AGAIN: tuple[ObjectVerdict, ...] = ("missing", "wrong class")


@dataclass(frozen=True)
class Seen(Table):
    """Sightings that count, each of another object."""

    label: Ints
    xyxy: Floats
    score: Floats
    strength: Floats
    """Score as a share of the bound of its class; sure from 1 on."""

    @property
    def sure(self) -> Bools:
        """Tell which reach the bound of their class."""
        return np.asarray(self.strength >= 1)


@dataclass(frozen=True)
class Expected(Table):
    """What may be seen: the requested objects, then the labels of the photo that was painted into."""

    label: Ints
    xyxy: Floats
    requested: Bools
    judged: Bools
    """The judge can see its class."""
    covered: Bools
    """A label of the photo that was mostly painted anew."""


@dataclass(frozen=True, eq=False)
class Paired:
    """What became of each row of `Expected`."""

    verdict: tuple[ObjectVerdict, ...]
    """A label of the photo is `found` or `missing`, whether or not it was painted over."""
    sighting: Ints
    """Number of the sighting that serves it, −1 for none."""


def pair(expected: Expected, seen: Seen, *, min_iou: float, max_shift: float) -> Paired:
    """Pair what is expected with what is seen, one to one, round after round, by the rules of `verify`."""
    shared, near = ious(expected.xyxy, seen.xyxy), _nearness(expected.xyxy, seen.xyxy, max_shift)
    same, there, sure = expected.label[:, None] == seen.label, shared >= min_iou, seen.sure
    asked, covered = (expected.requested & expected.judged)[:, None], expected.covered[:, None]
    standing = ~expected.requested[:, None] & ~covered
    rounds: tuple[tuple[ObjectVerdict, Bools, Floats], ...] = (
        ("found", (asked | standing) & same & sure & there, shared),
        ("found", covered & same & sure & there, shared),
        ("moved", asked & same & sure, near),
        ("wrong class", asked & ~same & sure & there, shared),
        ("missing", asked & same & ~sure, np.where(there, shared, near)),
    )
    blind = (expected.requested & ~expected.judged).tolist()
    verdict: list[ObjectVerdict] = ["unjudged" if is_blind else "missing" for is_blind in blind]
    sighting, free = np.full(len(expected), -1), np.ones(len(seen), np.bool_)
    for name, may, worth in rounds:
        rows, columns = _assigned(np.where(may & free & (sighting < 0)[:, None], worth, 0))
        sighting[rows], free[columns] = columns, False
        for row in rows:
            verdict[row] = name
    return Paired(verdict=tuple(verdict), sighting=sighting)


def left_over(expected: Expected, seen: Seen, paired: Paired, *, min_iou: float) -> Bools:
    """Tell which sightings (m,) serve nothing and overlap nothing that accounts for them."""
    pending = np.array([verdict in (*TO_DRAW_AGAIN, "unjudged") for verdict in paired.verdict], np.bool_)
    stays = ~expected.covered | (paired.sighting >= 0)
    accounts = np.where(expected.requested, pending, stays)
    overlaps = ious(expected.xyxy[accounts], seen.xyxy) >= min_iou
    serves = np.isin(np.arange(len(seen)), paired.sighting)
    return np.asarray(~serves & ~overlaps.any(axis=0))


def share_inside(boxes: Floats, regions: Floats) -> Floats:
    """Give how much of each box's own area lies in each region, 0–1; (n, 4), (r, 4) → (n, r)."""
    first, second = _crossed(boxes, regions)
    return np.asarray((overlap(first, second) / area(first)).reshape(len(boxes), len(regions)))


def _assigned(worth: Floats) -> tuple[Ints, Ints]:
    """Give the pairs, rows and columns, of the largest sum of worths (k, m); what is worth 0 is no pair."""
    rows, columns = linear_sum_assignment(worth, maximize=True)
    real = worth[rows, columns] > 0
    return rows[real], columns[real]


def ious(first: Floats, second: Floats) -> Floats:
    """Give the IoU of each with each; (n, 4), (m, 4) → (n, m)."""
    return iou(*_crossed(first, second)).reshape(len(first), len(second))


def _nearness(wanted: Floats, seen: Floats, max_shift: float) -> Floats:
    """Give how near each sighting is to each request, 1 on the spot and falling; 0 where it is too far or too unlike.

    Distances are of centres, in widths and heights of the request, whichever is the larger.
    """
    first, second = _crossed(wanted, seen)
    sides = first[:, 2:] - first[:, :2]
    shift = np.abs((second[:, :2] + second[:, 2:] - first[:, :2] - first[:, 2:]) / 2 / sides).max(axis=1)
    ratio = area(second) / area(first)
    fits = (shift <= max_shift) & (ratio <= MAX_AREA_RATIO) & (ratio >= 1 / MAX_AREA_RATIO)
    return np.where(fits, 1 / (1 + shift), 0).reshape(len(wanted), len(seen))


def _crossed(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))
