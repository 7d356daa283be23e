"""The panel of a session in the FiftyOne App: how far it is, what the open picture is about, and its end."""

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from curation.plugin import finding_panel, label_edits, sitting
from curation.plugin.acting import running, show_current, targets_of
from curation.plugin.decisions import Document
from curation.plugin.finding_edits import AS_TESTED, CONFIRMED, DISMISSED
from curation.plugin.keys import MARKDOWN
from curation.plugin.label_operators import mark_first
from curation.plugin.sitting import Progress

URI = "@curate/review"
NOBODY = "*Open or select a picture to see why it is here.*"
UNTOLD = "*Nothing is written about this picture.*"
PICTURE_BUTTONS = (("accept", "Accept"), ("extra_object", "Extra"), ("undo", "Undo"), ("next", "Next"))
PHOTO_BUTTONS = (("labelled", "Labelled"), ("undo", "Undo"), ("next", "Next"))
LABEL_BUTTONS = (
    *(("keep_label", "Keep"), ("set_suggested", "Set suggested"), ("delete_label", "Delete")),
    *(("undo", "Undo"), ("next", "Next")),
)
SHOWN_FIELDS = {
    "labels": [label_edits.LABELS, label_edits.SUSPECTED],
    "findings": [label_edits.LABELS],
    "photos": [label_edits.LABELS],
}
"""Boxes that are drawn at first; elsewhere as the App has them."""


class CuratePanel(foo.Panel):  # type: ignore[misc]
    """Progress, precision, story, findings, and the end of the session."""

    @property
    def config(self) -> Any:
        """Give the panel's name and where it may be."""
        return foo.PanelConfig(name="curate", label="Curate", icon="fact_check", surfaces="grid modal")

    def on_load(self, ctx: Any) -> None:
        """Show what is known now, and draw the boxes that the session is about."""
        fields = SHOWN_FIELDS.get(running(ctx)["what"])
        if fields:
            ctx.ops.set_active_fields(fields)

    def on_change_current_sample(self, ctx: Any) -> None:
        """Show the story of the picture that was opened, and the picture as it is now."""
        show_current(ctx)
        if ctx.current_sample and running(ctx)["what"] == "labels":
            mark_first(ctx)

    def on_change_selected(self, ctx: Any) -> None:
        """Show the story of the picture that was selected."""

    def on_change_selected_labels(self, ctx: Any) -> None:
        """Show what is left to do on the photo."""

    def on_previous(self, ctx: Any) -> None:
        """Show the finding before."""
        finding_panel.walk(ctx, -1)

    def on_following(self, ctx: Any) -> None:
        """Show the next finding."""
        finding_panel.walk(ctx, 1)

    def on_evidence(self, ctx: Any) -> None:
        """Show the photos of the finding's evidence."""
        finding_panel.show_evidence(ctx)

    def on_confirm(self, ctx: Any) -> None:
        """Confirm the finding."""
        finding_panel.say(ctx, CONFIRMED)

    def on_dismiss(self, ctx: Any) -> None:
        """Dismiss the finding."""
        finding_panel.say(ctx, DISMISSED)

    def on_as_tested(self, ctx: Any) -> None:
        """Take back all that was said about the finding."""
        finding_panel.say(ctx, AS_TESTED)

    def on_change_plan(self, ctx: Any) -> None:
        """Change what is done about the finding."""
        finding_panel.change_plan(ctx)

    def render(self, ctx: Any) -> Any:
        """Give the panel as it is now."""
        now = running(ctx)
        what = now["what"] or "pictures"
        panel = types.Object()
        body = panel.v_stack("body", gap=2, align_x="left", padding=2)
        if what == "findings":
            finding_panel.draw(self, body, ctx)
            body.md(story_of(ctx), name="story")
        elif what == "labels":
            self._draw_labels(body, ctx, now)
        elif what == "photos":
            self._draw_photos(body, ctx, now)
        else:
            self._draw_pictures(body, ctx, now)
        body.md(MARKDOWN[what], name="keys")
        if now["_id"]:
            body.btn("end", label="End the session", on_click=f"{URI}/end_session", variant="contained")
        return types.Property(panel)

    def _draw_pictures(self, body: Any, ctx: Any, now: Document) -> None:
        body.md("\n\n".join(progress_lines(sitting.progress_of(ctx.dataset, now["what"]), now)), name="progress")
        body.md(story_of(ctx), name="story")
        row = body.h_stack("actions", gap=1)
        for name, label in PICTURE_BUTTONS:
            row.btn(name, label=label, on_click=f"{URI}/{name}", variant="outlined")
        row.btn("reject", label="Reject", on_click=f"{URI}/reject", prompt=True, variant="outlined")

    def _draw_photos(self, body: Any, ctx: Any, now: Document) -> None:
        left, queued = sitting.count_open(ctx.dataset, "photos")
        ended = " · the session has ended" if now["ended"] else ""
        body.md(
            f"#### {queued - left} of {queued} {'photo' if queued == 1 else 'photos'} labelled{ended}", name="progress"
        )
        body.md(story_of(ctx), name="story")
        row = body.h_stack("actions", gap=1)
        for name, label in PHOTO_BUTTONS:
            row.btn(name, label=label, on_click=f"{URI}/{name}", variant="outlined")

    def _draw_labels(self, body: Any, ctx: Any, now: Document) -> None:
        left, queued = sitting.count_open(ctx.dataset, "labels")
        ended = " · the session has ended" if now["ended"] else ""
        photos = "photo" if queued == 1 else "photos"
        body.md(f"#### {queued - left} of {queued} {photos} looked at{ended}", name="progress")
        body.md(suspicions_text(ctx), name="story")
        row = body.h_stack("actions", gap=1)
        for name, label in LABEL_BUTTONS:
            row.btn(name, label=label, on_click=f"{URI}/{name}", variant="outlined")


def progress_lines(progress: Progress, now: dict[str, Any]) -> list[str]:
    """Say how far a queue is, and what share of its labels is right, with its 95 % interval."""
    title = f"#### {progress.decided} of {progress.queued} decided"
    lines = [title + (" · the session has ended" if now["ended"] else "")]
    lines.append(f"{progress.accepted} accepted · {progress.rejected} rejected")
    if progress.drawn:
        low, high = sitting.wilson(progress.right, progress.drawn)
        share = 100 * progress.right / progress.drawn
        lines.append(f"label precision **{share:.1f} %** [{100 * low:.1f}, {100 * high:.1f}], n = {progress.drawn}")
    return lines


def story_of(ctx: Any) -> str:
    """Give the story of the open picture, else of the first selected one."""
    targets = targets_of(ctx)
    return (sitting.story_of(ctx.dataset, targets[0]) or UNTOLD) if targets else NOBODY


def suspicions_text(ctx: Any) -> str:
    """Say what is suspected on the open photo, the one in question first, else on the first selected one."""
    targets = targets_of(ctx)
    if not targets:
        return NOBODY
    found = label_edits.open_suspicions(ctx.dataset, targets[:1])
    lines = [f"{number}. {suspicion['words']}" for number, (_, suspicion) in enumerate(found, start=1)]
    return "\n".join(["Suspected here:", "", *lines]) if lines else "Nothing is suspected here any more."
