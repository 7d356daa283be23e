"""What to do about each finding: pictures where the generator can make them, else labels from people, or nothing.

For each finding the first rule that fits decides, and the action says which:

* a person dismissed it: nothing, with their reason
* a person chose an action: that one, whatever the rules below say; pictures only where a generator can make them, else
  label, with its reasons; neither of a finding that misses no object
* not confirmed: nothing, an open one says how many objects would settle it; but where a person confirmed it, the rules
  below go on, and the action says that it was not the test
* explained by another finding: nothing, it is left to that one
* at least a third of what it misses are suspected labels: fix labels
* on fewer than 10 photos of val: label, since nothing could judge what pictures do for it
* fixing it would return no AP: nothing
* it lies within a finding of the same class that is acted on and gains more: nothing, it is left to that one
* in two earlier rounds its pictures did not pay: label, with these rounds
* people keep rejecting its pictures (`curation.precision`): label, with their reasons
* no generator can make it: label, with their reasons
* else: generate, unless the budget is too small to give it `min_pictures`

A shortage counts as confirmed: it rests on counts, and its gain on what val misses.

A finding over all classes asks for the class of which it misses most objects. The budget is shared in proportion to
weight, never by how frequent a class is. The weight is the AP that fixing the finding would return, halved where its
pictures did not pay in an earlier round. Every funded finding gets at least `min_pictures`, and where the budget is too
small for that, those of least weight get nothing. Rounds that did not pay count until the finding's pictures pay again;
a round in which neither can be shown changes nothing.

Where a person gave a number of pictures it is served first, those of most weight before others, as far as the budget
goes; the others share what is left. Nobody can go beyond the budget, and 0 pictures are nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from curation.edits import NO_WISH, Wish, wishes_of
from curation.records import Action, ActionName, Briefs, Condition, FindingEdit, Findings, Payoffs
from curation.serving import Means
from curation.wants import Want, unpaid_rounds, want_of_finding, want_of_shortage
from generation.records import Brief
from training.files import digest_of

MIN_SUSPECT_SHARE = 1 / 3
MIN_VAL_PHOTOS = 10
MAX_UNPAID_ROUNDS = 2
MeansFor = Callable[[Brief, Sequence[Condition]], Means | str]
"""What makes the pictures of a brief about some conditions and what it is limited to, or why nothing can make them."""


class Words(NamedTuple):
    """How whoever proposed a finding would have it drawn."""

    phrases: tuple[str, ...] = ()
    scene_words: tuple[str, ...] = ()


NO_WORDS = Words()


def make_briefs(
    found: Findings,
    *,
    pictures: int,
    min_pictures: int,
    suspect_shares: Mapping[str, float],
    means_for: MeansFor,
    words: Mapping[str, Words] = MappingProxyType({}),
    history: Mapping[int, Payoffs] = MappingProxyType({}),
    stopped: Mapping[str, str] = MappingProxyType({}),
    edits: Sequence[FindingEdit] = (),
) -> Briefs:
    """Turn findings and a budget of pictures into actions and briefs.

    `suspect_shares` gives, by finding id, the share of its missed objects that are suspected labels, `words` how
    whoever proposed the finding would have it drawn; `history` what pictures did, by the number of the earlier round;
    `stopped` why people stopped a finding, by its id; `edits` what they said of this round's findings, in their order.
    """
    unpaid, wishes = unpaid_rounds(history), wishes_of(edits)
    wants = [want_of_finding(each, unpaid) for each in found.findings]
    wants += [want_of_shortage(each, unpaid) for each in found.shortages]
    actions: dict[str, Action] = {}
    briefs: dict[str, Brief] = {}
    acted: list[Want] = []
    for want in sorted(wants, key=lambda each: -each.gain):
        key = want.finding_id
        wish = wishes.get(key, NO_WISH)
        name, reason = _wished(want, wish) or _rule(want, acted, suspect_shares.get(key, 0), wish, stopped.get(key, ""))
        limits = None
        if name == "generate":
            name, reason, limits = _serve(want, means_for)
        reason += _said(want, wish, name)
        actions[key] = _act(want, name, reason)
        if name in ("generate", "label"):
            briefs[key] = _brief(want, name, limits, reason, words.get(key, NO_WORDS))
            acted.append(want)
    _fund(
        [want for want in acted if actions[want.finding_id].action == "generate"],
        wishes,
        actions,
        briefs,
        pictures,
        min_pictures,
    )
    return Briefs(
        actions=tuple(actions[want.finding_id] for want in wants),
        briefs=tuple(sorted(briefs.values(), key=lambda brief: brief.action)),  # those to generate come first
        note=_note(list(actions.values())),
    )


def _wished(want: Want, wish: Wish) -> tuple[ActionName, str] | None:
    """Give the action that a person chose, and what was measured; None where nobody did."""
    if wish.dismissed_by:
        return "nothing", wish.dismissal
    action, _ = wish.choice
    if action in ("generate", "label") and not want.label:
        return "nothing", "it misses no object of any class"
    return (action, want.because) if action else None


def _said(want: Want, wish: Wish, name: ActionName) -> str:
    """Give who chose the action or let it be chosen, as the end of its reason."""
    chosen, by = wish.choice
    untested = ", not by the test" if want.untested else ""
    if wish.dismissed_by or not (chosen or wish.confirmed_by):
        return ""
    if chosen:
        asked = "pictures" if chosen == "generate" else "labels"
        return (f"; chosen by {by}" if chosen == name else f"; {by} asked for {asked}") + untested
    return f"; confirmed by {wish.confirmed_by}{untested}" if untested else ""


def _rule(want: Want, acted: Sequence[Want], suspect_share: float, wish: Wish, stopped: str) -> tuple[ActionName, str]:
    """Give the action of the first rule that fits, and why; whether the generator can make it is asked later."""
    wider = next((other for other in acted if want.lies_within(other)), None)
    rules: list[tuple[bool, ActionName, str]] = [
        (bool(want.untested and not wish.confirmed_by), "nothing", want.untested),
        (bool(want.explained), "nothing", want.explained),
        (
            suspect_share >= MIN_SUSPECT_SHARE,
            "fix labels",
            f"{suspect_share:.0%} of what it misses are suspected labels",
        ),
        (want.photos < MIN_VAL_PHOTOS, "label", f"on {want.photos} photos of val, too few to judge what pictures do"),
        (want.gain <= 0, "nothing", "fixing it would return no AP"),
        (wider is not None, "nothing", f"left to the finding {wider.finding_id[:4] if wider else ''}"),
        (len(want.unpaid) >= MAX_UNPAID_ROUNDS, "label", want.unpaid_text),
        (bool(stopped), "label", stopped),
        (True, "generate", want.because),
    ]
    return next((action, reason) for fits, action, reason in rules if fits)


def _serve(want: Want, means_for: MeansFor) -> tuple[ActionName, str, Means | None]:
    """Give `generate` and what the brief is limited to, or `label` and why nothing can serve it."""
    limits = means_for(_brief(want, "generate", None, ""), want.conditions)
    if isinstance(limits, str):
        return "label", limits, None
    reason = f"{want.because}{f' ({limits.instead_of})' if limits.instead_of else ''}"
    return "generate", reason + (f"; weighs half, as {want.unpaid_text}" if want.unpaid else ""), limits


def _fund(
    wants: Sequence[Want],
    wishes: Mapping[str, Wish],
    actions: dict[str, Action],
    briefs: dict[str, Brief],
    pictures: int,
    min_pictures: int,
) -> None:
    """Share the budget among those who want pictures, people's numbers first; who gets none has no brief."""
    ordered = sorted(wants, key=lambda each: -each.weight)
    asked = [want for want in ordered if wishes.get(want.finding_id, NO_WISH).pictures is not None]
    left = pictures
    for want in asked:
        wish = wishes[want.finding_id]
        count = min(left, wish.pictures or 0)
        _grant(want, count, actions, briefs, pictures, note=_number(wish, count, pictures))
        left -= count
    others = [want for want in ordered if want not in asked]
    room = max(left // min_pictures, 0 if asked else 1)
    for want, count in zip(others, _shares([each.weight for each in others[:room]], left, min_pictures), strict=False):
        _grant(want, count, actions, briefs, pictures)
    budget = f"what is left of {pictures} pictures" if asked else f"a budget of {pictures} pictures"
    for want in others[room:]:
        _refuse(want, f"{budget} serves {room} findings with {min_pictures} each", actions, briefs)


def _grant(
    want: Want, count: int, actions: dict[str, Action], briefs: dict[str, Brief], pictures: int, note: str = ""
) -> None:
    """Give a finding its pictures of the budget."""
    if not count:
        _refuse(want, note.removeprefix("; "), actions, briefs)
        return
    key = want.finding_id
    briefs[key] = briefs[key].model_copy(update={"pictures": count, "reason": briefs[key].reason + note})
    granted = {"pictures": count, "share": count / pictures, "reason": actions[key].reason + note}
    actions[key] = actions[key].model_copy(update=granted)


def _refuse(want: Want, reason: str, actions: dict[str, Action], briefs: dict[str, Brief]) -> None:
    del briefs[want.finding_id]
    actions[want.finding_id] = _act(want, "nothing", reason)


def _number(wish: Wish, count: int, pictures: int) -> str:
    asked = f"; {wish.pictures} pictures asked for by {wish.pictures_by}"
    return asked if count == wish.pictures else f"{asked}, of the budget of {pictures} only {count} were left"


def _shares(weights: Sequence[float], pictures: int, min_pictures: int) -> list[int]:
    """Share pictures in proportion to weights above a floor; the remainder goes to the first."""
    if not weights:
        return []
    total = sum(weights)
    if not total:  # only people fund what gains nothing
        weights, total = [1.0] * len(weights), len(weights)
    floor = min(min_pictures, pictures // len(weights))
    spare = pictures - floor * len(weights)
    counts = [floor + int(spare * weight / total) for weight in weights]
    counts[0] += pictures - sum(counts)
    return counts


def _act(want: Want, action: ActionName, reason: str) -> Action:
    return Action(finding_id=want.finding_id, action=action, pictures=0, share=0, reason=reason)


def _brief(want: Want, action: ActionName, limits: Means | None, reason: str, words: Words = NO_WORDS) -> Brief:
    wish: dict[str, Any] = {"finding_id": want.finding_id, "action": action, "label": want.label, "size": want.size}
    wish |= limits.of_brief() if limits else {}
    wish |= words._asdict() if limits and limits.backend != "paste" else {}
    return Brief.model_validate(wish | {"brief_id": digest_of(wish), "pictures": 0, "reason": reason})


def _note(actions: Sequence[Action]) -> str:
    """Say why there is nothing to make pictures for, where that is so."""
    taken = {action.action for action in actions}
    if "generate" in taken:
        return ""
    if "label" in taken:
        return "pictures can help none of the findings: real photos have to be labelled"
    return "no finding was confirmed that pictures could help, so there is nothing to make"
