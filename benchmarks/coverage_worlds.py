"""Simulated detectors on simulated test photos, whose true AP is known: for `coverage.py` and the tests of decisions.

A photo makes its objects hard for every detector, an object is hard for every detector, and each detector has its own
luck with it: errors are alike within a photo and between models, as with real ones. What is hard to find also gets a
lower score and a looser box. A detector is a skill by class, the standard normal quantile of its recall; its true AP is
that on 100,000 photos of the same making, the same ones for all skills.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from curation.compare import Contender
from training.boxes import Floats, Ints
from training.matching import IOU_LEVELS
from training.metrics import Curves, point_ap
from training.records import Evaluation, FileRef, Interval

SHARE_HOLDING, FALSE_PER_PHOTO = 0.5, 0.6
SKILLS = np.linspace(-1, 2.5, 15)  # recall from 16 to 99 %
REF = FileRef(name="table.npz", digest="0" * 24)


@dataclass(frozen=True)
class Photos:
    """Test photos, and what makes them and their objects hard."""

    mood: Floats
    """(photos,) standard normal, the hard ones high."""
    photo: Ints
    """(objects,)"""
    label: Ints
    hard: Floats
    """(objects,) standard normal, a fifth of it from the photo."""
    class_count: int

    @cached_property
    def labels(self) -> csr_array:
        """Count the objects of each class on each photo."""
        shape = (self.class_count, len(self.mood))
        return csr_array((np.ones(len(self.photo), np.float32), (self.label, self.photo)), shape=shape)


def draw_photos(rng: np.random.Generator, count: int, *, classes: int = 1) -> Photos:
    """Draw photos; half of them hold an object of a class, or several."""
    mood = rng.normal(size=count)
    held = np.where(rng.random((count, classes)) < SHARE_HOLDING, 1 + rng.poisson(0.5, (count, classes)), 0)
    cell = np.repeat(np.arange(held.size), held.ravel())
    photo, label = np.divmod(cell, classes)
    hard = np.sqrt(0.2) * mood[photo] + np.sqrt(0.8) * rng.normal(size=len(photo))
    return Photos(mood, photo, label, hard, classes)


def detect(rng: np.random.Generator, photos: Photos, skill: Floats, *, ap50: bool = False) -> Curves:
    """Let a detector of this skill (classes,) look at photos; with `ap50`, nothing is a hit above IoU 0.5."""
    count = len(photos.photo)
    own, looseness, confidence = rng.normal(size=(3, count))
    found = np.sqrt(0.85) * photos.hard + np.sqrt(0.15) * own < skill[photos.label]
    tightness = 1 / (1 + np.exp(0.5 * photos.hard + 0.5 * looseness - 1))
    levels = np.where(found, np.ceil(tightness * len(IOU_LEVELS)), 0)
    hit = np.arange(len(IOU_LEVELS)) < levels[found, None]
    wrong = rng.poisson(FALSE_PER_PHOTO * photos.class_count * np.exp(0.3 * photos.mood))
    photo = np.concatenate([photos.photo[found], np.repeat(np.arange(len(wrong)), wrong)])
    label = np.concatenate([photos.label[found], rng.integers(0, photos.class_count, wrong.sum())])
    score = np.concatenate([(1 - 0.7 * photos.hard + 0.4 * confidence)[found], rng.normal(-0.8, 1, wrong.sum())])
    hit = np.concatenate([hit, np.zeros((wrong.sum(), len(IOU_LEVELS)), np.bool_)])
    if ap50:
        hit[:, 1:] = False
    order = np.lexsort((-score, label))
    first = np.searchsorted(label[order], np.arange(photos.class_count + 1))
    return Curves(photo=photo[order], hit=hit[order], first=first, labels=photos.labels)


@dataclass(frozen=True)
class Truth:
    """The true AP of every skill; rises with it."""

    ap: Floats
    """At each of `SKILLS`."""

    def of(self, skill: Floats) -> float:
        """Give the true mean AP of a detector."""
        return float(np.interp(skill, SKILLS, self.ap).mean())

    def skill(self, ap: float) -> float:
        """Give the skill that has this AP."""
        return float(np.interp(ap, self.ap, SKILLS))


def truth(*, ap50: bool, photos: int = 100_000) -> Truth:
    """Measure the true AP of skills: at IoU 0.5, or the mean over the ten levels."""
    drawn = draw_photos(np.random.default_rng(0), photos)
    measured = [point_ap(detect(np.random.default_rng(1), drawn, np.array([skill]), ap50=ap50))[0] for skill in SKILLS]
    return Truth(np.array([ap[0] if ap50 else ap.mean() for ap in measured]))


def contender(name: str, curves: Curves) -> Contender:
    """Give a simulated model as a decision takes it."""
    nothing = Interval(value=0, low=0, high=0, photos=curves.photo_count)
    evaluation = Evaluation(
        model_id=name, images="d1", split="test", min_score=0.25, mean_ap=nothing, mean_ap50=0, classes=(),
        predictions=REF, matches=REF,
    )  # fmt: skip
    return Contender(evaluation, curves)
