"""AP against pycocotools; recall and precision against a table."""

import contextlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.boxes import BoxTable, concat
from training.matching import match
from training.metrics import average_precision, point_ap, prepare, recall_precision, weighted_ap

SIZES = {
    # name: photos, labels by class, wrong predictions by class
    "like blood cells": (72, [820, 74, 71], [300, 40, 30]),
    "few of everything": (6, [5, 3, 9], [4, 4, 4]),
    "a class without labels": (20, [40, 0, 12], [20, 30, 5]),
    "a class without predictions": (20, [40, 8, 12], [20, 0, 5]),
    "a hundred objects: recall lands on the points": (30, [100, 20, 50], [200, 50, 80]),
    "most photos empty": (200, [30, 20, 10], [20, 20, 10]),
    "crowded: over a hundred detections a photo": (3, [200, 50, 300], [400, 100, 900]),
}


def simulate(
    seed: int, photos: int, objects: list[int], wrong: list[int], *, coarse: bool = False
) -> tuple[BoxTable, BoxTable]:
    """Draw labels, and predictions of most of them with noise beside wrong ones; coarse scores are often equal."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(objects)), objects)
    labels = some_boxes(rng, label, photos)
    seen = np.flatnonzero((rng.random(len(labels)) < 0.9) & (np.array(wrong)[label] > 0))
    noisy = np.clip(labels.xyxy[seen] + rng.normal(0, 0.012, (len(seen), 4)), 0, 1)
    noisy[:, 2:] = np.maximum(noisy[:, 2:], noisy[:, :2] + 1e-3)
    hits = BoxTable(
        id=np.arange(len(seen)).astype("<U24"), image=labels.image[seen], label=label[seen],
        xyxy=np.clip(noisy, 0, 1), score=rng.beta(4, 2, len(seen)),
    )  # fmt: skip
    others = some_boxes(rng, np.repeat(np.arange(len(wrong)), wrong), photos)
    predictions = concat([hits, others.take(np.arange(len(others)))])
    score = np.concatenate([hits.score, rng.beta(2, 4, len(others))])
    score = np.round(score * 10) / 10 if coarse else score
    mixed = rng.permutation(len(predictions))
    return BoxTable(**{**vars(predictions), "score": score}).take(mixed), labels


def some_boxes(rng: np.random.Generator, label: np.ndarray, photos: int) -> BoxTable:
    count = len(label)
    corner, size = rng.uniform(0, 0.8, (count, 2)), rng.uniform(0.05, 0.2, (count, 2))
    return BoxTable(
        id=np.arange(count).astype("<U24"), image=rng.integers(0, photos, count), label=label,
        xyxy=np.hstack([corner, corner + size]), score=np.ones(count),
    )  # fmt: skip


def coco_ap(predictions: BoxTable, labels: BoxTable, *, photos: int, classes: int) -> np.ndarray:
    """Give pycocotools' AP by class and IoU level, NaN where it says −1."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def notes(table: BoxTable) -> list[dict]:
        px = table.xyxy * 1000
        return [
            {
                "id": row + 1, "image_id": int(table.image[row]), "category_id": int(table.label[row]), "iscrowd": 0,
                "bbox": [*px[row, :2], *(px[row, 2:] - px[row, :2])], "score": float(table.score[row]),
                "area": float(np.prod(px[row, 2:] - px[row, :2])),
            }
            for row in range(len(table))
        ]  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": number} for number in range(photos)],
            "categories": [{"id": number} for number in range(classes)],
            "annotations": notes(labels),
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(notes(predictions)), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]  # every size, 100 detections
    return np.where(precision < 0, np.nan, precision).mean(axis=1).T


@pytest.mark.parametrize("coarse", [False, True], ids=["scores differ", "scores tie"])
@pytest.mark.parametrize("name", SIZES)
def test_ap_is_that_of_pycocotools(name, coarse):
    photos, objects, wrong = SIZES[name]
    predictions, labels = simulate(len(name), photos, objects, wrong, coarse=coarse)
    ours = average_precision(predictions, labels, match(predictions, labels), class_count=3)
    assert ours == pytest.approx(coco_ap(predictions, labels, photos=photos, classes=3), abs=1e-6, nan_ok=True)
    assert np.isnan(ours).all(axis=1).tolist() == [count == 0 for count in objects]
    assert np.nanmax(ours) > 0.2


def perfect(objects: int, found: int) -> tuple[BoxTable, BoxTable]:
    """Make a photo with one object each, of which the first are found exactly."""
    labels = some_boxes(np.random.default_rng(objects), np.zeros(objects, np.int64), 1)
    labels = BoxTable(**{**vars(labels), "image": np.arange(objects)})
    return labels.take(np.arange(found)), labels


@pytest.mark.parametrize("objects", [20, 25, 50, 100])
def test_recall_that_lands_on_a_point_is_rounded_as_pycocotools_rounds_it(objects):
    for found in range(1, objects + 1):
        predictions, labels = perfect(objects, found)
        ours = average_precision(predictions, labels, match(predictions, labels), class_count=1)
        points = np.linspace(0, 1, 101)
        assert ours[0, 0] == pytest.approx((found / objects >= points).mean(), abs=1e-9), found


