"""Suspected label errors: found before anything else is analysed, mended by people, and never a reason to generate.

* unlabelled: a background error that is as confident as the better half of the correct predictions of its class, and
  whose score is at least 0.5, so that a detector that is sure of nothing accuses nobody. Of a class with fewer than 20
  correct predictions nothing is suspected.
* other class: most neighbours of the label, in the detector's embeddings, are of another class, and the detector
  predicts that class there, as confidently as above, and not the label's own. Either alone is not enough: neighbours
  share what the detector confuses, and a confident confusion is what the analysis looks for.
* duplicate label: two labels of one class in one photo with an IoU above 0.9. The one that the detector did not find is
  suspected; where it found both or neither, the later row.
* unsupported: a missed label that no prediction of any class and any score touches (IoU 0.1), although at least 0.9 of
  20 or more labels of its class were found, and at least 0.9 of 20 or more others of its class and of its size (half to
  twice its area).

An unsupported label may be an object that is hard to see, which is just what the analysis is after. So it is shown to
people and stays in every test; duplicates and contradicted classes are left out of tests, and unlabelled objects are no
background errors. What is suspected can be wrong: it is a list to look at, not a verdict.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from training.boxes import Bools, BoxTable, Floats, Ints, Table, Texts, area
from training.matching import CORRECT, NOT_COUNTED, Errors, same_class_pairs
from training.records import ERROR_KINDS

SuspectKind = Literal["unlabelled", "other class", "duplicate label", "unsupported"]
SUSPECT_KINDS: tuple[SuspectKind, ...] = get_args(SuspectKind)

MIN_CONFIDENT_SCORE = 0.5
MIN_CORRECT = 20  # below this the median of their scores is a guess
MIN_NEIGHBOUR_SHARE = 0.8
MIN_DUPLICATE_IOU = 0.9  # people who label the same object twice agree better than two objects overlap
MIN_FOUND_SHARE = 0.9
MIN_PEERS = 20
MAX_SIZE_RATIO = 2.0  # of areas


@dataclass(frozen=True)
class SuspectTable(Table):
    """Labels, and predictions where a label seems to be missing; one row a suspicion, by kind."""

    id: Texts
    """Of the prediction where the kind is `unlabelled`, else of the label."""
    image: Ints
    kind: NDArray[np.int8]
    """Number into `SUSPECT_KINDS`."""
    label: Ints
    """Class of the prediction or the label."""
    suggested: Ints
    """Class that it probably is, −1 where the label should probably go."""
    score: Floats
    """Strength 0–1 of the suspicion, comparable within a kind: the prediction's confidence, the IoU with the twin, or
    the share of similar labels that were found."""
    xyxy: Floats
    """(n, 4) as in `BoxTable`."""
    row: Ints
    """Row of the prediction table where the kind is `unlabelled`, else of the label table."""

    def counts(self) -> dict[str, int]:
        """Give the number of suspicions by kind, kinds without one included."""
        found = np.bincount(self.kind, minlength=len(SUSPECT_KINDS))
        return {kind: int(count) for kind, count in zip(SUSPECT_KINDS, found, strict=True)}

    def rows_of(self, *kinds: SuspectKind) -> Ints:
        """Give the rows of the prediction or label table that are suspected for one of these kinds."""
        return self.row[np.isin(self.kind, [SUSPECT_KINDS.index(kind) for kind in kinds])]


@dataclass(frozen=True)
class Neighbours(Table):
    """What the labels around each label are, in the detector's embeddings of their crops."""

    label: Ints
    """(L,) the commonest class among the nearest other labels, −1 where unknown."""
    share: Floats
    """(L,) share of the nearest labels that are of it."""


def find_suspects(
    predictions: BoxTable,
    labels: BoxTable,
    errors: Errors,
    *,
    class_count: int,
    neighbours: Neighbours | None = None,
) -> SuspectTable:
    """Find suspected label errors on the photos of the tables, by the rules above.

    Without predictions only duplicates can be found; without neighbours no class is contradicted.
    """
    bound = confident_scores(predictions, errors, class_count=class_count)
    found = errors.label_found
    parts = [
        _unlabelled(predictions, errors, bound),
        _other_class(predictions, labels, errors, bound, neighbours),
        _duplicates(labels, found),
        _unsupported(labels, errors, class_count),
    ]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return SuspectTable(**columns)


