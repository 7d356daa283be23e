"""Champion, control and candidate on the same draws of test photos: the numbers that a decision stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from curation.records import Difference
from training.bootstrap import COVERED_SHARE, Weights, draw_weights, interval, mean_present, replicate_ap
from training.boxes import Bools, Floats, Ints
from training.errors import UsageError
from training.metrics import Curves, point_ap
from training.records import Evaluation, Interval

DRAWS_AT_ONCE = 500  # bounds the memory for the draws of 80 classes at 10 IoU levels
Role = Literal["champion", "control", "candidate"]
Claim = Literal["candidate − champion", "candidate − control"]


@dataclass(frozen=True)
class Contender:
    """One model on test: its record, and its curves over the classes of the data, all test photos included.

    A class that the model does not know has no predictions there.
    """

    evaluation: Evaluation
    curves: Curves


@dataclass(frozen=True)
class Arms:
    """Who is judged: the champion, and control and candidate of each seed, in the same order of seeds.

    The first of each is the nominated one. Raises `UsageError` where there is none, or their numbers differ.
    """

    champion: Contender
    control: Sequence[Contender]
    candidate: Sequence[Contender]

    def __post_init__(self) -> None:
        if not self.control or len(self.control) != len(self.candidate):
            raise UsageError(
                f"{len(self.control)} controls and {len(self.candidate)} candidates cannot be compared seed by seed",
                hint="train both arms once with each seed",
            )

    @property
    def everyone(self) -> list[tuple[Role, Contender]]:
        """Give every model with its role."""
        control: list[tuple[Role, Contender]] = [("control", each) for each in self.control]
        return [("champion", self.champion), *control, *(("candidate", each) for each in self.candidate)]

    @property
    def nominated(self) -> dict[Role, Contender]:
        """Give the champion, and control and candidate of the first seed."""
        return {"champion": self.champion, "control": self.control[0], "candidate": self.candidate[0]}


@dataclass(frozen=True)
class Change:
    """AP of one model minus AP of another by class, measured and in draws; NaN where there is no labelled object."""

    of: Claim
    points: Floats
    """(k, class_count) measured, a row a seed; one row where a single model is judged."""
    draws: Floats
    """(R, class_count) the mean over the seeds, a row a draw of photos."""


@dataclass(frozen=True)
class OnTest:
    """What was measured on test; classes in the order of their numbers."""

    point: dict[Role, Floats]
    """(class_count,) AP of the nominated models, mean over the IoU levels, NaN where test does not hold the class."""
    better: Change
    """The nominated candidate minus the champion."""
    pictures: Change
    """Candidate minus control, seed by seed, on the same draws."""
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
        """Give a nominated model's mean AP over the counted classes, NaN where there is none."""
        return float(mean_present(self.point[role][self.counted]))


def check_arms(arms: Arms, classes: Sequence[str]) -> None:
    """Raise `UsageError` where a model was not judged on test, or not all on the same photos and classes."""
    for role, arm in arms.everyone:
        if arm.evaluation.split != "test":
            raise UsageError(
                f"the {role} was evaluated on {arm.evaluation.split}, but a decision may only read test",
                hint=f"evaluate the {role} on test",
            )
    if len({arm.evaluation.images for _, arm in arms.everyone}) > 1:
        raise UsageError(
            "champion, control and candidate were evaluated on different image sets",
            hint="evaluate all of them on the image set of this round",
        )
    labels = arms.champion.curves.labels
    held = [arm.curves.labels for _, arm in arms.everyone]
    same = all(part.shape == labels.shape and (part - labels).count_nonzero() == 0 for part in held)
    if not same or labels.shape[0] != len(classes):
        raise UsageError(
            f"the evaluations do not hold the same labels of the {len(classes)} classes",
            hint="prepare all of them over the same test photos, with the classes of the data",
        )


def compare(arms: Arms, *, min_photos: int, replicates: int, rng: np.random.Generator) -> OnTest:
    """Measure all models and draw their photos together; in memory are the draws of two models at a time."""
    curves = arms.champion.curves
    better, pictures = [], []
    for first in range(0, replicates, DRAWS_AT_ONCE):
        weights = draw_weights(rng, curves.photo_count, min(DRAWS_AT_ONCE, replicates - first))
        nominated, mean = _changes(arms, weights)
        better.append(nominated)
        pictures.append(mean)
    point = {role: point_ap(arm.curves).mean(axis=1) for role, arm in arms.nominated.items()}
    seeds = zip(arms.candidate, arms.control, strict=True)
    by_seed = [point_ap(after.curves).mean(axis=1) - point_ap(before.curves).mean(axis=1) for after, before in seeds]
    return OnTest(
        point=point,
        better=Change("candidate − champion", (point["candidate"] - point["champion"])[None], np.concatenate(better)),
        pictures=Change("candidate − control", np.stack(by_seed), np.concatenate(pictures)),
        photos=curves.photos_of_class,
        photo_count=curves.photo_count,
        eligible=curves.photos_of_class >= min_photos,
    )


