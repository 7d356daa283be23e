"""What train looks like: the photos to paint on, the real places and sizes, and the objects that can be cut out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from generation.records import PasteRequest
from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, area, overlap
from training.errors import DataError
from training.files import digest_of

MIN_SIDE_PX = 8  # a smaller object shows too little to be cut out
MAX_OVERLAP = 0.2  # of the smaller box; on real photos of blood, 0.1 would lose a fifth of the platelets


@dataclass(frozen=True)
class Priors:
    """The photos and labels of train. Make it with `of_train`."""

    images: ImageTable
    labels: BoxTable
    """`image` counts the rows of `images`."""
    classes: tuple[str, ...]
    usable: Bools
    """One a label: whether a cut-out can be made of it."""

    def __post_init__(self) -> None:
        """Refuse photos of val and test: a model that learned from them could not be judged on them."""
        if not (self.images.split == "train").all():
            raise DataError("pictures may be made from train photos only", hint="use Priors.of_train")
        if len(self.usable) != len(self.labels):
            raise ValueError(f"usable must have {len(self.labels)} entries, got {len(self.usable)}")

    @classmethod
    def of_train(
        cls, images: ImageTable, labels: BoxTable, classes: tuple[str, ...], *, max_overlap: float = MAX_OVERLAP
    ) -> Self:
        """Take train out of the tables of all photos and all labels."""
        rows = images.rows_of("train")
        new_rows = np.full(len(images), -1)
        new_rows[rows] = np.arange(len(rows))
        kept = labels.of_images(rows)
        kept = replace(kept, image=new_rows[kept.image])
        train = images.take(rows)
        return cls(images=train, labels=kept, classes=classes, usable=usable(kept, train, max_overlap=max_overlap))

    def sizes_px(self) -> Ints:
        """Give each label's width and height in pixels of its photo, (n, 2)."""
        boxes = pixel_boxes(self.labels.xyxy, *_photo_sizes(self.labels, self.images))
        return np.asarray(boxes[:, 2:] - boxes[:, :2])

    @cached_property
    def _label_digests(self) -> list[str]:
        """Each photo's labels as a digest."""
        found = []
        for photo in range(len(self.images)):
            labels = self.labels.take(self.rows_on[photo])
            found.append(digest_of([labels.id.tolist(), labels.label.tolist(), labels.xyxy.tolist()]))
        return found

    def labels_digest(self, photos: Iterable[int]) -> str:
        """Give the digest of the labels on some photos: it changes when somebody edits one of them."""
        return digest_of([self._label_digests[photo] for photo in sorted(set(photos))])

    @cached_property
    def photo_rows(self) -> dict[str, int]:
        """Each photo's row in `images`, by id."""
        return {photo_id: row for row, photo_id in enumerate(self.images.id.tolist())}

    @cached_property
    def label_rows(self) -> dict[str, int]:
        """Each label's row in `labels`, by id."""
        return {label_id: row for row, label_id in enumerate(self.labels.id.tolist())}

    @cached_property
    def rows_on(self) -> list[Ints]:
        """The rows of the labels on each photo, by the photo's row."""
        order = np.argsort(self.labels.image, kind="stable")
        ends = np.cumsum(np.bincount(self.labels.image, minlength=len(self.images)))
        return np.split(order, ends[:-1])

    def number_of(self, label: str) -> int | None:
        """Give the number of a class, None where there is no such class."""
        return self.classes.index(label) if label in self.classes else None


def pixel_boxes(xyxy: Floats, width_px: Ints, height_px: Ints) -> Ints:
    """Give corners in whole pixels, (n, 4), right and bottom exclusive."""
    sides = np.stack([width_px, height_px, width_px, height_px], axis=1)
    return np.rint(xyxy * sides).astype(np.int64)


def can_be_cut(boxes_px: Ints, width_px: Ints, height_px: Ints) -> Bools:
    """Say of each box whether it is large enough and lies at least a pixel inside its picture."""
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    inside = (boxes_px[:, :2] > 1).all(axis=1) & (boxes_px[:, 2] < width_px - 1) & (boxes_px[:, 3] < height_px - 1)
    return np.asarray(inside & (sides >= MIN_SIDE_PX).all(axis=1))


def usable(labels: BoxTable, images: ImageTable, *, max_overlap: float = MAX_OVERLAP) -> Bools:
    """Say of each label whether a cut-out can be made of it: whole, and apart from its photo's other labels.

    Shared area counts as a share of the smaller box, so a person with a labelled hat is not cut out: the hat would come
    along without its label.
    """
    sizes = _photo_sizes(labels, images)
    first, second = _pairs(labels.image)
    areas = area(labels.xyxy)
    shared = overlap(labels.xyxy[first], labels.xyxy[second])
    apart = np.ones(len(labels), bool)
    apart[first[shared > max_overlap * np.minimum(areas[first], areas[second])]] = False
    return np.asarray(apart & can_be_cut(pixel_boxes(labels.xyxy, *sizes), *sizes))


def refuse_unless_train(request: PasteRequest, priors: Priors) -> None:
    """Raise `DataError` where a request uses a photo or a label that is not of train."""
    sources = {wish.source_id for wish in request.objects}
    if request.background_id not in priors.photo_rows or not sources <= priors.label_rows.keys():
        raise DataError(
            f"request {request.request_id} uses a photo or a label that is not in train", hint="plan the requests again"
        )


def _photo_sizes(labels: BoxTable, images: ImageTable) -> tuple[Ints, Ints]:
    return images.width_px[labels.image], images.height_px[labels.image]


def _pairs(image: Ints) -> tuple[Ints, Ints]:
    """Give the rows of all ordered pairs of different labels that lie in one photo."""
    order = np.argsort(image, kind="stable")
    _, start, count = np.unique(image[order], return_index=True, return_counts=True)
    partners = np.repeat(count, count)  # of each row in order, itself counted
    first = np.repeat(np.arange(len(image)), partners)
    within = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    second = np.repeat(np.repeat(start, count), partners) + within
    different = first != second
    return order[first[different]], order[second[different]]
