"""Detections ↔ labels: COCO's greedy matching at ten IoUs, and the named errors at the operating point.

Predictions and labels share the row numbers of one `ImageTable`. Everything works on pairs of overlapping boxes, found
once for all images and classes; only the greedy rule needs an order: it runs by rank of confidence, all images at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.boxes import Bools, BoxTable, Floats, Ints, Table, iou
from training.records import ERROR_KINDS

IOU_LEVELS: Floats = np.linspace(0.5, 0.95, 10)
"""COCO's ten levels, in the very floats that pycocotools uses."""
MAX_DETECTIONS = 100
CORRECT, NOT_COUNTED = -1, -2
FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1  # t_f and t_b of the TIDE paper
PAIRS_AT_ONCE = 1_000_000  # about 100 MB while overlaps are computed


@dataclass(frozen=True)
class Matches(Table):
    """Which label each prediction found; one row a prediction, in the order of the prediction table."""

    label_row: Ints
    """(P, 10) row of the label matched at each of `IOU_LEVELS`, −1 for none."""
    kept: Bools
    """Among the best `max_detections` of its image and class; the others never match and never count."""
    best_iou: Floats
    """Largest IoU with any label of the same image and class, matched or not; 0 without one."""


@dataclass(frozen=True)
class Errors:
    """What each prediction and each label is at the operating point."""

    prediction_kind: NDArray[np.int8]
    """(P,) number into `ERROR_KINDS`, −1 correct, −2 not counted (below `min_score`, or not kept)."""
    best_label_row: Ints
    """(P,) row of the label of any class that overlaps most, −1 where no IoU reaches 0.1."""
    label_found: Bools
    """(L,) matched at IoU 0.5 by a counted prediction."""
    label_kind: NDArray[np.int8]
    """(L,) −1 found, else `missed`, or the kind of the wrong prediction that covers it: `class` or `localisation`; −2
    where `training.suspects` set it aside."""
    target_row: Ints
    """(P,) row of the label that a class or localisation error is about; −1 for all other predictions."""
    label_touched: Bools
    """(L,) some prediction, of any class and any score, overlaps it with an IoU of 0.1 or more."""

    @property
    def label_missed(self) -> Bools:
        """Give the labels (L,) that nothing found and no class or localisation error explains."""
        return np.asarray(self.label_kind == ERROR_KINDS.index("missed"))


@dataclass(frozen=True)
class Pairs(Table):
    """Overlapping boxes of one image: a prediction, a label and their IoU a row."""

    prediction: Ints
    label: Ints
    iou: Floats


def match(predictions: BoxTable, labels: BoxTable, *, max_detections: int = MAX_DETECTIONS) -> Matches:
    """Match predictions to labels as pycocotools does (`evaluateImg`, every size, no crowds).

    Within an image and class, by descending score (ties: by row), each prediction takes the free label of the highest
    IoU that reaches the level (ties: the later row). Levels are independent of each other.
    """
    prediction_key, label_key = _class_keys(predictions, labels)
    kept = _rank(prediction_key, predictions.score) < max_detections
    best_iou = np.zeros(len(predictions))
    near = [_no_pairs()]
    for pairs in _overlaps(predictions, labels, prediction_key, label_key):
        np.maximum.at(best_iou, pairs.prediction, pairs.iou)
        near.append(pairs.take((pairs.iou >= IOU_LEVELS[0]) & kept[pairs.prediction]))
    label_row = np.full((len(predictions), len(IOU_LEVELS)), -1)
    _assign(_stack(near), prediction_key, predictions.score, free_labels=len(labels), label_row=label_row)
    return Matches(label_row=label_row, kept=kept, best_iou=best_iou)


