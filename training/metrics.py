"""Average precision as COCO defines it, and recall and precision at the operating point.

AP is computed for many weightings of the photos at once (see `bootstrap`); the plain figure is the weighting of all
ones, so the point estimate and its interval come from the same code.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.boxes import Bools, BoxTable, Floats, Ints, Table
from training.matching import IOU_LEVELS, Matches

RECALL_STEP = 0.01
"""Distance of COCO's 101 recall points; point k is k × 0.01 in floats, as numpy's linspace makes it."""
RECALL_POINTS = 101
Columns = NDArray[np.float32]
"""Whole numbers below 2**24 and ratios of them: exact, or to seven digits, in half the memory of float64."""


@dataclass(frozen=True)
class Curves:
    """What AP needs of a model on some photos: its predictions by class, the most confident first."""

    photo: Ints
    """(n,) number of the photo, from 0, that each prediction lies in."""
    hit: Bools
    """(n, 10) whether it matched a label at each of `IOU_LEVELS`."""
    first: Ints
    """(class_count + 1,) where each class starts, and the end of the last."""
    labels: csr_array
    """(class_count, photo_count) labelled objects."""

    @property
    def class_count(self) -> int:
        """Give the number of classes, with those that no photo holds."""
        return int(self.labels.shape[0])

    @property
    def photo_count(self) -> int:
        """Give the number of photos, with empty ones."""
        return int(self.labels.shape[1])

    @property
    def photos_of_class(self) -> Ints:
        """Give the number of photos (class_count,) that hold each class."""
        return np.diff(self.labels.indptr).astype(np.int64)


@dataclass(frozen=True)
class OperatingPoint(Table):
    """How a model does at one score and IoU 0.5; one row a class."""

    objects: Ints
    found: Ints
    predicted: Ints
    """Predictions that reach the score."""
    recall: Floats
    """found / objects, NaN without objects."""
    precision: Floats
    """found / predicted, NaN without predictions."""


def prepare(
    predictions: BoxTable,
    labels: BoxTable,
    matches: Matches,
    *,
    image_rows: Ints,
    class_count: int,
    label_weight: Bools | None = None,
) -> Curves:
    """Sort a model's predictions once, so that AP can be had for any weighting of the photos.

    `image_rows` are the photos that count, empty ones included; boxes elsewhere are left out. Predictions of equal
    score stay in the order of image and row, as in pycocotools. `label_weight` (L,) false takes a label out as if it
    were not there: it does not count, nor does the prediction that found it at IoU 0.5.
    """
    photo_of = np.full(int(max(part.max(initial=-1) for part in (image_rows, predictions.image, labels.image))) + 1, -1)
    photo_of[image_rows] = np.arange(len(image_rows))
    weight = np.ones(len(labels), np.bool_) if label_weight is None else label_weight
    hit = (matches.label_row >= 0) & np.append(weight, False)[matches.label_row]
    left_out = (matches.label_row[:, 0] >= 0) & ~hit[:, 0]
    rows = np.flatnonzero(matches.kept & (photo_of[predictions.image] >= 0) & ~left_out)
    rows = rows[np.lexsort((predictions.image[rows], -predictions.score[rows], predictions.label[rows]))]
    counted = weight & (photo_of[labels.image] >= 0)
    return Curves(
        photo=photo_of[predictions.image[rows]],
        hit=hit[rows],
        first=np.searchsorted(predictions.label[rows], np.arange(class_count + 1)),
        labels=_count_labels(labels.label[counted], photo_of[labels.image[counted]], (class_count, len(image_rows))),
    )


def _count_labels(label: Ints, photo: Ints, shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(label), np.float32), (label, photo)), shape=shape)


def average_precision(
    predictions: BoxTable,
    labels: BoxTable,
    matches: Matches,
    *,
    class_count: int,
    label_weight: Bools | None = None,
) -> Floats:
    """Give COCO's AP (101 recall points) by class and IoU level; (class_count, 10), NaN where a class has no label.

    `label_weight` as in `prepare`: AP if those labels were not there.
    """
    image_rows = np.union1d(predictions.image, labels.image)
    return point_ap(
        prepare(predictions, labels, matches, image_rows=image_rows, class_count=class_count, label_weight=label_weight)
    )


def point_ap(curves: Curves) -> Floats:
    """Give AP with every photo counted once; (class_count, 10), NaN where a class has no label."""
    return np.asarray(weighted_ap(curves, np.ones((curves.photo_count, 1), np.float32))[0])


def weighted_ap(curves: Curves, weights: Columns) -> Floats:
    """Give AP as if each photo were there as often as its weight; weights (photo_count, R) → (R, class_count, 10).

    NaN where no labelled object of a class has weight. A photo of weight two is the photo and its copy, whose
    predictions stand side by side.
    """
    ap = np.full((weights.shape[1], curves.class_count, len(IOU_LEVELS)), np.nan)
    objects = curves.labels @ weights
    for number in np.flatnonzero(curves.photos_of_class):
        ap[:, number] = _class_ap(curves, number, weights, np.maximum(objects[number], 1))
    ap[objects.T == 0] = np.nan
    return ap


def _class_ap(curves: Curves, number: np.intp, weights: Columns, objects: Columns) -> Floats:
    """Give one class's AP; weights (photo_count, R), objects (R,) → (R, 10).

    Precision is only read where recall rises, so all that lies between two hits is summed in one go.
    """
    rows = slice(curves.first[number], curves.first[number + 1])
    photo, hit = curves.photo[rows], curves.hit[rows]
    at = np.flatnonzero(hit.any(axis=1))
    ap = np.zeros((weights.shape[1], len(IOU_LEVELS)))
    if len(at) == 0:
        return ap
    stretch = csr_array(
        (np.ones(at[-1] + 1, np.float32), photo[: at[-1] + 1], np.concatenate([[0], at + 1])),
        shape=(len(at), curves.photo_count),
    )
    seen = np.maximum(_run(np.add, stretch @ weights), 1)  # a first stretch may weigh nothing
    for level in range(len(IOU_LEVELS)):
        taken = np.flatnonzero(hit[at, level])
        found = _run(np.add, weights[photo[at[taken]]])
        ap[:, level] = _area(found, seen[taken], objects)
    return ap


def _area(found: Columns, seen: Columns, objects: Columns) -> Floats:
    """Give the mean over 101 recall points of the best precision at that recall or more; (n, R) → (R,).

    Writes over `seen`. Instead of looking each point up, every hit carries the points that its rise in recall passes.
    """
    best = np.divide(found, seen, out=seen)
    _run(np.maximum, best[::-1])
    recall = found / objects.astype(np.float64)
    passed = np.rint(recall / RECALL_STEP)
    # Compared as floats, as pycocotools does: 35 of 100 does not reach its point 35 × 0.01 = 0.35000000000000003.
    passed += recall >= passed * RECALL_STEP
    passed[1:] -= passed[:-1]
    passed *= best
    return np.asarray(passed.sum(axis=0) / RECALL_POINTS)


def joined_ap(seen: NDArray[np.floating[Any]], count: Ints, objects: Ints) -> Floats:
    """Give the AP of k curves that lie end to end, every photo counted once; (n,), (k,), (k,) → (k,).

    `seen` is the number of predictions up to each hit and with it, in whose precision AP is computed; `count` the hits
    of each curve; `objects` its labelled objects, at least 1.
    """
    start = np.cumsum(count) - count
    precision = (np.arange(1, len(seen) + 1) - np.repeat(start, count)).astype(seen.dtype) / seen
    needed = _hits_needed(objects)
    curve, point = np.nonzero((needed <= count[:, None]) & (count[:, None] > 0))
    best = np.zeros(needed.shape)
    if len(curve):
        # the best between two recall points, then of all points behind; where two points share a hit, the second has it
        best[curve, point] = np.maximum.reduceat(precision, start[curve] + np.maximum(needed[curve, point] - 1, 0))
    return np.asarray(np.maximum.accumulate(best[:, ::-1], axis=1).sum(axis=1) / RECALL_POINTS)


def _hits_needed(objects: Ints) -> Ints:
    """Give the fewest hits that reach each recall point; (k,) → (k, 101). Compared as floats, as in `_area`."""
    points = np.arange(RECALL_POINTS) * RECALL_STEP
    near = np.ceil(points * objects[:, None])
    below = ((near - 1) / objects[:, None] < points).astype(np.int64) + (near / objects[:, None] < points)
    return np.asarray(near.astype(np.int64) - 1 + below)


def _run(combine: np.ufunc, values: Columns) -> Columns:
    """Accumulate `np.add` or `np.maximum` down the rows (n, R), in place, and give them back.

    The same as `combine.accumulate(values)`, which takes 3 to 10 ns a value here against 0.5: blocks of √n rows are
    accumulated side by side, then each block takes over from the one before it.
    """
    size = max(1, isqrt(len(values)))
    for row in range(1, size):
        below = values[row::size]
        combine(values[row - 1 :: size][: len(below)], below, out=below)
    for start in range(size, len(values), size):
        block = values[start : start + size]
        combine(values[start - 1], block, out=block)
    return values


def recall_precision(
    predictions: BoxTable, labels: BoxTable, matches: Matches, *, class_count: int, min_score: float
) -> OperatingPoint:
    """Give recall and precision by class at IoU 0.5, from the kept predictions that reach `min_score`."""
    counted = matches.kept & (predictions.score >= min_score)
    correct = counted & (matches.label_row[:, 0] >= 0)
    objects = np.bincount(labels.label, minlength=class_count)
    found = np.bincount(predictions.label[correct], minlength=class_count)
    predicted = np.bincount(predictions.label[counted], minlength=class_count)
    return OperatingPoint(
        objects=objects,
        found=found,
        predicted=predicted,
        recall=_share(found, objects),
        precision=_share(found, predicted),
    )


def _share(part: Ints, whole: Ints) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))


def known(value: float) -> float | None:
    """Give a measured value for a record, None for NaN: where there is nothing to measure."""
    return float(value) if np.isfinite(value) else None
