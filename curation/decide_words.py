"""What a decision says: its sentences, and what would settle it."""

from collections.abc import Mapping, Sequence
from math import ceil

from curation.compare import OnTest
from curation.records import ClassVerdict, DecideSettings, Difference
from curation.wording import count_text
from training.records import Interval

MAX_NAMED = 5  # classes that a sentence names


def figures(measured: OnTest, change: Interval) -> str:
    """Give both means and their difference: `mean AP 0.612 against 0.571 of the champion (+0.041, …)`."""
    after, before = measured.mean_ap("candidate"), measured.mean_ap("champion")
    return f"mean AP {after:.3f} against {before:.3f} of the champion {change_text(change)}"


def change_text(change: Interval) -> str:
    """Give `(+0.041, 95 % interval 0.012 to 0.069, 300 test photos)`."""
    low, high = (f"{bound:.3f}".replace("-", "−") for bound in (change.low, change.high))
    return f"({_signed(change.value)}, 95 % interval {low} to {high}, {change.photos} test photos)"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def losses_text(better: Difference, losses: Sequence[str]) -> str:
    """Name possible losses, as a clause after the figures; empty for none."""
    if not losses:
        return ""
    named = ", ".join(f"{label} {change_text(better.classes[label])}" for label in losses[:MAX_NAMED])
    more = f" and {len(losses) - MAX_NAMED} more classes" if len(losses) > MAX_NAMED else ""
    return f"; possibly worse on {named}{more}, on too few photos for a verdict"


def worn(openings: int, settings: DecideSettings) -> str:
    """Say that test was opened too often, as a clause."""
    looks = count_text(openings, "time")
    return f"these test photos have been looked at {looks} and are good for {settings.max_openings}"


def too_few(settings: DecideSettings) -> str:
    """Say that no class is on enough test photos, as a clause."""
    return f"too few test photos, as no class is on {settings.min_photos} of them"


def objection(better: Difference, pictures: Difference, verdicts: Sequence[ClassVerdict]) -> str:
    """Say what speaks against the candidate beside its mean AP, as a clause before the figures; empty for nothing."""
    worse = [verdict.label for verdict in verdicts if verdict.verdict == "worse"]
    if worse:
        first = f"{worse[0]} {change_text(better.classes[worse[0]])}"
        more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
        return f"worse than the champion on {first}{more}; "
    if pictures.mean_ap.high < 0:
        return f"worse than the control, which saw no new picture {change_text(pictures.mean_ap)}; "
    return ""


def missing_photos(photos: Mapping[str, int], min_photos: int) -> str:
    """Say how many more photos each class needs, the nearest first."""
    nearest = sorted(photos, key=lambda label: -photos[label])
    named = ", ".join(f"{label} {min_photos - photos[label]}" for label in nearest[:MAX_NAMED])
    rest = f", and {len(nearest) - MAX_NAMED} classes more than that" if len(nearest) > MAX_NAMED else ""
    return f"more test photos that hold the class: {named}{rest}"


def more_photos(change: Interval) -> str:
    """Estimate the test photos that would bring the interval off 0, as its width falls with their square root."""
    if change.value <= 0:
        return "more pictures, or another finding: no gain was seen that more test photos could confirm"
    half_width = (change.high - change.low) / 2
    needed = ceil((half_width / change.value) ** 2 * change.photos)
    more = max(1, needed - change.photos)
    return f"about {more:,} more test photos, if the gain stays at {_signed(change.value)}"


def not_attributable(pictures: Difference, why: str, seeds: int) -> str:
    """Say why the pictures can be credited with nothing, with the difference that was seen all the same."""
    return f"not attributable: {why}; candidate − control{_over(seeds)} is {change_text(pictures.mean_ap)[1:-1]}"


def attributed_text(claim: str, pictures: Difference, seeds: int) -> str:
    """Say what the pictures did, with the difference that it rests on."""
    return f"{claim}: candidate − control{_over(seeds)} is {change_text(pictures.mean_ap)[1:-1]}"


def _over(seeds: int) -> str:
    return f" over {seeds} seeds" if seeds > 1 else ""
