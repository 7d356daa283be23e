"""What the pictures of a finding did on its slice of val: candidate against control, on the same objects.

The gain is recall of the candidate minus recall of the control, the mean over the seeds, with the interval of
`curation.paired`. It is what happened on the slice; pictures of other findings may have had their part in it. Suspected
labels are set aside, as in the tests of findings. The verdict, first fit first:

* the interval lies wholly above 0: pays; with one seed, whose interval holds no luck of training, it cannot be shown
* its upper end lies below `analyze.min_effect`: does not pay, with one seed, too
* else: cannot be shown

In simulated arms on slices of 20 to 200 photos, where training luck moved recall by 0.03, one seed would have said of
no gain at all that it pays in up to 24 % of worlds; so it never says so. Of a gain of 0.11 it said that it does not pay
in 1 to 9 %: that costs half of a share of the budget, and the next round has other luck. Three seeds said either in at
most 1 %.

Every interval is one of 95 % by itself: of forty findings whose pictures do nothing, about one is said to pay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation.diagnose import ErrorTable
from curation.paired import recall_change
from curation.records import Finding, Findings, Payoff, Shortage
from curation.shortage import mask_of
from training.boxes import Bools, Ints
from training.records import Interval

PICTURES_PER = 100


@dataclass(frozen=True)
class Found:
    """Which labelled objects of val each model finds at the operating point; rows as in the table of tested objects."""

    photo: Ints
    """(n,) tells the photo of each object."""
    champion: Bools
    control: Sequence[Bools]
    """One array a seed."""
    candidate: Sequence[Bools]

    def __post_init__(self) -> None:
        """Check that all arrays are equally long, and the arms equally many."""
        lengths = {len(each) for each in (self.photo, self.champion, *self.control, *self.candidate)}
        if len(lengths) > 1 or len(self.control) != len(self.candidate) or not self.control:
            raise ValueError(
                f"{len(self.control)} controls and {len(self.candidate)} candidates with objects {sorted(lengths)}: "
                "arms must be equally many, at least one, over the same objects"
            )

    @property
    def seeds(self) -> int:
        """Give how often each arm was trained."""
        return len(self.control)

    def take(self, rows: Bools) -> "Found":
        """Give the objects that a mask (n,) selects."""
        return Found(
            self.photo[rows],
            self.champion[rows],
            tuple(each[rows] for each in self.control),
            tuple(each[rows] for each in self.candidate),
        )


def payoffs(findings: Findings, table: ErrorTable, models: Found, *, pictures: Mapping[str, int]) -> tuple[Payoff, ...]:
    """Measure every finding and shortage that has pictures in the candidate's list, in their order, findings first.

    `table` holds the objects that tests rest on, with the columns of tagged attributes where there are any; `pictures`
    counts the pictures in the candidate's list by finding id. What val shows no object of is left out.
    """
    wants: list[Finding | Shortage] = [*findings.findings, *findings.shortages]
    funded = [each for each in wants if pictures.get(each.finding_id)]
    masks = [(each, mask_of(table, each.conditions)) for each in funded]
    return tuple(
        payoff_of(each, models.take(inside), pictures=pictures[each.finding_id], min_effect=findings.min_effect)
        for each, inside in masks
        if inside.any()
    )


def payoff_of(want: Finding | Shortage, models: Found, *, pictures: int, min_effect: float) -> Payoff:
    """Measure one finding on the objects of its slice, of which there must be one at least."""
    gain = recall_change(models.control, models.candidate, models.photo)
    return Payoff(
        finding_id=want.finding_id,
        words=want.words,
        pictures=pictures,
        objects=len(models.photo),
        photos=gain.photos,
        champion=float(models.champion.mean()),
        control=float(np.mean(models.control)),
        candidate=float(np.mean(models.candidate)),
        gain=gain,
        verdict=verdict_of(gain, seeds=models.seeds, min_effect=min_effect),
    )


def verdict_of(gain: Interval, *, seeds: int, min_effect: float) -> Literal["pays", "does not pay", "cannot be shown"]:
    """Give the verdict by the rules above."""
    if gain.low > 0:
        return "pays" if seeds > 1 else "cannot be shown"
    return "does not pay" if gain.high < min_effect else "cannot be shown"


def per_100_pictures(payoff: Payoff) -> Interval:
    """Give the gain in recall by 100 pictures, as if it grew with their number."""
    return _scaled(payoff.gain, PICTURES_PER / max(1, payoff.pictures))


def per_minute(payoff: Payoff, minutes: float) -> Interval | None:
    """Give the gain in recall by minute that the pictures took; None where they took no time."""
    return _scaled(payoff.gain, 1 / minutes) if minutes > 0 else None


def minutes_of(measured: Sequence[Payoff], elapsed_s: Mapping[str, float]) -> dict[str, float]:
    """Share what the pictures took among findings, in proportion to their number; minutes by finding.

    That is making and reviewing them, and half of training: the arm that shows them. `elapsed_s` are seconds by step.
    """
    spent_s = elapsed_s.get("generate", 0) + elapsed_s.get("review", 0) + elapsed_s.get("train", 0) / 2
    total = sum(each.pictures for each in measured)
    return {each.finding_id: spent_s / 60 * each.pictures / total for each in measured if total}


def _scaled(gain: Interval, factor: float) -> Interval:
    return Interval(value=gain.value * factor, low=gain.low * factor, high=gain.high * factor, photos=gain.photos)
