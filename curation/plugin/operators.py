"""Operators of the FiftyOne App: accept, reject, extra object, undo, next, end the session.

They work on the open picture, else on the selected ones. After a decision about the open picture the next undecided one
is opened.
"""

import os
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from curation.plugin import label_operators, photo_operators, sitting
from curation.plugin.acting import PICTURES, button, is_about, open_next, refresh, reviewer_of, running, targets_of
from curation.plugin.decisions import (
    ACCEPTED,
    EXTRA_OBJECT,
    MAX_REASON,
    REASONS,
    REJECTED,
    Document,
    decide_stages,
    undo_stages,
)

OTHER = "other"


class Accept(foo.Operator):  # type: ignore[misc]
    """Accept pictures: their labels are right."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="accept", label="Curate: accept (a)", icon="check")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Accept (a)", "check", whats=PICTURES)

    def execute(self, ctx: Any) -> Document:
        """Decide, and go on."""
        return decide(ctx, ACCEPTED, reason="")


class Reject(foo.Operator):  # type: ignore[misc]
    """Reject pictures, with a reason."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="reject", label="Curate: reject (d, or 1 to 5)", icon="close", dynamic=True)

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Reject (d)", "close", whats=PICTURES, prompt=True)

    def resolve_input(self, ctx: Any) -> Any:
        """Ask for the reason, and who says so."""
        form = types.Object()
        choices = types.RadioGroup(label="Reason")
        for number, reason in enumerate(REASONS, start=1):
            choices.add_choice(reason, label=f"{reason} (key {number})")
        choices.add_choice(OTHER, label="other")
        form.enum("reason", choices.values(), default=REASONS[0], view=choices, required=True)
        if ctx.params.get("reason") == OTHER:
            form.str("words", label="In your words", required=True)
        form.str("reviewer", label="Reviewer", default=reviewer_of(ctx))
        return types.Property(form, view=types.View(label=f"Reject {len(targets_of(ctx))} picture(s)"))

    def execute(self, ctx: Any) -> Document:
        """Decide, and go on."""
        reason = str(ctx.params.get("reason") or REASONS[0])
        words = str(ctx.params.get("words") or "").strip()
        return decide(ctx, REJECTED, reason=(words or OTHER)[:MAX_REASON] if reason == OTHER else reason)


class ExtraObject(foo.Operator):  # type: ignore[misc]
    """Reject pictures that show an object without a label; accepted again once somebody has drawn its box."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="extra_object", label="Curate: extra object (e)", icon="add_box")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Extra object (e)", "add_box", whats=PICTURES)

    def execute(self, ctx: Any) -> Document:
        """Decide, and go on."""
        return decide(ctx, REJECTED, reason=EXTRA_OBJECT)


class Undo(foo.Operator):  # type: ignore[misc]
    """Take back one's own last decision on the pictures; where there is none, the last one of all, and open it."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="undo", label="Curate: undo (u)", icon="undo")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Undo (u)", "undo", whats=(*PICTURES, "labels", "photos"))

    def execute(self, ctx: Any) -> Document:
        """Take back, and show the picture again."""
        if running(ctx)["what"] == "labels":
            return label_operators.take_back(ctx)
        if running(ctx)["what"] == "photos":
            return photo_operators.take_back(ctx)
        if not is_about(ctx, *PICTURES):
            return {"count": 0}
        reviewer, targets = reviewer_of(ctx), targets_of(ctx)
        mine = sitting.decided_by(ctx.dataset, reviewer, targets)
        if not mine:
            last = sitting.last_decided(ctx.dataset, reviewer)
            mine = [last] if last else []
        count = sitting.apply(ctx.dataset, mine, undo_stages(reviewer=reviewer)) if mine else 0
        refresh(ctx)
        if ctx.current_sample and mine and mine[0] != ctx.current_sample:
            ctx.ops.open_sample(id=mine[0])
        ctx.ops.notify(f"{count} taken back" if count else f"{reviewer} has decided nothing to take back")
        return {"count": count}


class Next(foo.Operator):  # type: ignore[misc]
    """Open the next picture that nobody has decided."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="next", label="Curate: next undecided (n)", icon="skip_next")

    def resolve_placement(self, ctx: Any) -> Any:
        """Put a button beside the open picture."""
        return button(ctx, "Next (n)", "skip_next", whats=(*PICTURES, "labels", "findings", "photos"))

    def execute(self, ctx: Any) -> Document:
        """Open it."""
        return {"opened": open_next(ctx)}


class EndSession(foo.Operator):  # type: ignore[misc]
    """End the session; decisions were kept all along."""

    @property
    def config(self) -> Any:
        """Give the operator's name and looks."""
        return foo.OperatorConfig(name="end_session", label="Curate: end the session", icon="stop")

    def execute(self, ctx: Any) -> Document:
        """Tell the session, which waits for it."""
        ended = sitting.end_sitting(ctx.dataset, os.environ.get(sitting.ENV_SITTING, ""))
        said = "The session has ended; you may close this tab." if ended else "No session was opened by curate review."
        ctx.ops.notify(said, variant="success" if ended else "warning")
        return {"ended": ended}


def decide(ctx: Any, verdict: str, *, reason: str) -> Document:
    """Write a decision about the pictures in question, and go on to the next where one is open."""
    if not is_about(ctx, *PICTURES):
        return {"count": 0}
    targets = targets_of(ctx)
    stages = decide_stages(verdict, reviewer=reviewer_of(ctx), reason=reason)
    count = sitting.apply(ctx.dataset, targets, stages) if targets else 0
    if not count:
        ctx.ops.notify("Open or select a picture first", variant="warning")
        return {"count": 0}
    refresh(ctx)
    if ctx.current_sample:
        open_next(ctx)
    else:
        ctx.ops.clear_selected_samples()
        ctx.ops.notify(f"{count} {verdict}" + (f": {reason}" if reason else ""))
    return {"count": count}


OPERATORS = (
    Accept,
    Reject,
    ExtraObject,
    Undo,
    Next,
    EndSession,
    *label_operators.OPERATORS,
    *photo_operators.OPERATORS,
)
