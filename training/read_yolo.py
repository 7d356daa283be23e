"""DOOR disk: YOLO folders: `data.yaml` with its splits, or `images/` and `labels/` with `classes.txt`."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from training.errors import DataError
from training.folder import inside, read_text_inside, replace_last, suffix_of
from training.intake import Intake, number_in, split_of
from training.pixels import PHOTO_SUFFIXES
from training.records import SPLITS, Split
from training.source import BadItem, FoundBox, Source, checked_corners, checked_name, printable
from training.yolo_yaml import MAX_YAML_BYTES, DataYaml, Entry, find_yaml, read_yaml

MAX_LABEL_BYTES = 8 * 2**20
MAX_LIST_BYTES = 256 * 2**20
_IMAGES, _LABELS = frozenset({"images"}), frozenset({"labels"})
_CLASS_FILES = ("classes.txt", "labels/classes.txt")


@dataclass(frozen=True)
class _Wanted:
    name: str
    split: Split | None


def read_yolo(intake: Intake, yaml_name: str | None) -> Source:
    """Read a YOLO folder. `yaml_name` names its YAML, None looks for one.

    Labels are rows `class x y width height`, centre and size as fractions of the upright picture, as ultralytics takes
    them. A photo without a label file, or with an empty one, is background.
    """
    yaml_name = yaml_name or find_yaml(intake.root, intake.names)
    if yaml_name is None:
        classes = _listed_classes(intake)
        wanted = _all_photos(intake)
    else:
        described = read_yaml(intake.root, yaml_name)
        classes = described.names
        wanted = _wanted_by(intake, described)
    intake.total_count = len(wanted)
    for photo in wanted:
        _read_photo(intake, photo, classes)
        intake.step()
    _list_lonely_labels(intake)
    return intake.source("yolo", (classes[index] for index in sorted(classes)))


def label_name_of(photo_name: str) -> str:
    """Give the label file of a photo: the last folder `images` becomes `labels`; without one it lies beside."""
    stem, _ = posixpath.splitext(photo_name)
    return (replace_last(f"{stem}.txt", _IMAGES, "labels")) or f"{stem}.txt"


def read_row(row: str, classes: dict[int, str]) -> FoundBox:
    """Read one row of a label file; raises `BadItem` for a row that is not a box of a known class."""
    parts = row.split()
    if len(parts) != 5:
        raise BadItem(_not_five(len(parts)))
    numbers = [number_in(part) for part in parts]
    if not numbers[0].is_integer() or int(numbers[0]) not in classes:
        raise BadItem(f"unknown class: number {printable(parts[0], 20)}")
    _, x, y, width, height = numbers
    corners = checked_corners(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return FoundBox(label=classes[int(numbers[0])], xyxy=corners)


def _not_five(count: int) -> str:
    if count < 5:
        return f"short row: {count} of 5 numbers"
    if count >= 7 and count % 2:
        return f"polygon instead of a box: {count // 2} points"
    return f"polygon or scored box instead of a box: {count} numbers where a box has 5"


def _read_photo(intake: Intake, photo: _Wanted, classes: dict[int, str]) -> None:
    label_name = label_name_of(photo.name)
    blamed = photo.name
    try:
        opened = intake.open_photo(photo.name)
        blamed = label_name
        rows = _rows_of(intake, label_name) if label_name in intake.name_set else []
    except BadItem as bad:
        intake.refuse(blamed, bad.reason, lost="photo")
        return
    boxes = intake.boxes(label_name, rows, lambda row: read_row(row, classes), photo_id=opened.photo_id)
    intake.keep(photo.name, opened, boxes, split=photo.split)


def _rows_of(intake: Intake, name: str) -> list[tuple[int | None, str]]:
    text = read_text_inside(intake.root, name, max_bytes=MAX_LABEL_BYTES)
    return [(line, row) for line, row in enumerate(text.split("\n"), 1) if row.strip()]


def _listed_classes(intake: Intake) -> dict[int, str]:
    for name in _CLASS_FILES:
        if name in intake.name_set:
            try:
                rows = read_text_inside(intake.root, name, max_bytes=MAX_YAML_BYTES).split("\n")
                named = [checked_name(row) for row in rows if row.strip()]
            except BadItem as bad:
                raise DataError(f"{name}: {bad.reason}", hint="write one class name a line, in UTF-8") from bad
            if named and len(set(named)) == len(named):
                return dict(enumerate(named))
            raise DataError(f"{name} holds no names, or one twice", hint="write one class name a line")
    raise DataError(
        f"no class names in {intake.root}: there is neither data.yaml nor classes.txt",
        hint="write classes.txt, one class name a line in the order of the numbers",
    )


def _all_photos(intake: Intake) -> list[_Wanted]:
    """Give all photos, below a folder `images` where there is one, with the split that a folder names."""
    names = intake.photo_names()
    below = [name for name in names if "images" in name.split("/")[:-1]]
    return [_Wanted(name, split_of(posixpath.dirname(name))) for name in below or names]


def _wanted_by(intake: Intake, described: DataYaml) -> list[_Wanted]:
    """Give the photos of each split; one that two splits name belongs to the first of them."""
    for line, note in described.ignored:
        intake.refuse(described.file, note, line=line, lost="nothing")
    base = _base_folder(intake, described)
    owner: dict[str, Split] = {}
    for split in SPLITS:
        for entry in described.splits.get(split, ()):
            taken = 0
            for name in _names_of(intake, described.file, entry, base):
                taken += owner.setdefault(name, split) != split
            if taken:
                note = f"photos of another split: {taken} of {split} stay where they are named first"
                intake.refuse(described.file, note, line=entry.line, lost="nothing")
    return [_Wanted(name, owner[name]) for name in sorted(owner)]


def _base_folder(intake: Intake, described: DataYaml) -> str:
    """Give the folder that the splits are meant from: `path` where it is one of the source, else the YAML's own."""
    home = posixpath.dirname(described.file)
    if described.path is None:
        return home
    try:
        folder = inside(intake.root, described.path.text, base=home)
        if folder in intake.folders:
            return folder
        reason = f"path is not a folder here: {printable(described.path.text)!r}"
    except BadItem as bad:
        reason = bad.reason
    intake.refuse(described.file, f"{reason}; the folder of the YAML is used", line=described.path.line, lost="nothing")
    return home


