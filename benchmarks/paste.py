"""How fast pictures are pasted, against merely decoding a photo and encoding another of the same size.

Cut-outs are made beforehand, as in a round, where each is made once. Both loops run in turns on one thread.
With CURATE_DATA, on photos of blood (640 × 480); without, on drawn photos of the same size.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from generation.cutout import cut, load, store
from generation.layout import plan
from generation.painter import PastePainter, PixelDoors
from generation.priors import Priors
from generation.produce import produce
from generation.records import Brief
from training.boxes import BoxTable, ImageTable
from training.dataset import read_source
from training.files import digest_of, digest_of_file
from training.pixels import difference_hash, encode_jpeg, read_pixels
from training.source import to_tables

MIN_RATIO = 0.5
WIDTH, HEIGHT = 640, 480
DOORS = PixelDoors(
    read_pixels=read_pixels,
    encode_jpeg=encode_jpeg,
    difference_hash=difference_hash,
    cut=cut,
    store_cutout=store,
    load_cutout=load,
)

Data = tuple[ImageTable, BoxTable, tuple[str, ...]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000 pictures instead of 200")
    count = 1000 if parser.parse_args().full else 200
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name)
        root = os.environ.get("CURATE_DATA")
        images, labels, classes = of_data(Path(root)) if root else drawn(workspace, photos=40)
        rare = classes[int(np.argmin(np.bincount(labels.label)))]
        return compare(Priors.of_train(images, labels, classes), workspace, rare, count)


def compare(priors: Priors, workspace: Path, rare: str, count: int) -> int:
    brief = Brief(
        brief_id="b", finding_id="f", action="generate", label=rare, size=None, pictures=count, reason="to measure"
    )
    started = time.perf_counter()
    requests = plan(brief, priors, count=count, seed=0)
    planning_s = time.perf_counter() - started
    paint = PastePainter(priors=priors, workspace=workspace, doors=DOORS)
    first_s = seconds(paint, requests)
    paths = [workspace / str(path) for path in priors.images.path]
    pairs = [(paths[turn % len(paths)], paths[(turn + 1) % len(paths)]) for turn in range(count)]
    kept = read_pixels(paths[-1])
    bare_s = paint_s = 0.0
    for start in range(0, count, 20):  # in turns, so that a busy moment of the machine meets both
        bare_s += seconds(lambda pair: (read_pixels(pair[0]), encode_jpeg(kept)), pairs[start : start + 20])
        paint_s += seconds(paint, requests[start : start + 20])
    started = time.perf_counter()
    made = list(produce(requests, paint=paint, folder=workspace / "pictures", workspace=workspace))
    produce_s = time.perf_counter() - started
    objects = sum(len(request.objects) for request in requests)
    print(f"{count} pictures, {objects} pasted objects, mostly {rare}, on {len(priors.images)} photos of train")
    print(f"{'plan':<34}{count / planning_s:>9.0f} requests/s")
    print(f"{'decode one photo, encode another':<34}{count / bare_s:>9.0f} pictures/s")
    print(f"{'the first time, cutting out':<34}{count / first_s:>9.0f} pictures/s")
    print(f"{'decode, paste, encode':<34}{count / paint_s:>9.0f} pictures/s")
    print(f"{'the same, with files and notes':<34}{len(made) / produce_s:>9.0f} pictures/s")
    ratio = bare_s / paint_s
    print(f"pasting runs at {ratio:.2f} of the speed of decoding and encoding (at least {MIN_RATIO})")
    return 0 if ratio >= MIN_RATIO else 1


def seconds(work: Callable[..., object], items: Sequence[object]) -> float:
    started = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - started


def of_data(root: Path) -> Data:
    source = read_source(root / "data" / "bccd")
    images, labels = to_tables(source, [photo.split or "train" for photo in source.photos])
    paths = {photo.photo_id: str(photo.path) for photo in source.photos}
    return replace(images, path=np.array([paths[str(photo_id)] for photo_id in images.id])), labels, source.classes


def drawn(workspace: Path, *, photos: int) -> Data:
    """Draw photos with balls and, more rarely, crates."""
    rng = np.random.default_rng(0)
    ids, rows, numbers, corners = [], [], [], []
    for photo in range(photos):
        pixels = cv2.GaussianBlur(rng.integers(60, 220, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 2)
        for place in rng.permutation(12):
            middle = np.array([80 + 160 * (place % 4), 80 + 160 * (place // 4)]) + rng.integers(-20, 20, 2)
            side, is_crate = int(rng.integers(12, 45)), bool(rng.random() < 0.2)
            colour = rng.integers(0, 255, 3).tolist()
            if is_crate:
                cv2.rectangle(pixels, (middle - side).tolist(), (middle + side).tolist(), colour, -1)
            else:
                cv2.circle(pixels, middle.tolist(), side, colour, -1, cv2.LINE_AA)
            rows.append(photo)
            numbers.append(int(is_crate))
            corners.append([*(middle - side), *(middle + side + 1)])
        path = workspace / f"{photo}.jpg"
        path.write_bytes(encode_jpeg(pixels))
        ids.append(digest_of_file(path))
    images = ImageTable(
        id=np.array(ids),
        path=np.array([f"{photo}.jpg" for photo in range(photos)]),
        width_px=np.full(photos, WIDTH),
        height_px=np.full(photos, HEIGHT),
        split=np.full(photos, "train"),
    )
    labels = BoxTable(
        id=np.array([digest_of([ids[row], place]) for place, row in enumerate(rows)]),
        image=np.array(rows),
        label=np.array(numbers),
        xyxy=np.clip(np.array(corners) / [WIDTH, HEIGHT, WIDTH, HEIGHT], 0, 1),
        score=np.ones(len(rows)),
    )
    return images, labels, ("ball", "crate")


if __name__ == "__main__":
    sys.exit(main())
