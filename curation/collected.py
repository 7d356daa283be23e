"""Door to what people left on samples: decisions and corrected boxes, read as columns; and writes that spare both.

Reading changes nothing, so it can be done while people work, from another process, and twice.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bson import ObjectId

from curation.connection import failures_named
from curation.decisions import Collected, Edits, HumanDecisions
from curation.documents import NamedBoxes, read_boxes
from curation.plugin.decisions import ACCEPTED, BY_TAG, REJECTED, Document, by_tag, standing
from generation.records import SyntheticImage
from training.boxes import Bools, Ints
from training.files import digest_of

SAME_CORNERS = 1e-9
"""Corners that differ by no more were not moved: the width is stored, not the right edge."""


@failures_named()
def collect(dataset: Any, pictures: Sequence[SyntheticImage] = ()) -> Collected:
    """Read all decisions, by key and by tag, and the changed boxes of `pictures`, which are as they were published."""
    decided = {"$or": [{"decisions.0": {"$exists": True}}, {"tags": {"$in": [ACCEPTED, REJECTED]}}]}
    wanted = dict.fromkeys(("decisions", "tags", "verdict", "last_modified_at"), 1)
    samples = list(dataset._sample_collection.find(decided, wanted).sort("_id", 1))
    both = [str(sample["_id"]) for sample in samples if {ACCEPTED, REJECTED} <= set(sample["tags"])]
    return Collected(decisions=decisions_of(samples), tagged_both_ways=tuple(both), edits=read_edits(dataset, pictures))


def decisions_of(samples: Sequence[Document]) -> HumanDecisions:
    """Give the decisions of samples as columns; a tag that says other than the verdict is one more, the last."""
    rows: list[tuple[Any, ...]] = []
    for sample in samples:
        entries = [*(sample.get("decisions") or []), *_by_tag(sample)]
        standing_numbers = [entry["number"] for entry in standing(entries)]
        for entry in entries:
            number = entry["number"]
            stands = number in standing_numbers
            head = (str(sample["_id"]), number, entry["verdict"], entry["reviewer"], entry["reason"], entry["at"])
            rows.append((*head, stands, stands and number == standing_numbers[-1]))
    columns = list(zip(*rows, strict=True)) or [()] * 8
    kinds: tuple[Any, ...] = ("<U24", np.int64, np.str_, np.str_, np.str_, "datetime64[ms]", np.bool_, np.bool_)
    return HumanDecisions(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


@failures_named()
def read_edits(dataset: Any, pictures: Sequence[SyntheticImage]) -> Edits:
    """Give the boxes of those pictures on which they are no longer what was published."""
    by_id = {str(sample["_id"]): sample for sample in _boxes_of(dataset, [each.request_id for each in pictures])}
    there = [picture for picture in pictures if picture.request_id in by_id]
    now, before = read_boxes([by_id[picture.request_id] for picture in there]), _published(there)
    rows = changed_images(before, now, len(there))
    kept = np.isin(now.image, rows)
    renumbered = np.searchsorted(rows, now.image[kept])
    boxes = NamedBoxes(id=now.id[kept], image=renumbered, name=now.name[kept], xyxy=now.xyxy[kept])
    ids = tuple(picture.request_id for picture in there)
    return Edits(picture_ids=tuple(ids[row] for row in rows.tolist()), boxes=boxes, there=ids)


def changed_images(before: NamedBoxes, now: NamedBoxes, image_count: int) -> Ints:
    """Give the images, ascending, whose boxes differ in number, id, class or corners; their order does not matter."""
    counts = [np.bincount(boxes.image, minlength=image_count) for boxes in (before, now)]
    same_count = counts[0] == counts[1]
    first, second = (_ordered(boxes, same_count) for boxes in (before, now))
    differs = (first.id != second.id) | (first.name != second.name)
    differs |= (np.abs(first.xyxy - second.xyxy) > SAME_CORNERS).any(axis=1)
    return np.union1d(np.flatnonzero(~same_count), first.image[differs]).astype(np.int64)


def _by_tag(sample: Document) -> list[Document]:
    said = by_tag(sample.get("tags") or (), sample.get("verdict"))
    if said is None:
        return []
    number = len(sample.get("decisions") or ())
    return [{"number": number, "verdict": said, "reviewer": BY_TAG, "reason": "", "at": sample.get("last_modified_at")}]


def _boxes_of(dataset: Any, request_ids: Sequence[str]) -> Any:
    wanted = {f"ground_truth.detections.{name}": 1 for name in ("_id", "label", "bounding_box")}
    return dataset._sample_collection.find({"_id": {"$in": [ObjectId(each) for each in request_ids]}}, wanted)


def _published(pictures: Sequence[SyntheticImage]) -> NamedBoxes:
    labels = [(row, number, label) for row, each in enumerate(pictures) for number, label in enumerate(each.labels)]
    return NamedBoxes(
        id=np.array([digest_of([pictures[row].request_id, number]) for row, number, _ in labels], "<U24"),
        image=np.array([row for row, _, _ in labels], np.int64),
        name=np.array([label.label for _, _, label in labels], np.str_),
        xyxy=np.clip(np.array([label.xyxy for _, _, label in labels], np.float64).reshape(-1, 4), 0, 1),
    )


def _ordered(boxes: NamedBoxes, is_kept: Bools) -> NamedBoxes:
    order = np.lexsort((boxes.id, boxes.image))
    return boxes.take(order[is_kept[boxes.image[order]]])
