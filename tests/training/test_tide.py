"""dAP against a slow and plain reading of the paper, and against worlds where it is known by heart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.boxes import BoxTable
from training.matching import error_kinds, match
from training.metrics import average_precision
from training.records import ERROR_KINDS
from training.tide import KindGains, kind_gains

CLASSES = 3


def random_boxes(rng: np.random.Generator, count: int, *, images: int) -> BoxTable:
    """Draw boxes on a coarse grid, where equal IoUs, equal scores and every kind of error are common."""
    corner, size = rng.integers(0, 5, (count, 2)), rng.integers(1, 4, (count, 2))
    return BoxTable(
        id=np.arange(count).astype("<U24"),
        image=rng.integers(0, images, count),
        label=rng.integers(0, CLASSES, count),
        xyxy=np.hstack([corner, corner + size]) / 8,
        score=rng.integers(0, 9, count) / 8,
    )


def measured(predictions: BoxTable, labels: BoxTable, min_score: float, max_detections: int = 100) -> KindGains:
    matches = match(predictions, labels, max_detections=max_detections)
    errors = error_kinds(predictions, labels, matches, min_score=min_score)
    return kind_gains(predictions, labels, matches, errors, class_count=CLASSES)


def overlap_of(one: list[float], other: list[float]) -> float:
    sides = [max(0.0, min(one[k + 2], other[k + 2]) - max(one[k], other[k])) for k in (0, 1)]
    shared = sides[0] * sides[1]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (areas[0] + areas[1] - shared)


def best_of(overlaps: dict[int, float], rows: list[int]) -> tuple[float, int]:
    return max(((overlaps[row], row) for row in rows if overlaps[row] > 0), default=(0.0, -1))


def slow_ap(points: list[tuple[float, int, int, bool]], objects: int) -> float:
    """Give AP of (score, image, row, hit) points, one point of the curve after the other."""
    precisions, recalls, hits = [], [], 0
    for place, point in enumerate(sorted(points, key=lambda p: (-p[0], p[1], p[2])), 1):
        hits += point[3]
        precisions.append(hits / place)
        recalls.append(hits / objects)
    total = 0.0
    for point in np.linspace(0, 1, 101):
        total += max((p for p, r in zip(precisions, recalls, strict=True) if r >= point), default=0.0)
    return total / 101


class SlowTide:
    """The paper, read prediction by prediction."""

    def __init__(self, predictions: BoxTable, labels: BoxTable, *, min_score: float, max_detections: int = 100):
        self.score, self.image = predictions.score.tolist(), predictions.image.tolist()
        self.cls, self.boxes = predictions.label.tolist(), predictions.xyxy.tolist()
        self.label_cls, self.label_image = labels.label.tolist(), labels.image.tolist()
        self.label_boxes = labels.xyxy.tolist()
        self.kept: list[int] = []
        self.holds: dict[int, int] = {}
        for image in set(self.image):
            for number in range(CLASSES):
                self.match_one(image, number, max_detections)
        self.shown = [p for p in self.kept if self.score[p] >= min_score]
        self.name_errors()

    def match_one(self, image: int, number: int, max_detections: int) -> None:
        mine = [p for p in range(len(self.cls)) if (self.image[p], self.cls[p]) == (image, number)]
        mine = sorted(mine, key=lambda p: (-self.score[p], p))[:max_detections]
        free = [g for g in range(len(self.label_cls)) if (self.label_image[g], self.label_cls[g]) == (image, number)]
        self.kept += mine
        for p in mine:
            near = [(overlap_of(self.boxes[p], self.label_boxes[g]), g) for g in free]
            value, g = max(near, default=(0.0, -1))
            if value >= 0.5:
                self.holds[p] = g
                free.remove(g)

    def name_errors(self) -> None:
        self.kind: dict[int, str] = {}
        self.target: dict[int, int] = {}
        for p in self.shown:
            if p in self.holds:
                continue
            here = [g for g in range(len(self.label_cls)) if self.label_image[g] == self.image[p]]
            overlaps = {g: overlap_of(self.boxes[p], self.label_boxes[g]) for g in here}
            same, same_row = best_of(overlaps, [g for g in here if self.label_cls[g] == self.cls[p]])
            other, other_row = best_of(overlaps, [g for g in here if self.label_cls[g] != self.cls[p]])
            if 0.1 <= same < 0.5:
                self.kind[p], self.target[p] = "localisation", same_row
            elif other >= 0.5:
                self.kind[p], self.target[p] = "class", other_row
            elif same >= 0.5:
                self.kind[p] = "duplicate"
            else:
                self.kind[p] = "background" if max(same, other) < 0.1 else "both"
        explained = {self.holds[p] for p in self.shown if p in self.holds} | set(self.target.values())
        self.missed = set(range(len(self.label_cls))) - explained

    def ap50(self, mend: str = "") -> list[float]:
        """Give AP50 by class with one kind of error mended, NaN where no label is left."""
        cls, holds = dict(enumerate(self.cls)), dict(self.holds)
        there = set(self.kept)
        labels = set(range(len(self.label_cls)))
        if mend == "missed":
            labels -= self.missed
            there -= {p for p, g in holds.items() if g in self.missed}
        for p in (p for p, kind in self.kind.items() if kind == mend):
            if p in self.target:
                holds[p] = self.target[p]
                cls[p] = self.label_cls[self.target[p]]
            else:
                there.discard(p)
        for g in labels:
            claims = sorted((-self.score[p], self.image[p], p) for p in there if holds.get(p) == g)
            there -= {p for _, _, p in claims[1:]}
        return [self.class_ap(number, cls, holds, there, labels) for number in range(CLASSES)]

    def class_ap(self, number, cls, holds, there, labels) -> float:
        objects = sum(self.label_cls[g] == number for g in labels)
        points = [(self.score[p], self.image[p], p, p in holds) for p in there if cls[p] == number]
        return slow_ap(points, objects) if objects else float("nan")

    def gain(self, kind: str) -> np.ndarray:
        before, after = np.array(self.ap50()), np.array(self.ap50(kind))
        after[np.isnan(after)] = 1
        return np.where(after > before, after - before, before - before)


@given(
    seed=st.integers(0, 2**32 - 1),
    predictions=st.integers(0, 40),
    labels=st.integers(0, 20),
    min_score=st.sampled_from([0.0, 0.25, 0.5]),
    max_detections=st.sampled_from([2, 100]),
)
@settings(max_examples=150, deadline=None)
def test_dap_is_that_of_the_paper_followed_prediction_by_prediction(
    seed, predictions, labels, min_score, max_detections
):
    rng = np.random.default_rng(seed)
    found, drawn = random_boxes(rng, predictions, images=3), random_boxes(rng, labels, images=3)
    ours = measured(found, drawn, min_score, max_detections)
    slow = SlowTide(found, drawn, min_score=min_score, max_detections=max_detections)
    assert ours.ap50 == pytest.approx(np.array(slow.ap50()), abs=1e-9, nan_ok=True)
    for number, kind in enumerate(ERROR_KINDS):
        expected = slow.gain(kind)
        assert ours.gain[number] == pytest.approx(expected, abs=1e-9, nan_ok=True), kind
        if drawn.label.size:
            assert ours.mean_gain[number] == pytest.approx(np.nanmean(expected), abs=1e-9), kind


def test_the_random_worlds_hold_every_kind_of_error_and_of_gain():
    rng = np.random.default_rng(0)
    ours = measured(random_boxes(rng, 400, images=30), random_boxes(rng, 200, images=30), 0.25)
    assert (ours.count.sum(axis=1) > 0).all()
    assert (ours.mean_gain > 0).all()


CUP, FAR = (0.1, 0.1, 0.5, 0.5), (0.7, 0.7, 0.9, 0.9)
LOW, WIDE = (0.1, 0.1, 0.5, 0.22), (0.1, 0.1, 0.5, 0.6)  # IoU 0.3 and 0.8 with CUP
KNOWN = {
    # name: predictions of one image (class, box, score), labels (class, box), the kind that gains, by class
    "missed, and nothing else": ([], [(0, CUP)], "missed", [1, None]),
    "one of two missed": ([(0, CUP, 0.9)], [(0, CUP), (0, FAR)], "missed", [1 - 51 / 101, None]),
    "nothing but background before the hit": ([(0, FAR, 0.9), (0, CUP, 0.8)], [(0, CUP)], "background", [0.5, None]),
    "a poor box": ([(0, LOW, 0.9)], [(0, CUP)], "localisation", [1, None]),
    "the other class": ([(1, CUP, 0.9)], [(0, CUP), (1, FAR)], "class", [1, 0]),
    "a mended class displaces the less confident": (
        [(1, CUP, 0.9), (0, FAR, 0.6), (0, CUP, 0.5)], [(0, CUP)], "class", [0.5, None],
    ),
    "a mended class gives way to the more confident": (
        [(0, CUP, 0.9), (1, CUP, 0.8), (1, FAR, 0.7)], [(0, CUP), (1, FAR)], "class", [0, 0.5],
    ),
    "a second box that lies on another class, too": (
        [(0, CUP, 0.9), (0, CUP, 0.8)], [(0, CUP), (1, WIDE)], "class", [0, 1],
    ),
    "a second box in front of the next hit": (
        [(0, CUP, 0.9), (0, CUP, 0.8), (0, FAR, 0.7)], [(0, CUP), (0, FAR)], "duplicate", [50 / 101 / 3, None],
    ),
    "wrong in both": ([(1, LOW, 0.9), (1, FAR, 0.8)], [(0, CUP), (1, FAR)], "both", [0, 0.5]),
    "an unsure hit goes with the missed label": (
        [(0, CUP, 0.9), (0, FAR, 0.1)], [(0, CUP), (0, FAR)], "missed", [0, None],
    ),
    "errors below the operating point stay": (
        [(0, FAR, 0.24), (0, CUP, 0.23)], [(0, CUP), (1, CUP)], "background", [0, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_what_mending_returns_is_known(case):
    found, drawn, kind, expected = KNOWN[case]
    predictions = table([(label, box, score) for label, box, score in found])
    labels = table([(label, box, 1.0) for label, box in drawn])
    gain = measured(predictions, labels, 0.25).gain[ERROR_KINDS.index(kind)]
    assert gain[:2] == pytest.approx([np.nan if value is None else value for value in expected], nan_ok=True)


def table(rows: list) -> BoxTable:
    return BoxTable(
        id=np.arange(len(rows)).astype("<U24"),
        image=np.zeros(len(rows), np.int64),
        label=np.array([row[0] for row in rows], np.int64),
        xyxy=np.array([row[1] for row in rows], float).reshape(-1, 4),
        score=np.array([row[2] for row in rows], float),
    )


def test_ap50_is_the_one_that_the_evaluation_reports():
    rng = np.random.default_rng(3)
    predictions, labels = random_boxes(rng, 300, images=20), random_boxes(rng, 120, images=20)
    reported = average_precision(predictions, labels, match(predictions, labels), class_count=CLASSES)[:, 0]
    for min_score in (0.0, 0.25, 0.9):
        assert measured(predictions, labels, min_score).ap50 == pytest.approx(reported, abs=1e-6)


def test_without_labels_nothing_can_be_gained():
    predictions = random_boxes(np.random.default_rng(0), 10, images=2)
    gains = measured(predictions, BoxTable.empty(), 0.25)
    assert np.isnan(gains.gain).all()
    assert (gains.mean_gain == 0).all()
    assert gains.count[ERROR_KINDS.index("background")].sum() == (predictions.score >= 0.25).sum()