def _names_of(intake: Intake, file: str, entry: Entry, base: str) -> Iterator[str]:
    try:
        name = _resolved(intake, entry.text, base)
    except BadItem as bad:
        intake.refuse(file, bad.reason, line=entry.line, lost="photo")
        return
    if name in intake.name_set and suffix_of(name) == ".txt":
        yield from _names_in_list(intake, name, base)
    elif name in intake.name_set:
        yield name
    else:
        prefix = f"{name}/" if name else ""
        yield from (photo for photo in intake.photo_names() if photo.startswith(prefix))


def _resolved(intake: Intake, text: str, base: str) -> str:
    """Find what a split names. Exports are often written for a place beside their folder (`../train/images`)."""
    name = inside(intake.root, text.removeprefix("../"), base=base)
    if name not in intake.folders and name not in intake.name_set:
        inside(intake.root, text, base=base)  # say that it leaves rather than that it is missing
        raise BadItem(f"split is missing: {printable(text)!r} is not there or holds nothing")
    return name


def _names_in_list(intake: Intake, list_name: str, base: str) -> Iterator[str]:
    try:
        text = read_text_inside(intake.root, list_name, max_bytes=MAX_LIST_BYTES)
    except BadItem as bad:
        intake.refuse(list_name, bad.reason, lost="photo")
        return
    folders = (base, posixpath.dirname(list_name))
    for line, row in enumerate(text.split("\n"), 1):
        if row.strip():
            try:
                yield _listed(intake, row.strip(), folders)
            except BadItem as bad:
                intake.refuse(list_name, bad.reason, line=line, lost="photo")


def _listed(intake: Intake, text: str, folders: tuple[str, str]) -> str:
    """Find the photo that a list names, from the dataset's folder or from the list's own."""
    leaves: BadItem | None = None
    for folder in folders:
        try:
            name = inside(intake.root, text, base=folder)
        except BadItem as bad:
            leaves = leaves or bad
            continue
        if name in intake.name_set:
            return name
    raise leaves or BadItem(f"missing image: {printable(text)!r}")


def _list_lonely_labels(intake: Intake) -> None:
    """List label files below `labels` whose photo is not there at all."""
    stems = {posixpath.splitext(label_name_of(name))[0] for name in intake.names if suffix_of(name) in PHOTO_SUFFIXES}
    for name in intake.names:
        stem, suffix = posixpath.splitext(name)
        if suffix == ".txt" and _LABELS & set(name.split("/")[:-1]) and stem not in stems and name not in _CLASS_FILES:
            intake.refuse(name, "missing image: the label file has no photo", lost="photo")
