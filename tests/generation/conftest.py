"""A small drawn dataset whose masks are known, and real photos where there are some."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from generation.priors import Priors
from generation.records import Brief, SizeBin
from training.boxes import BoxTable, ImageTable
from training.files import digest_of

WIDTH, HEIGHT = 320, 240
CLASSES = ("ball", "crate")


@dataclass(frozen=True)
class Dataset:
    """Photos by their row, with their tables."""

    photos: tuple[np.ndarray, ...]
    images: ImageTable
    labels: BoxTable
    classes: tuple[str, ...]

    @property
    def priors(self) -> Priors:
        return Priors.of_train(self.images, self.labels, self.classes)

    def photo_of(self, priors: Priors, row: int) -> np.ndarray:
        return self.photos[int(np.flatnonzero(self.images.id == priors.images.id[row])[0])]


def draw(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, list[int]]]]:
    """Draw balls of 24–60 px, and a crate, on a mottled ground; the corners are exact."""
    ground = rng.integers(150, 210, 3) + rng.normal(0, 25, (HEIGHT, WIDTH, 1))
    pixels = cv2.GaussianBlur(np.clip(ground, 0, 255).astype(np.uint8), (0, 0), 1.5)
    boxes = []
    for place in rng.permutation(6)[:4]:
        middle = np.array([55 + 105 * (place % 3), 65 + 110 * (place // 3)]) + rng.integers(-10, 11, 2)
        side, number = int(rng.integers(12, 31)), int(place == 0)
        colour = [int(value) for value in rng.integers(0, 90, 3)]
        if number:
            cv2.rectangle(pixels, (middle - side).tolist(), (middle + side).tolist(), colour, -1)
        else:
            cv2.circle(pixels, middle.tolist(), side, colour, -1)
        boxes.append((number, [*(middle - side).tolist(), *(middle + side + 1).tolist()]))
    return pixels, boxes


@pytest.fixture(scope="session")
def drawn() -> Dataset:
    rng = np.random.default_rng(7)
    drawings = [draw(rng) for _ in range(12)]
    rows = [(photo, number, box) for photo, (_, boxes) in enumerate(drawings) for number, box in boxes]
    images = ImageTable(
        id=np.array([digest_of(pixels.tobytes()) for pixels, _ in drawings]),
        path=np.array([f"{photo}.png" for photo in range(12)]),
        width_px=np.full(12, WIDTH),
        height_px=np.full(12, HEIGHT),
        split=np.array(["train"] * 9 + ["val", "test", "train"]),
    )
    labels = BoxTable(
        id=np.array([digest_of(["label", turn]) for turn in range(len(rows))]),
        image=np.array([photo for photo, _, _ in rows]),
        label=np.array([number for _, number, _ in rows]),
        xyxy=np.array([box for _, _, box in rows]) / [WIDTH, HEIGHT, WIDTH, HEIGHT],
        score=np.ones(len(rows)),
    )
    return Dataset(photos=tuple(pixels for pixels, _ in drawings), images=images, labels=labels, classes=CLASSES)


@pytest.fixture(scope="session")
def real() -> Dataset:
    """Forty real photos of blood."""
    root = os.environ.get("CURATE_DATA")
    if not root:
        pytest.skip("CURATE_DATA is not set: no real photos to cut from")
    from training.dataset import read_source
    from training.source import to_tables

    source = read_source(Path(root) / "data" / "bccd")
    images, labels = to_tables(source, [photo.split or "train" for photo in source.photos])
    rows = np.arange(40)
    paths = {photo.photo_id: photo.path for photo in source.photos}
    photos = tuple(cv2.imread(str(paths[str(photo_id)])) for photo_id in images.id[rows])
    return Dataset(photos=photos, images=images.take(rows), labels=labels.of_images(rows), classes=source.classes)


@pytest.fixture
def wish():
    """Makes briefs."""

    def brief(label: str = "ball", size: SizeBin | None = None, **given: Any) -> Brief:
        usual = {"brief_id": "b1", "finding_id": "f1", "action": "generate", "pictures": 5, "reason": "a test"}
        return Brief.model_validate(usual | {"label": label, "size": size} | given)

    return brief


def relabelled(dataset: Dataset, **columns: np.ndarray) -> Dataset:
    return replace(dataset, labels=replace(dataset.labels, **columns))
