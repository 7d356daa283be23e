"""A selection of photos to label, in a few lines for a terminal."""

from collections.abc import Sequence

from curation.selection import Pick, Selection
from curation.wording import count_text, fit, printable, short, wrap

MAX_SHARES, MAX_PICKS, MAX_NOTES = 6, 6, 3


def selection_lines(selection: Selection, picks: Sequence[Pick], width: int) -> list[str]:
    """Say how many photos were selected, what for, some of them with their reasons, and what was left out."""
    photos, champion = count_text(len(picks), "photo"), short(selection.model_id)
    basis = f"by round {selection.round}'s findings and champion {champion}"
    lines = wrap(f"selection {selection.number}: {photos} of {selection.pool} to label, {basis}", width)
    left_out = [f"{count} {why}" for why, count in selection.excluded.items() if count]
    left_out += [f"{len(selection.refused)} unreadable"] if selection.refused else []
    lines += wrap(f"of {count_text(selection.seen, 'photo')} there; left out: {', '.join(left_out) or 'none'}", width)
    shares = sorted(selection.shares.items(), key=lambda share: (-share[1], share[0]))
    lines += [f"  {count:4d}  {what}" for what, count in shares[:MAX_SHARES]]
    if len(shares) > MAX_SHARES:
        lines.append(f"        and {len(shares) - MAX_SHARES} more")
    for pick in _spread(picks):
        first, *more = wrap(f"{pick.name}: {pick.reason}", width - 2)
        lines += [first, *(f"  {line}" for line in more)]
    lines += [f"not used: {item.file}: {item.reason}" for item in selection.refused[:MAX_NOTES]]
    lines += list(selection.notes[:MAX_NOTES])
    return [fit(printable(line), width) for line in lines]


def _spread(picks: Sequence[Pick]) -> list[Pick]:
    """Give the first pick of each kind and finding, then others in their order."""
    first = list({(pick.kind, pick.finding_id): pick for pick in reversed(picks)}.values())[::-1]
    chosen = sorted(first, key=picks.index)
    return [*chosen, *(pick for pick in picks if pick not in chosen)][:MAX_PICKS]
