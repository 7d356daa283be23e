"""From lessons to a model: what is laid out, what is asked of the child, and what is refused before."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.photo_folders import photo
from training.dataset import write_yolo_folder
from training.errors import DamagedFile
from training.files import digest_of
from training.mix import Lesson
from training.records import Arm, FileRef, FitSettings, ModelVersion, TrainingFile
from training.registry import Registry
from training.retrain import Start, train

ARM = Arm(
    name="candidate", files=FileRef(name="f", digest="d"), length=3, real_count=2, synthetic_count=1, seen={"cat": 3}
)
SETTINGS = FitSettings(imgsz=32, epochs=1, batch=2, lr0=0.001, seed=0, device="cpu")


class Child:
    """Stands for ultralytics: remembers what it saw, and leaves weights."""

    def __init__(self) -> None:
        self.saw: dict[str, str] = {}

    def __call__(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        data = Path(request["data"]).parent
        self.saw = {path.name: path.read_text() for path in (data / "labels").iterdir()} | {"job": job}
        (folder / "weights.pt").write_bytes(b"weights")
        return {"digest": "m" * 24}


def lesson(workspace: Path, name: str, *, synthetic: bool) -> Lesson:
    data = photo(len(name))
    path = workspace / f"{name}.jpg"
    path.write_bytes(data)
    file = TrainingFile(picture_id=name, path=path.name, synthetic=synthetic, times=1 + (not synthetic))
    return Lesson(file, digest_of(data), np.array([1]), np.array([[0.1, 0.2, 0.5, 0.6]]))


def fit(workspace: Path, lessons: list[Lesson], child: Child) -> ModelVersion:
    return train(
        ARM, lessons, SETTINGS, Start("tiny.yaml", None), classes=("dog", "cat"), number=2, workspace=workspace,
        lay_out=write_yolo_folder, run=child, registry=Registry(workspace / "models"),
    )  # fmt: skip


def test_an_arm_is_laid_out_fitted_and_registered(tmp_path: Path) -> None:
    child = Child()
    version = fit(tmp_path, [lesson(tmp_path, "p", synthetic=False), lesson(tmp_path, "drawn", synthetic=True)], child)
    row = "1 0.30000000 0.40000000 0.40000000 0.40000000\n"
    assert child.saw == {"p.txt": row, "drawn.txt": row, "job": "fit"}
    assert (version.model_id, version.classes, version.origin, version.round) == (
        "m" * 24, ("dog", "cat"), "candidate", 2,
    )  # fmt: skip
    assert Registry(tmp_path / "models").get(version.model_id) == version
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "gone"])
@pytest.mark.parametrize(("synthetic", "remedy"), [(True, "--redo generate"), (False, "a photo that was brought")])
def test_a_picture_that_is_not_the_labelled_one_is_refused_before_training(
    tmp_path: Path, damage: str, synthetic: bool, remedy: str
) -> None:
    lessons, child = [lesson(tmp_path, "p", synthetic=synthetic)], Child()
    path = tmp_path / "p.jpg"
    path.unlink()
    if damage == "changed":
        path.write_bytes(photo(99))
    with pytest.raises(DamagedFile, match=r"p\.jpg is missing or has changed") as caught:
        fit(tmp_path, lessons, child)
    assert remedy in caught.value.hint
    assert child.saw == {}
