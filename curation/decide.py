"""Champion, control and candidate on test → Decision.

Two claims are kept apart. *The model is better*: candidate − champion. *The pictures did it*: candidate − control. Both
come from one set of photo draws, and neither reads anything but test. The rules, first fit first:

* test was opened more than `max_openings` times: inconclusive, add test photos
* no class is held by `min_photos` test photos: inconclusive, too few test photos
* candidate − champion lies wholly below 0: rejected
* a class with enough photos lies wholly below −`margin` against the champion: rejected
* candidate − control lies wholly below 0: rejected
* candidate − champion lies wholly above 0: promoted
* otherwise: inconclusive
"""

from math import ceil
from typing import Literal

import numpy as np

from curation.compare import Comparison, Judged, Role, compare, difference, improved
from curation.records import ClassVerdict, DecideSettings, Decision, Difference, Outcome
from training.errors import UsageError
from training.records import Interval

ALPHA = 0.05
MAX_NAMED = 5  # classes that a sentence names


def decide(
    *,
    champion: Judged,
    control: Judged,
    candidate: Judged,
    classes: tuple[str, ...],
    settings: DecideSettings,
    openings: int,
    rng: np.random.Generator,
) -> Decision:
    """Judge the candidate against the champion and the control on test.

    `openings` counts how often this test split has been looked at, this time included. Raises `UsageError` when an
    evaluation is not of test, or the three are not of the same photos and classes.
    """
    arms: dict[Role, Judged] = {"champion": champion, "control": control, "candidate": candidate}
    _check(arms, classes)
    enough_for_holm = ceil(2 / ALPHA) * len(classes)  # the smallest p is 2 / (replicates + 1)
    replicates = max(settings.replicates, enough_for_holm)
    comparison = compare(arms, min_photos=settings.min_photos, replicates=replicates, rng=rng)
    better, pictures = (difference(comparison, other, classes) for other in ("champion", "control"))
    verdicts = _class_verdicts(comparison, better, classes, margin=settings.margin)
    outcome, sentence, settle = _verdict(comparison, better, pictures, verdicts, settings=settings, openings=openings)
    models = {role: arm.evaluation.model_id for role, arm in arms.items()}
    return Decision(
        outcome=outcome,
        sentence=sentence,
        better=better,
        pictures_did_it=pictures,
        attribution=_attribution(pictures),
        classes=verdicts,
        settle=settle,
        openings=openings,
        champion=models["candidate" if outcome == "promoted" else "champion"],
        models=models,
    )


def nothing_to_try(reason: str, champion: str, openings: int) -> Decision:
    """Close a round in which nothing was trained: no accepted picture, or arms that do not differ.

    `reason` is a clause without a full stop; `openings` stays what it was, as test was not looked at.
    """
    return Decision(
        outcome="inconclusive",
        sentence=f"Cannot tell: nothing was trained, because {reason}.",
        better=None,
        pictures_did_it=None,
        attribution="not attributable: no model was trained on new pictures",
        classes=(),
        settle="accepted pictures, or more labelled photos",
        openings=openings,
        champion=champion,
        models={"champion": champion},
    )


def _check(arms: dict[Role, Judged], classes: tuple[str, ...]) -> None:
    for role, arm in arms.items():
        if arm.evaluation.split != "test":
            raise UsageError(
                f"the {role} was evaluated on {arm.evaluation.split}, but a decision may only read test",
                hint=f"evaluate the {role} on test",
            )
    if len({arm.evaluation.images for arm in arms.values()}) > 1:
        raise UsageError(
            "champion, control and candidate were evaluated on different image sets",
            hint="evaluate all three on the image set of this round",
        )
    held = [arm.curves.labels for arm in arms.values()]
    same = all(part.shape == held[0].shape and (part - held[0]).count_nonzero() == 0 for part in held)
    if not same or held[0].shape[0] != len(classes):
        raise UsageError(
            f"the three evaluations do not hold the same labels of the {len(classes)} classes",
            hint="prepare all three over the same test photos, with the classes of the data",
        )


def _class_verdicts(
    comparison: Comparison, better: Difference | None, classes: tuple[str, ...], *, margin: float
) -> tuple[ClassVerdict, ...]:
    """Say of each class whether the candidate is better than the champion there."""
    proven = improved(comparison, alpha=ALPHA)
    changes = better.classes if better else {}
    return tuple(
        ClassVerdict(
            label=label,
            verdict=_class_word(
                changes.get(label) if comparison.eligible[number] else None, proven=bool(proven[number]), margin=margin
            ),
            photos=int(comparison.photos[number]),
            champion_ap=_known(comparison.point["champion"][number]),
            control_ap=_known(comparison.point["control"][number]),
            candidate_ap=_known(comparison.point["candidate"][number]),
        )
        for number, label in enumerate(classes)
    )


