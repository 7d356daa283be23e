"""Door to the samples of a running session, for operators and panel: decide about some, find the next one, count.

Everything is written raw and at once, because FiftyOne's own `save` would write whole samples, and what others did with
them. A sitting is a document of the collection `curate_sittings`, not of the dataset's `info`, which FiftyOne always
writes whole: a second process would take an ending back.
"""

import getpass
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from bson import ObjectId

from curation.plugin.decisions import ACCEPTED, IS_DECIDED, LABELLED, REJECTED, SHOWN, Document, standing
from curation.plugin.label_edits import LABELS, SUSPECTED

SITTINGS = "curate_sittings"
ENV_SITTING, ENV_REVIEWER = "CURATE_SITTING", "CURATE_REVIEWER"
"""Environment variables of the App's server: the id of its sitting, and who sits."""


@dataclass(frozen=True)
class Progress:
    """How far a queue is decided by people."""

    queued: int
    accepted: int
    rejected: int
    drawn: int
    """Decided pictures that were drawn at random; all, where none was."""
    right: int
    """Accepted ones of these."""

    @property
    def decided(self) -> int:
        """Count the decided pictures."""
        return self.accepted + self.rejected


def login_name() -> str:
    """Give the name of who runs the program; a container's user may have none but its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # KeyError up to Python 3.12
        return f"uid {os.getuid()}"


def sitting_of(dataset: Any, sitting_id: str) -> Document:
    """Give what a sitting is about, or where there is none of this id, one about all synthetic pictures."""
    known: Document | None = _sittings(dataset).find_one({"_id": sitting_id}) if sitting_id else None
    return known or {"_id": "", "what": "", "ended": None}


def begin_sitting(dataset: Any, sitting: Document) -> None:
    """Note a sitting, under its `_id`."""
    _sittings(dataset).replace_one({"_id": sitting["_id"]}, {"ended": None, **sitting}, upsert=True)


def end_sitting(dataset: Any, sitting_id: str) -> bool:
    """Note that somebody ended a sitting; say whether there was one."""
    ended = _sittings(dataset).update_one({"_id": sitting_id}, [{"$set": {"ended": "$$NOW"}}])
    return bool(ended.matched_count)


def show_card(dataset: Any, sitting_id: str, place: int) -> None:
    """Note which of its findings a sitting shows, by its place."""
    _sittings(dataset).update_one({"_id": sitting_id}, {"$set": {"showing": place}})


def apply(dataset: Any, sample_ids: Sequence[str], stages: list[Document]) -> int:
    """Run an update on each of some samples, and give the number of those that are there."""
    ids = [ObjectId(sample_id) for sample_id in sample_ids if ObjectId.is_valid(sample_id)]
    return int(dataset._sample_collection.update_many({"_id": {"$in": ids}}, stages).matched_count)


def next_undecided(dataset: Any, what: str, after_id: str | None) -> str | None:
    """Give the first picture of a queue behind another one that is left to do, from its start again at its end."""
    key, open_ones = rank_key(what), open_query(what)
    after = dataset._sample_collection.find_one({"_id": ObjectId(after_id)}, {key: 1}) if after_id else None
    rank = _at(after, key)
    for query in ([{key: {"$gt": rank}}] if rank is not None else []) + [{"_id": {"$ne": after and after["_id"]}}]:
        found = dataset._sample_collection.find_one({"$and": [open_ones, query]}, {"_id": 1}, sort=[(key, 1)])
        if found is not None:
            return str(found["_id"])
    return None


def last_decided(dataset: Any, reviewer: str) -> str | None:
    """Give the picture that a reviewer decided last, of the decisions that stand."""
    latest: tuple[Any, str] | None = None
    for sample in dataset._sample_collection.find({"decisions.reviewer": reviewer}, {"decisions": 1}):
        mine = [entry["at"] for entry in standing(sample["decisions"]) if entry["reviewer"] == reviewer]
        if mine and (latest is None or mine[-1] > latest[0]):
            latest = mine[-1], str(sample["_id"])
    return latest and latest[1]


def decided_by(dataset: Any, reviewer: str, sample_ids: Sequence[str]) -> list[str]:
    """Give those of some samples on which a decision of a reviewer stands."""
    ids = [ObjectId(sample_id) for sample_id in sample_ids if ObjectId.is_valid(sample_id)]
    found = dataset._sample_collection.find({"_id": {"$in": ids}, "decisions.reviewer": reviewer}, {"decisions": 1})
    return [
        str(sample["_id"])
        for sample in found
        if any(entry["reviewer"] == reviewer for entry in standing(sample["decisions"]))
    ]


def labelled_of(dataset: Any, sample_ids: Sequence[str]) -> list[str]:
    """Give those of some photos that are labelled and not taken in; where there is none, the one that was last."""
    ids = [ObjectId(sample_id) for sample_id in sample_ids if ObjectId.is_valid(sample_id)]
    done = {**queue_query("photos"), "split": None, "tags": LABELLED}
    found = list(dataset._sample_collection.find({**done, "_id": {"$in": ids}}, {"_id": 1}))
    if not found:
        found = list(dataset._sample_collection.find(done, {"_id": 1}, sort=[("last_modified_at", -1)], limit=1))
    return [str(sample["_id"]) for sample in found]


def story_of(dataset: Any, sample_id: str) -> str:
    """Give what the program wrote about a sample, in Markdown; empty without."""
    query = {"_id": ObjectId(sample_id)} if ObjectId.is_valid(sample_id) else {"_id": None}
    return str(_at(dataset._sample_collection.find_one(query, {"review.story": 1}), "review.story") or "")


def seen_of(dataset: Any, sample_id: str) -> Document:
    """Give what the App shows of a sample and what it guards edits by, as its script `keys.js` takes it."""
    sample = dataset._sample_collection.find_one({"_id": ObjectId(sample_id)}) or {}
    boxes = (sample.get("ground_truth") or {}).get("detections") or []
    modified = sample.get("last_modified_at")
    return {
        "_id": sample_id,
        "modified_ms": round(modified.replace(tzinfo=UTC).timestamp() * 1000) if modified else 0,
        "tags": sample.get("tags") or [],
        **{name: sample.get(name) for name in ("verdict", "verdict_reason", "reviewer")},
        "boxes": [[str(box["_id"]), box.get("label"), box.get("bounding_box")] for box in boxes],
    }


def boxes_of(dataset: Any, sample_id: str) -> Document:
    """Give labels and open suspicions of a sample as the App shows them, by field."""
    sample = dataset._sample_collection.find_one({"_id": ObjectId(sample_id)}, {LABELS: 1, SUSPECTED: 1}) or {}
    shown = ("_cls", "label", "bounding_box", "tags", "attributes", "confidence", "label_id", "kind", "suggested")
    return {
        field: [
            {"_id": str(box["_id"])} | {name: box[name] for name in shown if name in box}
            for box in (sample.get(field) or {}).get("detections") or []
        ]
        for field in (LABELS, SUSPECTED)
    }


def count_open(dataset: Any, what: str) -> tuple[int, int]:
    """Count the pictures of a queue that are left to do, and all."""
    count = dataset._sample_collection.count_documents
    return count(open_query(what)), count(queue_query(what))


def progress_of(dataset: Any, what: str) -> Progress:
    """Count what people have decided of a queue."""
    shown = {"shown": SHOWN, "decided": IS_DECIDED, "drawn": {"$ifNull": ["$review.at_random", False]}}
    counted = {"$group": {"_id": {"drawn": "$drawn", "shown": {"$cond": ["$decided", "$shown", ""]}}, "n": {"$sum": 1}}}
    found = dataset._sample_collection.aggregate([{"$match": queue_query(what)}, {"$project": shown}, counted])
    counts = {(group["_id"]["drawn"], group["_id"]["shown"]): int(group["n"]) for group in found}
    accepted, rejected = (counts.get((False, each), 0) + counts.get((True, each), 0) for each in (ACCEPTED, REJECTED))
    right, wrong = (counts.get((True, each), 0) for each in (ACCEPTED, REJECTED))
    any_drawn = any(drawn for drawn, _ in counts)
    return Progress(
        queued=sum(counts.values()),
        accepted=accepted,
        rejected=rejected,
        drawn=right + wrong if any_drawn else accepted + rejected,
        right=right if any_drawn else accepted,
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (Wilson 1927); 0 and 1 of nothing."""
    if not count:
        return 0.0, 1.0
    z2 = 3.8414588206941254  # of the normal distribution: this runs where scipy would take a second to import
    spread = math.sqrt(z2 * (right * (count - right) / count + z2 / 4))
    low, high = ((right + z2 / 2 + sign * spread) / (count + z2) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def rank_key(what: str) -> str:
    """Give the path of a sample's place in a queue; its id where there is no queue."""
    return f"review.rank.{what}" if what else "_id"


def queue_query(what: str) -> Document:
    """Give the query of all samples of a queue."""
    return {rank_key(what): {"$gte": 0}} if what else {"request_id": {"$ne": None}}


def open_query(what: str) -> Document:
    """Give the query of what is left to do in a queue: what is not decided or labelled; evidence is never done."""
    if what == "photos":
        return {**queue_query(what), "split": None, "tags": {"$ne": LABELLED}}
    if what == "labels":
        return {**queue_query(what), f"{SUSPECTED}.detections.0": {"$exists": True}}
    return queue_query(what) | ({} if what == "findings" else {"$expr": {"$not": [IS_DECIDED]}})


def _at(sample: Document | None, path: str) -> Any:
    value: Any = sample
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _sittings(dataset: Any) -> Any:
    return dataset._sample_collection.database[SITTINGS]
