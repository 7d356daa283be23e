"""Operators of the FiftyOne App for suspected labels: keep, set what is suggested, delete; they go on to the next.

They work on the suspicions that are selected as boxes, else on the first one of the open photo, else on all those of
the selected photos. Boxes are moved in the App's own annotation; to keep a label afterwards says that it is right now.
"""

from typing import Any

import fiftyone.operators as foo

from curation.plugin import label_edits
from curation.plugin.acting import button, is_about, open_next, refresh, reviewer_of, targets_of
from curation.plugin.decisions import Document
from curation.plugin.label_edits import DELETE, KEEP, SUGGESTED, SUSPECTED

IMPOSSIBLE = {
    SUGGESTED: "Nothing is suggested for this label: keep or delete it, or correct it in Annotate",
    DELETE: "There is no label to delete: keep the photo as it is, or set what is suggested",
}


class KeepLabel(foo.Operator):  # type: ignore[misc]
    """Keep a suspected label as it is now: it is right, and suspected no more."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="keep_label", label="Curate: keep the label (k)", icon="check")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Keep label (k)", "check", whats=("labels",))

    def execute(self, ctx: Any) -> Document:
        """Settle, and go on."""
        return settle(ctx, KEEP)


class SetSuggested(foo.Operator):  # type: ignore[misc]
    """Give a suspected label the class that is suggested, or add the label that seems to be missing."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="set_suggested", label="Curate: set what is suggested (f)", icon="auto_fix_high")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Set suggested (f)", "auto_fix_high", whats=("labels",))

    def execute(self, ctx: Any) -> Document:
        """Settle, and go on."""
        return settle(ctx, SUGGESTED)


class DeleteLabel(foo.Operator):  # type: ignore[misc]
    """Delete a suspected label."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="delete_label", label="Curate: delete the label (x)", icon="delete")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Delete label (x)", "delete", whats=("labels",))

    def execute(self, ctx: Any) -> Document:
        """Settle, and go on."""
        return settle(ctx, DELETE)


def in_question(ctx: Any) -> list[tuple[str, Document]]:
    """Give the suspicions that an operator is about, each with its photo."""
    found = label_edits.open_suspicions(ctx.dataset, targets_of(ctx))
    chosen = {label["label_id"] for label in ctx.selected_labels or ()}
    marked = [each for each in found if chosen & {str(each[1]["_id"]), each[1]["label_id"]}]
    return marked or (found[:1] if ctx.current_sample else found)


def settle(ctx: Any, what: str) -> Document:
    """Settle the suspicions in question, and show the next one, on the next photo where this one has no more."""
    if not is_about(ctx, "labels"):
        return {"count": 0}
    asked = in_question(ctx)
    possible = [each for each in asked if label_edits.is_possible(each[1], what)]
    reviewer = reviewer_of(ctx)
    done = [label_edits.settle(ctx.dataset, *each, what, reviewer=reviewer) for each in possible]
    if len(possible) < len(asked):
        ctx.ops.notify(IMPOSSIBLE[what], variant="warning")
    elif not asked:
        ctx.ops.notify("Open or select a photo with a suspected label first", variant="warning")
    refresh(ctx, boxes=True)
    if done and ctx.current_sample and not mark_first(ctx):
        open_next(ctx)
    return {"count": sum(done)}


def take_back(ctx: Any) -> Document:
    """Take back the reviewer's last edit on the photos in question, else the last one of all, and open its photo."""
    reviewer = reviewer_of(ctx)
    photo_id = label_edits.take_back(ctx.dataset, targets_of(ctx), reviewer=reviewer)
    photo_id = photo_id or label_edits.take_back(ctx.dataset, [], reviewer=reviewer)
    refresh(ctx, boxes=True)
    if photo_id is None:
        ctx.ops.notify(f"{reviewer} has changed nothing to take back")
    elif ctx.current_sample == photo_id:
        mark_first(ctx)
    elif ctx.current_sample:
        ctx.ops.open_sample(id=photo_id)
    return {"count": int(photo_id is not None)}


def mark_first(ctx: Any) -> bool:
    """Select the box of the open photo's first suspicion, so that people see which one is meant; say if there is one.

    The panel follows the selection.
    """
    found = label_edits.open_suspicions(ctx.dataset, [ctx.current_sample])
    marked = [
        {"label_id": str(suspicion["_id"]), "sample_id": photo_id, "field": SUSPECTED}
        for photo_id, suspicion in found[:1]
    ]
    ctx.ops.set_selected_labels(marked)
    return bool(found)


OPERATORS = (KeepLabel, SetSuggested, DeleteLabel)
