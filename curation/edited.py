"""Door to what people said about findings and did to suspected labels, and to the suspicions that they are shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from curation.connection import failures_named
from curation.plugin.decisions import TOUCHED, Document
from curation.plugin.finding_edits import edits_of
from curation.plugin.label_edits import DELETE, LABELS, SUSPECTED, UNLABELLED, standing_edits
from curation.records import FindingEdit
from training.files import digest_of

DECLARED = ("label_id", "kind", "own", "suggested", "words")
"""What a suspicion says in text, as attributes of its box."""
FRAME = 0.008
"""How far its box lies around the label's, which would hide it otherwise; a share of the photo's sides."""


@failures_named()
def read_finding_edits(dataset: Any, round_number: int) -> tuple[FindingEdit, ...]:
    """Read what people said about the findings of a round, in the order in which they did."""
    said = ("finding_id", "round", "reviewer", "says", "action", "pictures", "reason")
    return tuple(
        FindingEdit.model_validate({name: edit[name] for name in said} | {"at": _iso(edit["at"])})
        for edit in edits_of(dataset, round_number)
    )


@failures_named()
def read_kept_labels(dataset: Any) -> frozenset[str]:
    """Read the ids that are suspected no more: labels that people kept or gave a class, boxes they wanted no label of.

    The latter are ids of predictions, which hold as long as the same model predicts the same box.
    """
    return frozenset(edit["label_id"] for edit in standing_edits(dataset) if edit["what"] != DELETE)


@failures_named()
def publish_suspicions(dataset: Any, suspicions: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[str, ...]:
    """Show suspicions as boxes of the field `suspected_labels`, instead of older ones; give the photos that have some.

    `suspicions` are those of a `SuspectQueue`, by photo. What people settled is left out, and so are labels that are
    no longer there.
    """
    _declare(dataset)
    settled = {edit["label_id"] for edit in standing_edits(dataset)}
    there = _label_ids(dataset, list(suspicions))
    shown = {
        photo_id: [
            _box(each)
            for each in found
            if each["label_id"] not in settled
            and (each["kind"] == UNLABELLED or each["label_id"] in there.get(photo_id, ()))
        ]
        for photo_id, found in suspicions.items()
    }
    held = f"{SUSPECTED}.detections"
    gone = {"_id": {"$nin": [ObjectId(photo_id) for photo_id in suspicions]}, f"{held}.0": {"$exists": True}}
    updates = [
        UpdateOne({"_id": ObjectId(photo_id), held: {"$ne": boxes}}, [{"$set": _field(boxes)}])
        for photo_id, boxes in shown.items()
    ]
    dataset._sample_collection.update_many(gone, [{"$set": _field([])}])
    if updates:
        dataset._sample_collection.bulk_write(updates, ordered=False)
    return tuple(photo_id for photo_id, boxes in shown.items() if boxes and photo_id in there)


def _declare(dataset: Any) -> None:
    import fiftyone as fo

    if dataset.has_field(SUSPECTED):
        return
    dataset.add_sample_field(SUSPECTED, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    for name in DECLARED:
        dataset.add_sample_field(f"{SUSPECTED}.detections.{name}", fo.StringField)
    dataset._sample_collection.create_index(f"{SUSPECTED}.detections.label_id", sparse=True)


def _box(suspicion: Mapping[str, Any]) -> Document:
    """Give a suspicion as a frame around its place, under an id of its own: the label's would be there twice."""
    place, known = suspicion["xyxy"], {name: suspicion[name] for name in DECLARED}
    frame = [max(0.0, place[0] - FRAME), max(0.0, place[1] - FRAME)]
    frame += [min(1.0, place[2] + FRAME) - frame[0], min(1.0, place[3] + FRAME) - frame[1]]
    return known | {
        "_id": ObjectId(digest_of(["suspected", suspicion["label_id"]])[:24]),
        "_cls": "Detection",
        "attributes": {},
        "tags": [],
        "label": suspicion["kind"],
        "confidence": suspicion["score"],
        "bounding_box": frame,
        "place": [place[0], place[1], place[2] - place[0], place[3] - place[1]],
    }


def _field(boxes: list[Document]) -> Document:
    return {SUSPECTED: {"$literal": {"_cls": "Detections", "detections": boxes}}, "last_modified_at": TOUCHED}


def _label_ids(dataset: Any, photo_ids: Sequence[str]) -> dict[str, set[str]]:
    """Give the ids of the labels that these photos have now; photos that are gone are missing."""
    query = {"_id": {"$in": [ObjectId(photo_id) for photo_id in photo_ids]}}
    found = dataset._sample_collection.find(query, {f"{LABELS}.detections._id": 1})
    return {
        str(sample["_id"]): {str(box["_id"]) for box in (sample.get(LABELS) or {}).get("detections") or []}
        for sample in found
    }


def _iso(at: Any) -> str:
    """Write a time of the database's clock, which is UTC."""
    return str(at.replace(tzinfo=UTC).isoformat(timespec="milliseconds").removesuffix("+00:00"))
