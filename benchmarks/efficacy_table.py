"""What the arms of the efficacy benchmark say: AP with intervals, paired differences, what may be read from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from low_data import ARMS

from curation.compare import add_luck
from curation.records import MIN_RELIABLE_PHOTOS
from training.bootstrap import draw_weights, interval, mean_present, replicate_ap
from training.boxes import Floats
from training.metrics import Curves, point_ap
from training.records import Interval

REPLICATES = 2000
PAIRS = (("candidate", "control"), ("candidate", "uniform"), ("ceiling", "control"))


@dataclass(frozen=True)
class Scores:
    """AP of the rare class and mean over the classes, in the last column, of one arm or of a difference of two."""

    points: Floats
    """(k, 2) measured, a row a seed."""
    draws: Floats
    """(R, 2) the mean over the seeds, a row a draw of photos."""
    photos: tuple[int, int]
    """Photos that each of them rests on."""

    def minus(self, other: "Scores") -> "Scores":
        """Give the difference, paired by seed and by draw."""
        return Scores(self.points - other.points, self.draws - other.draws, self.photos)

    def intervals(self) -> tuple[Interval, Interval]:
        """Give the 95 % intervals of the means over the seeds: photos, and beside them the luck of seeds."""
        rare, mean = (self._interval(column) for column in (0, 1))
        return rare, mean

    def _interval(self, column: int) -> Interval:
        by_seed = self.points[:, column]
        drawn = interval(self.draws[:, column], float(by_seed.mean()), photos=self.photos[column])
        return drawn if len(by_seed) == 1 else add_luck(drawn, by_seed)


@dataclass(frozen=True)
class Cost:
    """What the candidate took, a row a seed."""

    pictures: Floats
    """(k,) synthetic pictures in its list."""
    minutes: Floats
    """(k,) to make them and to train."""


def scores_of(
    curves: Mapping[str, Sequence[Sequence[Curves]]],
    *,
    rare: int,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> dict[str, Scores]:
    """Measure every arm and draw the photos of all of them together.

    The curves of an arm go by seed; of the models of one seed the mean is taken.
    """
    some = next(iter(curves.values()))[0][0]
    weights = draw_weights(rng, some.photo_count, replicates)
    photos = int(some.photos_of_class[rare]), some.photo_count
    found = {}
    for arm, seeds in curves.items():
        points = [np.mean([_both(point_ap(one).mean(axis=-1), rare) for one in models], axis=0) for models in seeds]
        draws = [_both(replicate_ap(one, weights).mean(axis=-1), rare) for models in seeds for one in models]
        found[arm] = Scores(np.stack(points), np.mean(draws, axis=0), photos)
    return found


def _both(ap: Floats, rare: int) -> Floats:
    """Give the rare class's AP and the mean; (..., class_count) → (..., 2)."""
    return np.stack([ap[..., rare], mean_present(ap)], axis=-1)


def table(scores: Mapping[str, Scores], cost: Cost, seen: Mapping[str, int], *, rare: str, split: str) -> Iterator[str]:
    """Give the lines of the table, as Markdown; `seen` gives the rare objects that a pass over each list shows."""
    yield f"| arm | {rare} a pass | {rare} AP50-95 | mAP50-95 | {rare} AP by seed |"
    yield "|---|---|---|---|---|"
    for arm in ARMS:
        yield _row(arm, str(seen[arm]), scores[arm], "{:.3f}")
    for one, other in PAIRS:
        yield _row(f"{one} − {other}", "", scores[one].minus(scores[other]), "{:+.3f}")
    yield ""
    yield from reading(scores, cost, rare=rare, split=split)


def _row(name: str, seen: str, found: Scores, form: str) -> str:
    shown = [
        f"{form.format(each.value)} [{form.format(each.low)}, {form.format(each.high)}]" for each in found.intervals()
    ]
    seeds = " ".join(form.format(value) for value in found.points[:, 0])
    return f"| {name} | {seen} | {shown[0]} | {shown[1]} | {seeds} |"


def reading(scores: Mapping[str, Scores], cost: Cost, *, rare: str, split: str) -> Iterator[str]:
    """Say what may be read from the figures of the rare class, and what may not."""
    room, over_control, over_uniform = (
        scores[one].minus(scores[other]).intervals()[0] for one, other in (PAIRS[2], PAIRS[0], PAIRS[1])
    )
    yield (
        f"gain of the candidate over the control: {100 * over_control.value / cost.pictures.mean():+.3f} AP per 100 "
        f"pictures, {over_control.value / cost.minutes.mean():+.4f} AP per minute ({cost.minutes.mean():.1f} minutes "
        f"to make {cost.pictures.mean():.0f} pictures and to train)"
    )
    half_width, seeds = (room.high - room.low) / 2, len(scores[ARMS[0]].points)
    if room.value < half_width:
        yield (
            f"{seeds} {'seed' if seeds == 1 else 'seeds'} of this dataset cannot answer the question: "
            f"ceiling − control is {room.value:+.3f}, less than the half-width of its interval, {half_width:.3f}"
        )
    else:
        yield f"gap to the ceiling closed: {over_control.value / room.value:.0%}"
        yield f"targeted pictures {_verdict(over_control)} repetition and {_verdict(over_uniform)} untargeted pictures"
    if seeds == 1:
        yield "one seed: the intervals do not hold the luck of training, nor that of which photos were labelled"
    if room.photos < MIN_RELIABLE_PHOTOS:
        yield f"{split} holds {rare} on {room.photos} photos: below {MIN_RELIABLE_PHOTOS}, intervals are too narrow"


def _verdict(change: Interval) -> str:
    if change.low > 0:
        return "are better than"
    return "are worse than" if change.high < 0 else "cannot be told from"
