"""Photos and pictures as FiftyOne's samples, and back; nothing but arguments.

A box is kept as FiftyOne keeps it: top left corner, width and height, as fractions 0–1. Ids are ours: a sample's is the
photo's or the request's, a box's is the label's. FiftyOne keeps them, so an edited box comes back under its id.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

import numpy as np
from bson import ObjectId

from curation.carried import Said, carried_parts
from curation.plugin.decisions import TO_LABEL, TOUCHED
from generation.records import PictureLabel, SyntheticImage
from training.boxes import BoxTable, Floats, ImageTable, Ints, Table, Texts
from training.errors import DataError
from training.fields import Fields, fields_of
from training.files import digest_of

Document = dict[str, Any]
Boxes = tuple[PictureLabel, ...]
SYNTHETIC = "synthetic"
_OF_INSERTION = frozenset({"_id", "_dataset_id", "_media_type", "_rand", "filepath", "created_at", "tags"})


@dataclass(frozen=True)
class Photos:
    """The real photos and labels, as read from the database."""

    images: ImageTable
    """By id."""
    labels: BoxTable
    """By photo, then by id."""
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    """Ids of boxes without a class or an area."""
    fields: Fields = field(default_factory=dict)
    """Tags and simple fields of people, one value a photo in the order of `images`."""


@dataclass(frozen=True)
class NamedBoxes(Table):
    """Boxes as people left them: any class name, any corners."""

    id: Texts
    image: Ints
    name: Texts
    """Class, empty where none was given."""
    xyxy: Floats
    """Clipped to the photo; all 0 where the corners were no numbers."""


@dataclass(frozen=True)
class Origin:
    """What all samples of one insertion share."""

    dataset_id: ObjectId
    root: Path
    """Folder that paths are relative to."""
    now: datetime


def photo_samples(
    images: ImageTable,
    labels: BoxTable,
    rows: Ints,
    classes: Sequence[str],
    origin: Origin,
    fields: Fields | None = None,
) -> list[Document]:
    """Give the samples of the photos `rows`, ascending, with their labels, and their fields and tags."""
    part, boxes = images.take(rows), labels.of_images(rows)
    columns = zip(
        *(part.id.tolist(), part.path.tolist()),
        zip(part.width_px.tolist(), part.height_px.tolist(), strict=True),
        by_image(box_documents(boxes, classes), np.searchsorted(rows, boxes.image), len(rows)),
        strict=True,
    )
    samples = [sample_document(*column, origin) for column in columns]
    carried = carried_parts(fields or {}, rows)
    return [
        carried[number] | sample | {"split": split, "tags": [split, *carried[number]["tags"]]}
        for number, (sample, split) in enumerate(zip(samples, part.split.tolist(), strict=True))
    ]


def placed_update(sample: Document) -> tuple[Document, list[Document]]:
    """Give the update that makes a photo that waited for labels the sample that an import would have inserted.

    It finds no photo that has a split: what people did to such a one stays.
    """
    kept = {name: value for name, value in sample.items() if name not in _OF_INSERTION}
    tags = {"$setUnion": [{"$setDifference": [{"$ifNull": ["$tags", []]}, [TO_LABEL]]}, {"$literal": sample["tags"]}]}
    literal = {name: {"$literal": value} for name, value in kept.items()}
    query = {"_id": sample["_id"], "split": None, "request_id": None}
    return query, [{"$set": literal | {"tags": tags, "last_modified_at": TOUCHED}}]


def picture_sample(picture: SyntheticImage, origin: Origin, left: Boxes | None = None) -> Document:
    """Give the sample of a synthetic picture, with where it came from; `left` are the boxes that people left on it."""
    labels = picture.labels if left is None else left
    boxes = [
        _box(box_id, label.label, _top_left(*label.xyxy))
        | {"visible_share": label.visible_share, "source_id": label.source_id, "added": label.added}
        | ({} if label.score is None else {"judge_score": label.score})
        for box_id, label in zip(box_ids(picture, labels), labels, strict=True)
    ]
    sample = sample_document(picture.request_id, picture.path, (picture.width_px, picture.height_px), boxes, origin)
    lineage = picture.model_dump(include={"request_id", "brief_id", "finding_id", "backend", "verified"})
    tags = [SYNTHETIC, *(["unverified"] if picture.verified == "unverified" else [])]
    return sample | lineage | {"source_ids": list(picture.source_ids), "repairs": list(picture.repairs), "tags": tags}


def box_ids(picture: SyntheticImage, labels: Boxes) -> list[str]:
    """Give the ids of boxes on a picture: those of its own labels by where they came from, new ones for all others.

    So a box that people left keeps its origin when it is published again, also behind one that they deleted.
    """
    free: dict[tuple[Any, ...], list[str]] = {}
    for number, label in enumerate(picture.labels):
        free.setdefault(_origin_of(label), []).append(digest_of([picture.request_id, number]))
    own = [free.get(_origin_of(label)) for label in labels]
    return [ids.pop(0) if ids else digest_of([picture.request_id, "left", number]) for number, ids in enumerate(own)]


def _origin_of(label: PictureLabel) -> tuple[Any, ...]:
    return label.source_id, label.added, label.visible_share, label.score


def box_documents(boxes: BoxTable, classes: Sequence[str]) -> list[Document]:
    """Give the boxes of a table as FiftyOne's detections, in its order."""
    names = [classes[number] for number in boxes.label.tolist()]
    top_left = boxes.xyxy.copy()
    top_left[:, 2:] -= top_left[:, :2]
    return list(starmap(_box, zip(boxes.id.tolist(), names, top_left.tolist(), strict=True)))


