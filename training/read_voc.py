"""DOOR disk: Pascal VOC: one `.xml` a photo, in `Annotations/` or beside the photo."""

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from training.folder import inside, read_inside, read_text_inside, replace_last, suffix_of
from training.intake import Intake, Opened, number_in, placing, simple_fields, split_of, turned
from training.pixels import PHOTO_SUFFIXES
from training.records import SPLITS, Split
from training.source import BadItem, FoundBox, Source, checked_corners, checked_name, printable

MAX_XML_BYTES = 2 * 2**20
MAX_LIST_BYTES = 256 * 2**20
_PHOTO_FOLDERS = frozenset({"JPEGImages", "images", "Images"})
_NOTE_FOLDERS = frozenset({"Annotations", "annotations"})
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_LISTS: tuple[tuple[str, Split], ...] = (*((split, split) for split in SPLITS), ("trainval", "train"))


@dataclass
class _Node:
    """An element with its line; only what VOC needs of one."""

    tag: str
    line: int
    children: "list[_Node]" = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def child(self, tag: str) -> "_Node | None":
        return next((child for child in self.children if child.tag == tag), None)

    def text_of(self, tag: str) -> str:
        child = self.child(tag)
        return child.text if child else ""


def read_voc(intake: Intake) -> Source:
    """Read a VOC folder. A photo and its `.xml` have the same name; `filename` is asked only where that fails.

    Splits come from `ImageSets/Main`, else from the names of folders. A photo without an `.xml` is background. Boxes
    are in pixels of the picture size that the file declares.
    """
    photos = _photos(intake)
    notes = _paired(intake, photos)
    splits = _splits(intake, photos, notes)
    intake.total_count = len(photos)
    for key in sorted(photos):
        _read_photo(intake, photos[key], notes.get(key), splits.get(key) or split_of(posixpath.dirname(photos[key])))
        intake.step()
    return intake.source("voc", sorted({box.label for _, photo in intake.photos for box in photo.boxes}))


def has_voc(names: list[str]) -> bool:
    """Say whether some `.xml` lies in `Annotations/` or beside a photo of its name."""
    photos = {key_of(name) for name in names if suffix_of(name) in PHOTO_SUFFIXES}
    return any(suffix_of(name) == ".xml" and key_of(name) in photos for name in names)


def key_of(name: str) -> str:
    """Give what a photo and its annotation have in common: the path without its suffix and its special folder."""
    stem, _ = posixpath.splitext(name)
    return replace_last(stem, _PHOTO_FOLDERS | _NOTE_FOLDERS, "") or stem


def _photos(intake: Intake) -> dict[str, str]:
    """Give photo names by key: below a folder for photos where there is one, else all."""
    names = intake.photo_names()
    below = [name for name in names if _PHOTO_FOLDERS & set(name.split("/")[:-1])]
    found: dict[str, str] = {}
    for name in below or names:
        first = found.setdefault(key_of(name), name)
        if first != name:
            reason = f"two photos for one annotation: {printable(first)!r} is used"
            intake.refuse(name, reason, lost="photo")
    return found


def _paired(intake: Intake, photos: dict[str, str]) -> dict[str, str]:
    """Give annotation names by the key of their photo; annotations without a photo are listed."""
    notes = [name for name in intake.names if suffix_of(name) == ".xml"]
    found = {key_of(name): name for name in reversed(notes) if key_of(name) in photos}
    keys_by_file: dict[str, list[str]] = defaultdict(list)
    for key, name in photos.items():
        keys_by_file[posixpath.basename(name)].append(key)
    for name in notes:
        key = key_of(name)
        if found.get(key) == name:
            continue
        try:
            key = key if key in photos else _key_by_filename(intake, name, keys_by_file)
        except BadItem as bad:
            intake.refuse(name, bad.reason, lost="photo")
            continue
        if found.setdefault(key, name) != name:
            intake.refuse(name, f"two annotations for one photo: {printable(found[key])!r} is used", lost="label")
    return found


def _key_by_filename(intake: Intake, name: str, keys_by_file: dict[str, list[str]]) -> str:
    told = _told_name(intake, _parsed(intake, name))
    keys = keys_by_file.get(posixpath.basename(told), [])
    if len(keys) != 1:
        raise BadItem(f"missing image: {printable(told) or 'no name'!r}" if not keys else "several photos of this name")
    return keys[0]


def _told_name(intake: Intake, top: _Node) -> str:
    """Give `filename`, "" where there is none; raises `BadItem` where it leads out (`path` is never used)."""
    told = top.text_of("filename")
    return inside(intake.root, told) if told else ""


