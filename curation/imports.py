"""Take labelled photos into the workspace: splits, links, tables, and a record of what was refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import Field

from training.boxes import BoxTable, ImageTable
from training.errors import DamagedFile, DataError, UsageError
from training.fields import Fields, fields_of, load_fields, save_fields
from training.files import link_or_copy, write_json
from training.records import FileRef, ModelVersion, Record, Split
from training.source import FoundPhoto, Refusal, Source, Traits, photo_path, placed_photos, to_tables, traits_of
from training.splits import SplitPlan, VisibleChange, visible_changes
from training.tables import load_table, save_table

FOLDER = "data/imports"


class Refused(Record):
    """Something of the source that is not used, and why."""

    file: str
    line: int | None
    reason: str
    lost: str


class Visible(Record):
    """The smallest change of a class's recall that could be seen on one split."""

    split: Split
    label: str
    objects: int
    photos: int
    share: float


class Returned(Record):
    """What came back of photos that `curate select` had handed out, counted over the new ones alone."""

    selections: tuple[int, ...] = Field(min_length=1)
    """Their numbers, ascending."""
    photos: int
    photos_of: tuple[int, ...] = ()
    """Of each of them, in their order; empty where an older version made the import."""
    into: dict[Split, int]
    """Photos by the split that they go to."""
    prelabels: int
    """Boxes of the champion that the photos went out with."""
    untouched: int
    """Those that came back with the same class and corners."""
    untouched_photos: int
    """Photos whose boxes are all as the champion drew them."""
    by: str
    """Who brought the labels."""
    at: str
    """When, as ISO 8601."""
    notes: tuple[str, ...] = ()
    """What people should know of it, a sentence each."""


class Import(Record):
    """What one import brought into the workspace."""

    number: int
    dataset: str
    """Name of the dataset in FiftyOne."""
    source: str
    """Name of the folder that it came from."""
    format: str
    drawn: bool
    """Whether the program drew the pictures, so that they only stand in for photos."""
    classes: tuple[str, ...]
    """Of the workspace, this import included."""
    photos: dict[str, int]
    """New photos by split."""
    objects: int
    model_id: str | None
    """The model that was brought."""
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
    visible: tuple[Visible, ...]
    images: FileRef
    labels: FileRef
    traits: FileRef
    fields: FileRef | None = None
    """Fields and tags of the photos (`training.fields`), None where an older version made the import."""
    returned: Returned | None = None
    """None where the import brought no photo of a selection."""


def take_in(
    root: Path,
    source: Source,
    plan: SplitPlan,
    *,
    earlier: Sequence[Import],
    dataset: str,
    name: str,
    drawn: bool,
    model: ModelVersion | None,
    returned: Returned | None = None,
) -> Import:
    """Link the photos that are new, keep their tables, and write the record last."""
    classes = _all_classes(earlier, source.classes, model)
    known = {str(photo_id) for brought in earlier for photo_id in tables_of(root, brought)[0].id}
    images, labels = to_tables(replace(source, classes=classes), plan.splits)
    new = [row for row, photo_id in enumerate(images.id) if str(photo_id) not in known]
    if not new:
        raise DataError(f"{name} holds no photo that the workspace does not have", hint="add other photos")
    notes = [*(note.text for note in plan.notes), *_known_note(len(images) - len(new))]
    images, labels = _rows(images, labels, new)
    wanted = set(map(str, images.id))
    for photo in source.photos:
        if photo.photo_id in wanted:
            link_or_copy(photo.path, root / photo_path(photo))
    number = len(earlier) + 1
    record = Import(
        number=number,
        dataset=dataset,
        source=name,
        format=source.format,
        drawn=drawn,
        classes=classes,
        photos={split: len(images.rows_of(split)) for split in ("train", "val", "test")},
        objects=len(labels),
        model_id=model.model_id if model else None,
        refused=tuple(refused_of(refusal) for refusal in source.refusals),
        notes=(*notes, *(returned.notes if returned else ())),
        visible=tuple(_visible(change) for change in visible_changes(images, labels, classes)),
        images=save_table(root / FOLDER / f"{number:03d}.images.npz", images),
        labels=save_table(root / FOLDER / f"{number:03d}.labels.npz", labels),
        traits=save_table(root / FOLDER / f"{number:03d}.traits.npz", traits_of(source.photos, images.id.tolist())),
        fields=save_fields(root / FOLDER / f"{number:03d}.fields.npz", _fields(source.photos, images.id.tolist())),
        returned=returned,
    )
    write_json(root / FOLDER / f"{number:03d}.json", record.plain())
    return record


