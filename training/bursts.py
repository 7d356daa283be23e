"""Which photos show the same thing: near-identical pictures with the same objects in the same places.

A fixed camera gives photos that look alike and hold different objects; those are no burst. So a look within
`MAX_LOOK_BITS` is needed, and every object of one photo must have its own of the same class in the other, at an IoU of
at least `MIN_IOU`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from training.boxes import Bools, Floats, Ints, iou
from training.source import FoundPhoto

MAX_LOOK_BITS = 4
MIN_IOU = 0.9
# Two boxes of IoU t differ in each side by at most (1 / t − 1) of the side: a cheap test before the exact one.
_MAX_SHIFT_SHARE = 1 / MIN_IOU - 1
# Looks within 4 bits agree in at least one of 5 parts, so only photos that share a part are compared.
_PARTS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))
_SMALL_CELL = 48  # up to here a cell is compared by shifting all cells at once, which costs nothing per cell
_BLOCK = 2**21  # compared at once; bounds memory

Looks = NDArray[np.uint64]


class _Photos:
    """Columns of the photos that are compared."""

    def __init__(self, photos: Sequence[FoundPhoto]) -> None:
        self.looks: Looks = np.array([photo.look for photo in photos], np.uint64)
        names = sorted({box.label for photo in photos for box in photo.boxes})
        number = {name: index for index, name in enumerate(names)}
        ordered = [sorted((number[box.label], box.xyxy) for box in photo.boxes) for photo in photos]
        self.labels: list[Ints] = [np.array([label for label, _ in boxes], np.int64) for boxes in ordered]
        self.corners: list[Floats] = [np.array([xyxy for _, xyxy in boxes]).reshape(-1, 4) for boxes in ordered]
        kinds: dict[bytes, int] = {}
        self.kinds: Ints = np.array(
            [kinds.setdefault(labels.tobytes(), len(kinds)) for labels in self.labels], np.int64
        )
        """Equal where photos hold the same number of objects of each class."""
        self.means: Floats = np.array([c.mean(axis=0) if len(c) else np.zeros(4) for c in self.corners]).reshape(-1, 4)
        self.reach: Floats = _MAX_SHIFT_SHARE * np.maximum(self.means[:, 2:] - self.means[:, :2], 0) + 1e-9
        """(n, 2) how far the mean corners of a photo of the same burst may lie from these."""


def burst_leaders(photos: Sequence[FoundPhoto]) -> Ints:
    """Give for each photo the position of the first photo of its burst; its own where it is the first or alone.

    A photo joins the burst of an earlier photo that it resembles, so photos that come later change nothing: the answer
    for a list is the beginning of the answer for any longer one.
    """
    columns = _Photos(photos)
    leaders = np.arange(len(photos))
    for offset, width in _PARTS:
        part = ((columns.looks >> np.uint64(offset)) & np.uint64(2**width - 1)).astype(np.int64)
        keys = columns.kinds * 2**13 + part
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        small = np.repeat(sizes <= _SMALL_CELL, sizes)
        _join_small(order[small], keys[order[small]], columns, leaders)
        for start, size in zip(starts[sizes > _SMALL_CELL], sizes[sizes > _SMALL_CELL], strict=True):
            _join_large(order[start : start + size], columns, leaders)
    for position, leader in enumerate(leaders):
        leaders[position] = leaders[leader]
    return leaders


def earlier_alike(photos: Sequence[FoundPhoto], *, start: int) -> list[Ints]:
    """Give for each photo from `start` on the positions of all earlier ones that would be its burst, were they alone.

    A photo of a burst need not resemble all others of it, nor photos of one burst alone: this names each pair.
    """
    columns, found = _Photos(photos), []
    for row in range(start, len(photos)):
        earlier = np.flatnonzero(columns.kinds[:row] == columns.kinds[row])
        earlier = earlier[_near(np.array([row]), earlier, columns)]
        same = [_same_places(row, int(other), columns) for other in earlier]
        found.append(earlier[np.array(same, np.bool_)])
    return found


def _join_small(order: Ints, keys: Ints, columns: _Photos, leaders: Ints) -> None:
    """Do for all small cells at once what `_join_large` does for one; equal `keys` are neighbours in `order`."""
    pairs = [np.zeros((0, 2), np.int64)]
    for shift in range(1, _SMALL_CELL):
        same = np.flatnonzero(keys[shift:] == keys[:-shift])
        later, earlier = order[same + shift], order[same]
        near = _near(later, earlier, columns)
        pairs.append(np.stack([later[near], earlier[near]], axis=1))
        if not len(same):
            break
    found = np.concatenate(pairs)
    found = found[np.argsort(found[:, 0], kind="stable")]
    starts = np.flatnonzero(np.diff(found[:, 0], prepend=-1))
    for group in np.split(found, starts[1:]):
        if len(group):
            _join_one(int(group[0, 0]), group[:, 1], columns, leaders)


def _join_large(cell: Ints, columns: _Photos, leaders: Ints) -> None:
    """Point each photo of a cell that is alone so far to the first earlier photo of the cell that it resembles."""
    cell = cell[np.argsort(columns.means[cell, 0], kind="stable")]  # so that only neighbours in place are compared
    place, reach = columns.means[cell, 0], columns.reach[cell, 0]
    rows_at_once = max(1, _BLOCK // len(cell))
    for start in range(0, len(cell), rows_at_once):
        rows = np.arange(start, min(start + rows_at_once, len(cell)))
        rows = rows[leaders[cell[rows]] == cell[rows]]
        if not len(rows):
            continue
        low = np.searchsorted(place, (place[rows] - reach[rows]).min(), "left")
        high = np.searchsorted(place, (place[rows] + reach[rows]).max(), "right")
        others = cell[low:high]
        near = _near(cell[rows][:, None], others[None], columns)
        for row in np.flatnonzero(near.any(axis=1)):
            _join_one(int(cell[rows[row]]), others[near[row]], columns, leaders)


def _near(first: Ints, second: Ints, columns: _Photos) -> Bools:
    """Say where the second photo is the earlier one, looks alike, and may hold its objects in the same places."""
    near: Bools = first > second
    near &= np.bitwise_count(columns.looks[first] ^ columns.looks[second]) <= MAX_LOOK_BITS
    for side in range(4):
        shift = np.abs(columns.means[first, side] - columns.means[second, side])
        near &= shift <= columns.reach[first, side % 2]
    return near


def _join_one(position: int, candidates: Ints, columns: _Photos, leaders: Ints) -> None:
    if leaders[position] != position:
        return
    first = int(candidates.min())  # mostly the one, so the rest is not sorted for it
    if _same_places(position, first, columns):
        leaders[position] = first
        return
    for other in np.sort(candidates)[1:]:
        if _same_places(position, int(other), columns):
            leaders[position] = other
            return


def _same_places(first: int, second: int, columns: _Photos) -> bool:
    """Say whether the objects of two photos of a kind pair up, each at the IoU that a burst needs."""
    ours, theirs = columns.corners[first], columns.corners[second]
    count = len(ours)
    if not count:
        return True
    labels = columns.labels[first]
    pairs = iou(np.repeat(ours, count, axis=0), np.tile(theirs, (count, 1))).reshape(count, count)
    fits = (pairs >= MIN_IOU) & (labels[:, None] == labels[None])
    rows, partners = linear_sum_assignment(fits, maximize=True)
    return bool(fits[rows, partners].all())