def confident_scores(predictions: BoxTable, errors: Errors, *, class_count: int) -> Floats:
    """Give the score (class_count,) from which a prediction of each class is trusted against the labels.

    The median score of the correct predictions of the class, the upper of two middle ones, and at least 0.5; infinite
    with fewer than 20 correct predictions.
    """
    rows = np.flatnonzero(errors.prediction_kind == CORRECT)
    rows = rows[np.lexsort((predictions.score[rows], predictions.label[rows]))]
    count = np.bincount(predictions.label[rows], minlength=class_count)
    bound = np.full(class_count, np.inf)
    enough = count >= MIN_CORRECT
    middle = (np.cumsum(count) - count + count // 2)[enough]
    bound[enough] = np.maximum(predictions.score[rows[middle]], MIN_CONFIDENT_SCORE)
    return bound


def labels_to_test(suspects: SuspectTable, label_count: int) -> Bools:
    """Give the labels (L,) that tests of slices rest on: all but duplicates and those of a contradicted class."""
    keep = np.ones(label_count, np.bool_)
    keep[suspects.rows_of("other class", "duplicate label")] = False
    return keep


def set_aside(errors: Errors, suspects: SuspectTable) -> Errors:
    """Give the errors without those that are probably the labels' fault: they are not counted, nor ever mended.

    Set aside are unlabelled objects, labels that are duplicates or of a contradicted class, and the class errors that
    contradict them. Unsupported labels stay missed.
    """
    aside = ~labels_to_test(suspects, len(errors.label_kind))
    blames = np.append(aside, False)[errors.target_row] & (errors.prediction_kind == ERROR_KINDS.index("class"))
    prediction_kind = np.where(blames, NOT_COUNTED, errors.prediction_kind).astype(np.int8)
    prediction_kind[suspects.rows_of("unlabelled")] = NOT_COUNTED
    label_kind = np.where(aside, NOT_COUNTED, errors.label_kind).astype(np.int8)
    return replace(errors, prediction_kind=prediction_kind, label_kind=label_kind)


def _unlabelled(predictions: BoxTable, errors: Errors, bound: Floats) -> SuspectTable:
    background = errors.prediction_kind == ERROR_KINDS.index("background")
    rows = np.flatnonzero(background & (predictions.score >= bound[predictions.label]))
    return _table(predictions, rows, "unlabelled", suggested=predictions.label[rows], score=predictions.score[rows])


def _other_class(
    predictions: BoxTable, labels: BoxTable, errors: Errors, bound: Floats, neighbours: Neighbours | None
) -> SuspectTable:
    suggested, score = np.full(len(labels), -1), np.zeros(len(labels))
    if neighbours is not None:
        rows = np.flatnonzero(
            (errors.prediction_kind == ERROR_KINDS.index("class"))
            & (predictions.score >= bound[predictions.label])
            & (predictions.label == np.append(neighbours.label, -1)[errors.target_row])
        )
        rows = rows[np.argsort(predictions.score[rows], kind="stable")]  # the most confident is written last
        target = errors.target_row[rows]
        suggested[target], score[target] = predictions.label[rows], predictions.score[rows]
        suggested[errors.label_found | (neighbours.share < MIN_NEIGHBOUR_SHARE)] = -1
    rows = np.flatnonzero(suggested >= 0)
    return _table(labels, rows, "other class", suggested=suggested[rows], score=score[rows])


def _duplicates(labels: BoxTable, found: Bools) -> SuspectTable:
    pairs = same_class_pairs(labels, min_iou=MIN_DUPLICATE_IOU)
    pairs = pairs.take(pairs.iou > MIN_DUPLICATE_IOU)
    earlier, later = pairs.prediction, pairs.label
    row = np.where(found[later] & ~found[earlier], earlier, later)
    score = np.zeros(len(labels))
    np.maximum.at(score, row, pairs.iou)
    rows = np.unique(row)
    return _table(labels, rows, "duplicate label", suggested=np.full(len(rows), -1), score=score[rows])


def _unsupported(labels: BoxTable, errors: Errors, class_count: int) -> SuspectTable:
    found = errors.label_found
    count = np.bincount(labels.label, minlength=class_count)
    found_count = np.bincount(labels.label[found], minlength=class_count)
    reliable = (count >= MIN_PEERS) & (found_count >= MIN_FOUND_SHARE * count)
    untouched = errors.label_missed & ~errors.label_touched
    rows = np.flatnonzero(untouched & reliable[labels.label])
    peers, share = _similar(labels, found, rows)
    enough = (peers >= MIN_PEERS) & (share >= MIN_FOUND_SHARE)
    rows, share = rows[enough], share[enough]
    return _table(labels, rows, "unsupported", suggested=np.full(len(rows), -1), score=share)


def _similar(labels: BoxTable, found: Bools, rows: Ints) -> tuple[Ints, Floats]:
    """Give, for missed labels, how many others are of their class and size, and the share of these that were found."""
    # one number line: classes lie 128 apart, and within a class the logarithm of an area is above −60
    key = labels.label * 128 + np.log2(area(labels.xyxy))
    order = np.argsort(key, kind="stable")
    reach = np.log2(MAX_SIZE_RATIO)
    first = np.searchsorted(key[order], key[rows] - reach, "left")
    stop = np.searchsorted(key[order], key[rows] + reach, "right")
    found_before = np.append(0, np.cumsum(found[order]))
    peers = stop - first - 1  # itself not
    return peers, np.asarray((found_before[stop] - found_before[first]) / np.maximum(peers, 1))


def _table(boxes: BoxTable, rows: Ints, kind: SuspectKind, *, suggested: Ints, score: Floats) -> SuspectTable:
    return SuspectTable(
        id=boxes.id[rows],
        image=boxes.image[rows],
        kind=np.full(len(rows), SUSPECT_KINDS.index(kind), np.int8),
        label=boxes.label[rows],
        suggested=suggested,
        score=score,
        xyxy=boxes.xyxy[rows],
        row=rows,
    )
