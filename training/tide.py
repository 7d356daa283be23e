"""dAP: the AP50 that mending one kind of error alone would return (Bolya et al. 2020, arXiv 2008.08115, section 2.3).

How each kind is mended, as in the paper:

* class: the prediction gets the class of the label that it lies on, and with it the label
* localisation: the prediction gets the box of the label that it is about, and with it the label
* both, background, duplicate: the prediction is deleted
* missed: the label is taken out

Where a mended prediction and another one hold the same label, the less confident is deleted.

The paper names the errors of all predictions. We mend the errors that people are shown, those at the operating point,
and measure the AP50 that the evaluation reports, which rests on the predictions below it, too. So a label can be missed
although an unsure prediction finds it: that prediction is taken out with the label. With `min_score` 0 nothing is left
out and the figures are those of the paper. The authors' program differs from their text where a mended prediction meets
a less confident one: there the mended one is always deleted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.boxes import Bools, BoxTable, Floats, Ints
from training.matching import Errors, Matches
from training.metrics import joined_ap
from training.records import ERROR_KINDS, ErrorKind


@dataclass(frozen=True)
class KindGains:
    """What mending each kind of error would return; kinds in the order of `ERROR_KINDS`."""

    ap50: Floats
    """(class_count,) AP at IoU 0.5 as it is, NaN where a class has no label."""
    gain: Floats
    """(6, class_count) rise of the AP50 of each class when the kind is mended in all classes, NaN as in `ap50`.

    A class also gains where predictions of other classes are given to it. Never below 0: taking out missed labels with
    the unsure predictions on them can lower AP50 a little, which is no loss.
    """
    count: Ints
    """(6, class_count) wrong predictions by their class, and missed labels by theirs."""

    @property
    def mean_gain(self) -> Floats:
        """Give the rise of the mean AP50 over the classes with labels (6,); 0 where there are none."""
        there = np.isfinite(self.ap50)
        return np.asarray(np.where(there, self.gain, 0).sum(axis=1) / max(1, np.count_nonzero(there)))


@dataclass(frozen=True)
class _World:
    """Predictions and labels as they are, or with one kind of error mended."""

    ranked: Ints
    """Rows of the predictions that count, the most confident first."""
    label: NDArray[np.unsignedinteger[Any]]
    """(P,) class of each prediction."""
    holds: Ints
    """(P,) row of the label that each prediction holds, −1 for none."""
    objects: Ints
    """(class_count,) labels."""


def kind_gains(
    predictions: BoxTable, labels: BoxTable, matches: Matches, errors: Errors, *, class_count: int
) -> KindGains:
    """Mend each kind of error by itself and measure AP50 again; all photos of the tables count.

    Predictions of equal score stay in the order of photo and row. A class of which every label was missed counts as
    found when they are taken out: AP50 1.
    """
    kept = np.flatnonzero(matches.kept)
    world = _World(
        ranked=kept[np.lexsort((predictions.image[kept], -predictions.score[kept]))],
        label=predictions.label.astype(np.min_scalar_type(class_count)),  # small numbers are sorted by radix
        holds=matches.label_row[:, 0],
        objects=np.bincount(labels.label, minlength=class_count),
    )
    ap50 = _ap50(world)
    gain = np.empty((len(ERROR_KINDS), class_count))
    for number, kind in enumerate(ERROR_KINDS):
        mended = _ap50(_mended(world, kind, errors, labels))
        mended[np.isnan(mended)] = 1.0
        gain[number] = np.maximum(mended - ap50, 0)
    return KindGains(ap50=ap50, gain=gain, count=_counts(predictions, labels, errors, class_count))


def _mended(world: _World, kind: ErrorKind, errors: Errors, labels: BoxTable) -> _World:
    if kind == "missed":
        return _without(world, errors.label_missed, labels)
    wrong = errors.prediction_kind == ERROR_KINDS.index(kind)
    if kind in ("class", "localisation"):
        return _given_their_labels(world, wrong, errors.target_row, labels)
    return _World(world.ranked[~wrong[world.ranked]], world.label, world.holds, world.objects)


def _without(world: _World, gone: Bools, labels: BoxTable) -> _World:
    """Take labels out, and the predictions that hold them."""
    on_gone = np.append(gone, False)[world.holds]
    left = world.objects - np.bincount(labels.label[gone], minlength=len(world.objects))
    return _World(world.ranked[~on_gone[world.ranked]], world.label, world.holds, left)


def _given_their_labels(world: _World, wrong: Bools, target: Ints, labels: BoxTable) -> _World:
    """Give predictions the labels that they are about; of all that claim a label the most confident holds it."""
    claims = np.where(wrong, target, world.holds)
    claimed = claims[world.ranked]
    holder = np.full(len(labels) + 1, -1)  # the last one is for claims of none
    holder[claimed[::-1]] = world.ranked[::-1]  # of equal indices the last is written: the most confident
    stays = (claimed < 0) | (holder[claimed] == world.ranked)
    label = world.label.copy()
    label[wrong] = labels.label[target[wrong]]
    return _World(world.ranked[stays], label, claims, world.objects)


def _ap50(world: _World) -> Floats:
    """Give AP at IoU 0.5 by class, NaN where a class has no label."""
    by_class = world.ranked[np.argsort(world.label[world.ranked], kind="stable")]
    label = world.label[by_class]
    hit = np.flatnonzero(world.holds[by_class] >= 0)
    first = np.searchsorted(label, np.arange(len(world.objects), dtype=label.dtype))
    seen = (hit - first[label[hit]] + 1).astype(np.float64)
    count = np.bincount(label[hit], minlength=len(world.objects))
    ap = joined_ap(seen, count, np.maximum(world.objects, 1))
    ap[world.objects == 0] = np.nan
    return ap


def _counts(predictions: BoxTable, labels: BoxTable, errors: Errors, class_count: int) -> Ints:
    count = np.zeros((len(ERROR_KINDS), class_count), np.int64)
    for number, kind in enumerate(ERROR_KINDS):
        wrong = predictions.label[errors.prediction_kind == number]
        count[number] = np.bincount(
            labels.label[errors.label_missed] if kind == "missed" else wrong, minlength=class_count
        )
    return count
