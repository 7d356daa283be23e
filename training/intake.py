"""DOOR disk: what the readers of all formats do alike: open a photo, keep what is good, list what is not."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

from training.errors import DataError
from training.fields import MAX_FIELDS, MAX_LENGTH, Value, simple_value
from training.files import digest_of
from training.folder import parents_of, read_inside, suffix_of
from training.pixels import MAX_PHOTO_BYTES, PHOTO_SUFFIXES, Seen, look_at
from training.records import Split
from training.source import BadItem, Corners, FoundBox, FoundPhoto, Origin, Refusal, Source, printable

Progress = Callable[[int, int], None]
"""Called with how many photos are done, and how many there are."""
Row = TypeVar("Row")

GROUP_FIELDS = ("video_id", "seq_id", "sequence", "camera", "camera_id", "site", "location")
_SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train", "trainval": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A photo that was read and decoded."""

    path: Path
    photo_id: str
    seen: Seen


@dataclass
class Intake:
    """The source being read: its files, and what was kept and listed so far."""

    root: Path
    """Absolute, links resolved."""
    names: list[str]
    """All files, relative to the root, sorted."""
    progress: Progress | None
    may_be_bare: frozenset[str] = frozenset()
    """Ids of photos that may come without a label, even where none of the source has one."""
    refusals: list[Refusal] = field(default_factory=list)
    photos: list[tuple[str, FoundPhoto]] = field(default_factory=list)
    done_count: int = 0
    total_count: int = 0

    def __post_init__(self) -> None:
        self.name_set = frozenset(self.names)
        self.folders = parents_of(self.names)

    def photo_names(self) -> list[str]:
        """Give the files that are photos by their suffix."""
        return [name for name in self.names if suffix_of(name) in PHOTO_SUFFIXES]

    def refuse(
        self,
        file: str,
        reason: str,
        *,
        line: int | None = None,
        lost: Literal["photo", "label", "nothing"],
        photo_id: str = "",
    ) -> None:
        """List something that is not used; `photo_id` is of the photo that goes on without it."""
        self.refusals.append(Refusal(file=printable(file, 300), line=line, reason=reason, lost=lost, photo_id=photo_id))

    def step(self) -> None:
        """Tell that one more photo is done."""
        self.done_count += 1
        if self.progress is not None:
            self.progress(self.done_count, max(self.total_count, self.done_count))

    def open_photo(self, name: str) -> Opened:
        """Read and decode a photo once; raises `BadItem`."""
        if suffix_of(name) not in PHOTO_SUFFIXES:
            raise BadItem(f"not a photo by its suffix: {printable(suffix_of(name)) or 'it has none'}")
        path, data = read_inside(self.root, name, max_bytes=MAX_PHOTO_BYTES)
        if suffix_of(path.name) not in PHOTO_SUFFIXES:
            raise BadItem("link to a file that is not a photo by its suffix: it was not used")
        return Opened(path=path, photo_id=digest_of(data), seen=look_at(data))

    def boxes(
        self, file: str, rows: Iterable[tuple[int | None, Row]], read: Callable[[Row], FoundBox], *, photo_id: str
    ) -> tuple[FoundBox, ...]:
        """Read label rows in order, each with its line; rows that cannot be used, or say the same again, are listed."""
        found: dict[FoundBox, None] = {}
        for line, row in rows:
            try:
                box = read(row)
            except BadItem as bad:
                self.refuse(file, bad.reason, line=line, lost="label", photo_id=photo_id)
                continue
            if box in found:
                self.refuse(file, f"the same box again: {box.label}", line=line, lost="nothing")
            found[box] = None
        return tuple(found)

    def keep(
        self,
        name: str,
        opened: Opened,
        boxes: tuple[FoundBox, ...],
        *,
        split: Split | None,
        fields: Mapping[str, Value] | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        """Keep a photo with its labels."""
        extra = dict(fields or {})
        photo = FoundPhoto(
            path=opened.path,
            photo_id=opened.photo_id,
            width_px=opened.seen.width_px,
            height_px=opened.seen.height_px,
            split=split,
            group=next((f"{key}={extra[key]}" for key in GROUP_FIELDS if key in extra), ""),
            look=opened.seen.look,
            boxes=boxes,
            fields=extra,
            tags=tags,
        )
        self.photos.append((name, photo))

    def source(self, layout: Origin, classes: Iterable[str]) -> Source:
        """Close the intake; raises `DataError` where no photo, or no label at all, can be used.

        No label is enough where one of the photos may be without, and none was lost.
        """
        photos = tuple(photo for _, photo in sorted(self.photos, key=lambda named: named[0]))
        lost_count = sum(refusal.lost == "photo" for refusal in self.refusals)
        if not photos:
            raise DataError(
                f"no usable photo in {self.root} (read as {layout}){self._because()}", hint=_EXPECTED[layout]
            )
        any_lost = any(refusal.lost == "label" for refusal in self.refusals)
        may_be_bare = not any_lost and any(photo.photo_id in self.may_be_bare for photo in photos)
        if not may_be_bare and not any(photo.boxes for photo in photos):
            raise DataError(
                f"no usable label in {self.root} (read as {layout}){self._because()}", hint=_EXPECTED[layout]
            )
        return Source(
            format=layout,
            photos=photos,
            classes=tuple(classes),
            refusals=tuple(self.refusals),
            seen_count=len(photos) + lost_count,
        )

    def _because(self) -> str:
        if not self.refusals:
            return ""
        first = self.refusals[0]
        return f"; {len(self.refusals)} refused, first {first.file}: {first.reason}"


_EXPECTED: dict[Origin, str] = {
    "fiftyone": "the dataset needs photos with detections, and the files where it says",
    "yolo": "YOLO is data.yaml with train, val and names; or images/ and labels/ with classes.txt",
    "coco": "COCO is a .json with images, annotations and categories, with the photos beside it or in images/",
    "voc": "VOC is JPEGImages/ and Annotations/, or .xml files beside their photos",
}


def split_of(folders: str) -> Split | None:
    """Give the split that a path of folders names (`train`, `images/val2017`, `valid`), the first one that does."""
    for part in PurePosixPath(folders).parts:
        for word in re.findall("[a-z]+", part.lower()):
            if word in _SPLIT_WORDS:
                return _SPLIT_WORDS[word]
    return None


def simple_fields(values: Mapping[str, object], known: frozenset[str]) -> dict[str, Value]:
    """Give what a source says of a photo beyond `known`: short printable texts, flags and finite numbers only."""
    found: dict[str, Value] = {}
    for key, told in values.items():
        value = simple_value(told)
        if key in known or value is None or len(found) == MAX_FIELDS:
            continue
        if key.isprintable() and 0 < len(key) <= MAX_LENGTH:
            found[key] = value
    return found


def number(value: object) -> float:
    """Give a number from data as a float; raises `BadItem` for anything else, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or not math.isfinite(value):
        raise BadItem(f"not a usable number: {printable(repr(value)[:40])}")
    return float(value)


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def number_in(text: str | None) -> float:
    """Read a number from text, as `number` does."""
    text = (text or "").strip()
    if len(text) > 64 or not _NUMBER.fullmatch(text):
        raise BadItem(f"not a usable number: {printable(text, 40)!r}")
    return number(float(text))


def placing(seen: Seen, declared: tuple[float, float] | None) -> int:
    """Give the EXIF orientation to apply to boxes, by the picture size that the labels were drawn on.

    The size of the upright picture: 1, nothing to do. The size of the stored picture only: its orientation. Raises
    `BadItem` for any other size, and where no size is declared but it would matter.
    """
    upright = (seen.width_px, seen.height_px)
    stored = upright if seen.orientation < 5 else upright[::-1]
    if declared is None:
        if stored != upright:
            raise BadItem("no picture size: the photo is turned by EXIF, so its labels cannot be placed")
        return 1
    if declared == upright:
        return 1
    if declared == stored:
        return seen.orientation
    told = f"{declared[0]:g} × {declared[1]:g}"
    raise BadItem(f"labels are for another picture size: {told}, the photo has {upright[0]} × {upright[1]} px")


def turned(xyxy: Corners, orientation: int) -> Corners:
    """Give a box of the stored picture in the upright one; orientations 5 to 8 (the others keep the size)."""
    x1, y1, x2, y2 = xyxy
    match orientation:
        case 5:
            return y1, x1, y2, x2
        case 6:
            return 1 - y2, x1, 1 - y1, x2
        case 7:
            return 1 - y2, 1 - x2, 1 - y1, 1 - x1
        case 8:
            return y1, 1 - x2, y2, 1 - x1
        case _:
            return xyxy


def repeated(keys: Iterable[str]) -> frozenset[str]:
    """Give the texts that occur more than once."""
    return frozenset(key for key, count in Counter(keys).items() if count > 1)
