"""Door to FiftyOne's samples: photos, pictures, evaluations, verdicts and views, written and read in bulk.

The samples of a workspace are one dataset. Its raw collection is written here and nowhere else: a document takes a
hundredth of the time of a `fo.Sample`. Photos and pictures are only ever inserted, never replaced, so that publishing
twice changes nothing and a person's edit stays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from bson import ObjectId
from pymongo import UpdateMany

from curation.carried import Said, read_said
from curation.collected import collect
from curation.connection import failures_named
from curation.decisions import NOTHING_KNOWN, Collected, Journal, sample_as_left
from curation.documents import (
    SYNTHETIC,
    Document,
    Photos,
    photo_samples,
    photos_of,
    placed_update,
    read_boxes,
    read_images,
)
from curation.edited import read_finding_edits, read_kept_labels
from curation.labelling import publish_selection, read_labelled, waiting_ids
from curation.records import FindingEdit
from curation.results import (
    Marks,
    Update,
    evaluation_updates,
    judge,
    mark_updates,
    verdict_updates,
)
from curation.returned import Selected
from curation.schema import (
    LABELS,
    declare_fields,
    declare_marks,
    declare_review,
    declare_user_fields,
    follow_move,
    origin_of,
    register_evaluation,
    remember_classes,
    save_evaluation,
    user_fields,
)
from generation.records import SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable
from training.errors import DataError
from training.fields import Fields
from training.matching import Errors, Matches
from training.records import SPLITS, Split

CHUNK = 200
"""Samples a write; the journal is synced once for each."""
IMPORTS = "imports"
"""Key of the dataset's `info` that holds the numbers of the imports that were published."""
T = TypeVar("T")


@failures_named()
def open_dataset(name: str, *, root: Path) -> "Store":
    """Open a workspace's dataset, made where there is none; `root` is the workspace, that paths are relative to.

    After `connect`. The samples of a workspace that was moved get its new place.
    """
    import fiftyone as fo

    dataset = fo.load_dataset(name) if fo.dataset_exists(name) else fo.Dataset(name, persistent=True)
    declare_fields(dataset)
    follow_move(dataset, str(root.resolve()))
    return Store(dataset, root.resolve())


