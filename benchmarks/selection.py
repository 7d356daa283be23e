"""Which photos to label next: does the product's choice teach more than chance, entropy alone, or k-centre alone?

    python benchmarks/selection.py [DATASET] [--seeds K | --full] [--rare-photos N] [--judge-on val|test]
                                   [--model WEIGHTS] [--out DIR]

DATASET is a folder in YOLO, COCO or VOC layout; its own splits are kept, what it lacks is cut from train. Annotation is
simulated: labels of train are held back, and handed out for the photos that are chosen. Each seed labels 20 photos by
chance; from then on every strategy chooses 20 more a round, trains a model on all it has from the same weights, and
lets that model choose the next:

* random    by chance
* entropy   the largest mean entropy of the predictions
* k-centre  the photos farthest, in the model's own view, from all that are labelled
* ours      `curate select`: findings of the model on val, uncertainty, likely misses, diversity, a random tenth

Lists are equally long, so that all models take the same optimiser steps. The area under the learning curve is the mean
AP over the models after each round; the rarest class is that with the fewest objects in train. Clusters of embeddings
are left out of the findings, for time.
With --rare-photos, only so many photos of train that hold the rarest class are kept: what is on every second photo
needs no search. No round is played with less than 60 photos to choose from.
Everything is judged on val. `--judge-on test` opens test: once, for a table, after all else is settled.

What is finished is kept under --out and is not repeated. Without --full, two rounds of one seed, about ten minutes on
two cores; with it, five rounds of three seeds, 63 fits of less than a minute. Exits with 0 whatever the result is.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from efficacy_table import Scores, scores_of
from trials import Photos, World, curves_of, fit, world_of

from curation import measure
from curation.acquisition import PoolTable, Target
from curation.appearance import Looks
from curation.brief import make_briefs
from curation.clusters import Vectors
from curation.findings import find
from curation.likeness import MIN_SCORE, Known, expected_objects
from curation.lock import holding
from curation.records import Condition, Findings
from curation.scouting import photo_vectors, scout
from curation.select import select
from curation.selecting import MIN_WEIGHT, sought_in
from curation.shortage import find_shortages
from curation.spread import k_centre, nearest, points_of
from curation.study import Detected, Embedded, Study
from training import dataset, mix
from training.boxes import BoxTable, Floats, ImageTable, Ints, Texts
from training.errors import CurateError, DataError
from training.files import digest_of
from training.matching import error_kinds, match
from training.records import FitSettings, ModelVersion

STRATEGIES = ("random", "entropy", "k-centre", "ours")
START, STEP, ROUNDS, SHORT_ROUNDS, FULL_SEEDS = 20, 20, 5, 2, 3
IMGSZ, BATCH, LR0, LENGTH, EPOCHS = 256, 4, 0.001, 128, 8
MIN_CHOICE = 3
"""A round is played where there are so many times `STEP` photos to choose from, or more."""
OVERRIDES: dict[str, bool | int | float | str] = {"mosaic": 0, "freeze": 10}
"""In so few steps a model learns nothing from more labels but with its backbone frozen and photos shown whole."""
MIN_SCORE_SHOWN = 0.25
MIN_EFFECT, MAX_Q = 0.1, 0.05


@dataclass(frozen=True)
class Question:
    """Which photos to label next."""

    bench: "Bench"
    model: ModelVersion
    labelled: Ints
    pool: Ints
    """Rows of the photos that may be chosen."""
    rng: np.random.Generator


@dataclass(frozen=True)
class Bench:
    """What is the same for all seeds and strategies."""

    world: World
    rare: int
    looks: Looks
    """Of all labels of train and val, in the order of `looked`."""
    looked: Texts
    train: Ints
    """Rows of the photos that can be labelled."""
    rounds: int


def main() -> int:
    asked = arguments()
    out: Path = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with holding(out, "selection", time.time):  # noqa: TID251  # the lock notes since when it is held
            bench = prepared(asked, out)
            seeds = asked.seeds or (FULL_SEEDS if asked.full else 1)
            run(bench, seeds=seeds, split=asked.judge_on)
    except CurateError as error:
        print(f"{error.message}; {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def arguments() -> argparse.Namespace:
    data = Path(os.environ.get("CURATE_DATA", "."))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path, default=data / "data" / "bccd", help="CURATE_DATA's bccd")
    parser.add_argument("--seeds", type=int, help="how often all is done (1)")
    parser.add_argument("--full", action="store_true", help=f"{ROUNDS} rounds, {FULL_SEEDS} seeds")
    parser.add_argument("--rare-photos", type=int, metavar="N", help="photos of train with the rarest class (all)")
    parser.add_argument("--judge-on", choices=("val", "test"), default="val", help="test is opened once, for a table")
    parser.add_argument("--model", type=Path, default=data / "weights" / "yolov8n.pt", help="weights all start from")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "curate-selection")
    return parser.parse_args()


def prepared(asked: argparse.Namespace, out: Path) -> Bench:
    """Read the photos and measure how labels look."""
    world = world_of(asked.dataset, asked.model, out, imgsz=IMGSZ)
    images, labels = world.photos.images, world.photos.labels
    studied = labels.of_images(np.flatnonzero(images.split != "test"))
    looks = measure.look_at(out, images, studied, dataset.read_pixels, lambda _done, _total, _note: None)
    objects = world.photos.split("train").counts.sum(axis=0)
    rare = int(np.argmin(np.where(objects > 0, objects, objects.max() + 1)))
    train = thinned(world.photos, rare, asked.rare_photos)
    rounds = min(ROUNDS if asked.full else SHORT_ROUNDS, (len(train) - START) // STEP - MIN_CHOICE + 1)
    if rounds < 1:
        raise DataError(
            f"{asked.dataset} has {len(train)} photos to label", hint=f"{START + MIN_CHOICE * STEP} are needed"
        )
    return Bench(world, rare, looks, studied.id, train, rounds)


def thinned(photos: Photos, rare: int, kept: int | None) -> Ints:
    """Give the rows of train with `kept` photos, drawn once and for all, of those that hold the rarest class."""
    rows = photos.images.rows_of("train")
    holds = photos.counts[rows, rare] > 0
    drawn = np.random.default_rng(0).permutation(rows[holds])[:kept]
    return np.sort(np.concatenate([rows[~holds], drawn]))


def run(bench: Bench, *, seeds: int, split: str) -> None:
    """Let every strategy label, train and be judged with every seed, then print the table."""
    counts = bench.world.photos.counts[:, bench.rare]
    taught = {strategy: [learned(bench, strategy, seed) for seed in range(seeds)] for strategy in STRATEGIES}
    held = {name: [[int(counts[rows].sum()) for rows, _ in one] for one in runs] for name, runs in taught.items()}
    models = [model for runs in taught.values() for one in runs for _, model in one]
    found = iter(curves_of(bench.world, models, split))
    curves = {name: [[next(found) for _ in one] for one in runs] for name, runs in taught.items()}
    judged = bench.world.photos.split(split)
    name = bench.world.photos.classes[bench.rare]
    holding_photos = int((judged.counts[:, bench.rare] > 0).sum())
    rare_photos = int((counts[bench.train] > 0).sum())
    print(f"{START} photos at first, {STEP} more in each of {bench.rounds} rounds; {seeds} seeds")
    print(f"to choose from: {len(bench.train)} photos, {rare_photos} with {name}")
    print(f"each model: {LENGTH // BATCH * EPOCHS} updates of {BATCH} pictures at {IMGSZ} px")
    print(f"judged on {split}: {len(judged.images)} photos, {holding_photos} with {name}\n")
    scores = scores_of(curves, rare=bench.rare, rng=np.random.default_rng(0))
    print(f"| strategy | area of {name} AP50-95 | area of mAP50-95 | {name}, by seed | {name} labelled, by round |")
    print("|---|---|---|---|---|")
    for strategy in STRATEGIES:
        labelled = " ".join(f"{mean:.0f}" for mean in np.mean(held[strategy], axis=0))
        print(row(strategy, scores[strategy], "{:.3f}", labelled))
    for strategy in STRATEGIES[:-1]:
        print(row(f"ours − {strategy}", scores["ours"].minus(scores[strategy]), "{:+.3f}", ""))
    if seeds == 1:
        print("\none seed: the intervals hold neither the luck of training nor that of the first photos")


def row(name: str, found: Scores, form: str, held: str) -> str:
    """Give a line of the table."""
    shown = [
        f"{form.format(each.value)} [{form.format(each.low)}, {form.format(each.high)}]" for each in found.intervals()
    ]
    seeds = " ".join(form.format(value) for value in found.points[:, 0])
    return f"| {name} | {shown[0]} | {shown[1]} | {seeds} | {held} |"


def learned(bench: Bench, strategy: str, seed: int) -> list[tuple[Ints, ModelVersion]]:
    """Give the rows of the labelled photos and the model after each round of labelling."""
    first = np.sort(np.random.default_rng(seed).permutation(bench.train)[:START])
    steps = [(first, trained(bench, first, seed, "first"))]
    for number in range(bench.rounds):
        rng = np.random.default_rng([seed, number, STRATEGIES.index(strategy)])
        labelled, model = steps[-1]
        chosen = CHOICES[strategy](Question(bench, model, labelled, np.setdiff1d(bench.train, labelled), rng))
        labelled = np.sort(np.concatenate([labelled, chosen]))
        steps.append((labelled, trained(bench, labelled, seed, f"{strategy}-{number + 1}")))
    return steps[1:]


def trained(bench: Bench, labelled: Ints, seed: int, name: str) -> ModelVersion:
    """Train on the labelled photos, in lists of one length."""
    photos = bench.world.photos
    files = mix.control_list(photos.take(labelled).pictures(), length=LENGTH, wanted={})
    lessons = mix.real_lessons(files, photos.images, photos.labels, number_of=np.arange(len(photos.classes)))
    settings = FitSettings(
        imgsz=IMGSZ,
        epochs=EPOCHS,
        batch=BATCH,
        lr0=LR0,
        seed=seed,
        device=bench.world.detector.device,
        overrides=OVERRIDES,
    )
    return fit(bench.world, files, lessons, settings, seed=seed, arm=name).model


def by_chance(asked: Question) -> Ints:
    return asked.rng.choice(asked.pool, min(STEP, len(asked.pool)), replace=False)


def by_entropy(asked: Question) -> Ints:
    table = seen(asked.bench, asked.model, asked.pool)
    return rows_of(asked.bench, table, np.argsort(-table.entropy, kind="stable")[:STEP])


def by_k_centre(asked: Question) -> Ints:
    table = seen(asked.bench, asked.model, asked.pool)
    points, known = points_of(table.vector, vectors_of(asked.bench, asked.model, asked.labelled), rng=asked.rng)
    chosen = k_centre(points, nearest(points, known)[0], np.arange(len(points)), count=STEP)
    return rows_of(asked.bench, table, np.array(chosen, np.int64))


def by_us(asked: Question) -> Ints:
    study = study_of(asked.bench, asked.model, asked.labelled)
    found = findings_of(study)
    actions = make_briefs(
        found, pictures=100, min_pictures=20, suspect_shares={}, means_for=lambda _brief, _conditions: "people label"
    ).actions
    sought = sought_in(found, actions)
    targets = [Target(each.finding_id, each.words, max(each.gain, MIN_WEIGHT)) for each in sought]
    table = seen(asked.bench, asked.model, asked.pool, study, [each.conditions for each in sought])
    chosen = select(
        table, targets, count=STEP, train_vectors=vectors_of(asked.bench, asked.model, asked.labelled), rng=asked.rng
    )
    return rows_of(asked.bench, table, np.array([choice.row for choice in chosen], np.int64))


CHOICES: dict[str, Callable[[Question], Ints]] = {
    "random": by_chance,
    "entropy": by_entropy,
    "k-centre": by_k_centre,
    "ours": by_us,
}


def rows_of(bench: Bench, table: PoolTable, chosen: Ints) -> Ints:
    """Give the rows of the photos in the benchmark's own table."""
    place = {photo_id: number for number, photo_id in enumerate(bench.world.photos.images.id.tolist())}
    return np.array([place[photo_id] for photo_id in table.id[chosen].tolist()], np.int64)


