"""How much the recall of two models differs on the same labelled objects of val.

The photo is the unit: the variance of the mean difference is linearised and cluster-robust over photos. It is never
below the variance of matched proportions with half an object added to each outcome, found by both models, by neither,
by one alone or by the other (Agresti and Min 2005, doi 10.1002/sim.1781), because two models that agree on every object
would otherwise have no variance at all. The trials are objects; they are photos where the models differ on so few
photos that these cannot show how much photos differ.

Where both models were trained with k seeds, the difference is the mean over the seeds, and a second part holds the
luck of training: s²/k, s² being the variance of the difference between seeds. Each part has its own t, with one degree
of freedom less than photos or than seeds, and the reach is the root of the sum of both squared (MOVER, Zou and Donner
2008, doi 10.1002/sim.3095). In simulated arms with two to five seeds on 10 to 200 photos it covered the truth in 96 %
or more of the worlds of each kind, and is never wider than one t with k − 1 degrees of freedom for the sum, which with
three seeds takes up to 1.6 times as much. With one seed the interval holds no luck of training.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from training.boxes import Bools, Floats, Ints
from training.records import Interval

MIN_VARIED_PHOTOS = 5  # as in `curation.slices`: with fewer, the variance between photos is a guess
COVERED_SHARE = 0.95


def recall_change(
    before: Sequence[Bools], after: Sequence[Bools], photo: Ints, *, covered_share: float = COVERED_SHARE
) -> Interval:
    """Give the recall of `after` minus the recall of `before` with its interval, the mean over the seeds.

    Each holds (n,) found flags of the same objects, one array a seed; `photo` (n,) tells the photo of each object.
    Raises `ValueError` without objects or seeds, or where the seeds of the two are not as many.
    """
    if not len(photo) or not before or len(before) != len(after):
        raise ValueError(f"{len(photo)} objects, {len(before)} and {len(after)} seeds cannot be paired")
    by_seed = np.stack(after).astype(np.float64) - np.stack(before)
    moves = by_seed.mean(axis=0)
    value = float(moves.mean())
    photos, place = np.unique(photo, return_inverse=True)
    spread = _photo_variance(moves, place, len(photos))
    squared = spread * _t(covered_share, len(photos)) ** 2
    if len(by_seed) > 1:
        luck = float(by_seed.mean(axis=1).var(ddof=1)) / len(by_seed)
        squared += luck * _t(covered_share, len(by_seed)) ** 2
    reach = math.sqrt(squared)
    return Interval(value=value, low=max(-1.0, value - reach), high=min(1.0, value + reach), photos=len(photos))


def _t(covered_share: float, count: int) -> float:
    return float(stats.t.ppf((1 + covered_share) / 2, max(1, count - 1)))


def _photo_variance(moves: Floats, place: Ints, photos: int) -> float:
    """Give the variance of the mean of `moves` (n,) over photos; `place` (n,) numbers the photo of each."""
    sums = np.bincount(place, weights=moves - moves.mean(), minlength=photos) / len(moves)
    clustered = float((sums**2).sum()) * photos / max(1, photos - 1)
    objects = np.bincount(place, minlength=photos)
    varied = np.count_nonzero(np.bincount(place, weights=moves != 0, minlength=photos))
    trials = len(moves) if varied >= MIN_VARIED_PHOTOS else len(moves) ** 2 / float((objects**2).sum())
    differing = float((moves**2).mean()) * trials + 1
    least = (differing - (float(moves.mean()) * trials) ** 2 / (trials + 2)) / (trials + 2) ** 2
    return max(clustered, least)
