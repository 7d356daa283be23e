"""Evaluating and storing per-box results: ours against FiftyOne's own, on the same boxes in one run.

    python benchmarks/evaluate.py [--full]

Exits with 1 where ours is less than 50 times as fast, AP differs from pycocotools by 1e-6, or five times the photos
take more than 5.5 times as long. `--full` adds ten times the photos.
"""

import argparse
import contextlib
import gc
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from curation.connection import connect, disconnect
from curation.mongod import running
from curation.store import Store, open_dataset
from training.boxes import BoxTable, ImageTable
from training.matching import error_kinds, match
from training.metrics import average_precision

PHOTOS, LABELS, PREDICTIONS = 1000, 20, 30
CLASSES = tuple(f"class {number}" for number in range(10))
MIN_RATIO, STRETCH, MAX_GROWTH, MAX_AP_DIFFERENCE = 50, 100, 5.5, 1e-6
REPEATS = 3


def ids(kind: str, count: int) -> "np.ndarray[Any, Any]":
    return np.array([f"{kind}{number:023x}" for number in range(count)])


def world(count: int) -> tuple[ImageTable, BoxTable, BoxTable]:
    """Photos with labels, and predictions that are near them, of another class, double, or anywhere."""
    rng = np.random.default_rng(0)
    photo = ids("a", count)
    images = ImageTable(
        photo, np.char.add("data/", photo), np.full(count, 640), np.full(count, 480), np.full(count, "val")
    )
    corner, size = rng.uniform(0, 0.8, (count * LABELS, 2)), rng.uniform(0.03, 0.19, (count * LABELS, 2))
    labels = BoxTable(
        id=ids("b", count * LABELS),
        image=np.repeat(np.arange(count), LABELS),
        label=rng.integers(0, len(CLASSES), count * LABELS),
        xyxy=np.hstack([corner, corner + size]),
        score=np.ones(count * LABELS),
    )
    near = np.tile(np.arange(PREDICTIONS) % LABELS, count) + np.repeat(np.arange(count) * LABELS, PREDICTIONS)
    centre = labels.xyxy[near].reshape(-1, 2, 2).mean(axis=1)
    half = (labels.xyxy[near, 2:] - labels.xyxy[near, :2]) / 2
    centre += rng.normal(0, 0.15, centre.shape) * half
    half *= np.exp(rng.normal(0, 0.12, half.shape))
    predictions = BoxTable(
        id=ids("c", count * PREDICTIONS),
        image=labels.image[near],
        label=np.where(rng.random(len(near)) < 0.9, labels.label[near], rng.integers(0, len(CLASSES), len(near))),
        xyxy=np.clip(np.hstack([centre - half, centre + half]), 0, 1),
        score=rng.random(len(near)),
    )
    return images, labels, predictions


def ours(store: Store, key: str, images: ImageTable, labels: BoxTable, predictions: BoxTable) -> "np.ndarray[Any, Any]":
    """Match, measure, name the errors, and store all of it under `key`; give AP by class and IoU."""
    matches = match(predictions, labels)
    ap = average_precision(predictions, labels, matches, class_count=len(CLASSES))
    errors = error_kinds(predictions, labels, matches, min_score=0.0)
    store.publish_evaluation(
        key,
        images=images,
        labels=labels,
        predictions=predictions,
        matches=matches,
        errors=errors,
        classes=CLASSES,
        split="val",
        mean_ap=float(np.nanmean(ap)),
    )
    return ap


def theirs(store: Store) -> Any:
    """FiftyOne's evaluation of the same predictions, which it finds in the database."""
    return store.dataset.evaluate_detections(
        "pred_ours0",
        gt_field="ground_truth",
        eval_key="theirs",
        classes=list(CLASSES),
        compute_mAP=True,
        dynamic=True,
    )


