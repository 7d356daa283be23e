"""What a session of review gave, as lines of text for a terminal: decisions, label precision, and what they taught."""

from collections.abc import Mapping, Sequence

from curation.columns import Column
from curation.precision import reasons_of
from curation.records import Agreement, ClassTaught, LabelPrecision, PersonSaid, Share, Taught
from curation.screen import screenful
from curation.wording import NOTHING, count_text, number_text, wrap

MAX_REASONS = 5
MAX_CLASSES = 3


def session_lines(
    said: Mapping[str, PersonSaid],
    precision: LabelPrecision,
    agreed: Agreement,
    taught: Taught | None,
    width: int,
    *,
    pictures: int,
    stopped: Sequence[str] = (),
) -> list[str]:
    """Give what people decided of so many pictures, how right labels are, and what changed by it, at most a screen.

    `said` is about these pictures alone; `taught` is None where nobody has fitted anything; `stopped` says, a sentence
    each, of which findings no more pictures are made.
    """
    counts = reasons_of(said.values())
    title = f"{len(said):,} of {count_text(pictures, 'picture')} decided by people: "
    head = wrap(f"{title}{counts.accepted:,} accepted, {counts.rejected:,} rejected", width)
    if counts.rejected:
        head += wrap(f"rejected: {_reasons_text(counts.reasons)}", width)
    head += wrap(f"label precision {share_text(precision.overall)}", width)
    shares = {**precision.backends, **precision.classes}
    columns = [
        Column("drawn at random", list(shares), stretch=True),
        Column("label precision [95 %]", [_percent(each) for each in shares.values()]),
        Column("n", [f"{each.count:,}" for each in shares.values()], right=True),
    ]
    after = agreement_lines(agreed, width) + (taught_lines(taught, width) if taught else [])
    after += [line for sentence in stopped for line in wrap(sentence, width)]
    return screenful(head, columns, after, things="backends and classes", width=width)


def agreement_lines(agreed: Agreement, width: int) -> list[str]:
    """Say how often people agree; nothing where no picture was decided by two."""
    if not agreed.pictures.count:
        return []
    said = f"agreement of {agreed.reviewers} people: {share_text(agreed.pictures)}"
    return wrap(f"{said} that two or more decided on", width)


def taught_lines(taught: Taught, width: int) -> list[str]:
    """Say what changed by people's decisions, then by class why; classes that changed nothing come last."""
    order = sorted(taught.classes, key=lambda each: (not each.kept, -each.withdrawn - each.let_in, each.label))
    lines = wrap(_change_text(taught), width)
    lines += [f"  {line}" for each in order[:MAX_CLASSES] for line in wrap(_class_text(each), width - 2)]
    if len(order) > MAX_CLASSES:
        lines.append(f"  {len(order)} classes, {MAX_CLASSES} shown")
    return lines


def share_text(share: Share) -> str:
    """Write a share in percent with its interval and n: `95.5 % [92.3, 97.6], n = 200`."""
    return f"{_percent(share)}, n = {share.count:,}" if share.count else f"{NOTHING}, n = 0"


def _percent(share: Share) -> str:
    if share.value is None:
        return NOTHING
    value, low, high = (number_text(100 * each, digits=1) for each in (share.value, share.low, share.high))
    return f"{value} % [{low}, {high}]"


def _reasons_text(reasons: Mapping[str, int]) -> str:
    first = list(reasons.items())[:MAX_REASONS]
    rest = sum(reasons.values()) - sum(count for _, count in first)
    return ", ".join(f"{reason} {count}" for reason, count in first) + (f", other reasons {rest}" if rest else "")


def _change_text(taught: Taught) -> str:
    if not any(each.kept for each in taught.classes):
        return "the rule of acceptance stays as it was: no class has a fit that is better"
    changes = f"{count_text(taught.withdrawn, 'picture')} withdrawn"
    changes += f", {taught.let_in:,} let in" if taught.let_in else ""
    return f"{changes}, label precision {share_text(taught.after)} (before: {share_text(taught.before)})"


def _class_text(each: ClassTaught) -> str:
    if not each.kept:
        return f"{each.label}: as before: {each.why}"
    changes = f"{each.withdrawn:,} withdrawn, {each.let_in:,} let in"
    return f"{each.label}: {changes}, fitted to {count_text(each.decisions, 'decision')}: {each.why}"
