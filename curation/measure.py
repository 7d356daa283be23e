"""Measure the labelled objects of a round, one photo at a time, and join all that is known of them into columns."""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from curation.appearance import COLOURS, Looks, Pixels, look_of, stack
from curation.coding import MIN_PHOTOS, Measure, Names, Numbers, columns_of, named, yes_no
from curation.diagnose import Column
from curation.scene import PLACES, companions, scene_of
from training.boxes import SIZE_BINS, Bools, BoxTable, ImageTable, Ints, size_bin
from training.fields import Fields

ReadPixels = Callable[[Path], Pixels]
Progress = Callable[[int, int, str], None]
"""Called with done, total and a note."""


def look_at(root: Path, images: ImageTable, labels: BoxTable, read_pixels: ReadPixels, progress: Progress) -> Looks:
    """Measure how every label looks, in the order of the table; each photo is read once.

    `root` is the folder that paths are relative to. Raises `DataError` where a photo cannot be read any more.
    """
    order = np.argsort(labels.image, kind="stable")
    photos, first = np.unique(labels.image[order], return_index=True)
    bounds, parts = [*first.tolist(), len(labels)], []
    for number, (photo, (start, stop)) in enumerate(zip(photos.tolist(), pairwise(bounds), strict=True)):
        parts.append(look_of(read_pixels(root / str(images.path[photo])), labels.xyxy[order[start:stop]]))
        progress(number + 1, len(photos), "photos")
    return stack(parts).take(np.argsort(order))


def label_columns(labels: BoxTable, images: ImageTable, classes: Sequence[str]) -> tuple[Column, Column]:
    """Give the two columns that every error table begins with: class, and COCO size."""
    size = size_bin(labels, images).astype(np.int16)
    return (
        Column("class", tuple(classes), labels.label.astype(np.int16), "label"),
        Column("size", SIZE_BINS, size, "label"),
    )


def measured_columns(
    labels: BoxTable,
    images: ImageTable,
    classes: Sequence[str],
    *,
    looks: Looks,
    fields: Fields,
    is_val: Bools,
    min_photos: int = MIN_PHOTOS,
    wanted: Collection[str] = (),
) -> tuple[Column, ...]:
    """Give every column that `label_columns` does not have, in the order of `labels`; coded by what val shows.

    `labels` are those of train and val (neighbours are counted among them), `is_val` says which; `fields` have one
    value a photo of `images`; columns that are `wanted` stay although they have one value. A field whose name another
    column has is called `field NAME`.
    """
    measures = [*scene_measures(labels, images, classes), *look_measures(looks)]
    taken = {"class", "size", "look", *(measure.name for measure in measures)}
    measures += field_measures(fields, labels.image, taken=taken)
    return columns_of(measures, photo=labels.image, is_val=is_val, min_photos=min_photos, wanted=wanted)


def scene_measures(labels: BoxTable, images: ImageTable, classes: Sequence[str]) -> list[Measure]:
    """Give what boxes and photo sizes tell, with its words."""
    scene = scene_of(labels, images)
    found: list[Measure] = [
        Numbers("area", scene.area_share * 100, "object", ("small", "medium", "large"), " %"),
        Numbers("side", scene.side_px, "object", ("short", "medium", "long"), " px"),
        Numbers("aspect", scene.aspect, "object", ("narrow", "medium", "wide")),
        Names("position", scene.place, PLACES, "object"),
        yes_no("at the border", scene.at_border, "object"),
        Numbers("others in photo", scene.others.astype(np.float64), "photo", ("few", "some", "many")),
        Numbers("others near", scene.near.astype(np.float64), "object", ("few", "some", "many")),
        Numbers("overlapped", scene.covered_share.round(2) * 100, "object", ("little", "partly", "largely"), " %"),
    ]
    chosen, held = companions(labels, class_count=len(classes))
    for place, number in enumerate(chosen.tolist()):
        found.append(yes_no(f"with {classes[number]}", held[:, place], "photo", known=labels.label != number))
    return found


def look_measures(looks: Looks) -> list[Measure]:
    """Give what pixels tell, with its words."""
    return [
        Numbers("brightness", looks.brightness, "object"),
        Numbers("contrast", looks.contrast, "object"),
        Numbers("sharpness", looks.sharpness, "object"),
        Names("colour", looks.colour, COLOURS, "object"),
        Numbers("photo brightness", looks.photo_brightness, "photo"),
        Numbers("photo contrast", looks.photo_contrast, "photo"),
        Numbers("photo sharpness", looks.photo_sharpness, "photo"),
    ]


def field_measures(fields: Fields, image: Ints, *, taken: set[str]) -> list[Measure]:
    """Give the user's fields and tags, each object with the value of its photo."""
    found: list[Measure] = []
    for name, values in fields.items():
        shown = f"field {name}" if name in taken else name
        if np.issubdtype(values.dtype, np.number):
            found.append(Numbers(shown, values[image].astype(np.float64), "field"))
        else:
            found.append(named(shown, values.astype(np.str_), "field", rows=image))
    return found
