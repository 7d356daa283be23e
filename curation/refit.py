"""What people's decisions teach: the rule of acceptance is fitted again by class, and kept only where that is better.

A fit is a logistic regression, for one class, from what a picture adds of it to whether people accept the picture.

* It learns from pictures that it may decide on: those that the rule accepts, and those that it refuses only because too
  little of an object is visible. What is too small, lies outside, is a near-duplicate, or is left to people because the
  judge cannot see the class, stays refused whatever a fit says.
* It needs 30 decisions of people, 8 of each answer, on 10 groups. That is fewer than the ten of the rarer answer for
  each feature that are usually asked for (Peduzzi et al. 1996): weights are penalised, and nothing is used unseen. A
  group is what shows the same photo; a picture on no photo is a group by itself.
* It is cross-validated in 5 folds of whole groups, so that near-copies do not leak. The brief is no group: the rest
  that is decided again is of the same briefs, so what holds within a brief may be learned.
* It is kept where its log loss on held-out pictures is lower than that of the present rule, by a paired one-sided t
  test over groups at 0.05; and where its decisions on held-out pictures are right more often, and those that it accepts
  not right less often. The present rule predicts the rate, in the other folds, at which people accept what it accepts,
  and what it refuses. So a fit that merely repeats the rule is not better.
* Its bound is the probability at which most held-out decisions are right, a wrong label costing what a lost picture
  costs; but only among bounds at which people accept no smaller share of what is accepted than before, since pictures
  that are probably right would lower label precision where nearly all are right.

In simulated sessions of 60 and 150 decisions in which nothing told right from wrong, or only the photo did, 9 of 2,400
fits were kept, 3 of 300 in the worst case. A score that told it was found in 98 of 100 sessions of 60 decisions, a weak
dependence on size in 31 of 100 sessions of 100.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydantic import Field

from curation.logistic import Logistic, fit_logistic, grouped_folds, held_out_probabilities, log_loss, one_sided_p
from curation.precision import added_classes
from curation.records import PersonSaid
from curation.traits import features_of
from curation.wording import number_text
from generation.records import SyntheticImage, Verdict
from training.boxes import Bools, Floats, Ints
from training.records import Record

MIN_DECISIONS = 30
MIN_OF_EACH = 8
MIN_GROUPS = 10
FOLDS = 5
MAX_P = 0.05


class ClassFit(Record):
    """What was fitted for a class, or why nothing was."""

    label: str
    decisions: int
    """Of people, that were learned from."""
    rejections: int
    """Of these."""
    kept: bool
    why: str
    """Why it is used, or not, in words, with its figures."""
    centre: tuple[float, ...] = ()
    """Of each of `curation.traits.FEATURES`, as the next two; empty where it was not kept."""
    scale: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    intercept: float = 0.0
    min_probability: float = 0.5
    """Probability that people accept a picture, from which on it is accepted."""
    held_out: dict[str, bool] = Field(default_factory=dict)
    """By request id, what fits and bounds that had not seen a decided picture's group say of it."""


class Refit(Record):
    """What people's decisions taught, class by class."""

    classes: tuple[ClassFit, ...]

    @property
    def kept(self) -> tuple[ClassFit, ...]:
        """Give the fits that are used."""
        return tuple(each for each in self.classes if each.kept)


@dataclass(frozen=True)
class _Lesson:
    """The decided pictures of a class; a row a picture."""

    x: Floats
    """(n, k) features, NaN where unknown."""
    said: Bools
    ruled: Bools
    """What the rule says."""
    group: Ints


def fit_decisions(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    *,
    open_to: Collection[str],
    backgrounds: Mapping[str, str] = MappingProxyType({}),
    rng: np.random.Generator,
) -> Refit:
    """Fit every class of which objects were added, by the rules above; classes in their order.

    `verdicts` are the rule's own by request id, `open_to` the pictures that fits may decide on. `backgrounds` gives, by
    request id, the train photo that was painted on; where it is silent, a picture made from one photo alone is on that.
    """
    decided = [each for each in pictures if each.request_id in said and each.request_id in open_to]
    labels = sorted({label for each in pictures for label in added_classes(each)})
    fits = []
    for label in labels:
        shown = [each for each in decided if label in added_classes(each)]
        lesson = _Lesson(
            x=features_of(shown, label),
            said=np.array([said[each.request_id].accepted for each in shown], np.bool_),
            ruled=np.array([verdicts[each.request_id].accepted for each in shown], np.bool_),
            group=_group_numbers([_group_of(each, backgrounds) for each in shown]),
        )
        fits.append(_fit_class(label, lesson, [each.request_id for each in shown], rng))
    return Refit(classes=tuple(fits))


def probabilities(fit: ClassFit, pictures: Sequence[SyntheticImage]) -> Floats:
    """Give the probability (n,) that people accept each picture, by a kept fit; each must add objects of its class."""
    model = Logistic(np.array(fit.centre), np.array(fit.scale), np.array(fit.weights), fit.intercept)
    return model.probability(features_of(pictures, fit.label))


def doubts_by(refit: Refit, pictures: Sequence[SyntheticImage]) -> dict[str, float]:
    """Give the doubt 0–1 by request id of the pictures that a kept fit speaks of: 1 at its bound, 0 where it is sure.

    Of several classes the largest counts.
    """
    doubts: dict[str, float] = {}
    for fit in refit.kept:
        shown = [each for each in pictures if fit.label in added_classes(each)]
        probability, bound = probabilities(fit, shown), fit.min_probability
        below, above = probability / max(bound, 1e-9), (1 - probability) / max(1 - bound, 1e-9)
        for picture, doubt in zip(shown, np.clip(np.minimum(below, above), 0, 1).tolist(), strict=True):
            doubts[picture.request_id] = max(doubt, doubts.get(picture.request_id, 0.0))
    return doubts


