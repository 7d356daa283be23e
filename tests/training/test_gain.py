"""Gains against AP computed anew without the labels, and against gains known by heart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.boxes import BoxTable
from training.gain import Gains
from training.matching import Matches, match
from training.metrics import average_precision

CLASSES = 4


def some_boxes(rng: np.random.Generator, count: int, *, images: int, classes: int = 3) -> BoxTable:
    """Draw boxes of the first classes on a grid, with many equal scores; the last class stays without."""
    corner, size = rng.integers(0, 12, (count, 2)), rng.integers(3, 9, (count, 2))
    return BoxTable(
        id=np.arange(count).astype("<U24"),
        image=rng.integers(0, images, count),
        label=rng.integers(0, classes, count),
        xyxy=np.hstack([corner, corner + size]) / 20,
        score=rng.integers(0, 12, count) / 12,
    )


def anew(predictions: BoxTable, labels: BoxTable, matches: Matches, missed: np.ndarray) -> float:
    """Compute both APs in full, as the analysis did before."""
    before = average_precision(predictions, labels, matches, class_count=CLASSES)
    after = average_precision(predictions, labels, matches, class_count=CLASSES, label_weight=~missed)
    after = np.where(np.isnan(after) & ~np.isnan(before), 1.0, after)
    return float(np.nanmean(after) - np.nanmean(before))


@given(
    seed=st.integers(0, 2**32 - 1),
    predictions=st.integers(0, 120),
    labels=st.integers(1, 60),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    max_detections=st.sampled_from([3, 100]),
)
@settings(max_examples=150, deadline=None)
def test_the_gain_is_that_of_ap_computed_anew(seed, predictions, labels, share, max_detections):
    rng = np.random.default_rng(seed)
    found, drawn = some_boxes(rng, predictions, images=3), some_boxes(rng, labels, images=3)
    matches = match(found, drawn, max_detections=max_detections)
    gains = Gains.prepare(found, drawn, matches, class_count=CLASSES)
    for _ in range(3):
        missed = rng.random(labels) < share
        assert gains.of(missed) == pytest.approx(anew(found, drawn, matches, missed), abs=1e-12)


def test_the_gain_is_that_of_ap_computed_anew_where_most_is_found():
    rng = np.random.default_rng(5)
    labels = some_boxes(rng, 3000, images=300)
    noisy = np.clip(labels.xyxy + rng.normal(0, 0.01, labels.xyxy.shape), 0, 1)
    found = BoxTable(**{**vars(labels), "xyxy": noisy, "score": np.round(rng.random(3000), 2)})
    found = found.take(rng.permutation(3000)[:2500])
    matches = match(found, labels)
    gains = Gains.prepare(found, labels, matches, class_count=CLASSES)
    for label in range(3):
        missed = (labels.label == label) & ~np.isin(np.arange(3000), matches.label_row[:, 0])
        expected = anew(found, labels, matches, missed)
        assert gains.of(missed) == pytest.approx(expected, abs=1e-12)
        assert expected > 0.001


def test_a_class_of_which_nothing_is_left_counts_as_found():
    labels = some_boxes(np.random.default_rng(0), 12, images=1)
    nothing = BoxTable.empty()
    gains = Gains.prepare(nothing, labels, match(nothing, labels), class_count=CLASSES)
    assert gains.of(labels.label == 0) == pytest.approx(1 / len(np.unique(labels.label)))
    assert gains.of(np.ones(12, bool)) == pytest.approx(1)


def test_an_empty_mask_gains_nothing_and_no_labels_gain_nothing():
    rng = np.random.default_rng(1)
    found, labels = some_boxes(rng, 30, images=2), some_boxes(rng, 10, images=2)
    gains = Gains.prepare(found, labels, match(found, labels), class_count=CLASSES)
    assert gains.of(np.zeros(10, bool)) == 0
    none = Gains.prepare(found, BoxTable.empty(), match(found, BoxTable.empty()), class_count=CLASSES)
    assert none.of(np.zeros(0, bool)) == 0


def test_asking_changes_nothing_for_the_next_question():
    rng = np.random.default_rng(2)
    found, labels = some_boxes(rng, 200, images=5), some_boxes(rng, 80, images=5)
    gains = Gains.prepare(found, labels, match(found, labels), class_count=CLASSES)
    missed = labels.label == 1
    first = gains.of(missed)
    gains.of(np.ones(80, bool))
    assert gains.of(missed) == first


@pytest.mark.parametrize("objects", [20, 25, 50, 100])
def test_recall_that_lands_on_a_point_is_rounded_as_in_ap(objects):
    box = np.tile([0.2, 0.2, 0.6, 0.6], (objects + 1, 1))
    rows = np.arange(objects + 1)
    labels = BoxTable(id=rows.astype("<U24"), image=rows, label=rows * 0, xyxy=box, score=np.ones(objects + 1))
    missed = rows == objects
    for found in range(1, objects + 1):
        predictions = labels.take(rows[:found])
        matches = match(predictions, labels)
        gains = Gains.prepare(predictions, labels, matches, class_count=CLASSES)
        assert gains.of(missed) == pytest.approx(anew(predictions, labels, matches, missed), abs=1e-12), found


def test_a_prediction_goes_with_its_label_at_every_level():
    spans = {
        "taken": (0.0, 1.0),
        "gone": (0.0, 0.6),
        "holds taken at 0.5": (0.35, 1.0),
        "holds gone at 0.5": (0.0, 0.9),
    }
    corners = np.array([[first, 0, last, 1] for first, last in spans.values()])
    zeros, ids = np.zeros(2, np.int64), np.array(["a", "b"], "<U24")
    labels = BoxTable(id=ids, image=zeros, label=zeros, xyxy=corners[:2], score=np.ones(2))
    found = BoxTable(id=ids, image=zeros, label=zeros, xyxy=corners[2:], score=np.array([0.9, 0.8]))
    matches = match(found, labels)
    assert matches.label_row[:, [0, 5]].tolist() == [[0, -1], [1, 0]]
    missed = np.array([False, True])
    gains = Gains.prepare(found, labels, matches, class_count=CLASSES)
    assert gains.of(missed) == pytest.approx(anew(found, labels, matches, missed), abs=1e-12)
