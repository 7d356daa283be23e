"""What pictures did and what was forgotten, as lines of text for a terminal."""

from collections.abc import Mapping, Sequence

from curation.columns import Column
from curation.payoff import per_100_pictures, per_minute
from curation.records import Ablation, Loss, Payoff, Payoffs
from curation.screen import screenful
from curation.wording import NOTHING, count_text, number_text, printable, score_text, short, span_text, wrap

MAX_LOSSES = 4


def payoff_lines(measured: Payoffs, width: int, *, seeds: int, minutes: Mapping[str, float] | None = None) -> list[str]:
    """Give what the pictures of each finding did on val, the largest gain first, then what was forgotten.

    `seeds` is how often each arm was trained; `minutes` what making the pictures took, by finding id.
    """
    rows = sorted(measured.findings, key=lambda each: -each.gain.value)
    title = "what the pictures did on val: recall of the candidate − recall of the control"
    columns = [
        Column("slice", [printable(each.words) for each in rows], stretch=True, least=20),
        Column("pictures", [f"{each.pictures:,}" for each in rows], right=True),
        Column("champion", [number_text(each.champion, digits=2) for each in rows], right=True, rank=3),
        Column("control → candidate", [_recalls(each) for each in rows], rank=2),
        Column("gain [95 %]", [_gain(each) for each in rows]),
        Column("n", [f"{each.objects}/{each.photos}" for each in rows], right=True),
        Column("per 100", [_rate(each) for each in rows], right=True, rank=1),
        Column("per min", [_pace(each, minutes or {}) for each in rows], right=True, rank=4),
        Column("verdict", [each.verdict for each in rows]),
    ]
    shown = columns if minutes else [column for column in columns if column.heading != "per min"]
    after = _seeds(seeds, width) + losses_lines(measured.losses, width)
    return screenful(wrap(title, width), shown, after, things="findings", width=width)


def ablation_lines(found: Ablation, width: int) -> list[str]:
    """Give what a candidate without a finding's pictures lacks, on val."""
    payoff, count = found.payoff, count_text(found.pictures, "picture")
    return [
        *wrap(f"{found.words}: the candidate with its {count}, minus one trained without them, on val", width),
        *wrap(
            f"mean AP {score_text(found.mean_ap, signed=True)} over {count_text(found.mean_ap.photos, 'photo')}", width
        ),
        *wrap(f"recall on the slice {_gain(payoff)}: {_recalls(payoff)}, {payoff.objects} objects", width),
        *wrap(f"one seed: {payoff.verdict}; the one without is model {short(found.model_id)}", width),
    ]


def losses_lines(losses: Sequence[Loss], width: int) -> list[str]:
    """Say what today's champion finds worse on val than an earlier one did, the largest loss first."""
    lines = [line for loss in losses[:MAX_LOSSES] for line in wrap(_loss(loss), width)]
    if len(losses) > MAX_LOSSES:
        lines.append(f"and {len(losses) - MAX_LOSSES} more were forgotten")
    return lines


def _seeds(seeds: int, width: int) -> list[str]:
    note = "n: objects/photos of the slice; per 100: gain by 100 pictures"
    if seeds == 1:
        note += "; one seed: the interval holds no luck of training, so that pictures pay cannot be shown"
    else:
        note += f"; means over {seeds} seeds"
    return wrap(note, width)


def _recalls(payoff: Payoff) -> str:
    return f"{number_text(payoff.control, digits=2)} → {number_text(payoff.candidate, digits=2)}"


def _gain(payoff: Payoff) -> str:
    value = number_text(payoff.gain.value, digits=2, signed=True)
    return f"{value} {span_text(payoff.gain, digits=2, signed=True)}"


def _rate(payoff: Payoff) -> str:
    return number_text(per_100_pictures(payoff).value, digits=2, signed=True)


def _pace(payoff: Payoff, minutes: Mapping[str, float]) -> str:
    pace = per_minute(payoff, minutes.get(payoff.finding_id, 0))
    return number_text(pace.value, digits=3, signed=True) if pace else NOTHING


def _loss(loss: Loss) -> str:
    change = f"{number_text(loss.change.value, digits=2, signed=True)} {span_text(loss.change, digits=2, signed=True)}"
    return (
        f"forgotten: {loss.words}: recall {loss.now:.2f} against {loss.before:.2f} of round {loss.since_round} "
        f"({change}, {count_text(loss.change.photos, 'photo')})"
    )