def test_ap_on_real_labels_is_that_of_pycocotools():
    if "CURATE_DATA" not in os.environ:
        pytest.skip("CURATE_DATA names no folder with real data")
    labels = blood_cells(Path(os.environ["CURATE_DATA"]) / "data" / "bccd")
    rng = np.random.default_rng(0)
    moved = np.clip(labels.xyxy + rng.normal(0, 0.01, labels.xyxy.shape), 0, 1)
    whole = (moved[:, :2] < moved[:, 2:]).all(axis=1) & (rng.random(len(labels)) < 0.9)
    predictions = BoxTable(**{**vars(labels), "xyxy": moved * whole[:, None] + labels.xyxy * ~whole[:, None]})
    predictions = BoxTable(**{**vars(predictions), "score": np.round(rng.random(len(labels)), 2)})
    photos = int(labels.image.max()) + 1
    ours = average_precision(predictions, labels, match(predictions, labels), class_count=3)
    assert ours == pytest.approx(coco_ap(predictions, labels, photos=photos, classes=3), abs=1e-6)


def blood_cells(folder: Path) -> BoxTable:
    """Read the VOC files of bccd, zero-area boxes left out."""
    from xml.etree import ElementTree

    rows = []
    for image, path in enumerate(sorted(folder.rglob("*.xml"))):
        root = ElementTree.parse(path).getroot()
        size = [float(root.findtext(f"size/{side}", "")) for side in ("width", "height")] * 2
        for thing in root.iter("object"):
            corners = [float(thing.findtext(f"bndbox/{name}", "")) for name in ("xmin", "ymin", "xmax", "ymax")]
            if corners[0] < corners[2] and corners[1] < corners[3]:
                rows.append((image, ["RBC", "WBC", "Platelets"].index(thing.findtext("name", "")), *corners, *size))
    table = np.array(rows, float)
    return BoxTable(
        id=np.arange(len(table)).astype("<U24"), image=table[:, 0].astype(int), label=table[:, 1].astype(int),
        xyxy=np.clip(table[:, 2:6] / table[:, 6:], 0, 1), score=np.ones(len(table)),
    )  # fmt: skip


def copies(table: BoxTable, times: np.ndarray) -> BoxTable:
    """Repeat each photo's boxes, every copy as a photo of its own beside the others."""
    row = np.repeat(np.arange(len(table)), times[table.image])
    copy = np.concatenate([np.arange(n) for n in times[table.image]] or [np.zeros(0, np.int64)]).astype(np.int64)
    first = np.cumsum(times) - times
    return BoxTable(**{**vars(table.take(row)), "image": first[table.image[row]] + copy})


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_photo_that_weighs_twice_is_the_photo_and_its_copy(seed):
    photos = 8
    predictions, labels = simulate(seed, photos, [20, 6, 30], [15, 5, 20])
    times = np.random.default_rng(seed).multinomial(photos, np.ones(photos) / photos)
    curves = prepare(predictions, labels, match(predictions, labels), image_rows=np.arange(photos), class_count=3)
    weighted = weighted_ap(curves, times[:, None].astype(np.float32))[0]
    found, drawn = copies(predictions, times), copies(labels, times)
    copied = average_precision(found, drawn, match(found, drawn), class_count=3)
    assert weighted == pytest.approx(copied, abs=1e-6, nan_ok=True)


def test_photos_that_are_not_asked_for_do_not_count():
    predictions, labels = simulate(1, 20, [40, 10, 30], [30, 10, 20])
    half = np.arange(0, 20, 2)
    curves = prepare(predictions, labels, match(predictions, labels), image_rows=half, class_count=3)
    found, drawn = predictions.of_images(half), labels.of_images(half)
    alone = average_precision(found, drawn, match(found, drawn), class_count=3)
    assert point_ap(curves) == pytest.approx(alone, abs=1e-6)
    holds = [len(np.unique(drawn.image[drawn.label == number])) for number in range(3)]
    assert curves.photos_of_class.tolist() == holds
    assert (curves.photo_count, curves.class_count) == (10, 3)


def test_ap_without_the_labels_that_nothing_found_rises_as_if_they_were_not_there():
    predictions, labels = simulate(2, 30, [60, 20, 40], [20, 10, 10])
    matches = match(predictions, labels)
    found = np.isin(np.arange(len(labels)), matches.label_row)
    kept = found | (labels.label != 0)
    without = average_precision(predictions, labels, matches, class_count=3, label_weight=kept)
    rest = labels.take(kept)
    again = average_precision(predictions, rest, match(predictions, rest), class_count=3)
    assert without == pytest.approx(again, abs=1e-6)
    before = average_precision(predictions, labels, matches, class_count=3)
    assert (without[0, :6] > before[0, :6]).all()
    assert without[1:] == pytest.approx(before[1:])


def test_a_label_that_is_left_out_takes_its_prediction_along():
    predictions, labels = perfect(10, 10)
    matches = match(predictions, labels)
    kept = np.arange(10) >= 4
    ap = average_precision(predictions, labels, matches, class_count=1, label_weight=kept)
    assert ap == pytest.approx(np.ones((1, 10)))


def test_nothing_at_all_has_no_ap():
    nothing = BoxTable.empty()
    assert np.isnan(average_precision(nothing, nothing, match(nothing, nothing), class_count=2)).all()


def test_recall_and_precision_count_what_reaches_the_score():
    predictions, labels = perfect(10, 6)
    score = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
    wrong = BoxTable(**{**vars(predictions), "image": predictions.image + 4, "score": np.full(6, 0.5)}).take(
        np.arange(2)
    )
    found = concat([BoxTable(**{**vars(predictions), "score": score}), wrong])
    point = recall_precision(found, labels, match(found, labels), class_count=2, min_score=0.25)
    assert (point.objects.tolist(), point.found.tolist(), point.predicted.tolist()) == ([10, 0], [4, 0], [6, 0])
    assert point.recall == pytest.approx([0.4, np.nan], nan_ok=True)
    assert point.precision == pytest.approx([4 / 6, np.nan], nan_ok=True)
