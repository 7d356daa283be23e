"""What to do about each finding: pictures where the generator can make them, else labels from people, or nothing.

For each finding the first rule that fits decides, and the action says which:

* not confirmed: nothing; an open one says how many objects would settle it
* explained by another finding: nothing, it is left to that one
* at least a third of what it misses are suspected labels: fix labels
* on fewer than 10 photos of val: label, since nothing could judge what pictures do for it
* fixing it would return no AP: nothing
* it lies within a finding of the same class that is acted on and gains more: nothing, it is left to that one
* in two earlier rounds its pictures did not pay: label, with these rounds
* no generator can make it: label, with their reasons
* else: generate, unless the budget is too small to give it `min_pictures`

A shortage counts as confirmed: it rests on counts, and its gain on what val misses.

A finding over all classes asks for the class of which it misses most objects. The budget is shared in proportion to
weight, never by how frequent a class is. The weight is the AP that fixing the finding would return, halved where its
pictures did not pay in an earlier round. Every funded finding gets at least `min_pictures`, and where the budget is too
small for that, those of least weight get nothing. Rounds that did not pay count until the finding's pictures pay again;
a round in which neither can be shown changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from curation.records import Action, ActionName, Briefs, Condition, Finding, Findings, Payoffs, Shortage
from curation.serving import Means
from generation.records import Brief, SizeBin
from training.files import digest_of

MIN_SUSPECT_SHARE = 1 / 3
MIN_VAL_PHOTOS = 10
MAX_UNPAID_ROUNDS = 2
UNPAID_FACTOR = 0.5
"""On the weight of a finding, for each round in which its pictures did not pay."""
MeansFor = Callable[[Brief, Sequence[Condition]], Means | str]
"""What makes the pictures of a brief about some conditions and what it is limited to, or why nothing can make them."""


class Words(NamedTuple):
    """How whoever proposed a finding would have it drawn."""

    phrases: tuple[str, ...] = ()
    scene_words: tuple[str, ...] = ()


NO_WORDS = Words()


@dataclass(frozen=True)
class Want:
    """A finding or a shortage as far as acting on it goes."""

    finding_id: str
    label: str
    size: SizeBin | None
    conditions: tuple[Condition, ...]
    gain: float
    photos: int
    """Of val that hold it."""
    because: str
    """What was measured, in words."""
    idle: str
    """Why nothing is done about it whatever else is found, empty where something may be."""
    unpaid: tuple[int, ...] = ()
    """Earlier rounds in which its pictures did not pay, since they last paid."""

    @property
    def weight(self) -> float:
        """Give what its share of the budget is proportional to."""
        return self.gain * UNPAID_FACTOR ** len(self.unpaid)

    @property
    def unpaid_text(self) -> str:
        """Give `its pictures did not pay in rounds 2 and 3`, empty where there is no such round."""
        if not self.unpaid:
            return ""
        *first, last = map(str, self.unpaid)
        rounds = f"rounds {', '.join(first)} and {last}" if first else f"round {last}"
        return f"its pictures did not pay in {rounds}"


def unpaid_rounds(history: Mapping[int, Payoffs]) -> dict[str, list[int]]:
    """Give by finding the rounds, oldest first, in which its pictures did not pay since they last paid.

    `history` holds what earlier rounds measured, by the number of the round. The id of a finding is made of its
    conditions, so it is the same in every round.
    """
    unpaid: dict[str, list[int]] = {}
    for number in sorted(history):
        for payoff in history[number].findings:
            rounds = unpaid.setdefault(payoff.finding_id, [])
            if payoff.verdict == "pays":
                rounds.clear()
            elif payoff.verdict == "does not pay":
                rounds.append(number)
    return unpaid


def make_briefs(
    found: Findings,
    *,
    pictures: int,
    min_pictures: int,
    suspect_shares: Mapping[str, float],
    means_for: MeansFor,
    words: Mapping[str, Words] = MappingProxyType({}),
    history: Mapping[int, Payoffs] = MappingProxyType({}),
) -> Briefs:
    """Turn findings and a budget of pictures into actions and briefs.

    `suspect_shares` gives, by finding id, the share of its missed objects that are suspected labels, `words` how
    whoever proposed the finding would have it drawn; `history` what pictures did, by the number of the earlier round.
    """
    unpaid = unpaid_rounds(history)
    wants = [
        replace(want, unpaid=tuple(unpaid.get(want.finding_id, ())))
        for want in [*map(_of_finding, found.findings), *map(_of_shortage, found.shortages)]
    ]
    actions: dict[str, Action] = {}
    briefs: dict[str, Brief] = {}
    acted: list[Want] = []
    for want in sorted(wants, key=lambda each: -each.gain):
        key = want.finding_id
        name, reason = _rule(want, acted, suspect_shares.get(key, 0))
        limits = None
        if name == "generate":
            name, reason, limits = _serve(want, means_for)
        actions[key] = _act(want, name, reason)
        if name in ("generate", "label"):
            briefs[key] = _brief(want, name, limits, reason, words.get(key, NO_WORDS))
            acted.append(want)
    _fund(
        [want for want in acted if actions[want.finding_id].action == "generate"],
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


def _rule(want: Want, acted: Sequence[Want], suspect_share: float) -> tuple[ActionName, str]:
    """Give the action of the first rule that fits, and why; whether the generator can make it is asked later."""
    wider = next((other for other in acted if _lies_within(want, other)), None)
    rules: list[tuple[bool, ActionName, str]] = [
        (bool(want.idle), "nothing", want.idle),
        (
            suspect_share >= MIN_SUSPECT_SHARE,
            "fix labels",
            f"{suspect_share:.0%} of what it misses are suspected labels",
        ),
        (want.photos < MIN_VAL_PHOTOS, "label", f"on {want.photos} photos of val, too few to judge what pictures do"),
        (want.gain <= 0, "nothing", "fixing it would return no AP"),
        (wider is not None, "nothing", f"left to the finding {wider.finding_id[:4] if wider else ''}"),
        (len(want.unpaid) >= MAX_UNPAID_ROUNDS, "label", want.unpaid_text),
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
    wants: Sequence[Want], actions: dict[str, Action], briefs: dict[str, Brief], pictures: int, min_pictures: int
) -> None:
    """Share the budget among those who want pictures; who gets none has no brief."""
    room = max(1, pictures // min_pictures)
    ordered = sorted(wants, key=lambda each: -each.weight)
    counts = _shares([want.weight for want in ordered[:room]], pictures, min_pictures)
    for want, count in zip(ordered[:room], counts, strict=True):
        key = want.finding_id
        briefs[key] = briefs[key].model_copy(update={"pictures": count})
        actions[key] = actions[key].model_copy(update={"pictures": count, "share": count / pictures})
    for want in ordered[room:]:
        del briefs[want.finding_id]
        reason = f"a budget of {pictures} pictures serves {room} findings with {min_pictures} each"
        actions[want.finding_id] = _act(want, "nothing", reason)


def _of_finding(finding: Finding) -> Want:
    settle = f"; about {finding.objects_to_settle} objects would settle it" if finding.objects_to_settle else ""
    idle = "" if finding.status == "confirmed" else f"{finding.status}{settle}"
    if finding.explained_by and not idle:
        idle = f"explained by the finding {finding.explained_by[:4]}"
    return Want(
        finding_id=finding.finding_id,
        label=finding.label or max(sorted(finding.missed), key=finding.missed.__getitem__, default=""),
        size=finding.size,
        conditions=finding.conditions,
        gain=finding.gain,
        photos=finding.photos,
        because=f"{finding.words}: recall {finding.recall:.2f} against {finding.recall_rest:.2f} of {finding.versus}",
        idle=idle,
    )


def _of_shortage(shortage: Shortage) -> Want:
    return Want(
        finding_id=shortage.finding_id,
        label=shortage.label,
        size=shortage.size,
        conditions=shortage.conditions,
        gain=shortage.gain,
        photos=shortage.val_photos,
        because=f"{shortage.words}: {shortage.why}",
        idle="",
    )


def _lies_within(want: Want, other: Want) -> bool:
    return want.label == other.label and set(other.conditions) - _class_of(other) <= set(want.conditions)


def _class_of(want: Want) -> set[Condition]:
    return {Condition(column="class", value=want.label)}


def _shares(weights: Sequence[float], pictures: int, min_pictures: int) -> list[int]:
    """Share pictures in proportion to weights above a floor; the remainder goes to the first."""
    if not weights:
        return []
    floor = min(min_pictures, pictures // len(weights))
    spare = pictures - floor * len(weights)
    counts = [floor + int(spare * weight / sum(weights)) for weight in weights]
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
