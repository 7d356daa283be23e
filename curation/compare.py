"""Champion, control and candidate on the same draws of test photos: the numbers that a decision stands on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from curation.records import Difference
from training.bootstrap import draw_weights, interval, mean_present, replicate_ap
from training.boxes import Bools, Floats, Ints
from training.metrics import Curves, point_ap
from training.records import Evaluation

DRAWS_AT_ONCE = 500  # bounds the memory for the draws of 80 classes at 10 IoU levels
Role = Literal["champion", "control", "candidate"]
ROLES: tuple[Role, ...] = ("champion", "control", "candidate")


@dataclass(frozen=True)
class Contender:
    """One model on test: its record, and its curves over the classes of the data, all test photos included.

    A class that the model does not know has no predictions there.
    """

    evaluation: Evaluation
    curves: Curves


@dataclass(frozen=True)
class ThreeModels:
    """The AP of the three models, measured and in draws; classes in the order of their numbers."""

    point: dict[Role, Floats]
    """(class_count,) mean over the IoU levels, NaN where test does not hold the class."""
    draws: dict[Role, Floats]
    """(R, class_count), row by row on the same photos."""
    photos: Ints
    """(class_count,) test photos that hold the class."""
    photo_count: int
    eligible: Bools
    """(class_count,) classes that enough photos hold."""

    @property
    def counted(self) -> Bools:
        """Give the classes of the mean: the eligible ones, or without any, for want of better, all that test holds."""
        return self.eligible if self.eligible.any() else self.photos > 0

    def mean_ap(self, role: Role) -> float:
        """Give a model's mean AP over the counted classes, NaN where there is none."""
        return float(mean_present(self.point[role][self.counted]))


def compare(arms: dict[Role, Contender], *, min_photos: int, replicates: int, rng: np.random.Generator) -> ThreeModels:
    """Measure the three models and draw their photos together."""
    curves = arms["champion"].curves
    draws: dict[Role, list[Floats]] = {role: [] for role in ROLES}
    for first in range(0, replicates, DRAWS_AT_ONCE):
        weights = draw_weights(rng, curves.photo_count, min(DRAWS_AT_ONCE, replicates - first))
        for role, arm in arms.items():
            draws[role].append(replicate_ap(arm.curves, weights).mean(axis=2))
    return ThreeModels(
        point={role: point_ap(arm.curves).mean(axis=1) for role, arm in arms.items()},
        draws={role: np.concatenate(parts) for role, parts in draws.items()},
        photos=curves.photos_of_class,
        photo_count=curves.photo_count,
        eligible=curves.photos_of_class >= min_photos,
    )


def difference(
    measured: ThreeModels, other: Literal["champion", "control"], classes: tuple[str, ...]
) -> Difference | None:
    """Give candidate minus another model, paired by draw; None where test holds no labelled object."""
    counted = measured.counted
    if not counted.any():
        return None
    point = measured.point["candidate"] - measured.point[other]
    draws = measured.draws["candidate"] - measured.draws[other]
    mean = interval(mean_present(draws[:, counted]), float(mean_present(point[counted])), photos=measured.photo_count)
    return Difference(
        of="candidate − champion" if other == "champion" else "candidate − control",
        mean_ap=mean,
        classes={
            classes[number]: interval(draws[:, number], float(point[number]), photos=int(measured.photos[number]))
            for number in np.flatnonzero(measured.photos)
        },
    )


def improved(measured: ThreeModels, *, alpha: float) -> Bools:
    """Say of each eligible class whether the candidate is demonstrably better than the champion; (class_count,).

    Corrected by Holm's method for testing several classes.
    """
    better = np.zeros(len(measured.eligible), np.bool_)
    change = (measured.draws["candidate"] - measured.draws["champion"])[:, measured.eligible]
    better[measured.eligible] = (holm(two_sided_p(change)) <= alpha) & (change.mean(axis=0) > 0)
    return better


def two_sided_p(change: Floats) -> Floats:
    """Give the bootstrap p of "no change" by column; (R, n) → (n,), at least 2 / (R + 1).

    Twice the smaller share of draws on either side of 0; the one added keeps p above 0 (Davison & Hinkley 1997, 4.2).
    """
    smaller = np.minimum((change <= 0).sum(axis=0), (change >= 0).sum(axis=0))
    return np.asarray(np.minimum(1, 2 * (smaller + 1) / (len(change) + 1)))


def holm(p: Floats) -> Floats:
    """Correct p values for being many, step down (Holm 1979); in the order of the input."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected
