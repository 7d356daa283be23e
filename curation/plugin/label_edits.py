"""Door to suspected labels on samples: settle a suspicion, take that back, and keep a record of it.

Suspicions that are open lie in the field `suspected_labels` of their photo, so that people see the boxes in question.
To settle one takes its box out of there and changes the label in the same update. What was changed is first added to
the collection `curate_label_edits`, with the label as it was, so nothing is lost whenever it ends. The record is marked
as done behind the update; one that is not marked may not have happened, and the suspicion is then still open.
"""

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from curation.plugin.decisions import TOUCHED, Document

LABEL_EDITS, SUSPECTED = "curate_label_edits", "suspected_labels"
KEEP, SUGGESTED, DELETE, UNDO = "keep", "suggested", "delete", "undo"
LABELS = "ground_truth"
UNLABELLED = "unlabelled"
_OPEN = f"{SUSPECTED}.detections"


def open_suspicions(dataset: Any, sample_ids: Sequence[str]) -> list[tuple[str, Document]]:
    """Give the open suspicions of some photos with the photo's id, in their order."""
    ids = [ObjectId(each) for each in sample_ids if ObjectId.is_valid(each)]
    held = {str(each["_id"]): each for each in dataset._sample_collection.find({"_id": {"$in": ids}}, {_OPEN: 1})}
    return [
        (sample_id, suspicion)
        for sample_id in sample_ids
        for suspicion in (held.get(sample_id, {}).get(SUSPECTED) or {}).get("detections") or []
    ]


def is_possible(suspicion: Document, what: str) -> bool:
    """Say whether a suspicion can be settled so: a label must be there to be deleted, a class to be set."""
    if what == SUGGESTED:
        return suspicion["suggested"] is not None
    return what == KEEP or suspicion["kind"] != UNLABELLED


def settle(dataset: Any, sample_id: str, suspicion: Document, what: str, *, reviewer: str) -> bool:
    """Settle a suspicion: `KEEP` the labels, set what is `SUGGESTED` (a class or a new box), or `DELETE` the label.

    Says whether it was still open.
    """
    label_id = suspicion["label_id"]
    new = _new_box(suspicion) if what == SUGGESTED and suspicion["kind"] == UNLABELLED else None
    record = {
        "sample_id": sample_id,
        "label_id": label_id,
        "what": what,
        "reviewer": reviewer,
        "suspicion": suspicion,
        "before": _label(dataset, sample_id, label_id),
        "added": new,
    }
    boxes = None
    if what == DELETE:
        boxes = _without(_boxes(LABELS), "_id", ObjectId(label_id))
    elif new is not None:
        boxes = {"$concatArrays": [_boxes(LABELS), {"$literal": [new]}]}
    elif what == SUGGESTED:
        boxes = _with_class(_boxes(LABELS), label_id, suspicion["suggested"])
    return _change(dataset, record, boxes, _without(_boxes(SUSPECTED), "label_id", label_id), was_open=True)


def take_back(dataset: Any, sample_ids: Sequence[str], *, reviewer: str) -> str | None:
    """Take back a reviewer's last edit on some photos, or of all where none is given; give its photo."""
    mine = [
        edit
        for edit in standing_edits(dataset)
        if edit["reviewer"] == reviewer and (not sample_ids or edit["sample_id"] in sample_ids)
    ]
    return _restore(dataset, mine[-1], reviewer) if mine else None


def standing_edits(dataset: Any) -> list[Document]:
    """Give the edits that were done and that nobody took back, in the order in which they were made."""
    edits = list(_edits(dataset).find({"dataset": dataset._doc.id, "done": True}).sort([("at", 1), ("_id", 1)]))
    undone = {edit["undoes"] for edit in edits if edit["what"] == UNDO}
    return [edit for edit in edits if edit["what"] != UNDO and edit["_id"] not in undone]


def _restore(dataset: Any, edit: Document, reviewer: str) -> str | None:
    before, suspicion = edit["before"], edit["suspicion"]
    record = {name: edit[name] for name in ("sample_id", "label_id", "suspicion", "before", "added")}
    boxes = None
    if edit["what"] == DELETE and before is not None:
        boxes = {"$concatArrays": [_without(_boxes(LABELS), "_id", before["_id"]), {"$literal": [before]}]}
    elif edit["added"] is not None:
        boxes = _without(_boxes(LABELS), "_id", edit["added"]["_id"])
    elif edit["what"] == SUGGESTED and before is not None:
        boxes = _with_class(_boxes(LABELS), edit["label_id"], before["label"])
    back = {"$concatArrays": [{"$literal": [suspicion]}, _boxes(SUSPECTED)]}
    record |= {"what": UNDO, "undoes": edit["_id"], "reviewer": reviewer}
    return edit["sample_id"] if _change(dataset, record, boxes, back, was_open=False) else None


def _change(dataset: Any, record: Document, boxes: Document | None, suspected: Document, *, was_open: bool) -> bool:
    """Add the record, change the sample unless somebody else was faster, and mark the record as done.

    `boxes` are the labels, None where they stay, and `suspected` the suspicions that are left open.
    """
    number, label_id = ObjectId(), record["label_id"]
    literal = {name: {"$literal": value} for name, value in (record | {"dataset": dataset._doc.id}).items()}
    _edits(dataset).update_one({"_id": number}, [{"$set": literal | {"at": "$$NOW", "done": False}}], upsert=True)
    is_open = {f"{_OPEN}.label_id": label_id if was_open else {"$ne": label_id}}
    fields = {SUSPECTED: suspected} | ({} if boxes is None else {LABELS: boxes})
    changes: Document = {
        field: {"$mergeObjects": [{"_cls": "Detections"}, f"${field}", {"detections": held}]}
        for field, held in fields.items()
    }
    changes["last_modified_at"] = TOUCHED
    query = {"_id": ObjectId(record["sample_id"]), **is_open}
    changed = bool(dataset._sample_collection.update_one(query, [{"$set": changes}]).matched_count)
    if changed:
        _edits(dataset).update_one({"_id": number}, {"$set": {"done": True}})
    return changed


def _boxes(field: str) -> Document:
    return {"$ifNull": [f"${field}.detections", []]}


def _without(boxes: Any, key: str, value: Any) -> Document:
    return {"$filter": {"input": boxes, "cond": {"$ne": [f"$$this.{key}", {"$literal": value}]}}}


def _with_class(boxes: Any, label_id: str, name: str) -> Document:
    renamed = {"$mergeObjects": ["$$this", {"label": {"$literal": name}}]}
    is_it = {"$eq": ["$$this._id", ObjectId(label_id)]}
    return {"$map": {"input": boxes, "as": "this", "in": {"$cond": [is_it, renamed, "$$this"]}}}


def _new_box(suspicion: Document) -> Document:
    box = {"_id": ObjectId(), "_cls": "Detection", "attributes": {}, "tags": []}
    return box | {"label": suspicion["suggested"], "bounding_box": suspicion["place"]}


def _label(dataset: Any, sample_id: str, label_id: str) -> Document | None:
    """Give a label as it is now, None where it is no longer there."""
    query = {"_id": ObjectId(sample_id)}
    sample = dataset._sample_collection.find_one(query, {f"{LABELS}.detections": 1}) or {}
    boxes = (sample.get(LABELS) or {}).get("detections") or []
    return next((box for box in boxes if str(box["_id"]) == label_id), None)


def _edits(dataset: Any) -> Any:
    return dataset._sample_collection.database[LABEL_EDITS]
