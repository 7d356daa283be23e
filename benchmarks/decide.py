"""Paired photo bootstrap of two models on a large test split: ours against pycocotools, on the same boxes in one run.

    python benchmarks/decide.py

2,000 draws over 5,000 photos × 36,000 objects × 100 detections a photo × 80 classes × 10 IoUs, two arms. pycocotools
matches once and only accumulates anew for each draw, which is the quickest way to bootstrap with it: ten draws are
measured, the rest extrapolated. Exits with 1 where ours takes more than 30 s or 2 GiB, is less than 100 times as fast,
or differs by 1e-6.
"""

import argparse
import contextlib
import io
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from training.bootstrap import draw_weights, interval, mean_present, replicate_ap
from training.boxes import BoxTable
from training.matching import match
from training.metrics import Curves, point_ap, prepare

PHOTOS, OBJECTS, DETECTIONS, CLASSES, REPLICATES = 5_000, 36_000, 100, 80, 2_000
COCO_DRAWS = 10
MAX_S, MAX_GIB, MIN_RATIO, MAX_AP_DIFFERENCE = 30.0, 2.0, 100, 1e-6
Array = np.ndarray[Any, Any]


def boxes(image: Array, label: Array, xyxy: Array, score: Array) -> BoxTable:
    order = np.argsort(image, kind="stable")
    ids = np.char.zfill(np.arange(len(image)).astype(str), 24)
    return BoxTable(id=ids, image=image[order], label=label[order], xyxy=xyxy[order], score=score[order])


def world(rng: np.random.Generator) -> BoxTable:
    """Labels on photos; common classes are a hundred times as frequent as rare ones."""
    corner, size = rng.uniform(0, 0.8, (OBJECTS, 2)), rng.uniform(0.03, 0.19, (OBJECTS, 2))
    share = np.geomspace(1, 0.01, CLASSES)
    label = rng.choice(CLASSES, OBJECTS, p=share / share.sum())
    return boxes(rng.integers(0, PHOTOS, OBJECTS), label, np.hstack([corner, corner + size]), np.ones(OBJECTS))


def arm(labels: BoxTable, rng: np.random.Generator, *, noise: float) -> BoxTable:
    """Detections of a model: most labels found a little off, and boxes anywhere, up to 100 a photo."""
    sides = labels.xyxy[:, 2:] - labels.xyxy[:, :2]
    near = labels.xyxy + np.tile(sides, 2) * rng.normal(0, noise, (OBJECTS, 4))
    elsewhere = PHOTOS * DETECTIONS - OBJECTS
    corner = rng.uniform(0, 0.8, (elsewhere, 2))
    anywhere = np.hstack([corner, corner + rng.uniform(0.02, 0.19, (elsewhere, 2))])
    xyxy = np.clip(np.concatenate([near, anywhere]), 0, 1)
    xyxy[:, 2:] = np.maximum(xyxy[:, 2:], xyxy[:, :2] + 1e-4)
    xyxy = np.clip(xyxy, 0, 1)
    xyxy[:, :2] = np.minimum(xyxy[:, :2], xyxy[:, 2:] - 1e-5)
    image = np.concatenate([labels.image, rng.integers(0, PHOTOS, elsewhere)])
    label = np.concatenate([labels.label, rng.integers(0, CLASSES, elsewhere)])
    score = np.concatenate([rng.beta(4, 2, OBJECTS), rng.beta(1, 8, elsewhere)])
    return boxes(image, label, xyxy, np.clip(score, 0.001, 1))


def curves_of(predictions: BoxTable, labels: BoxTable) -> Curves:
    matches = match(predictions, labels)
    return prepare(predictions, labels, matches, image_rows=np.arange(PHOTOS), class_count=CLASSES)


def ours(first: Curves, second: Curves) -> tuple[float, float, float]:
    """Give the difference of mean AP between two arms with its interval, drawn on the same photos."""
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(0, REPLICATES, 500):
        weights = draw_weights(rng, PHOTOS, 500)
        draws.append(
            mean_present(replicate_ap(second, weights).mean(axis=2) - replicate_ap(first, weights).mean(axis=2))
        )
    point = float(mean_present(point_ap(second).mean(axis=1) - point_ap(first).mean(axis=1)))
    found = interval(np.concatenate(draws), point, photos=PHOTOS)
    return found.value, found.low, found.high