def imports_of(root: Path) -> tuple[Import, ...]:
    """Give what was imported so far, oldest first."""
    paths = sorted((root / FOLDER).glob("[0-9][0-9][0-9].json"))
    return tuple(_read(path) for path in paths)


def first_import(root: Path) -> Import:
    """Give the import that made the workspace; raises `UsageError` where it was cut short."""
    found = imports_of(root)
    if not found:
        raise UsageError(f"{root} holds no photos yet", hint="finish it: curate init DIR --from PATH")
    return found[0]


def tables_of(root: Path, brought: Import) -> tuple[ImageTable, BoxTable]:
    """Read the tables of an import back."""
    folder = root / FOLDER
    images = load_table(folder / brought.images.name, ImageTable, brought.images)
    return images, load_table(folder / brought.labels.name, BoxTable, brought.labels)


class Shelf(Protocol):
    """Where imports are shown: the dataset in FiftyOne, as `curation.store.Store` keeps it."""

    def published_imports(self) -> set[int]:
        """Give the numbers of the imports that were published whole."""

    def publish_photos(
        self, images: ImageTable, labels: BoxTable, classes: Sequence[str], fields: Fields | None = None
    ) -> int:
        """Show the photos that are not there, with their fields and tags."""

    def remember_import(self, number: int) -> None:
        """Note that an import was published whole."""


def publish(root: Path, brought: Sequence[Import], shelf: Shelf) -> None:
    """Publish each import once, so that a photo which somebody deletes stays deleted.

    One that was cut short is completed; a database that was made again gets all of them.
    """
    known = shelf.published_imports()
    for item in brought:
        if item.number not in known:
            fields = load_fields(root / FOLDER / item.fields.name, item.fields) if item.fields else None
            shelf.publish_photos(*tables_of(root, item), item.classes, fields)
            shelf.remember_import(item.number)


def placed(root: Path, earlier: Sequence[Import]) -> list[FoundPhoto]:
    """Give the photos that the workspace has, so that new ones like them join their split."""
    found: list[FoundPhoto] = []
    for brought in earlier:
        traits = load_table(root / FOLDER / brought.traits.name, Traits, brought.traits)
        found += placed_photos(*tables_of(root, brought), traits, brought.classes)
    return found


def _read(path: Path) -> Import:
    try:
        return Import.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFile(f"{path} does not hold an import", hint="restore it from a backup") from error


def _all_classes(earlier: Sequence[Import], found: Sequence[str], model: ModelVersion | None) -> tuple[str, ...]:
    """Give the classes in a stable order: those known before, then new ones; a model that fits has its own order."""
    known: Sequence[str] = earlier[-1].classes if earlier else ()
    if not earlier and model and sorted(model.classes) == sorted(found):
        known = model.classes
    return (*known, *(name for name in found if name not in known))


def _rows(images: ImageTable, labels: BoxTable, rows: Sequence[int]) -> tuple[ImageTable, BoxTable]:
    """Give the tables of some photos alone, rows renumbered."""
    chosen = np.array(rows, np.int64)
    renumbered = np.full(len(images), -1, np.int64)
    renumbered[chosen] = np.arange(len(chosen))
    kept = labels.of_images(chosen)
    return images.take(chosen), replace(kept, image=renumbered[kept.image])


def _fields(photos: Sequence[FoundPhoto], ids: Sequence[str]) -> Fields:
    """Give the fields and tags of the photos with these ids; of exact duplicates those of the first."""
    by_id = {photo.photo_id: photo for photo in reversed(photos)}
    chosen = [by_id[photo_id] for photo_id in ids]
    return fields_of([photo.fields for photo in chosen], [photo.tags for photo in chosen])


def _known_note(count: int) -> list[str]:
    """Say that photos were skipped, whose labels are those of an earlier import."""
    return [f"photos that the workspace has already, whose labels there stay: {count}"] if count else []


def refused_of(refusal: Refusal) -> Refused:
    """Give what a reader refused, as a record."""
    return Refused(file=refusal.file, line=refusal.line, reason=refusal.reason, lost=refusal.lost)


def _visible(change: VisibleChange) -> Visible:
    return Visible(
        split=change.split, label=change.label, objects=change.objects, photos=change.photos, share=change.share
    )