def seen(
    bench: Bench,
    model: ModelVersion,
    pool: Ints,
    study: Study | None = None,
    conditions: Sequence[Sequence[Condition]] = (),
) -> PoolTable:
    """Give the pool as the model sees it, and how its objects match the findings of a study."""
    images = bench.world.photos.images
    return scout(
        [bench.world.found[photo_id] for photo_id in images.id[pool].tolist()],
        root=bench.world.out,
        folder=bench.world.out / "seen",
        model=model,
        classes=bench.world.photos.classes,
        min_score=MIN_SCORE_SHOWN,
        view=bench.world.detector,
        match=matcher(bench, study, conditions),
        key=digest_of([[each.plain() for each in one] for one in conditions]),
    )


def matcher(
    bench: Bench, study: Study | None, conditions: Sequence[Sequence[Condition]]
) -> Callable[[ImageTable, BoxTable], Floats]:
    """Give what counts the predicted objects for which conditions hold."""
    known = Known.of(study) if study else None

    def match_of(images: ImageTable, boxes: BoxTable) -> Floats:
        if known is None or not conditions:
            return np.zeros((len(images), 0))
        boxes = boxes.take(boxes.score >= MIN_SCORE)
        looks = measure.look_at(bench.world.out, images, boxes, dataset.read_pixels, lambda _done, _total, _note: None)
        return expected_objects(conditions, known.code(images, boxes, looks, None), boxes, image_count=len(images))

    return match_of


