"""What benchmarks that train share: the photos of a dataset, a fit that is done once, and what a model finds."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from curation.doctor import gpu_count
from generation.priors import Priors
from training import dataset, mix, retrain, yolo
from training.boxes import BoxTable, ImageTable, Ints
from training.child import run_child
from training.detector import Detector
from training.files import canonical_json, digest_of, digest_of_file, link_or_copy, write_json, write_text
from training.matching import match
from training.metrics import Curves, prepare
from training.records import Arm, FileRef, FitSettings, ModelVersion, Record, TrainingFile
from training.registry import Registry
from training.source import FoundPhoto, photo_path, to_tables
from training.splits import assign_splits
from training.tables import load_table, save_table

MAX_SILENCE_S = 900.0
Kept = TypeVar("Kept", bound=Record)


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
class Photos:
    """Photos with their labels; `labels.image` counts the rows of `images`."""

    images: ImageTable
    labels: BoxTable
    classes: tuple[str, ...]

    def take(self, rows: Ints) -> "Photos":
        """Give some photos alone, in their order."""
        renumbered = np.full(len(self.images), -1, np.int64)
        renumbered[rows] = np.arange(len(rows))
        kept = self.labels.of_images(rows)
        return replace(self, images=self.images.take(rows), labels=replace(kept, image=renumbered[kept.image]))

    def split(self, name: str) -> "Photos":
        """Give the photos of one split alone."""
        return self.take(self.images.rows_of(name))

    @property
    def counts(self) -> Ints:
        """Give the labelled objects by photo and class, (photo_count, class_count)."""
        shape = len(self.images), len(self.classes)
        cells = np.bincount(self.labels.image * shape[1] + self.labels.label, minlength=shape[0] * shape[1])
        return np.asarray(cells.reshape(shape), np.int64)

    @property
    def priors(self) -> Priors:
        """Give what pictures are made from; all photos must be of train."""
        return Priors.of_train(self.images, self.labels, self.classes)

    def pictures(self) -> list[mix.Picture]:
        """Give the photos as an arm may show them."""
        rows = zip(self.images.id.tolist(), self.images.path.tolist(), self.counts.tolist(), strict=True)
        return [
            mix.Picture(photo_id, path, False, {self.classes[n]: many for n, many in enumerate(held) if many})
            for photo_id, path, held in rows
        ]


@dataclass(frozen=True)
class World:
    """A dataset in a folder of the benchmark's own, the detector's door, and the weights that all fits start from."""

    out: Path
    photos: Photos
    """Of all splits."""
    found: Mapping[str, FoundPhoto]
    """The photos as they were read, by id."""
    detector: Detector
    start: ModelVersion

    def split(self, name: str) -> "World":
        """Give the world with the photos of one split alone."""
        return replace(self, photos=self.photos.split(name))


def world_of(source: Path, model: Path, out: Path, *, imgsz: int) -> World:
    """Read a dataset, link its photos, and bring the weights."""
    found = dataset.read_source(source)
    images, labels = to_tables(found, assign_splits(found.photos).splits)
    for photo in found.photos:
        link_or_copy(photo.path, out / photo_path(photo))
    detector = detector_in(out, imgsz)
    start = detector.bring(model, trusted=False)
    by_id = {photo.photo_id: photo for photo in reversed(found.photos)}
    return World(out, Photos(images, labels, found.classes), by_id, detector, start)


def detector_in(out: Path, imgsz: int) -> Detector:
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
    return Detector(out, Registry(out / "models"), run, yolo.read_raw, imgsz, device)


def fit(
    world: World,
    files: Sequence[TrainingFile],
    lessons: Sequence[mix.Lesson],
    settings: FitSettings,
    *,
    seed: int,
    arm: str,
) -> Fitted:
    """Train on a list, unless that is done."""
    shown = [
        [lesson.digest, lesson.file.times, lesson.labels.tolist(), lesson.xyxy.round(6).tolist()] for lesson in lessons
    ]
    what = [shown, settings.model_dump(mode="json", exclude_defaults=True), world.start.model_id, world.photos.classes]
    path = world.out / "fits" / f"{seed}-{arm}-{digest_of(what)}.json"
    if known := read(path, Fitted):
        return known
    started = time.perf_counter()
    model = retrain.train(
        _arm(files, shown, path.with_suffix(".list.json")),
        lessons,
        settings,
        retrain.Start(str(world.detector.registry.weights(world.start.model_id)), world.start),
        classes=world.photos.classes,
        number=seed,
        notes=world.out / "notes",
        workspace=world.out,
        lay_out=dataset.write_yolo_folder,
        run=world.detector.run,
        registry=world.detector.registry,
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


def curves_of(world: World, models: Sequence[ModelVersion], split: str) -> list[Curves]:
    """Judge models on a split."""
    labels, rows = world.photos.labels, world.photos.images.rows_of(split)
    truth, classes = labels.of_images(rows), len(world.photos.classes)
    return [
        prepare(found, truth, match(found, truth), image_rows=rows, class_count=classes)
        for found in predictions(world, models, split)
    ]


def predictions(world: World, models: Sequence[ModelVersion], split: str) -> list[BoxTable]:
    """Predict on a split with each model, unless that is done."""
    images, classes = world.photos.images, world.photos.classes
    rows = images.rows_of(split)
    what = [images.id.tolist(), rows.tolist(), classes, world.detector.imgsz]
    paths = [world.out / "predictions" / f"{split}-{digest_of([model.model_id, *what])}.json" for model in models]
    missing = [number for number, path in enumerate(paths) if read(path, Predicted) is None]
    found = world.detector.predict([models[number] for number in missing], images, rows, classes)
    for number, boxes in zip(missing, found, strict=True):
        kept = save_table(paths[number].with_suffix(".npz"), boxes)
        write_json(paths[number], Predicted(model_id=models[number].model_id, boxes=kept).plain())
    known = [(path, Predicted.model_validate_json(path.read_bytes())) for path in paths]
    return [load_table(path.with_suffix(".npz"), BoxTable, one.boxes) for path, one in known]


def read(path: Path, kind: type[Kept]) -> Kept | None:
    """Read what was finished before; None where it was not, or where it was by other code."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