def error_kinds(predictions: BoxTable, labels: BoxTable, matches: Matches, *, min_score: float) -> Errors:
    """Name the errors of the predictions that reach `min_score`, as TIDE does (Bolya et al. 2020, arXiv 2008.08115).

    With 0.5 as foreground and 0.1 as background IoU, a prediction that matched nothing at 0.5 is, first fit first:

    * localisation: its best label of the same class overlaps 0.1 to below 0.5
    * class: its best label of another class overlaps 0.5 or more
    * duplicate: its best label of the same class overlaps 0.5 or more, so a more confident prediction holds that label
    * background: no label overlaps 0.1
    * both: what is left; another class, 0.1 to below 0.5

    A label that no prediction matched is missed, unless the best label of a localisation or class error is this one
    (localisation where it is both): it counts there, not twice.
    """
    pairs = _stack([_no_pairs(), *_any_class_pairs(predictions, labels)])
    touched = np.zeros(len(labels), np.bool_)
    touched[pairs.label] = True
    same = predictions.label[pairs.prediction] == labels.label[pairs.label]
    same_iou, same_row = _best(pairs.take(same), len(predictions))
    other_iou, other_row = _best(pairs.take(~same), len(predictions))
    counted = matches.kept & (predictions.score >= min_score)
    correct = counted & (matches.label_row[:, 0] >= 0)
    kind = _prediction_kind(counted, correct, same_iou, other_iou)

    label_kind = np.full(len(labels), ERROR_KINDS.index("missed"), np.int8)
    for name, row in (("class", other_row), ("localisation", same_row)):
        label_kind[row[kind == ERROR_KINDS.index(name)]] = ERROR_KINDS.index(name)
    label_kind[matches.label_row[correct, 0]] = CORRECT
    best_row = np.where(same_iou >= other_iou, same_row, other_row)
    is_class, is_localisation = (kind == ERROR_KINDS.index(name) for name in ("class", "localisation"))
    return Errors(
        prediction_kind=kind,
        best_label_row=best_row,
        label_found=label_kind == CORRECT,
        label_kind=label_kind,
        target_row=np.select([is_class, is_localisation], [other_row, same_row], -1),
        label_touched=touched,
    )


def same_class_pairs(boxes: BoxTable, *, min_iou: float) -> Pairs:
    """Give the pairs of boxes of one class in one photo with an IoU of `min_iou` or more, each once.

    `label` is the later row of the two.
    """
    key, _ = _class_keys(boxes, boxes)
    near = _overlaps(boxes, boxes, key, key)
    return _stack([_no_pairs(), *(p.take((p.iou >= min_iou) & (p.prediction < p.label)) for p in near)])


def _prediction_kind(counted: Bools, correct: Bools, same_iou: Floats, other_iou: Floats) -> NDArray[np.int8]:
    """Give the first kind that fits; the order of the cases is the rule."""
    cases = [
        (~counted, NOT_COUNTED),
        (correct, CORRECT),
        ((same_iou >= BACKGROUND_IOU) & (same_iou < FOREGROUND_IOU), ERROR_KINDS.index("localisation")),
        (other_iou >= FOREGROUND_IOU, ERROR_KINDS.index("class")),
        (same_iou >= FOREGROUND_IOU, ERROR_KINDS.index("duplicate")),
        (np.maximum(same_iou, other_iou) < BACKGROUND_IOU, ERROR_KINDS.index("background")),
    ]
    conditions, kinds = zip(*cases, strict=True)
    return np.asarray(np.select(conditions, kinds, ERROR_KINDS.index("both")), np.int8)


def _any_class_pairs(predictions: BoxTable, labels: BoxTable) -> Iterator[Pairs]:
    for pairs in _overlaps(predictions, labels, predictions.image, labels.image):
        yield pairs.take(pairs.iou >= BACKGROUND_IOU)