def _class_word(
    change: Interval | None, *, proven: bool, margin: float
) -> Literal["better", "worse", "cannot be shown", "too few photos"]:
    if change is None:
        return "too few photos"
    if change.high < -margin:
        return "worse"
    return "better" if proven else "cannot be shown"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _verdict(
    comparison: Comparison,
    better: Difference | None,
    pictures: Difference | None,
    verdicts: tuple[ClassVerdict, ...],
    *,
    settings: DecideSettings,
    openings: int,
) -> tuple[Outcome, str, str]:
    """Give the outcome, its sentence and what would settle it, by the rules at the top of this file."""
    if better is None or pictures is None:
        return "inconclusive", "Cannot tell: test holds no labelled object.", "label some test photos"
    figures = _figures(comparison, better.mean_ap)
    if openings > settings.max_openings:
        why = f"these test photos have been looked at {openings} times and are good for {settings.max_openings}"
        return "inconclusive", f"Cannot tell: {why}; {figures}.", "add test photos"
    if not comparison.eligible.any():
        why = f"too few test photos, as no class is on {settings.min_photos} of them"
        return "inconclusive", f"Cannot tell: {why}; {figures}.", _missing_photos(verdicts, settings.min_photos)
    objection = _objection(better, pictures, verdicts)
    if better.mean_ap.high < 0 or objection:
        return "rejected", f"Rejected: {objection}{figures}.", ""
    if better.mean_ap.low > 0:
        return "promoted", f"Promoted: {figures}.", ""
    return "inconclusive", f"Cannot tell: {figures}.", _more_photos(better.mean_ap)


def _objection(better: Difference, pictures: Difference, verdicts: tuple[ClassVerdict, ...]) -> str:
    """Say what speaks against the candidate beside its mean AP, as a clause before the figures; empty for nothing."""
    worse = [verdict.label for verdict in verdicts if verdict.verdict == "worse"]
    if worse:
        first = f"{worse[0]} {_change(better.classes[worse[0]])}"
        more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
        return f"worse than the champion on {first}{more}; "
    if pictures.mean_ap.high < 0:
        return f"worse than the control, which saw no new picture {_change(pictures.mean_ap)}; "
    return ""


def _figures(comparison: Comparison, change: Interval) -> str:
    after, before = comparison.mean_ap("candidate"), comparison.mean_ap("champion")
    return f"mean AP {after:.3f} against {before:.3f} of the champion {_change(change)}"


def _change(change: Interval) -> str:
    """Give `(+0.041, 95 % interval 0.012 to 0.069, 300 test photos)`."""
    low, high = (f"{bound:.3f}".replace("-", "−") for bound in (change.low, change.high))
    return f"({_signed(change.value)}, 95 % interval {low} to {high}, {change.photos} test photos)"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _missing_photos(verdicts: tuple[ClassVerdict, ...], min_photos: int) -> str:
    """Say how many more photos each class needs, the nearest first."""
    nearest = sorted(verdicts, key=lambda verdict: -verdict.photos)
    named = ", ".join(f"{verdict.label} {min_photos - verdict.photos}" for verdict in nearest[:MAX_NAMED])
    rest = f", and {len(nearest) - MAX_NAMED} classes more than that" if len(nearest) > MAX_NAMED else ""
    return f"more test photos that hold the class: {named}{rest}"


def _more_photos(change: Interval) -> str:
    """Estimate the test photos that would bring the interval off 0, as its width falls with their square root."""
    if change.value <= 0:
        return "more pictures, or another finding: no gain was seen that more test photos could confirm"
    half_width = (change.high - change.low) / 2
    needed = ceil((half_width / change.value) ** 2 * change.photos)
    more = max(1, needed - change.photos)
    return f"about {more:,} more test photos, if the gain stays at {_signed(change.value)}"


def _attribution(pictures: Difference | None) -> str:
    if pictures is None:
        return "not attributable: test holds no labelled object"
    return (
        f"not attributable: one seed; candidate − control is {_change(pictures.mean_ap)[1:-1]}, "
        "which holds the luck of one training run besides the pictures"
    )
