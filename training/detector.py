"""The detector of a workspace: inspect weights, predict on its photos, embed objects, each job in a child process."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.boxes import BoxTable, ImageTable, Ints, RawBoxes
from training.files import digest_of
from training.records import ModelVersion
from training.registry import Registry
from training.retrain import RunJob
from training.yolo import read_vectors

Vectors = NDArray[np.float32]
ReadRaw = Callable[[Path], RawBoxes]
"""Read what the child left of its predictions."""
ReadVectors = Callable[[Path], Vectors]
"""Read what the child left of its embeddings."""
EMBED_SIDE_PX = 64
"""Side of a crop: near the size at which a detector sees an object. On blood cells, yolov8n of COCO and the majority of
the 10 nearest crops name the class right for 93 % at 64 px, 91 % at 128 px and 88 % at 192 px (mean of classes)."""


@dataclass(frozen=True)
class Detector:
    """Runs the detector's jobs for one workspace."""

    root: Path
    registry: Registry
    run: RunJob
    read_raw: ReadRaw
    imgsz: int
    device: str
    read_vectors: ReadVectors = read_vectors

    def bring(self, weights: Path, *, trusted: bool) -> ModelVersion:
        """Register weights that somebody brought; raises `ChildError` where they cannot be loaded."""
        folder = self._scratch("inspect")
        found = self.run("inspect", {"weights": str(weights.resolve())}, folder, trusted=trusted)
        version = ModelVersion(
            model_id=str(found["digest"]),
            classes=tuple(found["names"]),
            origin="given",
            parent=None,
            round=0,
            trained_on=None,
            history="",
            trusted=trusted,
        )
        self.registry.add(weights, version)
        return version

    def predict(
        self,
        models: Sequence[ModelVersion],
        images: ImageTable,
        rows: Ints,
        classes: Sequence[str],
        *,
        flipped: bool = False,
    ) -> list[BoxTable]:
        """Predict with each model on photos; classes are matched by name, and what the data does not know is left out.

        Models that were trusted when they were brought are loaded apart from those that were not. `flipped` shows the
        models every photo mirrored left to right; their boxes lie in the photo as it is, and their ids are others.
        """
        found: dict[str, BoxTable] = {}
        for trusted in (False, True):
            alike = {
                model.model_id: model for model in models if model.trusted == trusted and model.model_id not in found
            }
            if alike:
                found |= self._predict(list(alike), images, rows, classes, trusted=trusted, flipped=flipped)
        return [found[model.model_id] for model in models]

    def _predict(
        self,
        model_ids: Sequence[str],
        images: ImageTable,
        rows: Ints,
        classes: Sequence[str],
        *,
        trusted: bool,
        flipped: bool,
    ) -> dict[str, BoxTable]:
        request = {
            "weights": [str(self.registry.weights(model_id)) for model_id in model_ids],
            "images": [str(self.root / str(path)) for path in images.path[rows]],
            "imgsz": self.imgsz,
            "device": self.device,
            "flipped": flipped,
        }
        folder = self._scratch("predict")
        names = self.run("predict", request, folder, trusted=trusted)["names"]
        raw = [self.read_raw(folder / f"boxes-{number}.npz") for number in range(len(model_ids))]
        shutil.rmtree(folder, ignore_errors=True)
        how = ["flipped"] if flipped else []
        return {
            model_id: _boxes_of([model_id, *how], boxes, own_names, images, rows, classes)
            for model_id, boxes, own_names in zip(model_ids, raw, names, strict=True)
        }

    def embed(
        self, model: ModelVersion, images: ImageTable, boxes: BoxTable, *, side_px: int = EMBED_SIDE_PX
    ) -> Vectors:
        """Give the model's own view of each box (n, d), in the order of the table: like objects lie near each other.

        d is the number of channels before the model's head, 0 where there is no box. Each photo is read once.
        `side_px` is the side of a crop.
        """
        if not len(boxes):
            return np.zeros((0, 0), np.float32)
        order = np.argsort(boxes.image, kind="stable")
        rows, first = np.unique(boxes.image[order], return_index=True)
        request = {
            "weights": str(self.registry.weights(model.model_id)),
            "images": [str(self.root / str(path)) for path in images.path[rows]],
            "boxes": [part.tolist() for part in np.split(boxes.xyxy[order], first[1:])],
            "imgsz": side_px,
            "device": self.device,
        }
        folder = self._scratch("embed")
        self.run("embed", request, folder, trusted=model.trusted)
        found = self.read_vectors(folder / "vectors.npz")
        shutil.rmtree(folder, ignore_errors=True)
        vectors = np.empty_like(found)
        vectors[order] = found
        return vectors

    def _scratch(self, name: str) -> Path:
        folder = self.root / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def _boxes_of(
    origin: Sequence[str],
    raw: RawBoxes,
    own_names: Sequence[str],
    images: ImageTable,
    rows: Ints,
    classes: Sequence[str],
) -> BoxTable:
    """Give boxes of the data's classes with ids; what has no class there or no area is left out.

    `origin` is the model's id, and how it was shown the photos where that was not the usual way; ids follow from it.
    """
    number_of = np.array([classes.index(name) if name in classes else -1 for name in own_names], np.int64)
    label = number_of[raw.label]
    kept = np.flatnonzero((label >= 0) & (raw.xyxy[:, :2] < raw.xyxy[:, 2:]).all(axis=1))
    photos = images.id[rows][raw.image[kept]].tolist()
    return BoxTable(
        id=np.array([digest_of([*origin, *found]) for found in zip(photos, kept.tolist(), strict=True)], "<U24"),
        image=rows[raw.image[kept]],
        label=label[kept],
        xyxy=raw.xyxy[kept],
        score=raw.score[kept],
    )
