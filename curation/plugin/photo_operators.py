"""The operator of the FiftyOne App for selected photos: their labels are right now, so they may be taken in.

Boxes and classes are corrected in the App's own annotation; the tag `labelled` says that a photo is
done, and can as well be set by hand or by script.
"""

from collections.abc import Sequence
from typing import Any

import fiftyone.operators as foo

from curation.plugin import sitting
from curation.plugin.acting import button, is_about, open_next, refresh, targets_of
from curation.plugin.decisions import LABELLED, TO_LABEL, TOUCHED, Document


class Labelled(foo.Operator):  # type: ignore[misc]
    """Say that all labels of photos are right."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="labelled", label="Curate: labelled (l)", icon="done_all")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open photo."""
        return button(ctx, "Labelled (l)", "done_all", whats=("photos",))

    def execute(self, ctx: Any) -> Document:
        """Tag them, and go on."""
        if not is_about(ctx, "photos"):
            return {"count": 0}
        count = tag(ctx, targets_of(ctx), before=TO_LABEL, after=LABELLED)
        if not count:
            ctx.ops.notify("Open or select a photo first", variant="warning")
        elif ctx.current_sample:
            open_next(ctx)
        return {"count": count}


def take_back(ctx: Any) -> Document:
    """Let the labelled ones of the photos in question wait again; where there is none, the last of all, and open it."""
    photo_ids = sitting.labelled_of(ctx.dataset, targets_of(ctx))
    count = tag(ctx, photo_ids, before=LABELLED, after=TO_LABEL)
    if ctx.current_sample and photo_ids and ctx.current_sample not in photo_ids:
        ctx.ops.open_sample(id=photo_ids[0])
    ctx.ops.notify(f"{count} taken back" if count else "No photo is labelled")
    return {"count": count}


def tag(ctx: Any, photo_ids: Sequence[str], *, before: str, after: str) -> int:
    """Give photos one tag instead of another; the number of those that are there."""
    others = {
        "$filter": {"input": {"$ifNull": ["$tags", []]}, "cond": {"$not": [{"$in": ["$$this", [before, after]]}]}}
    }
    stages = [{"$set": {"tags": {"$concatArrays": [others, [after]]}, "last_modified_at": TOUCHED}}]
    count = sitting.apply(ctx.dataset, photo_ids, stages) if photo_ids else 0
    if count:
        refresh(ctx)
    return count


OPERATORS = (Labelled,)