def _splits(intake: Intake, photos: dict[str, str], notes: dict[str, str]) -> dict[str, Split]:
    """Read `ImageSets/Main/{train,val,test,trainval}.txt`; a photo that two lists name belongs to the first."""
    found: dict[str, Split] = {}
    # an annotation may have another name than its photo, and lists go by the annotation's
    keys = {key_of(note): key for key, note in notes.items()} | {key: key for key in photos}
    told = {key_of(name) for name in intake.names if suffix_of(name) == ".xml"}  # listed already where without photo
    for list_name, split in _LISTS:
        for name in intake.names:
            if not name.endswith(f"ImageSets/Main/{list_name}.txt"):
                continue
            for line, row in _rows_of(intake, name):
                own = name.rpartition("ImageSets/Main/")[0] + row
                key = keys.get(own)
                if key is None and own not in told:
                    intake.refuse(name, f"missing image: {printable(row)!r}", line=line, lost="photo")
                    told.add(own)
                elif key is not None and found.setdefault(key, split) != split and list_name != "trainval":
                    reason = f"photo in two lists: {found[key]} has it first"
                    intake.refuse(name, reason, line=line, lost="nothing")
    return found


def _rows_of(intake: Intake, name: str) -> list[tuple[int, str]]:
    """Give line and first word of each row of a list."""
    try:
        text = read_text_inside(intake.root, name, max_bytes=MAX_LIST_BYTES)
    except BadItem as bad:
        intake.refuse(name, bad.reason, lost="nothing")
        return []
    return [(line, row.split()[0]) for line, row in enumerate(text.split("\n"), 1) if row.strip()]


def _read_photo(intake: Intake, name: str, note: str | None, split: Split | None) -> None:
    blamed = name
    try:
        opened = intake.open_photo(name)
        if note is None:
            intake.keep(name, opened, (), split=split)
            return
        blamed = note
        top = _parsed(intake, note)
        _told_name(intake, top)
        rows = _objects(top, opened)
    except BadItem as bad:
        intake.refuse(blamed, bad.reason, lost="photo")
        return
    fields = {child.tag: child.text for child in top.children if not child.children}
    boxes = intake.boxes(note, ((row[0].line, row) for row in rows), _read_box, photo_id=opened.photo_id)
    extra = simple_fields(fields, frozenset({"folder", "filename", "path", "segmented"}))
    intake.keep(name, opened, boxes, split=split, fields=extra)


def _objects(top: _Node, opened: Opened) -> list[tuple[_Node, float, float, int]]:
    """Give the objects with the picture size that they are drawn on, and the orientation that turns them upright."""
    size = top.child("size")
    declared = (number_in(size.text_of("width")), number_in(size.text_of("height"))) if size else None
    declared = None if declared == (0.0, 0.0) else declared  # what some tools write for "unknown"
    orientation = placing(opened.seen, declared)
    width_px, height_px = declared or (opened.seen.width_px, opened.seen.height_px)
    return [(child, width_px, height_px, orientation) for child in top.children if child.tag == "object"]


def _read_box(row: tuple[_Node, float, float, int]) -> FoundBox:
    node, width_px, height_px, orientation = row
    label = checked_name(node.text_of("name"))
    box = node.child("bndbox")
    if box is None:
        raise BadItem("not a box: the object has no bndbox")
    x1, y1, x2, y2 = (number_in(box.text_of(side)) for side in _SIDES)
    corners = checked_corners(x1 / width_px, y1 / height_px, x2 / width_px, y2 / height_px)
    return FoundBox(label=label, xyxy=turned(corners, orientation))


class _Builder:
    """Takes what the parser finds and keeps it as `_Node`s, which know their line."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.top: _Node | None = None
        self.open: list[_Node] = []

    def start(self, tag: str, _attributes: object) -> None:
        node = _Node(tag=tag, line=self.parser.parser.CurrentLineNumber)
        if self.open:
            self.open[-1].children.append(node)
        self.top = self.top or node
        self.open.append(node)

    def data(self, text: str) -> None:
        self.open[-1].parts.append(text)

    def end(self, _tag: str) -> None:
        self.open.pop()

    def close(self) -> _Node | None:
        return self.top


def _parsed(intake: Intake, name: str) -> _Node:
    """Parse an annotation; raises `BadItem` for what is none, and for entities, which could read other files."""
    _, data = read_inside(intake.root, name, max_bytes=MAX_XML_BYTES)
    builder = _Builder()
    parser = DefusedXMLParser(target=builder)
    builder.parser = parser
    try:
        parser.feed(data)
        top: _Node | None = parser.close()
    except DefusedXmlException as error:
        raise BadItem(f"XML with entities: {type(error).__name__}; it was not read") from error
    except (ParseError, LookupError, ValueError) as error:
        raise BadItem(f"not XML: {printable(str(error), 100)}") from error
    if top is None or top.tag != "annotation":
        raise BadItem(f"not a VOC annotation: it begins with {printable(top.tag if top else '', 40)!r}")
    return top