def judge_of(predictions: BoxTable, labels: BoxTable) -> Any:
    """Let pycocotools match everything once."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(table: BoxTable) -> list[dict[str, Any]]:
        corners, sides = table.xyxy[:, :2], table.xyxy[:, 2:] - table.xyxy[:, :2]
        columns = zip(
            table.image.tolist(),
            table.label.tolist(),
            np.hstack([corners, sides]).tolist(),
            table.score.tolist(),
            strict=True,
        )
        return [
            {
                "id": n + 1,
                "image_id": image,
                "category_id": label,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "score": score,
            }
            for n, (image, label, box, score) in enumerate(columns)
        ]

    truth = COCO()
    truth.dataset = {
        "images": [{"id": row} for row in range(PHOTOS)],
        "categories": [{"id": number} for number in range(CLASSES)],
        "annotations": rows(labels),
    }
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes(rows(predictions)), "bbox")
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    judge.params.maxDets = [100]
    judge.evaluate()
    return judge


def accumulated(judge: Any) -> Array:
    """Give AP by class (classes,) from what pycocotools has matched."""
    judge.accumulate()
    precision: Array = np.asarray(judge.eval["precision"])[:, :, :, 0, 0]
    return np.where((precision < 0).all(axis=(0, 1)), np.nan, precision.mean(axis=(0, 1)))


def accumulate_draws(judge: Any) -> float:
    """Give the seconds that pycocotools takes for one draw: the matches of the drawn photos, accumulated anew."""
    matched = judge.evalImgs
    by_class = [matched[start : start + PHOTOS] for start in range(0, len(matched), PHOTOS)]
    rng = np.random.default_rng(0)
    start_s = time.perf_counter()
    for _ in range(COCO_DRAWS):
        drawn = rng.integers(0, PHOTOS, PHOTOS).tolist()
        judge.evalImgs = [of_class[row] for of_class in by_class for row in drawn]
        accumulated(judge)
    judge.evalImgs = matched
    return (time.perf_counter() - start_s) / COCO_DRAWS


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start_s = time.perf_counter()
    result = work()
    return time.perf_counter() - start_s, result


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rng = np.random.default_rng(0)
    labels = world(rng)
    first, second = arm(labels, rng, noise=0.08), arm(labels, rng, noise=0.07)
    prepare_s, curves = timed(lambda: (curves_of(first, labels), curves_of(second, labels)))
    draw_s, (value, low, high) = timed(lambda: ours(*curves))
    memory_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("pycocotools takes minutes ...", file=sys.stderr, flush=True)
    with contextlib.redirect_stdout(io.StringIO()):
        judge = judge_of(first, labels)
        difference = float(np.nanmax(np.abs(accumulated(judge) - point_ap(curves[0]).mean(axis=1))))
        one_s = accumulate_draws(judge)
    ratio = 2 * REPLICATES * one_s / draw_s
    rows = [
        ("matching and sorting two arms", f"{prepare_s:.1f} s", "", True),
        (f"{REPLICATES:,} paired draws of both", f"{draw_s:.1f} s", f"at most {MAX_S:.0f} s", draw_s <= MAX_S),
        ("peak memory", f"{memory_gib:.2f} GiB", f"at most {MAX_GIB:.0f} GiB", memory_gib <= MAX_GIB),
        (f"pycocotools, one draw of one arm ({COCO_DRAWS} measured)", f"{one_s:.2f} s", "", True),
        ("largest difference of AP to pycocotools", f"{difference:.1e}", "below 1e-6", difference < MAX_AP_DIFFERENCE),
        ("the difference of the arms", f"{value:+.4f} [{low:+.4f}, {high:+.4f}]", "", True),
        ("pycocotools' time / ours", f"{ratio:.0f} x", f"at least {MIN_RATIO}", ratio >= MIN_RATIO),
    ]
    for name, figure, target, good in rows:
        print(f"{name:<50} {figure:>28}   {target:<16} {'' if good else 'MISSED'}")
    headline = f"{REPLICATES:,} paired draws in {draw_s:.1f} s"
    print(f"\n{headline}, {ratio:.0f} times as fast as pycocotools (target {MIN_RATIO})")
    return 0 if all(good for *_, good in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
