"""What boxes and photo sizes alone tell of every labelled object: its size, its place, and what is around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, Table, area, overlap

PLACES = (
    *("top left", "top", "top right"),
    *("left", "centre", "right"),
    *("bottom left", "bottom", "bottom right"),
)
BORDER_PX = 2
"""A box that ends nearer to the border than this touches it: labels are often a pixel short."""
NEAR = 1.5
"""Box widths and heights from centre to centre within which another object is near."""
MAX_CLASSES = 20
PAIRS_AT_ONCE = 1_000_000  # about 100 MB while they are compared


@dataclass(frozen=True)
class Scene(Table):
    """One row a label, in the order of the label table."""

    area_share: Floats
    """Of the photo, 0–1."""
    side_px: Floats
    """Square root of the area in pixels of the original photo."""
    aspect: Floats
    """Width by height, in pixels."""
    place: Ints
    """Where the centre lies, number into `PLACES`."""
    at_border: Bools
    others: Ints
    """Other labelled objects in the photo."""
    near: Ints
    """Those of them whose centres lie within `NEAR` widths and heights of this box from its centre."""
    covered_share: Floats
    """Largest share of the box that one other label overlaps, 0–1."""


def scene_of(labels: BoxTable, images: ImageTable) -> Scene:
    """Measure every label; its neighbours are those of `labels` in the same photo."""
    photo_px = np.column_stack([images.width_px, images.height_px])[labels.image]
    size_px = (labels.xyxy[:, 2:] - labels.xyxy[:, :2]) * photo_px
    near, covered_share = _around(labels)
    return Scene(
        area_share=area(labels.xyxy),
        side_px=np.sqrt(size_px.prod(axis=1)),
        aspect=np.asarray(size_px[:, 0] / size_px[:, 1]),
        place=_place(labels.xyxy),
        at_border=_at_border(labels.xyxy, photo_px),
        others=np.bincount(labels.image, minlength=len(images))[labels.image] - 1,
        near=near,
        covered_share=covered_share,
    )


def companions(labels: BoxTable, *, class_count: int) -> tuple[Ints, Bools]:
    """Give the most frequent classes, at most `MAX_CLASSES`, as (m,) numbers, and which are in each object's photo.

    The flags are (n, m). What they say of an object's own class is true of every object, so it tells nothing.
    """
    by_frequency = np.argsort(-np.bincount(labels.label, minlength=class_count), kind="stable")
    chosen = np.sort(by_frequency[:MAX_CLASSES])
    photos, row = np.unique(labels.image, return_inverse=True)
    held = np.zeros((len(photos), class_count), np.bool_)
    held[row, labels.label] = True
    return chosen, np.asarray(held[row][:, chosen])


def _place(xyxy: Floats) -> Ints:
    third = np.minimum((xyxy[:, :2] + xyxy[:, 2:]) / 2 * 3, 2).astype(np.int64)
    return np.asarray(third[:, 1] * 3 + third[:, 0], np.int64)


def _at_border(xyxy: Floats, photo_px: Ints) -> Bools:
    margin = BORDER_PX / photo_px
    return np.asarray(((xyxy[:, :2] < margin) | (xyxy[:, 2:] > 1 - margin)).any(axis=1))


def _around(labels: BoxTable) -> tuple[Ints, Floats]:
    """Give, for each box, how many others are near, and the largest share of it that another one covers."""
    order = np.argsort(labels.image, kind="stable")  # boxes of one photo side by side: three times as fast
    xyxy = labels.xyxy[order]
    near, covered = np.zeros(len(labels), np.int64), np.zeros(len(labels))
    centre, reach = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]) * NEAR
    areas = area(xyxy)
    for one, other in _pairs(labels.image[order]):
        is_near = (np.abs(centre[one] - centre[other]) <= reach[one]).all(axis=1)
        near += np.bincount(one[is_near], minlength=len(labels))
        np.maximum.at(covered, one, overlap(xyxy[one], xyxy[other]) / areas[one])
    back = np.argsort(order)
    return near[back], np.minimum(covered, 1)[back]


def _pairs(image: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give all ordered pairs of different boxes of one photo, about a million at a time; `image` ascends."""
    first = np.searchsorted(image, image, "left")
    count = np.searchsorted(image, image, "right") - first
    bounds = np.flatnonzero(np.diff(np.cumsum(count) // PAIRS_AT_ONCE, prepend=-1, append=-1))
    for begin, stop in pairwise(bounds):
        here = count[begin:stop]
        one = np.repeat(np.arange(begin, stop), here)
        other = np.repeat(first[begin:stop], here) + np.arange(len(one)) - np.repeat(np.cumsum(here) - here, here)
        differ = one != other
        yield one[differ], other[differ]
