"""What all operators of the plugin share: who acts, on what, in which sitting, and how the App is told."""

import os
from typing import Any

from fiftyone.operators import types

from curation.plugin import sitting
from curation.plugin.decisions import Document

SHOW_CURRENT = "@curate/review/show_current"
PICTURES = ("pictures", "")
"""What a sitting is about in which pictures are decided; nothing where no session was opened."""


def reviewer_of(ctx: Any) -> str:
    """Give who decides: the operator's input, else who the session was opened for, else who is logged in."""
    return str(ctx.params.get("reviewer") or os.environ.get(sitting.ENV_REVIEWER) or sitting.login_name())


def targets_of(ctx: Any) -> list[str]:
    """Give the ids of the samples that an operator is about: the open one, else the selected ones."""
    return [ctx.current_sample] if ctx.current_sample else list(ctx.selected)


def running(ctx: Any) -> Document:
    """Give the sitting of the App's server."""
    return sitting.sitting_of(ctx.dataset, os.environ.get(sitting.ENV_SITTING, ""))


def is_about(ctx: Any, *whats: str) -> bool:
    """Say whether the sitting is about one of these; tell people where it is not, since keys are the same in all."""
    if running(ctx)["what"] in whats:
        return True
    ctx.ops.notify("This session is about something else", variant="warning")
    return False


def open_next(ctx: Any) -> str | None:
    """Open the next picture that is left to do; give its id, None where all are done."""
    after = next(iter(targets_of(ctx)), None)
    found = sitting.next_undecided(ctx.dataset, running(ctx)["what"], after)
    if found:
        ctx.ops.open_sample(id=found)
    else:
        ctx.ops.notify("All pictures of the queue are decided", variant="success")
    return found


def refresh(ctx: Any, *, boxes: bool = False) -> None:
    """Let the App read again what has changed: the grid, and the open picture, which it would keep as it was."""
    ctx.ops.reload_samples()
    show_current(ctx, boxes=boxes)


def show_current(ctx: Any, *, boxes: bool = False) -> None:
    """Tell the App what the open picture is now, its boxes too where we changed them; see `keys.js`."""
    if ctx.current_sample:
        seen = sitting.seen_of(ctx.dataset, ctx.current_sample)
        ctx.trigger(
            SHOW_CURRENT, seen | ({"fields": sitting.boxes_of(ctx.dataset, ctx.current_sample)} if boxes else {})
        )


def button(ctx: Any, label: str, icon: str, *, whats: tuple[str, ...], prompt: bool = False) -> Any:
    """Give a button beside the open picture, None in a session about something else."""
    if (running(ctx)["what"] if ctx.dataset else "") not in whats:
        return None
    return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, types.Button(label=label, icon=icon, prompt=prompt))