def vectors_of(bench: Bench, model: ModelVersion, labelled: Ints) -> Vectors:
    """Give the model's view of the labelled photos."""
    world = bench.world
    return photo_vectors(world.detector, model, world.photos.images, labelled, folder=world.out / "seen")


def study_of(bench: Bench, model: ModelVersion, labelled: Ints) -> Study:
    """Give what is known of the labelled photos of train, and of val, without clusters."""
    val = bench.world.photos.images.rows_of("val")
    photos = bench.world.photos.take(np.sort(np.concatenate([labelled, val])))
    place = {label_id: number for number, label_id in enumerate(bench.looked.tolist())}
    rows = np.array([place[label_id] for label_id in photos.labels.id.tolist()], np.int64)
    everywhere = np.arange(len(photos.images))
    (found,) = bench.world.detector.predict([model], photos.images, everywhere, photos.classes)
    return Study(
        classes=photos.classes,
        images=photos.images,
        labels=photos.labels,
        looks=bench.looks.take(rows),
        fields={},
        embedded=Embedded(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros((0, 1), np.float32)),
        train=detected(photos, found, "train"),
        val=detected(photos, found, "val"),
    )


def detected(photos: Photos, found: BoxTable, split: str) -> Detected:
    rows = photos.images.rows_of(split)
    labels, boxes = photos.labels.of_images(rows), found.of_images(rows)
    matches = match(boxes, labels)
    return Detected(labels, boxes, matches, error_kinds(boxes, labels, matches, min_score=MIN_SCORE_SHOWN))


def findings_of(study: Study) -> Findings:
    """Give what is confirmed about the model on val, and what the labelled photos lack."""
    found = find(
        study.tested,
        photo_ids=study.images.id,
        classes=study.classes,
        areas=study.tested_areas,
        gain=study.gain,
        min_effect=MIN_EFFECT,
        max_q=MAX_Q,
    )
    shortages = find_shortages(
        study.learned,
        study.tested,
        classes=study.classes,
        train_area=study.learned_areas,
        val_area=study.tested_areas,
        gain=study.gain,
        expected={},
        max_q=MAX_Q,
        view_prefix="",
    )
    return found.model_copy(update={"shortages": tuple(shortages)})


if __name__ == "__main__":
    sys.exit(main())
