"""How far a judge is to be believed about each class: measured on real train photos, where the truth is known.

For each class the bound on the judge's score is the one with the best F1 at an IoU of 0.5. A class with too few
objects, or of which the judge finds too little or too much even there, is one that it cannot see.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from generation.sighting import Sighting
from training.boxes import Bools, BoxTable, Floats
from training.matching import match, same_class_pairs
from training.records import Record

SAME_OBJECT_IOU = 0.5
"""Of two sightings of one class that overlap so much, the less sure one is the same object once more."""
MIN_OBJECTS = 20
"""Fewer labelled objects than this say nothing reliable about a class."""
MIN_RECALL, MIN_PRECISION = 0.5, 0.5


class ClassSight(Record):
    """How well a judge sees one class."""

    label: str
    min_score: float = Field(ge=0, le=1)
    """From this score of the judge on, it counts as seen; 1 where the judge saw nothing."""
    recall: float
    """Share of the labelled objects that it sees; 0 without any."""
    precision: float
    """Share of its sightings that are labelled objects; 0 without any. Too low where people left objects unlabelled."""
    objects: int = Field(ge=0)
    """Labelled objects: what `recall` is measured on."""
    sightings: int = Field(ge=0)
    """Sightings that reach `min_score`: what `precision` is measured on."""

    @property
    def sees(self) -> bool:
        """Say whether the judge's word on this class counts."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Say why the judge's word on this class does not count; empty where it does."""
        if self.objects < MIN_OBJECTS:
            return f"{self.objects} labelled objects in train, and {MIN_OBJECTS} are needed"
        if self.recall < MIN_RECALL:
            return f"it finds {self.recall:.0%} of the objects, and {MIN_RECALL:.0%} are needed"
        if self.precision < MIN_PRECISION:
            return f"{self.precision:.0%} of what it finds is right, and {MIN_PRECISION:.0%} are needed"
        return ""


class Calibration(Record):
    """How well a judge sees each class of the data."""

    judge: str
    """The name of the judge."""
    classes: tuple[ClassSight, ...]
    photos: int = Field(ge=0)
    """Train photos that it was measured on."""

    def sight_of(self, label: str) -> ClassSight | None:
        """Give how well it sees a class; None for one that was not asked for."""
        return next((sight for sight in self.classes if sight.label == label), None)


def calibrate(sightings: Sequence[Sighting], truth: BoxTable, *, classes: Sequence[str], judge: str) -> Calibration:
    """Measure a judge on photos with known labels; `truth.image` is the number of the photo among `sightings`.

    One sighting is matched to one label by descending score, as COCO does at an IoU of 0.5. The bound is chosen and
    measured on the same photos, so recall and precision are a little too good for classes with few objects; labels that
    people forgot make precision too low. At the bound itself a sighting is right with a probability of half the F1
    (Lipton et al., "Optimal thresholding of classifiers to maximize F1 measure", 2014); above it, more often.
    """
    if len(truth) and truth.image.max() >= len(sightings):
        raise ValueError(f"labels lie in photo {truth.image.max()}, and {len(sightings)} were looked at")
    seen = table_of(sightings)
    seen = seen.take(distinct(seen, min_iou=SAME_OBJECT_IOU))
    matches = match(seen, truth, max_detections=max(len(seen), 1))
    hit = matches.label_row[:, 0] >= 0
    sights = []
    for number, label in enumerate(classes):
        mine = seen.label == number
        objects = int(np.count_nonzero(truth.label == number))
        sights.append(_sight(label, seen.score[mine], hit[mine], objects=objects))
    return Calibration(judge=judge, classes=tuple(sights), photos=len(sightings))


def table_of(sightings: Sequence[Sighting]) -> BoxTable:
    """Put sightings into one table, the surest first within each picture; `image` is the number of the picture."""
    image = np.repeat(np.arange(len(sightings)), [len(sighting.score) for sighting in sightings])
    label, score = (
        np.concatenate([[], *(getattr(sighting, name) for sighting in sightings)]) for name in ("label", "score")
    )
    table = BoxTable(
        id=np.arange(len(image)).astype("<U24"),
        image=image.astype(np.int64),
        label=label.astype(np.int64),
        xyxy=np.concatenate([np.zeros((0, 4)), *(sighting.xyxy for sighting in sightings)]),
        score=score,
    )
    return table.take(np.lexsort((-score, image)))


def distinct(boxes: BoxTable, *, min_iou: float) -> Bools:
    """Tell which boxes (n,) are no repetition of an earlier one of their image and class that is kept itself.

    This is greedy non-maximum suppression where the surest stand first.
    """
    pairs = same_class_pairs(boxes, min_iou=min_iou)
    kept = np.ones(len(boxes), np.bool_)
    while True:  # every turn settles at least the next box of each chain of overlaps
        after = np.ones(len(boxes), np.bool_)
        after[pairs.label[kept[pairs.prediction]]] = False
        if (after == kept).all():
            return kept
        kept = after


def _sight(label: str, score: Floats, hit: Bools, *, objects: int) -> ClassSight:
    """Choose the bound of one class among the scores (n,) of its sightings, of which some hit a label."""
    order = np.argsort(-score, kind="stable")
    score, found = score[order], np.cumsum(hit[order])
    last = np.flatnonzero(np.diff(score, append=-1))  # a bound takes all sightings of equal score
    if not len(last) or not found[-1]:
        return ClassSight(label=label, min_score=1, recall=0, precision=0, objects=objects, sightings=0)
    best = last[np.argmax(2 * found[last] / (last + 1 + objects))]
    return ClassSight(
        label=label,
        min_score=float(score[best]),
        recall=float(found[best] / objects),
        precision=float(found[best] / (best + 1)),
        objects=objects,
        sightings=int(best) + 1,
    )
