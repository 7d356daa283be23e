"""The panel of a session on findings: one at a time, its figures, what is planned, and what people make of it."""

from typing import Any

from fiftyone.operators import types

from curation.plugin import sitting
from curation.plugin.acting import reviewer_of, running
from curation.plugin.decisions import Document
from curation.plugin.finding_edits import ACTIONS, DISMISSED, add_edit, edits_of, plan_of, told
from curation.plugin.label_edits import LABELS

MAX_PICTURES = 1_000_000
NOTHING_TOLD = "Nobody has said anything of it yet."


def card_of(now: Document) -> tuple[int, Document | None]:
    """Give the place of the finding that a sitting shows, and its card; None where there is no finding."""
    cards = now.get("findings") or []
    place = min(now.get("showing") or 0, len(cards) - 1)
    return (place, cards[place]) if cards else (0, None)


def draw(panel: Any, body: Any, ctx: Any) -> None:
    """Draw the finding in question with its inputs; `panel` has the methods that buttons call."""
    now = running(ctx)
    place, card = card_of(now)
    if card is None:
        body.md("No finding is worth a look in this round.", name="none")
        return
    body.md(f"#### Finding {place + 1} of {len(now['findings'])}: {card['title']}\n\n{card['text']}", name="card")
    edits = edits_of(ctx.dataset, now["round"], card["finding_id"])
    lines = "\n".join(f"- {line}" for line in told(edits)) or NOTHING_TOLD
    body.md(f"Planned: {_planned(card)}\n\n{lines}", name="plan")
    walk = body.h_stack("walk", gap=1)
    walk.btn("previous", label="Previous", on_click=panel.on_previous, variant="outlined")
    walk.btn("following", label="Next", on_click=panel.on_following, variant="outlined")
    walk.btn("evidence", label="Show its evidence", on_click=panel.on_evidence, variant="outlined")
    which = {"finding_id": card["finding_id"]}
    body.str(f"reason_{place}", label="Reason (to dismiss)", default="")
    say = body.h_stack("say", gap=1)
    say.btn("confirm", label="Confirm", on_click=panel.on_confirm, params=which, variant="contained")
    say.btn("dismiss", label="Dismiss", on_click=panel.on_dismiss, params=which, variant="outlined")
    say.btn("as_tested", label="As tested", on_click=panel.on_as_tested, params=which, variant="outlined")
    action, pictures = plan_of(card, edits)
    body.enum(f"action_{place}", ACTIONS, label="Action", default=action, view=types.DropdownView())
    body.int(f"pictures_{place}", label="Pictures", default=pictures, min=0, max=MAX_PICTURES)
    body.btn("change", label="Change action and pictures", on_click=panel.on_change_plan, params=which)


def walk(ctx: Any, steps: int) -> None:
    """Show another finding, from the first again behind the last, and its evidence."""
    now = running(ctx)
    if cards := now.get("findings"):
        place = (card_of(now)[0] + steps) % len(cards)
        sitting.show_card(ctx.dataset, now["_id"], place)


def show_evidence(ctx: Any) -> None:
    """Leave only the finding's evidence in the grid, other boxes hidden; by its own view where it has one."""
    _, card = card_of(running(ctx))
    if card is None:
        return
    if card["view"] in ctx.dataset.list_saved_views():
        ctx.ops.set_view(name=card["view"])
    else:
        photos = ctx.dataset.select(card["photo_ids"], ordered=True)
        ctx.ops.set_view(view=photos.select_labels(ids=card["label_ids"], fields=LABELS))


def say(ctx: Any, says: str) -> None:
    """Confirm or dismiss the finding, or take back all that was said of it."""
    place, card = _asked(ctx)
    reason = str(_typed(ctx, f"reason_{place}") or "").strip() if says == DISMISSED else ""
    if card is not None:
        _keep(ctx, card, says=says, reason=reason)


def change_plan(ctx: Any) -> None:
    """Keep the action and the number of pictures as far as they differ from what they are now."""
    place, card = _asked(ctx)
    if card is None:
        return
    action, pictures = _typed(ctx, f"action_{place}"), _typed(ctx, f"pictures_{place}")
    edits = edits_of(ctx.dataset, running(ctx)["round"], card["finding_id"])
    action_now, pictures_now = plan_of(card, edits)
    said: Document = {}
    if action in ACTIONS and action != action_now:
        said["action"] = action
    if isinstance(pictures, int | float) and 0 <= pictures <= MAX_PICTURES and int(pictures) != pictures_now:
        said["pictures"] = int(pictures)
    if said:
        _keep(ctx, card, **said)
    else:
        ctx.ops.notify("Action and pictures are what they were: choose others first", variant="warning")


def _keep(ctx: Any, card: Document, **said: Any) -> None:
    now = running(ctx)
    add_edit(ctx.dataset, card["finding_id"], round_number=now["round"], reviewer=reviewer_of(ctx), **said)
    ctx.ops.notify("Kept; it counts when briefs are made")


def _asked(ctx: Any) -> tuple[int, Document | None]:
    """Give the finding that a button was drawn for: another tab may show another one meanwhile."""
    cards = running(ctx).get("findings") or []
    wanted = ctx.params.get("finding_id")
    found = [(place, card) for place, card in enumerate(cards) if card["finding_id"] == wanted]
    return found[0] if found else card_of(running(ctx))


def _typed(ctx: Any, name: str) -> Any:
    """Give what was typed into an input of the panel, None where it was left alone."""
    return (ctx.panel_state.get("body") or {}).get(name)


def _planned(card: Document) -> str:
    pictures = f" {card['pictures']:,} pictures" if card["pictures"] else ""
    return f"**{card['action']}**{pictures}" + (f": {card['why']}" if card["why"] else "")
