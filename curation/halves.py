"""The two halves of val: *discover* proposes slices, *confirm* tests them, and no photo is in both."""

from dataclasses import dataclass

import numpy as np

from curation.diagnose import ErrorTable
from training.boxes import Bools, Texts
from training.files import digest_of

MIN_HALF_PHOTOS = 20
MIN_CLASS_PHOTOS = 5
"""A half shows something of a class when so many of its photos hold one."""


@dataclass(frozen=True)
class Halves:
    """Which half each photo belongs to."""

    discover: Bools
    """(P,) one a row of the `ImageTable`; every other photo is in the confirm half."""

    def in_discover(self, table: ErrorTable) -> Bools:
        """Give the objects (n,) of the discover half."""
        return self.discover[table.photo]

    def in_confirm(self, table: ErrorTable) -> Bools:
        """Give the objects (n,) of the confirm half."""
        return ~self.discover[table.photo]


def halves(photo_ids: Texts) -> Halves:
    """Split photos by the digest of their ids (P,): a photo stays in its half whatever else is added or removed."""
    return Halves(np.array([digest_of(["half", photo_id])[0] < "8" for photo_id in photo_ids.tolist()], np.bool_))


def too_small_to_halve(table: ErrorTable, split: Halves) -> str:
    """Say why the halves cannot be used; empty where they can.

    Each half needs 20 photos with objects, and some class needs 5 photos in each half.
    """
    sides = [split.in_discover(table), split.in_confirm(table)]
    photos = [len(np.unique(table.photo[side])) for side in sides]
    if min(photos) < MIN_HALF_PHOTOS:
        return (
            f"val has {sum(photos)} photos with objects; to search for slices, each of its two halves needs "
            f"{MIN_HALF_PHOTOS}, and one has {min(photos)}"
        )
    of_class = np.minimum(*(_photos_by_class(table.take(side), len(split.discover)) for side in sides))
    if of_class.max(initial=0) < MIN_CLASS_PHOTOS:
        return f"no class is on {MIN_CLASS_PHOTOS} photos of both halves of val, which a search for slices needs"
    return ""


def objects_to_show(table: ErrorTable, photo_ids: Texts) -> Bools:
    """Give the objects (n,) that proposers may see: the discover half, or none where val is too small to halve."""
    split = halves(photo_ids)
    return split.in_discover(table) & (not too_small_to_halve(table, split))


def _photos_by_class(table: ErrorTable, photos: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    pairs = np.unique(table.label * photos + table.photo)
    count = len(table.columns[0].values)
    return np.bincount(pairs // photos, minlength=count)[:count].astype(np.int64)
