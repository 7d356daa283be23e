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

import numpy as np
from efficacy_table import Cost, scores_of, table
from low_data import (
    ARMS,
    SPREAD,
    TARGETED,
    Made,
    as_picture,
    forget_old_pictures,
    lessons_of,
    lists_of,
    low_data_split,
    make,
    spread_wishes,
)
from trials import Fitted, Photos, World, curves_of, fit, world_of

from curation.lock import holding
from training import mix
from training.errors import CurateError, DataError, UsageError
from training.metrics import Curves
from training.records import FitSettings, TrainingFile

PHOTOS, FULL_SEEDS = 60, 5
UPDATES, MIN_EPOCHS = 105, 6
IMGSZ, BATCH, LR0 = 320, 16, 0.001


@dataclass(frozen=True)
class Bench:
    """What is the same for all seeds and arms."""

    world: World
    rare: str
    rare_count: int
    updates: int

    @property
    def out(self) -> Path:
        """Give the folder of the benchmark."""
        return self.world.out

    @property
    def photos(self) -> Photos:
        """Give the photos of all splits."""
        return self.world.photos

    def settings(self, length: int, seed: int) -> FitSettings:
        """Give how every arm of a seed is trained on its list."""
        return FitSettings(
            imgsz=IMGSZ,
            epochs=mix.epochs_for(length, batch=BATCH, max_updates=self.updates),
            batch=BATCH,
            lr0=LR0,
            seed=seed,
            device=self.world.detector.device,
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
    world = world_of(asked.dataset, asked.model, out, imgsz=IMGSZ)
    photos = world.photos
    of_train = photos.split("train").counts.sum(axis=0)
    rare = asked.rare_class or photos.classes[int(np.argmin(np.where(of_train > 0, of_train, of_train.max() + 1)))]
    if rare not in photos.classes:
        raise UsageError(f"there is no class {rare}", hint=f"there are {', '.join(photos.classes)}")
    return Bench(world, rare, asked.rare_count, asked.updates)


def run(bench: Bench, *, seeds: int, split: str) -> None:
    """Train and judge all arms of all seeds, then print the table."""
    judged = bench.photos.split(split)
    rare = bench.photos.classes.index(bench.rare)
    holding_photos = int((judged.counts[:, rare] > 0).sum())
    if not holding_photos:
        raise DataError(f"{split} holds no {bench.rare}, so nothing can be judged", hint="name another --rare-class")
    curves: dict[str, list[list[Curves]]] = {arm: [] for arm in ARMS}
    pictures, minutes = [], []
    for seed in range(seeds):
        lists = lists_for(bench, seed)
        fitted = [trained(bench, lists, seed, arm) for arm in ARMS]
        for one, judged_so in zip(fitted, curves_of(bench.world, [one.model for one in fitted], split), strict=True):
            curves[one.arm].append([judged_so])
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


def trained(bench: Bench, lists: Lists, seed: int, arm: str) -> Fitted:
    """Train an arm, unless that is done."""
    files = lists.files[arm]
    lessons = lessons_of(files, bench.photos, lists.made[arm].pictures if arm in lists.made else ())
    return fit(bench.world, files, lessons, lists.settings, seed=seed, arm=arm)


if __name__ == "__main__":
    sys.exit(main())
