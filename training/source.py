"""Labelled photos as a source gives them, before the workspace owns them: records, the rules of a box, and tables.

Boxes are corners `x1, y1, x2, y2` as fractions 0–1 of the upright picture, as everywhere.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.boxes import BoxTable, ImageTable, Table, Texts
from training.errors import DataError
from training.fields import Value
from training.files import digest_of
from training.records import SPLITS, Split

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions 0–1 of the picture."""
Format = Literal["yolo", "coco", "voc"]
"""How labelled photos lie in a folder."""
FORMATS: tuple[Format, ...] = ("yolo", "coco", "voc")
Origin = Literal["yolo", "coco", "voc", "fiftyone"]
"""Where labelled photos come from."""

MAX_OUTSIDE_SHARE = 0.01  # of the picture: rounding of exporters, as ultralytics allows
MIN_SIDE_SHARE = 1e-6  # below this a side is rounding, not a size
MAX_BAD_SHARE = 0.1
MAX_NAME_LENGTH = 100


class BadItem(Exception):
    """One file or one label that cannot be used; `reason` is a kind, a colon, and what was found.

    Readers raise it and list it as a `Refusal`; it never leaves them.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FoundBox:
    """One labelled object."""

    label: str
    """Name of the class."""
    xyxy: Corners


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """One photo that can be used, with its labels."""

    path: Path
    """The absolute source file, links resolved."""
    photo_id: str
    """Digest of the file's bytes, as `digest_of_file` gives it."""
    width_px: int
    """Of the upright picture."""
    height_px: int
    split: Split | None
    """As the source says, None where it does not."""
    group: str
    """Camera, site or sequence that the source names, empty where it names none."""
    look: int
    """64-bit difference hash of the upright picture."""
    boxes: tuple[FoundBox, ...]
    fields: Mapping[str, Value] = field(default_factory=dict)
    """What else the source says of the photo."""
    tags: tuple[str, ...] = ()
    """As the source has them, without those that name a split."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something of the source that is not used, and why."""

    file: str
    """Relative to the source folder, printable."""
    line: int | None
    reason: str
    """A kind, a colon, and what was found: refusals are counted by kind."""
    lost: Literal["photo", "label", "nothing"]
    photo_id: str = ""
    """Of the photo that goes on without this label, where it is known."""

    @property
    def kind(self) -> str:
        """The reason without its particulars."""
        return self.reason.partition(":")[0]


@dataclass(frozen=True)
class Source:
    """All that was read from one folder of labelled photos."""

    format: Origin
    photos: tuple[FoundPhoto, ...]
    """By path; exact duplicates are still in."""
    classes: tuple[str, ...]
    """YOLO: order of the numbers. COCO: order of the category ids. VOC: alphabetical."""
    refusals: tuple[Refusal, ...]
    seen_count: int
    """Photos that the source holds or names, usable or not."""


def printable(text: str, max_length: int = 80) -> str:
    """Give text of unknown origin in a form that is safe to print: escapes for what does not print, cut if long."""
    # unicode_escape also carries lone surrogates, which is how undecodable file names arrive
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return shown if len(shown) <= max_length else shown[: max_length - 1] + "…"


def checked_name(name: object) -> str:
    """Give a class name without surrounding space; raises `BadItem` for one that is empty, long or unprintable."""
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > MAX_NAME_LENGTH or not text.isprintable():
        raise BadItem(f"not a class name: {printable(str(name)[:200], 40)!r}")
    return text


def checked_corners(x1: float, y1: float, x2: float, y2: float) -> Corners:
    """Give corners that a `BoxTable` takes: clipped when at most 1 % outside the picture.

    Raises `BadItem` for NaN and infinity, for boxes further outside, and for boxes without an area.
    """
    corners = (x1, y1, x2, y2)
    if not all(math.isfinite(value) for value in corners):
        raise BadItem("not a finite number: the box holds NaN or infinity")
    if x2 - x1 < MIN_SIDE_SHARE or y2 - y1 < MIN_SIDE_SHARE:
        raise BadItem(f"box without an area: {_shown(corners)}")
    if min(corners) < -MAX_OUTSIDE_SHARE or max(corners) > 1 + MAX_OUTSIDE_SHARE:
        raise BadItem(f"box outside the picture: {_shown(corners)}")
    left, top, right, bottom = (min(max(value, 0.0), 1.0) + 0.0 for value in corners)  # no minus zero
    if right - left < MIN_SIDE_SHARE or bottom - top < MIN_SIDE_SHARE:
        raise BadItem(f"box outside the picture: {_shown(corners)}")
    return left, top, right, bottom