def _best(pairs: Pairs, count: int) -> tuple[Floats, Ints]:
    """Give each prediction's largest IoU and the row of that label; 0 and −1 where it has no pair."""
    best_iou, best_row = np.zeros(count), np.full(count, -1)
    order = np.lexsort((pairs.label, pairs.iou, pairs.prediction))
    last = np.flatnonzero(np.diff(pairs.prediction[order], append=-1))
    rows = order[last]
    best_iou[pairs.prediction[rows]], best_row[pairs.prediction[rows]] = pairs.iou[rows], pairs.label[rows]
    return best_iou, best_row


def _assign(near: Pairs, key: Ints, score: Floats, *, free_labels: int, label_row: Ints) -> None:
    """Run the greedy rule over pairs that reach the lowest level, and write its matches into `label_row` (P, 10).

    One step serves the n-th best prediction of every image and class at once: they compete for different labels.
    """
    step = np.zeros(len(key), np.int64)
    involved = np.unique(near.prediction)
    step[involved] = _rank(key[involved], score[involved])
    # Within a prediction the pair that it prefers comes last, so "highest position that is free" is its choice.
    near = near.take(np.lexsort((near.label, near.iou, near.prediction, step[near.prediction])))
    reaches = near.iou[:, None] >= IOU_LEVELS
    free = np.ones((free_labels, len(IOU_LEVELS)), np.bool_)
    step_of_pair = step[near.prediction]
    bounds = np.flatnonzero(np.diff(step_of_pair, prepend=-1, append=-1))
    for first, stop in pairwise(bounds):
        position = np.arange(first, stop)[:, None]
        choice = np.where(reaches[first:stop] & free[near.label[first:stop]], position, -1)
        starts = np.flatnonzero(np.diff(near.prediction[first:stop], prepend=-1))
        best = np.maximum.reduceat(choice, starts, axis=0)
        row, level = np.nonzero(best >= 0)
        pair = best[row, level]
        label_row[near.prediction[pair], level] = near.label[pair]
        free[near.label[pair], level] = False


def _class_keys(predictions: BoxTable, labels: BoxTable) -> tuple[Ints, Ints]:
    """Give one number for each image and class, the same for predictions and labels."""
    classes = int(max(predictions.label.max(initial=0), labels.label.max(initial=0))) + 1
    return predictions.image * classes + predictions.label, labels.image * classes + labels.label


def _rank(key: Ints, score: Floats) -> Ints:
    """Give each row's place, from 0, within its key by descending score; ties by row."""
    order = np.lexsort((-score, key))
    place = np.arange(len(key))
    is_first = np.diff(key[order], prepend=-1) != 0
    rank = np.empty(len(key), np.int64)
    rank[order] = place - np.maximum.accumulate(np.where(is_first, place, 0))
    return rank


def _overlaps(predictions: BoxTable, labels: BoxTable, prediction_key: Ints, label_key: Ints) -> Iterator[Pairs]:
    """Give all pairs of equal key whose boxes overlap, by prediction row, about a million candidates at a time."""
    order = np.argsort(label_key, kind="stable")
    first = np.searchsorted(label_key[order], prediction_key, "left")
    count = np.searchsorted(label_key[order], prediction_key, "right") - first
    part = np.cumsum(count) // PAIRS_AT_ONCE
    bounds = np.flatnonzero(np.diff(part, prepend=-1, append=-1))
    for begin, stop in pairwise(bounds):
        here = count[begin:stop]
        prediction = np.repeat(np.arange(begin, stop), here)
        offset = np.arange(len(prediction)) - np.repeat(np.cumsum(here) - here, here)
        label = order[first[prediction] + offset]
        value = iou(predictions.xyxy[prediction], labels.xyxy[label])
        yield Pairs(prediction=prediction, label=label, iou=value).take(value > 0)


def _no_pairs() -> Pairs:
    return Pairs(prediction=np.zeros(0, np.int64), label=np.zeros(0, np.int64), iou=np.zeros(0))


def _stack(parts: list[Pairs]) -> Pairs:
    return Pairs(
        prediction=np.concatenate([part.prediction for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        iou=np.concatenate([part.iou for part in parts]),
    )
