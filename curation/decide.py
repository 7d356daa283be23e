"""Champion, control and candidate on test → Decision.

Two claims are kept apart. *The model is better*: the candidate of the first seed, which was nominated beforehand, minus
the champion. *The pictures did it*: candidate − control, the mean over all seeds. Both come from one set of draws of
photos, and neither reads anything but test. The rules, first fit first:

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

What the pictures did can be told from two seeds on, where neither of the first two rules fits: they did it where
candidate − control lies wholly above 0, and did not where nothing of it does. With one seed it holds the luck of one
training run. Two seeds show a difference of about nine times its scatter from run to run, three of 2.5 times, five of
1.2 times, beside what the photos allow (t · s / √k). In `benchmarks/coverage.py` a true gain of 0.04 AP on 200 test
photos with the class is credited in 11, 30 and 73 % of the rounds with two, three and five seeds.

The first two rules need no model: `foregone` knows them before anything is trained.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal

import numpy as np

from curation import decide_words as words
from curation.compare import Arms, Contender, OnTest, check_arms, compare, difference, improved
from curation.records import ClassVerdict, DecideSettings, Decision, Difference, Outcome
from training.metrics import known
from training.records import Interval

ALPHA = 0.05
Attributed = Literal["the pictures did it", "the pictures did not do it", "cannot tell"]
MIN_LOSS_PHOTOS = 6  # a loss on each of five photos has p = 2/2⁵ by the sign test, which is above 0.05


def decide(
    *,
    champion: Contender,
    control: Sequence[Contender],
    candidate: Sequence[Contender],
    classes: tuple[str, ...],
    settings: DecideSettings,
    openings: int,
    rng: np.random.Generator,
) -> Decision:
    """Judge the candidate against the champion and the control on test.

    `control` and `candidate` hold a model a seed, in the same order of seeds; the first is the nominated one.
    `openings` counts how often this test split has been looked at, this time included. Raises `UsageError` when an
    evaluation is not of test, or they are not of the same photos and classes, or the arms not of as many seeds.
    """
    arms = Arms(champion=champion, control=control, candidate=candidate)
    check_arms(arms, classes)
    enough_for_holm = ceil(2 / ALPHA) * len(classes)  # the smallest p is 2 / (replicates + 1)
    replicates = max(settings.replicates, enough_for_holm)
    measured = compare(arms, min_photos=settings.min_photos, replicates=replicates, rng=rng)
    better, pictures = (difference(measured, change, classes) for change in (measured.better, measured.pictures))
    verdicts = _class_verdicts(measured, better, classes, margin=settings.margin)
    outcome, sentence, settle = _verdict(measured, better, pictures, verdicts, settings=settings, openings=openings)
    attributed, attribution = _attribution(measured, pictures, settings=settings, openings=openings)
    models = {role: arm.evaluation.model_id for role, arm in arms.nominated.items()}
    return Decision(
        outcome=outcome,
        sentence=sentence,
        better=better,
        pictures_did_it=pictures,
        attributed=attributed,
        attribution=attribution,
        classes=verdicts,
        settle=settle,
        openings=openings,
        champion=models["candidate" if outcome == "promoted" else "champion"],
        models=models,
        seeds=len(arms.candidate),
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
        why, settle = words.worn(openings, settings), "add test photos"
    elif max(photos.values(), default=0) < settings.min_photos:
        why, settle = words.too_few(settings), words.missing_photos(photos, settings.min_photos)
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
        attributed="cannot tell",
        attribution="not attributable: no model that learned from new pictures was judged on test",
        classes=(),
        settle=settle,
        openings=openings,
        champion=champion,
        models={"champion": champion},
        seeds=0,
    )


def _class_verdicts(
    measured: OnTest, better: Difference | None, classes: tuple[str, ...], *, margin: float
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
    measured: OnTest,
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
    figures = words.figures(measured, better.mean_ap) + words.losses_text(better, losses)
    if openings > settings.max_openings:
        return "inconclusive", f"Cannot tell: {words.worn(openings, settings)}; {figures}.", "add test photos"
    photos = {verdict.label: verdict.photos for verdict in verdicts}
    if not measured.eligible.any():
        settle = words.missing_photos(photos, settings.min_photos)
        return "inconclusive", f"Cannot tell: {words.too_few(settings)}; {figures}.", settle
    objection = words.objection(better, pictures, verdicts)
    if better.mean_ap.high < 0 or objection:
        return "rejected", f"Rejected: {objection}{figures}.", ""
    if better.mean_ap.low > 0 and not losses:
        return "promoted", f"Promoted: {figures}.", ""
    wanted = [] if better.mean_ap.low > 0 else [words.more_photos(better.mean_ap)]
    wanted += [words.missing_photos({label: photos[label] for label in losses}, settings.min_photos)] if losses else []
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


def _attribution(
    measured: OnTest, pictures: Difference | None, *, settings: DecideSettings, openings: int
) -> tuple[Attributed, str]:
    """Say whether the pictures did it, by the rules at the top of this file, with the sentence."""
    if pictures is None:
        return "cannot tell", "not attributable: test holds no labelled object"
    seeds, change = len(measured.pictures.points), pictures.mean_ap
    if seeds == 1:
        luck = ", which holds the luck of one training run besides the pictures"
        return "cannot tell", words.not_attributable(pictures, "one seed", seeds) + luck
    if openings > settings.max_openings:
        return "cannot tell", words.not_attributable(pictures, words.worn(openings, settings), seeds)
    if not measured.eligible.any():
        return "cannot tell", words.not_attributable(pictures, words.too_few(settings), seeds)
    if change.low <= 0 < change.high:
        return "cannot tell", words.not_attributable(pictures, "the interval holds 0", seeds)
    claim: Attributed = "the pictures did it" if change.low > 0 else "the pictures did not do it"
    return claim, words.attributed_text(claim, pictures, seeds)
