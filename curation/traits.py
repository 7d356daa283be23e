"""What a decision about a synthetic picture can be guessed from: columns of the objects that were added to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from generation.records import Backend, SyntheticImage
from training.boxes import Bools, Floats, Ints, Texts

MIN_SIDE_PX = 1e-3  # so that a box without extent has a logarithm
BACKENDS: tuple[Backend, ...] = ("paste", "gligen", "gligen-inpaint")
FEATURES = ("lowest score", "judged", "lowest visible share", "log2 of shortest side", "log2 of objects", *BACKENDS)


@dataclass(frozen=True)
class AddedObjects:
    """The added objects of pictures, by picture, then in the order of its labels; all (m,)."""

    picture: Ints
    """Place of its picture in the pictures."""
    label: Texts
    score: Floats
    """The judge's, NaN where nothing was judged."""
    visible_share: Floats
    side_px: Floats
    """The shorter side of the box, in pixels of the picture."""
    inside: Bools
    """Whether the box has an extent and lies within the picture."""

    def of(self, label: str) -> "AddedObjects":
        """Give the objects of one class."""
        rows = self.label == label
        return AddedObjects(
            self.picture[rows],
            self.label[rows],
            self.score[rows],
            self.visible_share[rows],
            self.side_px[rows],
            self.inside[rows],
        )

    def lowest(self, values: Floats, count: int) -> Floats:
        """Give the lowest of the objects' values (m,) by picture (count,), NaN where there is none."""
        found = np.full(count, np.nan)
        np.fmin.at(found, self.picture, values)
        return found

    def highest(self, values: Floats, count: int) -> Floats:
        """Give the highest of the objects' values (m,) by picture (count,), NaN where there is none."""
        return -self.lowest(-values, count)


def added_objects(pictures: Sequence[SyntheticImage]) -> AddedObjects:
    """Read the added objects of pictures."""
    added = [(row, label) for row, each in enumerate(pictures) for label in each.labels if label.added]
    picture = np.array([row for row, _ in added], np.int64)
    size_px = np.array([(each.width_px, each.height_px) for each in pictures], np.float64).reshape(-1, 2)
    xyxy = np.array([label.xyxy for _, label in added], np.float64).reshape(-1, 4)
    side = (xyxy[:, 2:] - xyxy[:, :2]) * size_px[picture]
    return AddedObjects(
        picture=picture,
        label=np.array([label.label for _, label in added], np.str_),
        score=np.array([np.nan if label.score is None else label.score for _, label in added], np.float64),
        visible_share=np.array([label.visible_share for _, label in added], np.float64),
        side_px=np.maximum(side.min(axis=1, initial=np.inf), MIN_SIDE_PX),
        inside=np.asarray(((xyxy >= 0) & (xyxy <= 1)).all(axis=1) & (side > 0).all(axis=1)),
    )


def features_of(pictures: Sequence[SyntheticImage], label: str) -> Floats:
    """Give `FEATURES` (n, k) of what each picture adds of a class."""
    added, count = added_objects(pictures).of(label), len(pictures)
    score = added.lowest(added.score, count)
    backends = np.array([[each.backend == name for name in BACKENDS] for each in pictures], np.float64)
    return np.column_stack(
        [
            score,
            ~np.isnan(score),
            added.lowest(added.visible_share, count),
            np.log2(added.lowest(added.side_px, count)),
            np.log2([max(1, len(each.labels)) for each in pictures]),
            backends.reshape(-1, len(BACKENDS)),
        ]
    )
