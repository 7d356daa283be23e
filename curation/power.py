"""What test could show of a change, estimated before anything is trained, from the champion's own evaluation on val."""

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from training.boxes import Floats
from training.records import ClassScore, Evaluation, Interval, Record

ASSUMED_CORRELATION = 0.7
"""Between the AP of champion and candidate from one draw of photos to the next. Measured: 0.67 to 0.71 on photos of
blood cells (72 on test), 0.77 to 0.82 on the built-in ones (200), by class 0.5 to 0.98; simulated arms have 0.69."""
DETECTED = 1.96 + 0.84
"""Standard errors that a change must have to be shown at 95 % in 80 of 100 cases: quantiles 0.975 and 0.8."""


class Power(Record):
    """The smallest changes of AP that test would show in four of five cases: estimates, all of them."""

    smallest_gain: float | None
    """Of the mean AP over the classes that enough test photos hold; None where no class is, or nothing is known."""
    by_class: dict[str, float | None]
    """Of the AP of each class, None where val or test does not hold it, or its AP on val does not vary."""
    assumed_correlation: float
    test_photos: int


def power_of(evaluation: Evaluation, photos: Mapping[str, int], *, test_photos: int, min_photos: int) -> Power:
    """Estimate what a test of `test_photos` photos could show, of which so many (`photos`) hold each class.

    The standard error of the champion's AP on val, scaled to the photos of test by their square root, makes that of a
    paired difference: times √(2 (1 − ρ)), as if the candidate were as uncertain, and ρ the correlation assumed. Before
    there is a champion, see `training.splits.smallest_visible_change`.
    """
    errors = np.array([_on_test(score, photos.get(score.label, 0)) for score in evaluation.classes])
    counted = np.array([photos.get(score.label, 0) >= min_photos for score in evaluation.classes]) & (errors > 0)
    alike = _alike(evaluation.classes, _standard_error(evaluation.mean_ap))
    mean = _mean_error(errors[counted], alike) if counted.any() else 0.0
    paired = DETECTED * sqrt(2 * (1 - ASSUMED_CORRELATION))
    return Power(
        smallest_gain=paired * mean or None,
        by_class={
            score.label: paired * float(error) or None for score, error in zip(evaluation.classes, errors, strict=True)
        },
        assumed_correlation=ASSUMED_CORRELATION,
        test_photos=test_photos,
    )


def words(power: Power) -> str:
    """Say in one sentence what test could show, marked as an estimate."""
    if power.smallest_gain is None:
        return f"Estimate: what {power.test_photos} test photos could show of a change of mean AP cannot be told."
    assumed = f"assuming that both models find the same photos hard, with a correlation of {power.assumed_correlation}"
    return (
        f"Estimate: with {power.test_photos} test photos a change of mean AP from about {power.smallest_gain:.2g} on "
        f"would be shown in four of five cases ({assumed})."
    )


def _standard_error(score: Interval) -> float:
    return (score.high - score.low) / (2 * 1.96)


def _on_test(score: ClassScore, test_photos: int) -> float:
    """Give the standard error of a class's AP on so many test photos that hold it; 0 where nothing is known."""
    if score.ap is None or test_photos == 0:
        return 0.0
    return _standard_error(score.ap) * sqrt(score.ap.photos / test_photos)


def _alike(classes: Sequence[ClassScore], error_of_mean: float) -> float:
    """Give how far the errors of the classes on val go together, 0–1, as the error of their mean shows."""
    errors = np.array([_standard_error(score.ap) for score in classes if score.ap is not None])
    own, pairs = (errors**2).sum(), errors.sum() ** 2 - (errors**2).sum()
    return float(np.clip(((len(errors) * error_of_mean) ** 2 - own) / pairs, 0, 1)) if pairs > 0 else 0.0


def _mean_error(errors: Floats, alike: float) -> float:
    """Give the standard error of a mean over classes whose errors correlate so much."""
    own = (errors**2).sum()
    return float(sqrt(own + alike * (errors.sum() ** 2 - own)) / len(errors))
