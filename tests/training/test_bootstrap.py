"""The photo bootstrap: draws, replicates in parts, intervals."""

import numpy as np
import pytest

from training import bootstrap
from training.bootstrap import bootstrap_ap, draw_weights, interval, mean_present, replicate_ap
from training.boxes import BoxTable
from training.errors import DataError
from training.matching import match
from training.metrics import Curves, point_ap, prepare


def curves_of(seed: int, *, photos: int = 40, recall: float = 0.8, classes: int = 2) -> Curves:
    """Simulate a model that finds this share of three objects a photo, and two wrong boxes a photo."""
    rng = np.random.default_rng(seed)
    labels = boxes_in(rng, np.repeat(np.arange(photos), 3), classes)
    hits = labels.take(rng.random(len(labels)) < recall)
    wrong = boxes_in(rng, np.repeat(np.arange(photos), 2), classes)
    columns = {name: np.concatenate([getattr(hits, name), getattr(wrong, name)]) for name in vars(hits)}
    predictions = BoxTable(**{**columns, "score": rng.random(len(columns["id"]))})
    matches = match(predictions, labels)
    return prepare(predictions, labels, matches, image_rows=np.arange(photos), class_count=classes)


def boxes_in(rng: np.random.Generator, image: np.ndarray, classes: int) -> BoxTable:
    count = len(image)
    corner, size = rng.uniform(0, 0.7, (count, 2)), rng.uniform(0.1, 0.3, (count, 2))
    return BoxTable(
        id=np.arange(count).astype("<U24"), image=image, label=rng.integers(0, classes, count),
        xyxy=np.hstack([corner, corner + size]), score=np.ones(count),
    )  # fmt: skip


@pytest.mark.parametrize(("photos", "replicates"), [(1, 5), (7, 1), (300, 20_000)])
def test_every_draw_has_as_many_photos_as_there_are(photos, replicates):
    weights = draw_weights(np.random.default_rng(0), photos, replicates)
    assert weights.shape == (replicates, photos)
    assert (weights.sum(axis=1) == photos).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=6 / np.sqrt(replicates))


def test_equal_seeds_draw_equal_photos():
    first, again, other = (draw_weights(np.random.default_rng(seed), 50, 10) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_photos_drawn_once_each_give_the_measured_ap():
    curves = curves_of(0)
    assert replicate_ap(curves, np.ones((3, 40), np.uint16)) == pytest.approx(np.stack([point_ap(curves)] * 3))


def test_replicates_in_small_parts_are_the_same(monkeypatch):
    curves, weights = curves_of(1), draw_weights(np.random.default_rng(3), 40, 25)
    whole = replicate_ap(curves, weights)
    monkeypatch.setattr(bootstrap, "MAX_CHUNK", 7)
    assert replicate_ap(curves, weights) == pytest.approx(whole, abs=1e-12)
    monkeypatch.setattr(bootstrap, "MAX_CHUNK_BYTES", 1)
    assert replicate_ap(curves, weights) == pytest.approx(whole, abs=1e-12)


def test_a_draw_without_a_class_has_no_ap_for_it():
    curves = curves_of(2, photos=3)
    weights = np.array([[0, 0, 3], [1, 1, 1]], np.uint16)
    missing = (curves.labels.toarray()[:, 2] == 0).tolist()
    assert np.isnan(replicate_ap(curves, weights)[0]).all(axis=1).tolist() == missing


@pytest.mark.parametrize(
    ("values", "photos", "low", "high"),
    [
        (np.arange(999.0), 10**9, 24, 974),
        (np.arange(999.0), 20, 14.88, 983.12),
        (np.arange(999.0), 1, 0, 998),
        (np.array([np.nan, 2.0, 2.0]), 3, 2, 2),
        (np.array([np.nan]), 0, 7, 7),
    ],
    ids=["a fortieth on either side", "fewer where few photos carry it", "all", "draws without a value", "none at all"],
)
def test_an_interval_leaves_a_share_on_either_side(values, photos, low, high):
    found = interval(values, 7, photos=photos)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert (found.value, found.photos) == (7, photos)


def test_the_interval_of_the_mean_covers_the_truth_about_as_often_as_it_says():
    truth = np.mean([bootstrap.mean_present(point_ap(curves_of(seed)).mean(axis=1)) for seed in range(1000, 1400)])
    covers = 0
    for seed in range(100):
        mean = bootstrap_ap(curves_of(seed), replicates=200, rng=np.random.default_rng(seed)).mean
        covers += mean.low <= truth <= mean.high
    assert 88 <= covers <= 99


def test_classes_without_labels_have_no_interval():
    curves = curves_of(4)
    wider = Curves(
        photo=curves.photo, hit=curves.hit, first=np.append(curves.first, curves.first[-1]),
        labels=type(curves.labels)(np.vstack([curves.labels.toarray(), np.zeros((1, 40), np.float32)])),
    )  # fmt: skip
    scores = bootstrap_ap(wider, replicates=100, rng=np.random.default_rng(0))
    assert scores.classes[2] is None
    assert scores.mean.value == pytest.approx(np.mean([found.value for found in scores.classes if found]))
    assert [found.photos for found in scores.classes if found] == curves.photos_of_class.tolist()
    assert scores.mean.photos == 40


def test_photos_without_labels_cannot_be_measured():
    nothing = BoxTable.empty()
    curves = prepare(nothing, nothing, match(nothing, nothing), image_rows=np.arange(4), class_count=2)
    with pytest.raises(DataError, match="none of the 4 photos"):
        bootstrap_ap(curves, replicates=10, rng=np.random.default_rng(0))


def test_the_mean_is_over_what_is_there():
    values = np.array([[1, np.nan, 3], [np.nan, np.nan, np.nan]])
    assert mean_present(values) == pytest.approx([2, np.nan], nan_ok=True)
