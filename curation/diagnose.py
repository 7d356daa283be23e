"""The error table: one row a labelled object, one column for everything that a slice can be made of."""

from dataclasses import dataclass

from training.boxes import Bools, BoxTable, ImageTable, Ints, Table, Texts, size_bin


@dataclass(frozen=True)
class ErrorTable(Table):
    """The labelled objects of one split, and whether the detector found them at its operating point."""

    id: Texts
    photo: Ints
    """Row of the `ImageTable`: objects of one photo are not independent."""
    label: Ints
    size: Ints
    """Number into `training.boxes.SIZE_BINS`."""
    found: Bools
    """A prediction of the same class at `min_score` or more overlaps it with an IoU of at least 0.5."""


def error_table(images: ImageTable, labels: BoxTable, found: Bools) -> ErrorTable:
    """Give the error table of labels, `found` being parallel to them."""
    return ErrorTable(id=labels.id, photo=labels.image, label=labels.label, size=size_bin(labels, images), found=found)
