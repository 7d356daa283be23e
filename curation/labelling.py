"""Door to FiftyOne for labelling: photos of a selection for people to label, and those that they have labelled.

The photos have no split, so that no round reads them; an import gives them one (`Store.publish_photos`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.carried import read_said
from curation.connection import failures_named
from curation.documents import Document, Origin, box_documents, by_image, sample_document
from curation.plugin.decisions import LABELLED, TO_LABEL
from curation.returned import Selected
from curation.schema import LABELS, declare_selection, offer_annotation, origin_of, remember_classes, user_fields
from training.boxes import Ints

SELECTIONS = "selections"
"""Key of the dataset's `info` that holds the numbers of the selections that were published."""
CHUNK = 200
"""Samples a write."""


@failures_named()
def publish_selection(dataset: Any, root: Path, selected: Selected) -> int:
    """Insert the photos of a selection, with the champion's boxes to correct, and save their view; give how many.

    They are inserted once: what people do to them stays, and one that they delete stays deleted. The view is called
    as `view_of` says and has them in the order of the picks. `root` is what paths are relative to. Raises `DataError`
    where photos brought fields of the names that a selection needs.
    """
    selection, images = selected.selection, selected.images
    declare_selection(dataset)
    remember_classes(dataset, selection.classes)
    offer_annotation(dataset)
    published = set(dataset.info.get(SELECTIONS, ()))
    if selection.number in published:
        return 0
    known = [str(each["_id"]) for each in dataset._sample_collection.find({}, {"_id": 1})]
    new = np.flatnonzero(~np.isin(images.id, known))
    for rows in _chunks(new):
        dataset._sample_collection.insert_many(_samples(selected, rows, origin_of(dataset, root)), ordered=False)
    view = dataset.select(images.id.tolist(), ordered=True)
    about = f"{len(images)} photos of {selection.pool}, the most telling first; tag `{LABELLED}` what is done"
    dataset.save_view(view_of(selection.number), view, description=about, overwrite=True)
    dataset.info[SELECTIONS] = sorted(published | {selection.number})
    dataset.save()
    return len(new)


@failures_named()
def read_labelled(dataset: Any) -> list[dict[str, Any]]:
    """Give the photos without a split that people tagged `labelled`, by id, as rows for `training.read_rows`."""
    names = user_fields(dataset)
    query = {"split": None, "request_id": None, "tags": LABELLED}
    return [_row(sample, names) for sample in dataset._sample_collection.find(query).sort("_id", 1)]


@failures_named()
def waiting_ids(dataset: Any) -> set[str]:
    """Give the ids of the photos of selections that are not taken in yet, labelled or not."""
    query = {"split": None, "request_id": None, "selection": {"$ne": None}}
    return {str(sample["_id"]) for sample in dataset._sample_collection.find(query, {"_id": 1})}


def view_of(number: int) -> str:
    """Give the name of the saved view of a selection."""
    return f"selection {number}: photos to label"


def _samples(selected: Selected, rows: Ints, origin: Origin) -> list[Document]:
    """Give the samples of the picked photos `rows`, ascending."""
    part, boxes = selected.images.take(rows), selected.prelabels.of_images(rows)
    columns = zip(
        *(part.id.tolist(), part.path.tolist()),
        zip(part.width_px.tolist(), part.height_px.tolist(), strict=True),
        by_image(box_documents(boxes, selected.selection.classes), np.searchsorted(rows, boxes.image), len(rows)),
        strict=True,
    )
    picks = [selected.picks[row] for row in rows.tolist()]
    number = str(selected.selection.number)
    return [
        sample_document(*column, origin)
        | {"tags": [TO_LABEL], "selection": number, "picked_for": pick.finding_id or pick.kind, "reason": pick.reason}
        for column, pick in zip(columns, picks, strict=True)
    ]


def _row(sample: Document, names: Sequence[str]) -> dict[str, Any]:
    ((fields, tags),) = read_said([sample], names)
    boxes = (sample.get(LABELS) or {}).get("detections") or []
    return {
        "filepath": sample["filepath"],
        "tags": list(tags),
        "fields": dict(fields),
        "labels": [box.get("label") for box in boxes],
        "boxes": [box.get("bounding_box") for box in boxes],
    }


def _chunks(rows: Ints) -> Iterator[Ints]:
    return (rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK))
