"""Everything that `curate analyze` works out, on many photos: time, memory, and whether both grow with the photos.

    python benchmarks/analyze_scale.py [--full]

5,000 and 10,000 photos (`--full`: 100,000, too), half train and half val, with 10 objects of 10 classes each, 13
predictions a photo, four fields of the user's, and 20,000 embedded crops. Reading pictures and running a detector are
left out: looks and embeddings are drawn. Each size runs in a process of its own, whose peak memory is printed.

Exits with 1 where k times the photos take more than 1.15 k times as long, all steps together or the tests of slices
alone (what is embedded is capped), or any size more than two minutes or 8 GiB.
"""

import argparse
import itertools
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from curation.appearance import COLOURS, Looks
from curation.clusters import crops_to_embed
from curation.findings import find
from curation.shortage import find_shortages
from curation.study import Detected, Embedded, Study
from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, concat
from training.matching import error_kinds, match

OBJECTS, CLASSES = 10, tuple(f"class {number}" for number in range(10))
GUESSES = 3
"""Predictions of a photo beside those of its objects."""
DIMENSIONS = 64
MAX_GROWTH, MAX_S, MAX_GIB = 1.15, 120, 8


@dataclass
class Watch:
    """Seconds of each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def boxes(prefix: str, image: Ints, label: Ints, xyxy: Floats, score: Floats) -> BoxTable:
    id_ = np.char.add(prefix, np.char.zfill(np.arange(len(image)).astype(str), 23))
    return BoxTable(id_, image, label, xyxy, score)


def drawn_boxes(rng: np.random.Generator, image: Ints) -> Floats:
    corner, size = rng.uniform(0, 0.8, (len(image), 2)), np.exp(rng.uniform(np.log(0.02), np.log(0.2), (len(image), 2)))
    return np.hstack([corner, corner + size])


def detected(rng: np.random.Generator, photos: Ints, prefix: str, dark: Bools) -> Detected:
    """Draw labels of some photos, and a detector that misses a fifth of them, more in dark photos, and guesses."""
    image = np.repeat(photos, OBJECTS)
    labels = boxes(prefix, image, rng.choice(len(CLASSES), len(image)), drawn_boxes(rng, image), np.ones(len(image)))
    seen = np.flatnonzero(rng.random(len(image)) > np.where(dark[image], 0.4, 0.2))
    shift = rng.normal(0, 0.05, (len(seen), 4)) * np.tile(labels.xyxy[seen, 2:] - labels.xyxy[seen, :2], 2)
    near = np.clip(labels.xyxy[seen] + shift, 0, 1)
    other = np.repeat(photos, GUESSES)
    predictions = boxes(
        chr(ord(prefix) + 1),
        np.concatenate([image[seen], other]),
        np.concatenate([labels.label[seen], rng.choice(len(CLASSES), len(other))]),
        np.concatenate([near, drawn_boxes(rng, other)]),
        np.concatenate([rng.uniform(0.25, 1, len(seen)), rng.uniform(0.05, 0.6, len(other))]),
    )
    matches = match(predictions, labels)
    return Detected(labels, predictions, matches, error_kinds(predictions, labels, matches, min_score=0.25))


def looks(rng: np.random.Generator, image: Ints, brightness: Floats) -> Looks:
    count, photos = len(image), len(brightness)
    return Looks(
        brightness=np.clip(brightness[image] + rng.normal(0, 0.1, count), 0, 1),
        contrast=rng.uniform(0, 0.5, count),
        sharpness=rng.uniform(0, 4, count),
        colour=rng.choice(len(COLOURS), count),
        photo_brightness=brightness[image],
        photo_contrast=rng.uniform(0, 0.5, photos)[image],
        photo_sharpness=rng.uniform(0, 4, photos)[image],
    )


def study(rng: np.random.Generator, photos: int, watch: "Watch") -> Study:
    """Draw photos, labels, looks and embeddings; matching is timed."""
    id_ = np.char.zfill(np.arange(photos).astype(str), 24)
    images = ImageTable(
        id=id_,
        path=id_,
        width_px=np.full(photos, 1280),
        height_px=np.full(photos, 960),
        split=np.where(np.arange(photos) % 2, "val", "train"),
    )
    brightness = rng.uniform(0, 1, photos)
    with watch.step("match"):
        train, val = (
            detected(rng, images.rows_of(split), prefix, brightness < 0.2)
            for split, prefix in (("train", "a"), ("val", "c"))
        )
    labels = concat([train.labels, val.labels])
    is_error = np.concatenate([np.zeros(len(train.labels), np.bool_), ~val.errors.label_found])
    is_val = np.arange(len(labels)) >= len(train.labels)
    rows, sampled = crops_to_embed(is_error, is_val, rng=rng)
    return Study(
        classes=CLASSES,
        images=images,
        labels=labels,
        looks=looks(rng, labels.image, brightness),
        fields={
            "camera": rng.choice(["gate", "yard", "crane", "door"], photos),
            "weather": rng.choice(["dry", "rain", "fog"], photos),
            "site": rng.choice([f"site {number}" for number in range(6)], photos),
            "hour": rng.integers(0, 24, photos),
        },
        embedded=Embedded(
            row=rows, sampled=sampled, vector=rng.normal(size=(len(rows), DIMENSIONS)).astype(np.float32)
        ),
        train=train,
        val=val,
    )


def analyse(photos: int) -> tuple[dict[str, float], float, int]:
    """Work everything out once; give the seconds of each step, the peak memory in GiB and the number of findings."""
    watch = Watch()
    made = study(np.random.default_rng(0), photos, watch)
    with watch.step("suspects"):
        assert made.suspects
    with watch.step("kinds"):
        assert made.kinds
    with watch.step("columns"):
        tested, learned = made.tested, made.learned
    with watch.step("find"):
        found = find(
            tested,
            photo_ids=made.images.id,
            classes=CLASSES,
            areas=made.tested_areas,
            gain=made.gain,
            min_effect=0.1,
            max_q=0.05,
        )
    with watch.step("shortages"):
        find_shortages(
            learned,
            tested,
            classes=CLASSES,
            train_area=made.learned_areas,
            val_area=made.tested_areas,
            gain=made.gain,
            expected={},
            max_q=0.05,
            view_prefix="",
        )
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return watch.seconds, peak_gib, len(found.findings)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="100,000 photos, too")
    sizes = (5_000, 10_000, 100_000) if parser.parse_args().full else (5_000, 10_000)
    total: dict[int, float] = {}
    tests: dict[int, float] = {}
    missed: list[str] = []
    for photos in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, peak_gib, findings = pool.apply(analyse, (photos,))
        total[photos], tests[photos] = sum(seconds.values()), seconds["find"]
        steps = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
        said = f"{photos:>7} photos: {total[photos]:.1f} s, {peak_gib:.1f} GiB, {findings} findings ({steps})"
        print(said, flush=True)
        if total[photos] > MAX_S or peak_gib > MAX_GIB:
            missed.append("two minutes and 8 GiB")
    for less, more in itertools.pairwise(sizes):
        growth = [taken[more] / taken[less] for taken in (total, tests)]
        print(f"{more // less} times the photos: {growth[0]:.1f} times the time, {growth[1]:.1f} times for the tests")
        if max(growth) > MAX_GROWTH * more / less:
            missed.append(f"{more // less} times the photos")
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