def pycocotools_ap(labels: BoxTable, predictions: BoxTable) -> "np.ndarray[Any, Any]":
    """Give AP by class and IoU (classes, 10) from pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(boxes: BoxTable) -> list[dict[str, Any]]:
        size = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
        columns = zip(boxes.image, boxes.label, np.hstack([boxes.xyxy[:, :2], size]), boxes.score, strict=True)
        return [
            {
                "id": number + 1,
                "image_id": int(image),
                "category_id": int(label),
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
                "score": float(score),
            }
            for number, (image, label, box, score) in enumerate(columns)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": int(image)} for image in np.unique(labels.image)],
            "categories": [{"id": number} for number in range(len(CLASSES))],
            "annotations": rows(labels),
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(rows(predictions)), "bbox")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision: np.ndarray[Any, Any] = np.asarray(judge.eval["precision"])[:, :, :, 0, 2]
    return np.asarray(precision.mean(axis=1).T)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median_of_ours(store: Store, count: int) -> tuple[float, "np.ndarray[Any, Any]", BoxTable, BoxTable]:
    """Give the median time of several runs, each a new evaluation; photos are published beforehand."""
    images, labels, predictions = world(count)
    store.publish_photos(images, labels, CLASSES)
    runs = [timed(partial(ours, store, f"ours{run}", images, labels, predictions)) for run in range(REPEATS)]
    return statistics.median(seconds for seconds, _ in runs), runs[0][1], labels, predictions


def report(rows: list[tuple[str, str, str, bool]]) -> int:
    """Print what was measured against its target; give the exit status."""
    for name, value, target, good in rows:
        print(f"{name:<58} {value:>12}   {target:<16} {'' if good else 'MISSED'}")
    return 0 if all(good for *_, good in rows) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also 10,000 photos (ours only)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "db") as uri:
        connect(uri, plugins_dir=Path(folder) / "plugins")
        try:
            return measure(Path(folder), full=arguments.full)
        finally:
            disconnect()


def measure(folder: Path, *, full: bool) -> int:
    small = open_dataset("small", root=folder)
    our_s, our_ap, labels, predictions = median_of_ours(small, PHOTOS)
    coco_s, coco_ap = timed(lambda: pycocotools_ap(labels, predictions))
    difference = float(np.abs(our_ap - coco_ap).max())
    large_s, *_ = median_of_ours(open_dataset("large", root=folder), 5 * PHOTOS)
    huge_s = median_of_ours(open_dataset("huge", root=folder), 10 * PHOTOS)[0] if full else None
    print("FiftyOne's own evaluation takes minutes ...", file=sys.stderr, flush=True)
    their_s, results = timed(lambda: theirs(small))
    same = all(small.dataset.sum(f"ours0_{kind}") == small.dataset.sum(f"theirs_{kind}") for kind in ("tp", "fp", "fn"))
    ratio, growth = their_s / our_s, large_s / our_s

    size = f"{PHOTOS} photos × {LABELS} labels × {PREDICTIONS} predictions, {len(CLASSES)} classes"
    print(f"{size}; median of {REPEATS} of ours\n")
    status = report(
        [
            ("ours: match, AP, error kinds, store", f"{our_s:.2f} s", "", True),
            ("FiftyOne: evaluate_detections(compute_mAP=True)", f"{their_s:.1f} s", "", True),
            ("pycocotools: AP alone, nothing stored", f"{coco_s:.2f} s", "", True),
            ("ours, 5,000 photos", f"{large_s:.2f} s", "", True),
            *([("ours, 10,000 photos", f"{huge_s:.2f} s", "", True)] if huge_s else []),
            ("5,000 photos take, times 1,000", f"{growth:.2f} x", f"at most {MAX_GROWTH}", growth <= MAX_GROWTH),
            (
                "largest difference of AP to pycocotools",
                f"{difference:.1e}",
                "below 1e-6",
                difference < MAX_AP_DIFFERENCE,
            ),
            ("mAP: ours / FiftyOne", f"{np.nanmean(our_ap):.4f} / {results.mAP():.4f}", "", True),
            ("tp, fp and fn are FiftyOne's", str(same), "True", same),
            ("FiftyOne's time / ours", f"{ratio:.0f} x", f"at least {MIN_RATIO}", ratio >= MIN_RATIO),
        ]
    )
    print(f"\nevaluating and storing: {ratio:.0f} times as fast as FiftyOne (target {MIN_RATIO}, stretch {STRETCH})")
    return status


if __name__ == "__main__":
    sys.exit(main())
