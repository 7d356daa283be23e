"""Logistic regression on few rows with unknown values, and how well it does on rows that it has not seen."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from training.boxes import Bools, Floats, Ints

MAX_ODDS = 30.0  # logarithm; beyond it a probability is 0 or 1 to a float's precision


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression on k features."""

    centre: Floats
    """(k,) means of what was known."""
    scale: Floats
    """(k,) deviations, 1 where a feature did not vary."""
    weights: Floats
    """(k,) of scaled features."""
    intercept: float

    def probability(self, x: Floats) -> Floats:
        """Give the probability (n,) of yes for features (n, k); what is unknown (NaN) lies in the middle."""
        odds = _scaled(x, self.centre, self.scale) @ self.weights + self.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -MAX_ODDS, MAX_ODDS))))


def fit_logistic(x: Floats, said: Bools) -> Logistic:
    """Fit answers (n,) to features (n, k), NaN where unknown; the penalty is half the sum of squared weights.

    Where all answers are the same, the weights are 0, and the rate is as if one of each had been given besides.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, x, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, x - centre, 0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-9, spread, 1.0)
    if said.all() or not said.any():
        odds = (np.count_nonzero(said) + 1) / (np.count_nonzero(~said) + 1)
        return Logistic(centre, scale, np.zeros(x.shape[1]), float(np.log(odds)))
    model = LogisticRegression().fit(_scaled(x, centre, scale), said)
    return Logistic(centre, scale, np.asarray(model.coef_[0]), float(model.intercept_[0]))


def grouped_folds(said: Bools, group: Ints, *, count: int, rng: np.random.Generator) -> Ints:
    """Give the fold (n,) of each row: whole groups, and both answers as evenly as groups allow."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    fold = np.zeros(len(said), np.int64)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=int(rng.integers(2**31)))
    for number, (_, held) in enumerate(splitter.split(said, said, group)):
        fold[held] = number
    return fold


def held_out_probabilities(x: Floats, said: Bools, fold: Ints) -> Floats:
    """Give the probability (n,) of each row by the fit to the other folds."""
    found = np.empty(len(fold))
    for number in np.unique(fold):
        held = fold == number
        found[held] = fit_logistic(x[~held], said[~held]).probability(x[held])
    return found


def log_loss(probability: Floats, said: Bools) -> Floats:
    """Give the log loss (n,) of each answer."""
    return np.asarray(-np.log(np.where(said, probability, 1 - probability)))


def one_sided_p(gain: Floats, group: Ints) -> float:
    """Give the p value of a mean above 0 of values (n,) that are alike within groups (numbered from 0).

    By t, with a degree of freedom less than groups, of which there must be two.
    """
    groups = int(group.max()) + 1
    sums = np.bincount(group, weights=gain - gain.mean(), minlength=groups)
    error = float(np.sqrt((sums**2).sum() * groups / (groups - 1))) / len(gain)
    return float(stats.t.sf(gain.mean() / max(error, 1e-12), groups - 1))


def _scaled(x: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.asarray(np.nan_to_num((x - centre) / scale))
