"""How fast pictures are pasted, against merely decoding a photo and encoding another of the same size.

Cut-outs are made beforehand, as in a round, where each is made once. All loops run in turns; what is computed runs on
one thread. The second ratio is of all that `curate generate` does, with two files a picture that outlive a loss of
power, against decoding, encoding and writing the one encoded file in the same way: without it, it would measure the
disk. The first ratio is of seconds of the processor, both are medians over turns of twenty pictures: this is often run
on a busy machine.
With CURATE_DATA, on photos of blood (640 × 480); without, on drawn photos of the same size.
"""

import argparse
import os
import statistics
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
from generation.records import Brief, PasteRequest, SyntheticImage
from training.boxes import BoxTable, ImageTable
from training.dataset import read_source
from training.files import digest_of, digest_of_file, write_bytes
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
    painter = PastePainter(priors=priors, workspace=workspace, doors=DOORS)
    paint = painter.picture
    first_s = seconds(paint, requests)
    paths = [workspace / str(path) for path in priors.images.path]
    turns = [paths[turn % len(paths)] for turn in range(count)]
    kept = read_pixels(paths[-1])

    def bare(path: Path) -> bytes:
        read_pixels(path)
        return encode_jpeg(kept)

    def bare_file(path: Path) -> None:
        write_bytes(workspace / "bare" / path.name, bare(path))

    def whole(twenty: Sequence[PasteRequest]) -> None:
        for made in produce(twenty, painter_of=lambda _: painter, folder=workspace / "pictures", workspace=workspace):
            assert isinstance(made, SyntheticImage), made

    taken = []
    for start in range(0, count, 20):  # in turns, so that a busy moment of the machine meets all
        twenty = slice(start, start + 20)
        bare_s, paint_s = cpu_seconds(bare, turns[twenty]), cpu_seconds(paint, requests[twenty])
        taken.append((bare_s, paint_s, seconds(bare_file, turns[twenty]), seconds(whole, [requests[twenty]])))
    per_s = count / np.sum(taken, axis=0)
    objects = sum(len(request.objects) for request in requests)
    print(f"{count} pictures, {objects} pasted objects, mostly {rare}, on {len(priors.images)} photos of train")
    print(f"{'plan':<38}{count / planning_s:>9.0f} requests/s")
    print(f"{'decode one photo, encode another':<38}{per_s[0]:>9.0f} pictures/s")
    print(f"{'the first time, cutting out':<38}{count / first_s:>9.0f} pictures/s")
    print(f"{'decode, paste, encode':<38}{per_s[1]:>9.0f} pictures/s")
    print(f"{'decode one, encode and write another':<38}{per_s[2]:>9.0f} pictures/s")
    print(f"{'decode, paste, encode, write, note':<38}{per_s[3]:>9.0f} pictures/s")
    ratio, ratio_with_files = (statistics.median(turn[n] / turn[n + 1] for turn in taken) for n in (0, 2))
    print(f"pasting runs at {ratio:.2f} of the speed of decoding and encoding (at least {MIN_RATIO}),")
    print(f"with its files at {ratio_with_files:.2f} of that of doing so and writing one file (at least {MIN_RATIO})")
    return 0 if min(ratio, ratio_with_files) >= MIN_RATIO else 1


def seconds(work: Callable[..., object], items: Sequence[object]) -> float:
    started = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - started


def cpu_seconds(work: Callable[..., object], items: Sequence[object]) -> float:
    started = time.thread_time()
    for item in items:
        work(item)
    return time.thread_time() - started


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
