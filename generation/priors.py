"""What train looks like: the photos to paint on, the real places and sizes, and the objects that can be cut out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from generation.records import Brief, PasteRequest, PictureLabel, SizeBin
from training.boxes import LARGE_PX2, SIZE_BINS, SMALL_PX2, Bools, BoxTable, Floats, ImageTable, Ints, area, overlap
from training.errors import DataError
from training.files import digest_of

MIN_SIDE_PX = 8  # a smaller object shows too little to be cut out
MAX_OVERLAP = 0.2  # of the smaller box; on real photos of blood, 0.1 would lose a fifth of the platelets
MAX_REACHED = 0.5  # of the box, where a class has few: so far may the box of a larger neighbour reach over it
MIN_TIMES_LARGER = 2  # in area: such a neighbour is not a part of the object, nor does it wear it
MIN_PLACES = 10  # with fewer labels of a class than this, they do not tell where it is found
SIZE_JITTER = 0.1  # standard deviation of the logarithm of an object's side around a real one
BIN_BOUNDS_PX2 = (float(MIN_SIDE_PX**2), float(SMALL_PX2), float(LARGE_PX2), np.inf)
BIN_SLACK = 0.06  # of the area: what a mask shows is a little smaller than the box that it was cut from


@dataclass(frozen=True, eq=False)
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

    def labels_on(self, rows: Ints) -> BoxTable:
        """Give the labels on some photos, whose numbers they then count."""
        taken = self.labels.of_images(rows)
        return replace(taken, image=np.searchsorted(rows, taken.image))

    def known_on(self, row: int) -> tuple[PictureLabel, ...]:
        """Give the labels on a photo, by its row, as those of a picture that is made of it."""
        labels, rows = self.labels, self.rows_on[row]
        columns = labels.label[rows].tolist(), labels.xyxy[rows].tolist(), labels.id[rows].tolist()
        return tuple(
            PictureLabel(label=self.classes[number], xyxy=corners, visible_share=1, source_id=id_, added=False)
            for number, corners, id_ in zip(*columns, strict=True)
        )

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
    along without its label. Of a class with few, those are taken as well over whose box only that of a larger object
    reaches, and not far: the mask leaves it out.
    """
    sizes = _photo_sizes(labels, images)
    whole = can_be_cut(pixel_boxes(labels.xyxy, *sizes), *sizes)
    first, second = pairs(labels.image)
    touched, touching = labels.xyxy[first], labels.xyxy[second]
    clash = covers(touched, touching, max_overlap)
    is_large = area(touching) >= MIN_TIMES_LARGER * area(touched)
    reached = is_large & (overlap(touched, touching) <= MAX_REACHED * area(touched))
    choosy = whole & _without(first[clash], len(labels))
    has_few = np.bincount(labels.label[choosy], minlength=labels.label.max(initial=0) + 1)[labels.label] < MIN_PLACES
    return np.asarray(choosy | (has_few & whole & _without(first[clash & ~reached], len(labels))))


def _without(rows: Ints, count: int) -> Bools:
    """Give a mask of so many rows that leaves out some."""
    mask = np.ones(count, bool)
    mask[rows] = False
    return mask


def size_bounds_px2(size: SizeBin | None) -> tuple[float, float]:
    """Give the areas in px² that an object of a size may have, a little inside the bin."""
    if size is None:
        return BIN_BOUNDS_PX2[0], BIN_BOUNDS_PX2[-1]
    bin_number = SIZE_BINS.index(size)
    return BIN_BOUNDS_PX2[bin_number] * (1 + BIN_SLACK), BIN_BOUNDS_PX2[bin_number + 1] * (1 - BIN_SLACK)


def backgrounds(brief: Brief, priors: Priors) -> Ints:
    """Give the rows of the photos that a brief may be painted on."""
    rows = np.arange(len(priors.images))
    return rows[np.isin(priors.images.id, brief.background_ids)] if brief.background_ids else rows


def covers(first: Floats, second: Floats, max_share: float) -> Bools:
    """Say row by row whether two boxes share more than a part of the smaller one; (n, 4), (n, 4) → (n,)."""
    return np.asarray(overlap(first, second) > max_share * np.minimum(area(first), area(second)))


def covers_pairwise(boxes: Floats, taken: Floats, max_share: float) -> Bools:
    """Say of each pair whether the two share more than a part of the smaller one; (n, 4), (m, 4) → (n, m)."""
    first, second = np.repeat(boxes, len(taken), axis=0), np.tile(taken, (len(boxes), 1))
    return covers(first, second, max_share).reshape(len(boxes), len(taken))


def refuse_unless_train(request: PasteRequest, priors: Priors) -> None:
    """Raise `DataError` where a request uses a photo or a label that is not of train."""
    sources = {wish.source_id for wish in request.objects}
    if request.background_id not in priors.photo_rows or not sources <= priors.label_rows.keys():
        raise DataError(
            f"request {request.request_id} uses a photo or a label that is not in train", hint="plan the requests again"
        )


def _photo_sizes(labels: BoxTable, images: ImageTable) -> tuple[Ints, Ints]:
    return images.width_px[labels.image], images.height_px[labels.image]


def pairs(image: Ints) -> tuple[Ints, Ints]:
    """Give the rows of all ordered pairs of different labels that lie in one photo."""
    order = np.argsort(image, kind="stable")
    _, start, count = np.unique(image[order], return_index=True, return_counts=True)
    partners = np.repeat(count, count)  # of each row in order, itself counted
    first = np.repeat(np.arange(len(image)), partners)
    within = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    second = np.repeat(np.repeat(start, count), partners) + within
    different = first != second
    return order[first[different]], order[second[different]]
