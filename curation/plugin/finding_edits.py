"""Door to what people say about findings: documents that are only ever added, in a collection beside the dataset's."""

from collections.abc import Sequence
from typing import Any

from bson import ObjectId

from curation.plugin.decisions import MAX_REASON, Document
from curation.plugin.markdown import plain_text

FINDING_EDITS = "curate_finding_edits"
CONFIRMED, DISMISSED, AS_TESTED = "confirmed", "dismissed", "as tested"
ACTIONS = ("generate", "label", "fix labels", "nothing")


def add_edit(
    dataset: Any,
    finding_id: str,
    *,
    round_number: int,
    reviewer: str,
    says: str | None = None,
    action: str | None = None,
    pictures: int | None = None,
    reason: str = "",
) -> None:
    """Add what somebody said about a finding, dated by the database's clock."""
    said = {"says": says, "action": action, "pictures": pictures, "reason": reason[:MAX_REASON]}
    known = {"dataset": dataset._doc.id, "round": round_number, "finding_id": finding_id, "reviewer": reviewer}
    literal = {name: {"$literal": value} for name, value in (known | said).items()}
    _edits(dataset).update_one({"_id": ObjectId()}, [{"$set": literal | {"at": "$$NOW"}}], upsert=True)


def edits_of(dataset: Any, round_number: int, finding_id: str | None = None) -> list[Document]:
    """Give what people said in a round, about one finding or all, in the order in which they did."""
    query = {"dataset": dataset._doc.id, "round": round_number}
    query |= {"finding_id": finding_id} if finding_id is not None else {}
    return list(_edits(dataset).find(query).sort([("at", 1), ("_id", 1)]))


def told(edits: Sequence[Document]) -> list[str]:
    """Give what was said about a finding since somebody last took all of it back, a line each, in Markdown."""
    backs = [place for place, edit in enumerate(edits) if edit["says"] == AS_TESTED]
    return [_words(edit) for edit in edits[backs[-1] + 1 if backs else 0 :]]


def plan_of(card: Document, edits: Sequence[Document]) -> tuple[str, int]:
    """Give action and number of pictures of a finding as planned, or as people have changed them since."""
    action, pictures = card["action"], card["pictures"]
    for edit in edits:
        if edit["says"] in (AS_TESTED, DISMISSED):
            action, pictures = card["action"], card["pictures"]
        action = action if edit["action"] is None else edit["action"]
        pictures = pictures if edit["pictures"] is None else edit["pictures"]
    return action, pictures


def _words(edit: Document) -> str:
    parts = [edit["says"], edit["action"], f"{edit['pictures']} pictures" if edit["pictures"] is not None else None]
    reason = f" ({edit['reason']})" if edit["reason"] else ""
    return plain_text(f"{edit['reviewer']}: {', '.join(filter(None, parts))}{reason}")


def _edits(dataset: Any) -> Any:
    return dataset._sample_collection.database[FINDING_EDITS]
