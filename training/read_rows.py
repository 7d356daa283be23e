"""DOOR disk: photos and labels that are given as rows, with the photos wherever their paths say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.intake import Intake, Progress, simple_fields, split_of
from training.records import Split
from training.source import BadItem, FoundBox, Source, checked_corners, checked_name

Row = Mapping[str, Any]
Labelled = tuple[str | None, Sequence[float] | None]


def read_rows(
    rows: Sequence[Row], progress: Progress | None = None, *, may_be_bare: frozenset[str] = frozenset()
) -> Source:
    """Read rows of `filepath`, `tags`, `fields`, and parallel `labels` and `boxes` (x, y, width, height as fractions).

    The split is that of a field called `split`, else of the one tag that names a split. Checked like any other source.
    Raises `DataError` where no photo can be used, or no label and none of the photos `may_be_bare` (their ids).
    """
    intake = Intake(root=Path("/"), names=[], progress=progress, may_be_bare=may_be_bare, total_count=len(rows))
    for row in rows:
        _read(intake, row)
        intake.step()
    classes = sorted({box.label for _, photo in intake.photos for box in photo.boxes})
    return intake.source("fiftyone", classes)


def _read(intake: Intake, row: Row) -> None:
    path = str(row["filepath"])
    try:
        opened = intake.open_photo(path.lstrip("/"))
    except BadItem as bad:
        intake.refuse(path, bad.reason, lost="photo")
        return
    labelled: list[Labelled] = list(zip(row["labels"], row["boxes"], strict=True))
    boxes = intake.boxes(path, [(None, item) for item in labelled], _box, photo_id=opened.photo_id)
    fields = simple_fields(row["fields"], frozenset({"split"}))
    tags = tuple(str(tag) for tag in row["tags"] if not _split_of_tag(str(tag)))
    intake.keep(path, opened, boxes, split=_split(row), fields=fields, tags=tags)


def _box(labelled: Labelled) -> FoundBox:
    label, box = labelled
    if box is None or len(box) != 4:
        raise BadItem("label without a box: it was not used")
    x, y, width, height = box
    return FoundBox(label=checked_name(label), xyxy=checked_corners(x, y, x + width, y + height))


def _split(row: Row) -> Split | None:
    told = split_of(str(row["fields"].get("split", "")))
    by_tag = {split for tag in row["tags"] if (split := _split_of_tag(str(tag)))}
    return told or (by_tag.pop() if len(by_tag) == 1 else None)


def _split_of_tag(tag: str) -> Split | None:
    """Give the split that a tag names; `test-2` is a tag like any other."""
    return split_of(tag) if tag.isalpha() else None
