"""The detector of a workspace: inspect weights, predict on its photos, train an arm, each job in a child process."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.boxes import BoxTable, ImageTable, Ints, RawBoxes
from training.files import digest_of
from training.records import ModelVersion
from training.registry import Registry
from training.retrain import RunJob

ReadRaw = Callable[[Path], RawBoxes]
"""Read what the child left of its predictions."""


@dataclass(frozen=True)
class Detector:
    """Runs the detector's jobs for one workspace."""

    root: Path
    registry: Registry
    run: RunJob
    read_raw: ReadRaw
    imgsz: int
    device: str

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

    def predict(self, model: ModelVersion, images: ImageTable, rows: Ints, classes: Sequence[str]) -> BoxTable:
        """Predict on photos; classes are matched by name, and what the data does not know is left out."""
        request = {
            "weights": str(self.registry.weights(model.model_id)),
            "images": [str(self.root / str(path)) for path in images.path[rows]],
            "imgsz": self.imgsz,
            "device": self.device,
        }
        folder = self._scratch("predict")
        found = self.run("predict", request, folder, trusted=model.trusted)
        raw = self.read_raw(folder / "boxes.npz")
        number_of = np.array([_number(name, classes) for name in found["names"]], np.int64)
        label = number_of[raw.label]
        kept = np.flatnonzero((label >= 0) & (raw.xyxy[:, :2] < raw.xyxy[:, 2:]).all(axis=1))
        names = images.id[rows][raw.image[kept]]
        shutil.rmtree(folder, ignore_errors=True)
        return BoxTable(
            id=np.array(
                [digest_of([model.model_id, str(name), int(row)]) for name, row in zip(names, kept, strict=True)],
                "<U24",
            ),
            image=rows[raw.image[kept]],
            label=label[kept],
            xyxy=raw.xyxy[kept],
            score=raw.score[kept],
        )

    def _scratch(self, name: str) -> Path:
        folder = self.root / "scratch" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def _number(name: str, classes: Sequence[str]) -> int:
    return classes.index(name) if name in classes else -1