@dataclass(frozen=True)
class Store:
    """A workspace's dataset in FiftyOne. Every method raises `DatabaseError` where the database fails."""

    dataset: Any
    root: Path

    @failures_named()
    def publish_photos(
        self, images: ImageTable, labels: BoxTable, classes: Sequence[str], fields: Fields | None = None
    ) -> int:
        """Insert the photos that are not there yet, with their labels, fields and tags; give their number.

        One that is there without a split was selected for labelling: it becomes what would have been inserted. Any
        other that is there stays. `classes` are kept in their order, behind those that are known. `fields` have one
        value a photo.
        """
        remember_classes(self.dataset, classes)
        carried = declare_user_fields(self.dataset, fields or {})
        new = np.flatnonzero(~np.isin(images.id, list(self._ids())))
        waiting = np.flatnonzero(np.isin(images.id, list(self._ids({"split": None, "request_id": None}))))
        origin = origin_of(self.dataset, self.root)
        for rows in _chunks(new.tolist()):
            self._insert(photo_samples(images, labels, np.array(rows), classes, origin, carried))
        for rows in _chunks(waiting.tolist()):
            samples = photo_samples(images, labels, np.array(rows), classes, origin, carried)
            self._update(placed_update(sample) for sample in samples)
        return len(new) + len(waiting)

    def publish_selection(self, selected: Selected) -> int:
        """Show the photos of a selection to people, in a saved view; give how many are new (`curation.labelling`)."""
        return publish_selection(self.dataset, self.root, selected)

    def read_labelled(self) -> list[dict[str, Any]]:
        """Give the selected photos that people tagged `labelled`, as rows for `training.read_rows`."""
        return read_labelled(self.dataset)

    def waiting_for_labels(self) -> set[str]:
        """Give the ids of the selected photos that were shown and are not taken in yet."""
        return waiting_ids(self.dataset)

    def published_imports(self) -> set[int]:
        """Give the numbers of the imports whose photos were all published; photos may have been deleted since."""
        return {int(number) for number in self.dataset.info.get(IMPORTS, ())}

    @failures_named()
    def remember_import(self, number: int) -> None:
        """Note that all photos of an import were published."""
        self.dataset.info[IMPORTS] = sorted(self.published_imports() | {number})
        self.dataset.save()

    @failures_named()
    def publish_pictures(self, pictures: Iterable[SyntheticImage], journal: Journal = NOTHING_KNOWN) -> int:
        """Insert the synthetic pictures that are not there yet, under their request ids; give their number.

        They get the boxes and the decisions of `journal`: so a database that was made anew has what people did.
        """
        declare_review(self.dataset)
        known, origin, count = self._ids(), origin_of(self.dataset, self.root), 0
        for part in _chunks(picture for picture in pictures if picture.request_id not in known):
            self._insert([sample_as_left(picture, origin, journal) for picture in part])
            count += len(part)
        return count

    @failures_named()
    def read_photos(self) -> Photos:
        """Read the real photos and labels, and what people say of photos; classes that people added are remembered.

        Raises `DataError` where a synthetic picture is in val or test, or a photo is not of the workspace.
        """
        self._refuse_synthetic_in_splits()
        names = user_fields(self.dataset)
        wanted = dict.fromkeys(("filepath", "split", "metadata", "tags", *names), 1)
        wanted |= {f"{LABELS}.detections.{name}": 1 for name in ("_id", "label", "bounding_box")}
        query = {"split": {"$in": list(SPLITS)}, "request_id": None, "tags": {"$ne": SYNTHETIC}}
        samples = self._collection.find(query, wanted).sort("_id", 1)
        said: list[Said] = []
        parts = []
        for part in _chunks(samples):
            parts.append((read_images(part, self.root), read_boxes(part)))
            said += read_said(part, names)
        photos = photos_of(parts, tuple(self.dataset.default_classes), said)
        remember_classes(self.dataset, photos.classes)
        return photos

    @failures_named()
    def publish_evaluation(
        self,
        key: str,
        *,
        images: ImageTable,
        labels: BoxTable,
        predictions: BoxTable,
        matches: Matches,
        errors: Errors,
        classes: Sequence[str],
        split: Split,
        mean_ap: float | None = None,
    ) -> None:
        """Write an evaluation of one split as FiftyOne's own would be, so that its panel, views and filters work.

        Predictions that count go into `pred_KEY`; each box gets KEY (tp, fp, fn), KEY_id, KEY_iou and KEY_kind (the
        error's name). `labels` are those that `matches` refers to. Done again, it replaces what it wrote. `key` must be
        a Python identifier.
        """
        judged, rows = judge(predictions, labels, matches, errors), images.rows_of(split)
        view = self.dataset.match({"split": split})
        method = register_evaluation(view, key)
        for part in _chunks(rows.tolist()):
            self._update(evaluation_updates(key, judged, images, np.array(part), classes))
        save_evaluation(view, method, key, judged, classes, mean_ap)

    @failures_named()
    def mark_labels(self, field: str, images: ImageTable, labels: BoxTable, marks: Marks) -> None:
        """Write into `field` of each of these labels the names that mark it, none where none does.

        `field` must be a Python identifier. Views show marked labels: `save_view`.
        """
        declare_marks(self.dataset, field)
        for rows in _chunks(np.unique(labels.image).tolist()):
            self._update(mark_updates(field, images, labels, np.array(rows), marks))

    @failures_named()
    def save_view(
        self,
        name: str,
        *,
        label_ids: Sequence[str] | None = None,
        marked: tuple[str, str] | None = None,
        photo_ids: Sequence[str] | None = None,
        description: str = "",
    ) -> None:
        """Save a view instead of one that has the name; all that is asked for must hold.

        `label_ids`: photos with these labels, others hidden. `marked`: photos with labels that carry a mark in a field,
        others hidden; it stays small however many there are. `photo_ids`: these photos.
        """
        from fiftyone import ViewField

        view = self.dataset.view() if photo_ids is None else self.dataset.select(list(photo_ids))
        if label_ids is not None:
            wanted = ViewField("_id").is_in([ObjectId(label_id) for label_id in label_ids])
            view = view.filter_labels(LABELS, wanted)
        if marked is not None:
            field, mark = marked
            view = view.filter_labels(LABELS, ViewField(field).contains(mark))
        self.dataset.save_view(name, view, description=description, overwrite=True)

    @failures_named()
    def publish_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Tag pictures accepted or rejected, with the reason, except where a person has done anything since."""
        declare_review(self.dataset)
        for part in _chunks(verdicts):
            self._update(verdict_updates(part))

    def settled_labels(self) -> frozenset[str]:
        """Give the ids of labels and predicted boxes that people said are to be suspected no more."""
        return read_kept_labels(self.dataset)

    def finding_edits(self, number: int) -> tuple[FindingEdit, ...]:
        """Give what people said about the findings of a round, in the order in which they did."""
        return read_finding_edits(self.dataset, number)

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        """Read what people decided and corrected; `pictures` are as they were published."""
        return collect(self.dataset, pictures)

    @property
    def _collection(self) -> Any:
        return self.dataset._sample_collection

    def _ids(self, query: Mapping[str, Any] = MappingProxyType({})) -> set[str]:
        return {str(sample["_id"]) for sample in self._collection.find(query, {"_id": 1})}

    def _insert(self, samples: list[Document]) -> None:
        self._collection.insert_many(samples, ordered=False)

    def _update(self, updates: Iterable[Update]) -> None:
        self._collection.bulk_write([UpdateMany(query, stages) for query, stages in updates], ordered=False)

    def _refuse_synthetic_in_splits(self) -> None:
        held_out = ["val", "test"]
        synthetic = {"$or": [{"request_id": {"$ne": None}}, {"tags": SYNTHETIC}]}
        inside = {"$or": [{"split": {"$in": held_out}}, {"tags": {"$in": held_out}}]}
        found = self._collection.find_one({"$and": [synthetic, inside]}, {"filepath": 1})
        if found is not None:
            hint = "take the tag val or test away from it in the App: models are judged on real photos alone"
            raise DataError(f"the synthetic picture {found['filepath']} is marked as val or test", hint=hint)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while part := list(islice(iterator, CHUNK)):
        yield part
