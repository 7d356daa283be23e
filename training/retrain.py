"""From a list of pictures to a model: lay out, fit in a child, register. The same way for every arm."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training.dataset import YoloPicture
from training.files import refuse_changed
from training.mix import Lesson
from training.records import Arm, FitSettings, ModelVersion
from training.registry import Registry


class RunJob(Protocol):
    """Run a job of the detector's door in a child process."""

    def __call__(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        """Give the job's result."""


class LayOut(Protocol):
    """Write a folder that ultralytics trains on, and give its data YAML."""

    def __call__(self, folder: Path, pictures: Sequence[YoloPicture], classes: Sequence[str]) -> Path:
        """Give the path of the data YAML."""


@dataclass(frozen=True)
class Start:
    """What training starts from: weights of a registered model, or a network's YAML."""

    weights: str
    parent: ModelVersion | None


def train(
    arm: Arm,
    lessons: Sequence[Lesson],
    settings: FitSettings,
    start: Start,
    *,
    classes: Sequence[str],
    number: int,
    workspace: Path,
    lay_out: LayOut,
    run: RunJob,
    registry: Registry,
) -> ModelVersion:
    """Train one arm of round `number` and register what comes out; `classes` are in the order of their numbers.

    An interrupted fit starts again from its beginning: on a CPU it then ends in the same weights. Raises `DamagedFile`
    where a picture is not the one that its labels were made for.
    """
    folder = workspace / "scratch" / f"{number:03d}-{arm.name}"
    shutil.rmtree(folder, ignore_errors=True)
    data = lay_out(folder / "data", [_whole(workspace, lesson) for lesson in lessons], classes)
    request = {"weights": start.weights, "data": str(data), "settings": settings.plain()}
    result = run("fit", request, folder, trusted=bool(start.parent and start.parent.trusted))
    version = ModelVersion(
        model_id=str(result["digest"]),
        classes=tuple(classes),
        origin=arm.name,
        parent=start.parent.model_id if start.parent else None,
        round=number,
        trained_on=arm.fingerprint(),
        history="in one go",
        trusted=False,
    )
    registry.add(folder / "weights.pt", version)
    shutil.rmtree(folder, ignore_errors=True)
    return version


def _whole(workspace: Path, lesson: Lesson) -> YoloPicture:
    """Give a picture to lay out, after its bytes were checked."""
    file = lesson.file
    path = workspace / file.path
    again = "make it again with --redo generate" if file.synthetic else "it is a copy of a photo that was brought"
    refuse_changed(path, lesson.digest, hint=f"restore it from a backup; {again}")
    return YoloPicture(
        picture_id=file.picture_id, source=path, labels=lesson.labels, xyxy=lesson.xyxy, times=file.times
    )