def _changes(arms: Arms, weights: Weights) -> tuple[Floats, Floats]:
    """Give (R, class_count) nominated candidate − champion, and the mean over the seeds of candidate − control."""
    nominated = _draws_of(arms.candidate[0], weights)
    better = nominated - _draws_of(arms.champion, weights)
    total = nominated - _draws_of(arms.control[0], weights)
    for after, before in zip(arms.candidate[1:], arms.control[1:], strict=True):
        total += _draws_of(after, weights)
        total -= _draws_of(before, weights)
    return better, total / len(arms.candidate)


def change_of_mean_ap(after: Curves, before: Curves, *, replicates: int, rng: np.random.Generator) -> Interval:
    """Give the mean AP of one model minus that of another with its interval, over the classes that the photos hold."""
    draws = []
    for first in range(0, replicates, DRAWS_AT_ONCE):
        weights = draw_weights(rng, after.photo_count, min(DRAWS_AT_ONCE, replicates - first))
        two = (mean_present(replicate_ap(curves, weights).mean(axis=2)) for curves in (after, before))
        draws.append(np.subtract(*two))
    now, then = (float(mean_present(point_ap(curves).mean(axis=1))) for curves in (after, before))
    return interval(np.concatenate(draws), now - then, photos=after.photo_count)


def _draws_of(arm: Contender, weights: Weights) -> Floats:
    return np.asarray(replicate_ap(arm.curves, weights).mean(axis=2))


def difference(measured: OnTest, change: Change, classes: tuple[str, ...]) -> Difference | None:
    """Give a change of AP with its intervals, paired by photo; None where test holds no labelled object."""
    counted = measured.counted
    if not counted.any():
        return None
    return Difference(
        of=change.of,
        mean_ap=_interval(
            mean_present(change.draws[:, counted]), mean_present(change.points[:, counted]), measured.photo_count
        ),
        classes={
            classes[number]: _interval(change.draws[:, number], change.points[:, number], int(measured.photos[number]))
            for number in np.flatnonzero(measured.photos)
        },
    )


def _interval(draws: Floats, by_seed: Floats, photos: int) -> Interval:
    """Give the 95 % interval of the mean over the seeds: draws (R,) of photos, and the luck of training beside it."""
    drawn = interval(draws, float(by_seed.mean()), photos=photos)
    return drawn if len(by_seed) == 1 else add_luck(drawn, by_seed)


def add_luck(drawn: Interval, by_seed: Floats) -> Interval:
    """Widen the photo interval of a mean over seeds by the luck of training; by_seed (k,), k at least 2.

    The half-width of the photo draws and t(k − 1) · s / √k of the k runs are added in squares (MOVER; Zou & Donner
    2008). That covers what it says where either part is small, and at least that between: t for the sum of both would
    be up to 6.5 (k = 2) or 2.2 times (k = 3) as wide as needed where photos are the larger part, as they mostly are,
    and Satterthwaite's degrees of freedom are too hopeful with two seeds. All seeds are judged on the same photos, so s
    does not hold what makes a photo hard for all of them; what is hard for one of them alone is in both parts, which
    errs to the safe side.
    """
    count = len(by_seed)
    luck = float(stdtrit(count - 1, 1 - (1 - COVERED_SHARE) / 2) * by_seed.std(ddof=1) / np.sqrt(count))
    return Interval(
        value=drawn.value,
        low=drawn.value - float(np.hypot(drawn.value - drawn.low, luck)),
        high=drawn.value + float(np.hypot(drawn.high - drawn.value, luck)),
        photos=drawn.photos,
    )


def improved(measured: OnTest, *, alpha: float) -> Bools:
    """Say of each eligible class whether the candidate is demonstrably better than the champion; (class_count,).

    Corrected by Holm's method for testing several classes.
    """
    better = np.zeros(len(measured.eligible), np.bool_)
    change = measured.better.draws[:, measured.eligible]
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