def sample_document(
    sample_id: str, path: str, size_px: tuple[int, int], boxes: list[Document], origin: Origin
) -> Document:
    """Give a sample with the labels `boxes`, and nothing else that is ours."""
    return {
        "_id": ObjectId(sample_id),
        "_dataset_id": origin.dataset_id,
        "_media_type": "image",
        "_rand": 0.999 + int(sample_id[:8], 16) / 2**32 / 1000,  # FiftyOne shuffles by it; its own lie in this range
        "filepath": str(origin.root / path),
        "metadata": {"_cls": "ImageMetadata", "width": size_px[0], "height": size_px[1]},
        "created_at": origin.now,
        "last_modified_at": origin.now,
        "ground_truth": {"_cls": "Detections", "detections": boxes},
    }


def by_image(items: Sequence[Any], image: Ints, image_count: int) -> list[list[Any]]:
    """Give the items of each image row in their order; `image` has the row of each item."""
    order = np.argsort(image, kind="stable")
    bounds = np.searchsorted(image[order], np.arange(image_count + 1)).tolist()
    arranged = [items[row] for row in order.tolist()]
    return [arranged[first:stop] for first, stop in pairwise(bounds)]


def read_images(samples: Sequence[Document], root: Path) -> ImageTable:
    """Give samples of photos as a table, in their order; raises `DataError` where a photo lies outside `root`."""
    return ImageTable(
        id=np.array([str(sample["_id"]) for sample in samples], "<U24"),
        path=np.array([_inside(sample["filepath"], root) for sample in samples], np.str_),
        width_px=np.array([sample["metadata"]["width"] for sample in samples], np.int64),
        height_px=np.array([sample["metadata"]["height"] for sample in samples], np.int64),
        split=np.array([sample["split"] for sample in samples], np.str_),
    )


def read_boxes(samples: Sequence[Document]) -> NamedBoxes:
    """Give the boxes of samples, numbered by their order."""
    held = [(sample.get("ground_truth") or {}).get("detections") or [] for sample in samples]
    boxes = [box for of_sample in held for box in of_sample]
    corners = np.array([_corners(box.get("bounding_box")) for box in boxes], np.float64).reshape(-1, 4)
    return NamedBoxes(
        id=np.array([str(box["_id"]) for box in boxes], "<U24"),
        image=np.repeat(np.arange(len(samples)), [len(of_sample) for of_sample in held]),
        name=np.array([box.get("label") or "" for box in boxes], np.str_),
        xyxy=np.clip(corners, 0, 1),
    )


def photos_of(
    parts: Iterable[tuple[ImageTable, NamedBoxes]], classes: Sequence[str], said: Sequence[Said] = ()
) -> Photos:
    """Join what was read in parts, each part's boxes numbered within it, and number the classes.

    Class names that are not in `classes` are appended in alphabetical order. `said` is of all photos, or of none.
    """
    tables = [*parts] or [(read_images([], Path()), read_boxes([]))]
    images = _stack([part for part, _ in tables])
    firsts = np.cumsum([0, *(len(part) for part, _ in tables)])
    boxes = _stack([part for _, part in tables])
    image = boxes.image + np.repeat(firsts[:-1], [len(part) for _, part in tables])
    usable = (boxes.xyxy[:, :2] < boxes.xyxy[:, 2:]).all(axis=1) & (boxes.name != "")
    everything = (*classes, *sorted(set(boxes.name[usable].tolist()) - set(classes)))
    number = {name: place for place, name in enumerate(everything)}
    order = np.lexsort((boxes.id, image))
    rows = order[usable[order]]
    labels = BoxTable(
        id=boxes.id[rows],
        image=image[rows],
        label=np.array([number[name] for name in boxes.name[rows].tolist()], np.int64),
        xyxy=boxes.xyxy[rows],
        score=np.ones(len(rows)),
    )
    fields = fields_of([values for values, _ in said], [tags for _, tags in said])
    return Photos(images, labels, everything, skipped=tuple(boxes.id[~usable].tolist()), fields=fields)


def _stack(tables: Sequence[Any]) -> Any:
    columns = vars(tables[0])
    return type(tables[0])(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in columns})


def _inside(filepath: str, root: Path) -> str:
    try:
        return Path(filepath).relative_to(root).as_posix()
    except ValueError as error:
        hint = "photos enter with `curate add`; take out the sample that was added by other means"
        raise DataError(f"the photo {filepath} of the database lies outside the workspace {root}", hint=hint) from error


def _corners(stored: Any) -> tuple[float, float, float, float]:
    """Give the corners of a stored box, those of the empty box where it has none."""
    match stored:
        case [int() | float() as x, int() | float() as y, int() | float() as width, int() | float() as height]:
            corners = (float(x), float(y), float(x + width), float(y + height))
            return corners if all(map(math.isfinite, corners)) else (0.0, 0.0, 0.0, 0.0)
        case _:
            return (0.0, 0.0, 0.0, 0.0)


def _top_left(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    return [x1, y1, x2 - x1, y2 - y1]


def _box(box_id: str, label: str, top_left: list[float]) -> Document:
    return {
        "_id": ObjectId(box_id),
        "_cls": "Detection",
        "attributes": {},
        "tags": [],
        "label": label,
        "bounding_box": top_left,
    }
