"""With only N rare objects labelled, do targeted synthetic pictures help beyond repeating what is there?

    python benchmarks/efficacy.py [DATASET] [--rare-count N] [--rare-class NAME] [--seeds K | --full]
                                  [--judge-on val|test] [--model WEIGHTS] [--out DIR]

DATASET is a folder in YOLO, COCO or VOC layout; its own splits are kept, what it lacks is cut from train. Each seed
chooses 60 train photos that hold exactly N objects of the rare class, which is the one with the fewest objects unless
named, and trains five arms from the same weights:

* plain      these photos, in turn
* control    these photos, those with rare objects repeated until they are seen as often as in the candidate
* uniform    these photos and as many pictures as in the candidate, whose pasted objects follow the frequency of classes
* candidate  these photos and as many pictures pasted for the rare class, by the product's own layout, painter and rule
* ceiling    all photos of train with all of their labels (where they do not fit, as many of them as do)

Pictures are made from the 60 photos alone. Lists are equally long and epochs, batch, updates, settings and training
seed the same for all arms of a seed. A seed changes the photos, the pictures and the training.
Everything is judged on val. `--judge-on test` opens test: once, for a table, after all else is settled.

What is finished is kept under --out (pictures, models, predictions) and is not repeated; pictures are made anew where
the code that makes them has changed. On two cores a fit takes about four minutes; `--full` is five seeds.
Exits with 0 whatever the result is.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from efficacy_table import Cost, scores_of, table
from low_data import (
    ARMS,
    SPREAD,
    TARGETED,
    Made,
    Photos,
    as_picture,
    forget_old_pictures,
    lessons_of,
    lists_of,
    low_data_split,
    make,
    read,
    spread_wishes,
    tell,
)

from curation.doctor import gpu_count
from curation.lock import holding
from training import dataset, mix, retrain, yolo
from training.boxes import BoxTable
from training.child import run_child
from training.detector import Detector
from training.errors import CurateError, DataError, UsageError
from training.files import canonical_json, digest_of, digest_of_file, link_or_copy, write_json, write_text
from training.matching import match
from training.metrics import Curves, prepare
from training.records import Arm, FileRef, FitSettings, ModelVersion, Record, TrainingFile
from training.registry import Registry
from training.source import photo_path, to_tables
from training.splits import assign_splits
from training.tables import load_table, save_table

PHOTOS, FULL_SEEDS = 60, 5
UPDATES, MIN_EPOCHS = 105, 6
IMGSZ, BATCH, LR0 = 320, 16, 0.001
MAX_SILENCE_S = 900.0


class Fitted(Record):
    """A trained arm."""

    arm: str
    seed: int
    model: ModelVersion
    seconds: float


class Predicted(Record):
    """What a model finds on a split."""

    model_id: str
    boxes: FileRef


@dataclass(frozen=True)
class Bench:
    """What is the same for all seeds and arms."""

    out: Path
    photos: Photos
    """Of all splits."""
    rare: str
    rare_count: int
    detector: Detector
    start: ModelVersion
    updates: int

    def settings(self, length: int, seed: int) -> FitSettings:
        """Give how every arm of a seed is trained on its list."""
        return FitSettings(
            imgsz=IMGSZ,
            epochs=mix.epochs_for(length, batch=BATCH, max_updates=self.updates),
            batch=BATCH,
            lr0=LR0,
            seed=seed,
            device=self.detector.device,
        )


@dataclass(frozen=True)
class Lists:
    """What the arms of one seed show, and the pictures among it."""

    files: Mapping[str, Sequence[TrainingFile]]
    made: Mapping[str, Made]
    settings: FitSettings

    def seen(self, bench: Bench) -> dict[str, int]:
        """Count the rare objects that one pass over the list of each arm shows."""
        drawn = [as_picture(picture) for made in self.made.values() for picture in made.pictures]
        known = {picture.picture_id: picture for picture in [*bench.photos.pictures(), *drawn]}
        return {arm: mix.seen_objects(files, known).get(bench.rare, 0) for arm, files in self.files.items()}


def main() -> int:
    asked = arguments()
    seeds = asked.seeds or (FULL_SEEDS if asked.full else 1)
    out: Path = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with holding(out, "efficacy", time.time):  # noqa: TID251  # the lock notes since when it is held
            bench = prepared(asked, out)
            run(bench, seeds=seeds, split=asked.judge_on)
    except CurateError as error:
        print(f"{error.message}; {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def arguments() -> argparse.Namespace:
    data = Path(os.environ.get("CURATE_DATA", "."))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", type=Path, default=data / "data" / "bccd", help="CURATE_DATA's bccd")
    parser.add_argument("--rare-count", type=int, default=4, help="labelled objects of the rare class (4)")
    parser.add_argument("--rare-class", help="its name; else the class with the fewest objects")
    parser.add_argument("--seeds", type=int, help="how often all arms are trained (1)")
    parser.add_argument("--full", action="store_true", help=f"{FULL_SEEDS} seeds")
    parser.add_argument("--judge-on", choices=("val", "test"), default="val", help="test is opened once, for a table")
    parser.add_argument("--model", type=Path, default=data / "weights" / "yolov8n.pt", help="weights all start from")
    parser.add_argument("--updates", type=int, default=UPDATES, help=f"optimiser steps of an arm at most ({UPDATES})")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "curate-efficacy")
    return parser.parse_args()


def prepared(asked: argparse.Namespace, out: Path) -> Bench:
    """Read the photos, link them, and bring the weights that all arms start from."""
    forget_old_pictures(out)
    found = dataset.read_source(asked.dataset)
    images, labels = to_tables(found, assign_splits(found.photos).splits)
    for photo in found.photos:
        link_or_copy(photo.path, out / photo_path(photo))
    photos = Photos(images, labels, found.classes)
    of_train = photos.split("train").counts.sum(axis=0)
    rare = asked.rare_class or photos.classes[int(np.argmin(np.where(of_train > 0, of_train, of_train.max() + 1)))]
    if rare not in photos.classes:
        raise UsageError(f"there is no class {rare}", hint=f"there are {', '.join(photos.classes)}")
    detector = detector_in(out)
    start = detector.bring(asked.model, trusted=False)
    return Bench(out, photos, rare, asked.rare_count, detector, start, asked.updates)


def detector_in(out: Path) -> Detector:
    """Bind the detector's door to the folder."""

    def run(job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        return run_child(
            job,
            request,
            folder,
            home=out / "scratch" / "ultralytics",
            trusted=trusted,
            progress=lambda _done, _total, _note: None,
            max_silence_s=MAX_SILENCE_S,
        )

    device = "0" if gpu_count() else "cpu"
    return Detector(out, Registry(out / "models"), run, yolo.read_raw, IMGSZ, device)


def run(bench: Bench, *, seeds: int, split: str) -> None:
    """Train and judge all arms of all seeds, then print the table."""
    judged = bench.photos.split(split)
    rare = bench.photos.classes.index(bench.rare)
    holding_photos = int((judged.counts[:, rare] > 0).sum())
    if not holding_photos:
        raise DataError(f"{split} holds no {bench.rare}, so nothing can be judged", hint="name another --rare-class")
    curves: dict[str, list[Curves]] = {arm: [] for arm in ARMS}
    pictures, minutes = [], []
    for seed in range(seeds):
        lists = lists_for(bench, seed)
        fitted = [fit(bench, lists, seed, arm) for arm in ARMS]
        for one in fitted:
            curves[one.arm].append(curves_of(bench, one.model, split))
        pictures.append(sum(file.synthetic for file in lists.files["candidate"]))
        # all arms take the same work: the median passes over what was interrupted, or met by a busy machine
        fit_s = float(np.median([one.seconds for one in fitted]))
        minutes.append((lists.made["candidate"].seconds + fit_s) / 60)
    print(described(bench, lists, seeds=seeds))
    print(f"judged on {split}: {len(judged.images)} photos, {holding_photos} with {bench.rare}\n")
    scores = scores_of(curves, rare=rare, rng=np.random.default_rng(0))
    cost = Cost(np.array(pictures, np.float64), np.array(minutes, np.float64))
    for line in table(scores, cost, lists.seen(bench), rare=bench.rare, split=split):
        print(line)


def described(bench: Bench, lists: Lists, *, seeds: int) -> str:
    """Say what was trained."""
    settings, length = lists.settings, sum(file.times for file in lists.files["candidate"])
    train = len(bench.photos.split("train").images)
    return (
        f"{bench.rare_count} labelled {bench.rare} on {PHOTOS} of {train} train photos, the ceiling has "
        f"{len(lists.files['ceiling'])} photos; {seeds} {'seed' if seeds == 1 else 'seeds'}\n"
        f"each arm: a list of {length}, {settings.epochs} epochs of {-(-length // settings.batch)} updates, "
        f"{settings.batch} pictures at {settings.imgsz} px, on {settings.device}"
    )


def lists_for(bench: Bench, seed: int) -> Lists:
    """Choose the photos of a seed, make its pictures, and list what each arm shows."""
    train = bench.photos.split("train")
    rng = np.random.default_rng([seed, bench.rare_count])
    few = low_data_split(train, bench.rare, rare_count=bench.rare_count, photo_count=PHOTOS, rng=rng)
    total = len(few.images)
    made = {
        "candidate": make(few, {bench.rare: total}, TARGETED, out=bench.out, seed=seed, arm="candidate"),
        "uniform": make(few, spread_wishes(few, total), SPREAD, out=bench.out, seed=seed, arm="uniform"),
    }
    files = lists_of(
        few.pictures(),
        train.pictures(),
        *([as_picture(picture) for picture in made[arm].pictures] for arm in ("candidate", "uniform")),
        rare=bench.rare,
        max_length=bench.updates * BATCH // MIN_EPOCHS,
        rng=rng,
    )
    length = sum(file.times for file in files["candidate"])
    return Lists(files, made, bench.settings(length, seed))


def fit(bench: Bench, lists: Lists, seed: int, arm: str) -> Fitted:
    """Train an arm, unless that is done."""
    files, settings = lists.files[arm], lists.settings
    lessons = lessons_of(files, bench.photos, lists.made[arm].pictures if arm in lists.made else ())
    shown = [
        [lesson.digest, lesson.file.times, lesson.labels.tolist(), lesson.xyxy.round(6).tolist()] for lesson in lessons
    ]
    what = [shown, settings.model_dump(mode="json", exclude_defaults=True), bench.start.model_id, bench.photos.classes]
    path = bench.out / "fits" / f"{seed}-{arm}-{digest_of(what)}.json"
    if known := read(path, Fitted):
        return known
    started = time.perf_counter()
    model = retrain.train(
        _arm(files, shown, path.with_suffix(".list.json")),
        lessons,
        settings,
        retrain.Start(str(bench.detector.registry.weights(bench.start.model_id)), bench.start),
        classes=bench.photos.classes,
        number=seed,
        notes=bench.out / "notes",
        workspace=bench.out,
        lay_out=dataset.write_yolo_folder,
        run=bench.detector.run,
        registry=bench.detector.registry,
    )
    fitted = Fitted(arm=arm, seed=seed, model=model, seconds=time.perf_counter() - started)
    write_json(path, fitted.plain())
    tell(f"seed {seed} {arm}: trained in {fitted.seconds:.0f} s")
    return fitted


def _arm(files: Sequence[TrainingFile], shown: Sequence[object], path: Path) -> Arm:
    """Write what an arm shows; the registry takes it for a candidate where there are pictures, else for a control."""
    write_text(path, canonical_json(shown))
    length, synthetic = sum(file.times for file in files), sum(file.times for file in files if file.synthetic)
    return Arm(
        name="candidate" if synthetic else "control",
        files=FileRef(name=path.name, digest=digest_of_file(path)),
        length=length,
        real_count=length - synthetic,
        synthetic_count=synthetic,
        seen={},
    )


def curves_of(bench: Bench, model: ModelVersion, split: str) -> Curves:
    """Judge a model on a split."""
    images, labels = bench.photos.images, bench.photos.labels
    rows = images.rows_of(split)
    truth, found = labels.of_images(rows), predictions(bench, model, split)
    classes = len(bench.photos.classes)
    return prepare(found, truth, match(found, truth), image_rows=rows, class_count=classes)


def predictions(bench: Bench, model: ModelVersion, split: str) -> BoxTable:
    """Predict on a split, unless that is done."""
    images = bench.photos.images
    rows = images.rows_of(split)
    key = digest_of([model.model_id, images.id.tolist(), rows.tolist(), bench.photos.classes, bench.detector.imgsz])
    path = bench.out / "predictions" / f"{split}-{key}.json"
    if known := read(path, Predicted):
        return load_table(path.with_suffix(".npz"), BoxTable, known.boxes)
    (boxes,) = bench.detector.predict([model], images, rows, bench.photos.classes)
    kept = Predicted(model_id=model.model_id, boxes=save_table(path.with_suffix(".npz"), boxes))
    write_json(path, kept.plain())
    return boxes


if __name__ == "__main__":
    sys.exit(main())