def check_usable(source: Source, *, allow_bad: bool) -> None:
    """Raise `DataError` when more than a tenth of the photos, or of the labels, cannot be used.

    `allow_bad` lets it pass: what can be used is used.
    """
    if allow_bad:
        return
    lost_labels = [refusal for refusal in source.refusals if refusal.lost == "label"]
    lost_photos = [refusal for refusal in source.refusals if refusal.lost == "photo"]
    label_count = len(lost_labels) + sum(len(photo.boxes) for photo in source.photos)
    for what, lost, lost_count, count in (
        ("photos", lost_photos, source.seen_count - len(source.photos), source.seen_count),
        ("labels", lost_labels, len(lost_labels), label_count),
    ):
        if lost_count > MAX_BAD_SHARE * count:
            raise DataError(
                f"{lost_count} of {count} {what} cannot be used: {_main_reasons(lost)}",
                hint="repair the source, or go on with the rest by --allow-bad",
            )


def photo_path(photo: FoundPhoto) -> str:
    """Give where the workspace keeps a photo, relative to the workspace."""
    return f"data/photos/{photo.photo_id[:2]}/{photo.photo_id}{photo.path.suffix.lower()}"


def to_tables(source: Source, splits: Sequence[Split]) -> tuple[ImageTable, BoxTable]:
    """Give the photos, by id, and their labels, by photo and then as listed.

    `splits` goes with `source.photos`. Of exact duplicates the first is kept, with its labels.
    """
    kept: dict[str, tuple[FoundPhoto, Split]] = {}
    for photo, split in zip(source.photos, splits, strict=True):
        kept.setdefault(photo.photo_id, (photo, split))
    rows = [kept[photo_id] for photo_id in sorted(kept)]
    images = ImageTable(
        id=np.array([photo.photo_id for photo, _ in rows], "<U24"),
        path=np.array([photo_path(photo) for photo, _ in rows], np.str_),
        width_px=np.array([photo.width_px for photo, _ in rows], np.int64),
        height_px=np.array([photo.height_px for photo, _ in rows], np.int64),
        split=np.array([split for _, split in rows], "<U5"),
    )
    return images, _labels([photo for photo, _ in rows], source.classes)


@dataclass(frozen=True)
class Traits(Table):
    """What splits need to know of photos that are placed already, besides their labels."""

    id: Texts
    look: NDArray[np.uint64]
    """64-bit difference hashes."""
    group: Texts


def traits_of(photos: Sequence[FoundPhoto], ids: Sequence[str]) -> Traits:
    """Give the traits of the photos with these ids, in the order of the ids."""
    by_id = {photo.photo_id: photo for photo in reversed(photos)}
    return Traits(
        id=np.array(ids, "<U24"),
        look=np.array([by_id[photo_id].look for photo_id in ids], np.uint64),
        group=np.array([by_id[photo_id].group for photo_id in ids], np.str_),
    )


def placed_photos(images: ImageTable, labels: BoxTable, traits: Traits, classes: Sequence[str]) -> list[FoundPhoto]:
    """Give photos that the workspace has, as they were found, each with its split; the path is the workspace's own."""
    boxes: list[list[FoundBox]] = [[] for _ in range(len(images))]
    for row, number, (x1, y1, x2, y2) in zip(labels.image, labels.label, labels.xyxy.tolist(), strict=True):
        boxes[row].append(FoundBox(label=classes[number], xyxy=(x1, y1, x2, y2)))
    split_of: dict[str, Split] = {split: split for split in SPLITS}
    return [
        FoundPhoto(
            path=Path(str(images.path[row])),
            photo_id=str(images.id[row]),
            width_px=int(images.width_px[row]),
            height_px=int(images.height_px[row]),
            split=split_of[str(images.split[row])],
            group=str(traits.group[row]),
            look=int(traits.look[row]),
            boxes=tuple(found),
        )
        for row, found in enumerate(boxes)
    ]


def _labels(photos: Sequence[FoundPhoto], classes: Sequence[str]) -> BoxTable:
    number = {name: index for index, name in enumerate(classes)}
    boxes = [(row, box) for row, photo in enumerate(photos) for box in photo.boxes]
    return BoxTable(
        id=np.array([label_id for photo in photos for label_id in _label_ids(photo)], "<U24"),
        image=np.array([row for row, _ in boxes], np.int64),
        label=np.array([number[box.label] for _, box in boxes], np.int64),
        xyxy=np.array([box.xyxy for _, box in boxes], np.float64).reshape(-1, 4),
        score=np.ones(len(boxes)),
    )


def _label_ids(photo: FoundPhoto) -> Iterable[str]:
    """Name labels by what they are, so that the order of a label file does not matter."""
    seen: Counter[tuple[str, Corners]] = Counter()
    for box in photo.boxes:
        x1, y1, x2, y2 = (round(value, 6) for value in box.xyxy)
        what = (box.label, (x1, y1, x2, y2))
        yield digest_of([photo.photo_id, box.label, list(what[1]), seen[what]])
        seen[what] += 1


def _main_reasons(refusals: Sequence[Refusal]) -> str:
    counts = Counter(refusal.kind for refusal in refusals).most_common(3)
    first = {kind: next(refusal for refusal in refusals if refusal.kind == kind) for kind, _ in counts}
    return "; ".join(f"{count} × {kind} (first {first[kind].file})" for kind, count in counts)


def _shown(corners: Corners) -> str:
    return "corners " + ", ".join(f"{value:.4g}" for value in corners)