def _fit_class(label: str, lesson: _Lesson, ids: Sequence[str], rng: np.random.Generator) -> ClassFit:
    """Fit one class, and say whether the fit is used."""
    blank = ClassFit(
        label=label,
        decisions=len(lesson.said),
        rejections=int(np.count_nonzero(~lesson.said)),
        kept=False,
        why=_too_little(lesson),
    )
    if blank.why:
        return blank
    fold = grouped_folds(lesson.said, lesson.group, count=FOLDS, rng=rng)
    held_out, present = held_out_probabilities(lesson.x, lesson.said, fold), _present_rule(lesson, fold)
    accepts = _held_out_decisions(lesson, held_out, fold)
    kept, why = _judged(lesson, log_loss(present, lesson.said) - log_loss(held_out, lesson.said), accepts)
    if not kept:
        return blank.model_copy(update={"why": why})
    model = fit_logistic(lesson.x, lesson.said)
    fitted = {
        "centre": tuple(model.centre.tolist()),
        "scale": tuple(model.scale.tolist()),
        "weights": tuple(model.weights.tolist()),
        "intercept": model.intercept,
        "min_probability": _best_bound(held_out, lesson.said, lesson.ruled),
        "held_out": dict(zip(ids, accepts.tolist(), strict=True)),
    }
    return blank.model_copy(update={"kept": True, "why": why, **fitted})


def _too_little(lesson: _Lesson) -> str:
    """Say what is missing for a fit, empty where nothing is."""
    count, yes = len(lesson.said), int(np.count_nonzero(lesson.said))
    groups = len(np.unique(lesson.group))
    if count < MIN_DECISIONS:
        return f"{count} decisions, needs {MIN_DECISIONS}"
    if min(yes, count - yes) < MIN_OF_EACH:
        return f"{yes} accepted, {count - yes} rejected, needs {MIN_OF_EACH} of each"
    if not lesson.ruled.any():
        return "the rule accepts none of the decided pictures, so a fit cannot be compared with it"
    return f"pictures on {groups} photos, needs {MIN_GROUPS}" if groups < MIN_GROUPS else ""


def _judged(lesson: _Lesson, gain: Floats, accepts: Bools) -> tuple[bool, str]:
    """Say whether held-out figures make a fit better than the rule, and why; `gain` (n,) is what log loss it spares."""
    p = one_sided_p(gain, lesson.group)
    figures = f"held-out log loss lower by {number_text(float(gain.mean()))} (p = {p:.3f})"
    if p > MAX_P:
        return False, f"not better than the rule: {figures}"
    right, before = np.mean(accepts == lesson.said), np.mean(lesson.ruled == lesson.said)
    figures += f", decisions right on {right:.0%} instead of {before:.0%}"
    if right <= before:
        return False, f"decides no better than the rule: {figures}"
    share, share_before = _precision(lesson.said, accepts), _precision(lesson.said, lesson.ruled)
    if share < share_before:
        return False, f"of what it accepts, {share:.0%} is right instead of {share_before:.0%}: {figures}"
    return True, figures


def _best_bound(probability: Floats, said: Bools, ruled: Bools) -> float:
    """Give the bound that decides most pictures right and accepts no worse a share than the rule; NaN without one.

    Halfway between two neighbouring probabilities; of equally good ones the lowest.
    """
    order = np.argsort(probability, kind="stable")
    ascending, right = probability[order], said[order]
    first = np.flatnonzero(np.diff(ascending, prepend=-1.0))  # the row from which on a bound accepts
    accepted_right = np.cumsum(right[::-1])[::-1][first]
    refused_right = np.concatenate([[0], np.cumsum(~right)])[first]
    good = accepted_right / (len(right) - first) >= _precision(said, ruled)
    best = first[np.argmax(np.where(good, accepted_right + refused_right, -1))]
    return float((ascending[best] + ascending[max(0, best - 1)]) / 2) if good.any() else np.nan


def _present_rule(lesson: _Lesson, fold: Ints) -> Floats:
    """Give the rate (n,) at which people accept, in the other folds, the pictures of which the rule says the same."""
    found = np.empty(len(fold))
    for number in range(FOLDS):
        for ruled in (False, True):
            here = lesson.ruled == ruled
            same = lesson.said[here & (fold != number)]
            found[here & (fold == number)] = (np.count_nonzero(same) + 1) / (len(same) + 2)
    return found


def _held_out_decisions(lesson: _Lesson, probability: Floats, fold: Ints) -> Bools:
    """Decide on each picture (n,) by the bound that is best on the other folds; without one, as the rule does."""
    others = [fold != number for number in range(FOLDS)]
    bounds = np.array([_best_bound(probability[rest], lesson.said[rest], lesson.ruled[rest]) for rest in others])
    return np.where(np.isnan(bounds[fold]), lesson.ruled, probability >= bounds[fold])


def _precision(said: Bools, accepts: Bools) -> float:
    return float(said[accepts].mean()) if accepts.any() else 0.0


def _group_of(picture: SyntheticImage, backgrounds: Mapping[str, str]) -> str:
    """Give the photo that a picture is on, else its own id."""
    alone = picture.source_ids[0] if len(picture.source_ids) == 1 else ""
    return backgrounds.get(picture.request_id) or alone or picture.request_id


def _group_numbers(names: Sequence[str]) -> Ints:
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)
