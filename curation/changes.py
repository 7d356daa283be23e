"""What changed between two models on the same labelled objects: which ones are found now, and which no longer."""

from dataclasses import dataclass

import numpy as np

from training.boxes import Bools, BoxTable, Ints, area


@dataclass(frozen=True)
class Changed:
    """Labels that one model finds and the other does not."""

    gained: Ints
    """Rows of labels that only the second model finds, the most telling first."""
    lost: Ints
    """Rows of labels that only the first model finds."""


def changed(labels: BoxTable, *, before: Bools, after: Bools) -> Changed:
    """Compare what two models found (L,): class by class in turn, rare classes first, larger objects first."""
    return Changed(gained=_in_turn(labels, ~before & after), lost=_in_turn(labels, before & ~after))


def _in_turn(labels: BoxTable, chosen: Bools) -> Ints:
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(-area(labels.xyxy[rows]), kind="stable")]
    label = labels.label[rows]
    turn = np.zeros(len(rows), np.int64)
    for number in np.unique(label):
        turn[label == number] = np.arange(np.count_nonzero(label == number))
    often = np.bincount(labels.label, minlength=int(label.max(initial=0)) + 1)[label]
    return np.asarray(rows[np.lexsort((label, often, turn))])
