"""Champion, control and candidate on test → Decision.

Two claims are kept apart. *The model is better*: candidate − champion. *The pictures did it*: candidate − control. Both
come from one set of photo draws, and neither reads anything but test. The rules, first fit first:

* test was opened more than `max_openings` times: inconclusive, add test photos
* no class is held by `min_photos` test photos: inconclusive, too few test photos
* candidate − champion lies wholly below 0: rejected
* a class with enough photos lies wholly below −`margin` against the champion: rejected
* candidate − control lies wholly below 0: rejected
* candidate − champion lies wholly above 0, but a possible loss was seen: inconclusive, add test photos of that class
* candidate − champion lies wholly above 0: promoted
* otherwise: inconclusive

A possible loss is a class on fewer than `min_photos` test photos that lies wholly below −`margin` against the champion.
It rejects nothing, for its interval is unreliable, but nothing is promoted over it, and every sentence names it. It
takes at least `MIN_LOSS_PHOTOS` photos: on fewer, nothing can be shown at 95 %, and one unlucky photo would do.

The first two rules need no model: `foregone` knows them before anything is trained.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal

import numpy as np

from curation.compare import Contender, Role, ThreeModels, compare, difference, improved
from curation.records import ClassVerdict, DecideSettings, Decision, Difference, Outcome
from training.errors import UsageError
from training.metrics import known
from training.records import Interval

ALPHA = 0.05
MAX_NAMED = 5  # classes that a sentence names
MIN_LOSS_PHOTOS = 6  # a loss on each of five photos has p = 2/2⁵ by the sign test, which is above 0.05


def decide(
    *,
    champion: Contender,
    control: Contender,
    candidate: Contender,
    classes: tuple[str, ...],
    settings: DecideSettings,
    openings: int,
    rng: np.random.Generator,
) -> Decision:
    """Judge the candidate against the champion and the control on test.

    `openings` counts how often this test split has been looked at, this time included. Raises `UsageError` when an
    evaluation is not of test, or the three are not of the same photos and classes.
    """
    arms: dict[Role, Contender] = {"champion": champion, "control": control, "candidate": candidate}
    _check(arms, classes)
    enough_for_holm = ceil(2 / ALPHA) * len(classes)  # the smallest p is 2 / (replicates + 1)
    replicates = max(settings.replicates, enough_for_holm)
    measured = compare(arms, min_photos=settings.min_photos, replicates=replicates, rng=rng)
    better, pictures = (difference(measured, other, classes) for other in ("champion", "control"))
    verdicts = _class_verdicts(measured, better, classes, margin=settings.margin)
    outcome, sentence, settle = _verdict(measured, better, pictures, verdicts, settings=settings, openings=openings)
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
    return _without_looking(
        sentence=f"Cannot tell: nothing was trained, because {reason}.",
        settle="accepted pictures, or more labelled photos",
        champion=champion,
        openings=openings,
    )


def foregone(photos: Mapping[str, int], champion: str, openings: int, settings: DecideSettings) -> Decision | None:
    """Close a round whose verdict no model could change, None where it is open.

    `photos` are the test photos that hold each class, `openings` the looks at test so far.
    """
    if openings >= settings.max_openings:
        why, settle = _worn(openings, settings), "add test photos"
    elif max(photos.values(), default=0) < settings.min_photos:
        why, settle = _too_few(settings), _missing_photos(photos, settings.min_photos)
    else:
        return None
    return _without_looking(
        sentence=f"Cannot tell, whatever is trained: {why}; so nothing more was trained, and test stays closed.",
        settle=settle,
        champion=champion,
        openings=openings,
    )


def _without_looking(*, sentence: str, settle: str, champion: str, openings: int) -> Decision:
    return Decision(
        outcome="inconclusive",
        sentence=sentence,
        better=None,
        pictures_did_it=None,
        attribution="not attributable: no model that learned from new pictures was judged on test",
        classes=(),
        settle=settle,
        openings=openings,
        champion=champion,
        models={"champion": champion},
    )


def _check(arms: dict[Role, Contender], classes: tuple[str, ...]) -> None:
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
    measured: ThreeModels, better: Difference | None, classes: tuple[str, ...], *, margin: float
) -> tuple[ClassVerdict, ...]:
    """Say of each class whether the candidate is better than the champion there."""
    proven = improved(measured, alpha=ALPHA)
    changes = better.classes if better else {}
    return tuple(
        ClassVerdict(
            label=label,
            verdict=_class_word(
                changes.get(label) if measured.eligible[number] else None, proven=bool(proven[number]), margin=margin
            ),
            photos=int(measured.photos[number]),
            champion_ap=known(measured.point["champion"][number]),
            control_ap=known(measured.point["control"][number]),
            candidate_ap=known(measured.point["candidate"][number]),
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


def _verdict(
    measured: ThreeModels,
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
    losses = _possible_losses(better, verdicts, margin=settings.margin)
    figures = _figures(measured, better.mean_ap) + _losses_text(better, losses)
    if openings > settings.max_openings:
        return "inconclusive", f"Cannot tell: {_worn(openings, settings)}; {figures}.", "add test photos"
    photos = {verdict.label: verdict.photos for verdict in verdicts}
    if not measured.eligible.any():
        settle = _missing_photos(photos, settings.min_photos)
        return "inconclusive", f"Cannot tell: {_too_few(settings)}; {figures}.", settle
    objection = _objection(better, pictures, verdicts)
    if better.mean_ap.high < 0 or objection:
        return "rejected", f"Rejected: {objection}{figures}.", ""
    if better.mean_ap.low > 0 and not losses:
        return "promoted", f"Promoted: {figures}.", ""
    wanted = [] if better.mean_ap.low > 0 else [_more_photos(better.mean_ap)]
    wanted += [_missing_photos({label: photos[label] for label in losses}, settings.min_photos)] if losses else []
    return "inconclusive", f"Cannot tell: {figures}.", "; ".join(wanted)


def _possible_losses(better: Difference, verdicts: Sequence[ClassVerdict], *, margin: float) -> list[str]:
    """Give the classes that too few photos hold for a verdict, but that look worse than the champion."""
    few = [verdict.label for verdict in verdicts if verdict.verdict == "too few photos"]
    return [
        label
        for label in few
        if label in better.classes
        and better.classes[label].photos >= MIN_LOSS_PHOTOS
        and better.classes[label].high < -margin
    ]


def _losses_text(better: Difference, losses: Sequence[str]) -> str:
    """Name possible losses, as a clause after the figures; empty for none."""
    if not losses:
        return ""
    named = ", ".join(f"{label} {_change(better.classes[label])}" for label in losses[:MAX_NAMED])
    more = f" and {len(losses) - MAX_NAMED} more classes" if len(losses) > MAX_NAMED else ""
    return f"; possibly worse on {named}{more}, on too few photos for a verdict"


def _worn(openings: int, settings: DecideSettings) -> str:
    return f"these test photos have been looked at {openings} times and are good for {settings.max_openings}"


def _too_few(settings: DecideSettings) -> str:
    return f"too few test photos, as no class is on {settings.min_photos} of them"


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


def _figures(measured: ThreeModels, change: Interval) -> str:
    after, before = measured.mean_ap("candidate"), measured.mean_ap("champion")
    return f"mean AP {after:.3f} against {before:.3f} of the champion {_change(change)}"


def _change(change: Interval) -> str:
    """Give `(+0.041, 95 % interval 0.012 to 0.069, 300 test photos)`."""
    low, high = (f"{bound:.3f}".replace("-", "−") for bound in (change.low, change.high))
    return f"({_signed(change.value)}, 95 % interval {low} to {high}, {change.photos} test photos)"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _missing_photos(photos: Mapping[str, int], min_photos: int) -> str:
    """Say how many more photos each class needs, the nearest first."""
    nearest = sorted(photos, key=lambda label: -photos[label])
    named = ", ".join(f"{label} {min_photos - photos[label]}" for label in nearest[:MAX_NAMED])
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
