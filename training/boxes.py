"""Boxes and images as columns: the one form in which they travel between rooms.

Boxes are corners `x1, y1, x2, y2` as fractions 0–1 of the upright picture. Other conventions are converted at a door.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]

SMALL_PX2, LARGE_PX2 = 32**2, 96**2  # COCO's bounds of small, medium and large
SIZE_BINS = ("small", "medium", "large")


@dataclass(frozen=True)
class Table:
    """Parallel arrays of equal length, checked when made."""

    def __post_init__(self) -> None:
        """Check that all columns have the length of the first."""
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of {type(self).__name__} must be equally long, got {lengths}")

    def __len__(self) -> int:
        first: NDArray[Any] = getattr(self, fields(self)[0].name)
        return len(first)

    def take(self, rows: NDArray[Any]) -> Self:
        """Give the table of the rows that an index or a mask selects, in its order."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class ImageTable(Table):
    """One row a photo."""

    id: Texts
    """24 hex digits: the digest of the file's bytes."""
    path: Texts
    """Relative to the workspace, with forward slashes."""
    width_px: Ints
    """Of the upright picture, after its EXIF orientation."""
    height_px: Ints
    split: Texts
    """train, val or test."""

    def rows_of(self, split: str) -> Ints:
        """Give the row numbers of one split, ascending."""
        return np.flatnonzero(self.split == split)


@dataclass(frozen=True)
class BoxTable(Table):
    """One row a box: a label or a prediction."""

    id: Texts
    """24 hex digits, unique within the table."""
    image: Ints
    """Row of the `ImageTable` that the box lies in."""
    label: Ints
    """Number of the class."""
    xyxy: Floats
    """(n, 4) corners as fractions 0–1, x1 < x2 and y1 < y2."""
    score: Floats
    """Confidence 0–1 of a prediction, 1 for a label."""

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        super().__post_init__()
        if self.xyxy.shape != (len(self.id), 4):
            raise ValueError(f"xyxy must have shape ({len(self.id)}, 4), got {self.xyxy.shape}")
        inside = (self.xyxy >= 0).all() and (self.xyxy <= 1).all()
        if not (inside and (self.xyxy[:, :2] < self.xyxy[:, 2:]).all()):
            raise ValueError("boxes must lie within 0–1 and have a positive area")
        if not ((self.score >= 0) & (self.score <= 1)).all():
            raise ValueError("scores must lie within 0–1")

    @classmethod
    def empty(cls) -> Self:
        """Give a table without boxes."""
        return cls(
            id=np.zeros(0, "<U24"),
            image=np.zeros(0, np.int64),
            label=np.zeros(0, np.int64),
            xyxy=np.zeros((0, 4)),
            score=np.zeros(0),
        )

    def of_images(self, rows: NDArray[np.int64]) -> Self:
        """Give the boxes that lie in the given image rows, image numbers unchanged."""
        return self.take(np.isin(self.image, rows))


@dataclass(frozen=True)
class RawBoxes(Table):
    """Predictions as a detector gives them, before they get ids and our class numbers."""

    image: Ints
    """Number of the photo in the list that was asked for."""
    label: Ints
    """Number of the model's own class."""
    xyxy: Floats
    """(n, 4) as in `BoxTable`, but a box may be empty."""
    score: Floats


def concat(tables: Sequence[BoxTable]) -> BoxTable:
    """Stack tables in order."""
    if not tables:
        return BoxTable.empty()
    return BoxTable(
        **{field.name: np.concatenate([getattr(t, field.name) for t in tables]) for field in fields(BoxTable)}
    )


def area(xyxy: Floats) -> Floats:
    """Give each box's area as a fraction of the picture; (n, 4) → (n,)."""
    return np.asarray((xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]))


def overlap(first: Floats, second: Floats) -> Floats:
    """Give the shared area of boxes row by row, as a fraction of the picture; (n, 4), (n, 4) → (n,)."""
    corner = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    return np.asarray(np.prod(np.clip(corner, 0, None), axis=1))


def iou(first: Floats, second: Floats) -> Floats:
    """Give the intersection over union row by row, 0–1; (n, 4), (n, 4) → (n,)."""
    shared = overlap(first, second)
    return np.asarray(shared / (area(first) + area(second) - shared))


def size_bin(boxes: BoxTable, images: ImageTable) -> Ints:
    """Give each box's COCO size as a number into `SIZE_BINS`, by its area in pixels of the original photo."""
    area_px2 = area(boxes.xyxy) * images.width_px[boxes.image] * images.height_px[boxes.image]
    return np.digitize(area_px2, [SMALL_PX2, LARGE_PX2]).astype(np.int64)
