"""DOOR disk: COCO files: one or more `.json` with images, annotations and categories."""

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import DataError
from training.folder import inside, read_inside, suffix_of
from training.intake import Intake, Opened, number, placing, simple_fields, split_of, turned
from training.records import Split
from training.source import BadItem, FoundBox, Source, checked_corners, checked_name, printable

MAX_JSON_BYTES = 2**30
_KNOWN_FIELDS = frozenset({"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"})

Values = dict[str, Any]


@dataclass(frozen=True)
class _File:
    """One parsed file: its name, the split that it names, and its three lists."""

    name: str
    split: Split | None
    images: list[Any]
    annotations: list[Any]
    categories: list[Any]


@dataclass(frozen=True)
class _Labelled:
    """A photo that was read, with one set of labels."""

    opened: Opened
    boxes: tuple[FoundBox, ...]
    lost_count: int
    """Labels that could not be used."""

    def same(self, other: "_Labelled") -> bool:
        """Say whether the labels are the same, in any order."""
        return (set(self.boxes), self.lost_count) == (set(other.boxes), other.lost_count)


@dataclass(frozen=True)
class _Image:
    """One image of a file."""

    file: _File
    name: str
    """Of the photo, inside the source."""
    values: Values
    annotations: list[Values]


def read_coco(intake: Intake) -> Source:
    """Read all COCO files of a folder; the split is in a file's name (`instances_val2017.json`) or in its folder.

    Boxes are `x, y, width, height` in pixels of the picture size that the file declares. A photo that is named again is
    kept again only where its labels differ: as an exact duplicate, of which an import takes the first.
    """
    files = [file for name in coco_names(intake.names) if (file := _parsed(intake, name))]
    classes = _classes(files)
    intake.total_count = sum(len(file.images) for file in files)
    taken: dict[str, _Labelled | None] = {}
    for file in files:
        _read_file(intake, file, classes, taken)
    return intake.source("coco", [classes[key] for key in sorted(classes, key=lambda key: (isinstance(key, str), key))])


def coco_names(names: list[str]) -> list[str]:
    """Give the files that may be COCO: `.json` at most one folder down; only `instances_*` where there are such."""
    found = [name for name in names if suffix_of(name) == ".json" and name.count("/") <= 1]
    instances = [name for name in found if posixpath.basename(name).startswith("instances_")]
    return instances or found


def looks_like_coco(root: Path, name: str) -> bool:
    """Say whether a file may be COCO by the words in it, without parsing."""
    try:
        _, data = read_inside(root, name, max_bytes=MAX_JSON_BYTES)
    except BadItem:
        return False
    return b'"images"' in data and b'"annotations"' in data


def _parsed(intake: Intake, name: str) -> _File | None:
    """Parse one file; what is no COCO file is listed."""
    try:
        _, data = read_inside(intake.root, name, max_bytes=MAX_JSON_BYTES)
        lists = _lists(json.loads(data, parse_constant=_refuse_constant))
    except BadItem as bad:
        intake.refuse(name, bad.reason, lost="photo")
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        intake.refuse(name, f"not JSON: {printable(str(error), 100)}", line=line, lost="photo")
    else:
        return _File(name, split_of(posixpath.splitext(name)[0]), *lists)
    return None


def _lists(top: Any) -> tuple[list[Any], list[Any], list[Any]]:
    found = [top.get(key) if isinstance(top, dict) else None for key in ("images", "annotations", "categories")]
    match found:
        case [list() as images, list() as annotations, list() as categories]:
            return images, annotations, categories
    raise BadItem("not a COCO file: it needs the lists images, annotations and categories")


def _refuse_constant(text: str) -> float:
    raise BadItem(f"not JSON: it holds {text}")


def _classes(files: list[_File]) -> dict[int | str, str]:
    """Give class names by category id, over all files; raises `DataError` where they are unclear."""
    found: dict[int | str, str] = {}
    for file in files:
        try:
            own = [(_id_of(category), checked_name(category.get("name"))) for category in file.categories]
        except BadItem as bad:
            raise DataError(f"{printable(file.name)}, categories: {bad.reason}", hint="correct the categories") from bad
        if len({key for key, _ in own}) < len(own) or any(found.get(key, name) != name for key, name in own):
            raise DataError(f"{printable(file.name)}: a category id stands for two", hint="number the categories alike")
        found |= dict(own)
    if files and not found:
        raise DataError("the COCO files name no categories", hint="add categories with id and name")
    if len(set(found.values())) < len(found):
        raise DataError("two categories have the same name", hint="give each class one category")
    return found


def _read_file(
    intake: Intake, file: _File, classes: Mapping[int | str, str], taken: dict[str, _Labelled | None]
) -> None:
    by_image = _by_image(intake, file)
    names_by_id: dict[Hashable, set[str]] = defaultdict(set)
    for image in file.images:
        if isinstance(image, dict):
            names_by_id[_key(image.get("id"))].add(str(image.get("file_name")))
    for image in file.images:
        try:
            image_id = _own_id(image, names_by_id)
            name = _photo_name(intake, file, image)
            named = _Image(file, name, image, by_image.get(_key(image_id), []))
            if name in taken:
                _read_again(intake, named, classes, taken[name])
            else:
                taken[name] = _read_photo(intake, named, classes)
        except BadItem as bad:
            intake.refuse(file.name, bad.reason, lost="photo")
        intake.step()


def _own_id(image: Any, names_by_id: Mapping[Hashable, set[str]]) -> int | str:
    """Give an image's id; raises `BadItem` where another photo has it too: their labels are mixed."""
    image_id = _id_of(image)
    if len(names_by_id[_key(image_id)]) > 1:
        raise BadItem(f"image id given to several photos: {printable(str(image_id), 40)}")
    return image_id


def _read_photo(intake: Intake, image: _Image, classes: Mapping[int | str, str]) -> _Labelled | None:
    """Keep a photo with its labels; None where it cannot be used."""
    try:
        labelled = _labelled(intake, image, intake.open_photo(image.name), classes)
    except BadItem as bad:
        intake.refuse(image.name, bad.reason, lost="photo")
        return None
    _keep(intake, image, labelled)
    return labelled


def _read_again(intake: Intake, image: _Image, classes: Mapping[int | str, str], first: _Labelled | None) -> None:
    """List a photo that was read before; keep it again where its labels are others: which are right is not known."""
    listed_count, reason, labelled = len(intake.refusals), "photo named twice", None
    if first:
        with suppress(BadItem):
            labelled = _labelled(intake, image, first.opened, classes)
    if first and labelled and not labelled.same(first):
        reason = "photo named twice with other labels"
        _keep(intake, image, labelled)
    else:
        del intake.refusals[listed_count:]  # what is bad was listed with the first
    intake.refuse(image.file.name, f"{reason}: {printable(image.name)!r}", lost="nothing")


def _keep(intake: Intake, image: _Image, labelled: _Labelled) -> None:
    split = image.file.split or split_of(posixpath.dirname(image.name))
    fields = simple_fields(image.values, _KNOWN_FIELDS)
    intake.keep(image.name, labelled.opened, labelled.boxes, split=split, fields=fields)


def _labelled(intake: Intake, image: _Image, opened: Opened, classes: Mapping[int | str, str]) -> _Labelled:
    """Read the labels of one photo; raises `BadItem` where they are for another picture size."""
    declared = _declared_size(image.values)
    orientation = placing(opened.seen, declared)
    width_px, height_px = declared or (opened.seen.width_px, opened.seen.height_px)

    def read(annotation: Values) -> FoundBox:
        try:
            return _read_box(annotation, classes, width_px=width_px, height_px=height_px, orientation=orientation)
        except BadItem as bad:
            raise BadItem(f"{bad.reason} (annotation {printable(str(annotation.get('id')), 40)})") from bad

    listed_count, rows = len(intake.refusals), [(None, annotation) for annotation in image.annotations]
    boxes = intake.boxes(image.file.name, rows, read, photo_id=opened.photo_id)
    return _Labelled(opened, boxes, sum(refusal.lost == "label" for refusal in intake.refusals[listed_count:]))


def _read_box(
    annotation: Values, classes: Mapping[int | str, str], *, width_px: float, height_px: float, orientation: int
) -> FoundBox:
    category = annotation.get("category_id")
    if isinstance(category, bool) or not isinstance(category, int | str) or category not in classes:
        raise BadItem(f"unknown class: category {printable(str(category), 40)}")
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise BadItem("not a box: bbox needs four numbers")
    x, y, width, height = (number(value) for value in box)
    corners = checked_corners(x / width_px, y / height_px, (x + width) / width_px, (y + height) / height_px)
    return FoundBox(label=classes[category], xyxy=turned(corners, orientation))


def _by_image(intake: Intake, file: _File) -> dict[Hashable, list[Values]]:
    """Sort annotations to their images; those that cannot be used at all are listed."""
    known = {_key(image.get("id")) for image in file.images if isinstance(image, dict)}
    found: dict[Hashable, list[Values]] = defaultdict(list)
    seen: set[Hashable] = set()
    for annotation in file.annotations:
        try:
            _check_annotation(annotation, known, seen)
        except BadItem as bad:
            intake.refuse(file.name, bad.reason, lost="label")
        else:
            found[_key(annotation["image_id"])].append(annotation)
    return found


def _check_annotation(annotation: Any, known: set[Hashable], seen: set[Hashable]) -> None:
    """Raise `BadItem` for an annotation that repeats an id, covers a crowd or belongs to no image."""
    if not isinstance(annotation, dict):
        raise BadItem("not an annotation: it has no keys")
    own_id = annotation.get("id")
    shown = printable(str(own_id), 40)
    if own_id is not None and _key(own_id) in seen:
        raise BadItem(f"annotation id given twice: {shown}")
    seen.add(_key(own_id))
    if annotation.get("iscrowd") not in (None, 0):
        raise BadItem(f"crowd, not one object: annotation {shown}")
    if _key(annotation.get("image_id")) not in known:
        raise BadItem(f"annotation of no image: annotation {shown}")


def _photo_name(intake: Intake, file: _File, image: Values) -> str:
    """Find a photo from the file's folder, the root, or the usual folders for photos; raises `BadItem`."""
    told = image.get("file_name")
    if not isinstance(told, str):
        raise BadItem("image without file_name: it names no photo")
    words = re.findall(r"(?:train|val|valid|test)\d*", posixpath.basename(file.name).lower())
    places = ["", "images", "data", *words, *(f"images/{word}" for word in words)]
    for place in (posixpath.dirname(file.name), *places):
        name = inside(intake.root, told, base=place)
        if name in intake.name_set:
            return name
    raise BadItem(f"missing image: {printable(told)!r}")


def _declared_size(image: Values) -> tuple[float, float] | None:
    if image.get("width") is None and image.get("height") is None:
        return None
    return number(image.get("width")), number(image.get("height"))


def _id_of(item: Any) -> int | str:
    """Give an item's id; raises `BadItem` where it has none."""
    value = item.get("id") if isinstance(item, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadItem(f"not an id: {printable(str(value), 40)}")
    return value


def _key(value: object) -> Hashable:
    """Give a key that keeps 1, true and "1" apart, and takes anything."""
    return (type(value).__name__, value if isinstance(value, int | str) else repr(value)[:80])
