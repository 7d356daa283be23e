"""The pictures that nobody looked at are decided again, by what people's decisions taught.

* What a person decided on keeps its verdict here: the decision takes its place elsewhere.
* Withdrawn: the rule accepts it, and the kept fit of one of its classes refuses it.
* Let in: the rule refuses it for the visible share alone, and each of its classes has a kept fit that accepts it.
* Else the rule's verdict stands.

Label precision before and after is measured on the decided pictures that were drawn at random. After counts what fits
say that had not seen the picture, or another one on its photo; the fits that are used are made from all, and no worse
for it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from curation.precision import added_classes, share_of
from curation.records import ClassTaught, PersonSaid, Taught
from curation.refit import ClassFit, Refit, fit_decisions, probabilities
from curation.traits import added_objects
from generation.auto_review import judge_by_rule
from generation.records import ReviewSettings, SyntheticImage, Verdict

WITHDRAWN = "people rejected pictures like it"


class _Outcome(NamedTuple):
    """What came of one picture."""

    labels: tuple[str, ...]
    ruled: bool
    now: bool
    said: bool | None
    """What people said, None where nobody looked."""
    drawn: bool


def teach(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    *,
    settings: ReviewSettings,
    at_random: Collection[str],
    backgrounds: Mapping[str, str],
    rng: np.random.Generator,
) -> tuple[tuple[Verdict, ...], Taught, Refit]:
    """Fit every class to people's decisions and decide the rest again; give verdicts, what changed, and the fits.

    `verdicts` are the rule's own by request id, `backgrounds` as for `curation.refit.fit_decisions`.
    """
    open_to = open_to_fits(pictures, verdicts, settings=settings)
    refit = fit_decisions(pictures, verdicts, said, open_to=open_to, backgrounds=backgrounds, rng=rng)
    return *decide_again(pictures, verdicts, said, refit, open_to=open_to, at_random=at_random), refit


def open_to_fits(
    pictures: Sequence[SyntheticImage], verdicts: Mapping[str, Verdict], *, settings: ReviewSettings
) -> frozenset[str]:
    """Give the request ids that fits may decide on: accepted by the rule, or refused for the visible share alone.

    Pictures that are refused are looked at as if any visible share would do, behind all accepted ones: what is then
    still refused is too small, a near-duplicate of an accepted one or of another that may be let in, or left to people.
    """
    accepted = [each for each in pictures if verdicts[each.request_id].accepted]
    refused = [each for each in pictures if not verdicts[each.request_id].accepted]
    lenient = settings.model_copy(update={"min_visible_share": 0.0})
    found = judge_by_rule([*accepted, *refused], settings=lenient)[len(accepted) :]
    added = added_objects(refused)
    outside = {refused[row].request_id for row in added.picture[~added.inside]}
    admitted = {verdict.request_id for verdict in found if verdict.accepted} - outside
    return frozenset(admitted.union(each.request_id for each in accepted))


def decide_again(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    refit: Refit,
    *,
    open_to: Collection[str],
    at_random: Collection[str],
) -> tuple[tuple[Verdict, ...], Taught]:
    """Give a verdict a picture, in order, by the rules above, and what changed.

    `verdicts` are the rule's own by request id, `open_to` is that of `open_to_fits`, as it was when fitted.
    """
    says = _says(refit.kept, pictures, said, open_to)
    ruled = [verdicts[each.request_id] for each in pictures]
    now = [_verdict(each, rule, says) for each, rule in zip(pictures, ruled, strict=True)]
    drawn = set(at_random)
    outcomes = [
        _Outcome(
            labels=added_classes(each),
            ruled=rule.accepted,
            now=verdict.accepted,
            said=said[each.request_id].accepted if each.request_id in said else None,
            drawn=each.request_id in drawn,
        )
        for each, rule, verdict in zip(pictures, ruled, now, strict=True)
    ]
    verdict_of = (
        rule if each.said is not None else verdict for each, rule, verdict in zip(outcomes, ruled, now, strict=True)
    )
    return tuple(verdict_of), Taught(
        classes=tuple(
            ClassTaught(
                label=fit.label,
                decisions=fit.decisions,
                rejections=fit.rejections,
                kept=fit.kept,
                why=fit.why,
                **_changed([each for each in outcomes if fit.label in each.labels]),
            )
            for fit in refit.classes
        ),
        **_changed(outcomes),
    )


def _changed(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    """Count what changed where nobody looked, and how right it was before and after where people did, at random."""
    rest = [each for each in outcomes if each.said is None]
    judged = [each for each in outcomes if each.drawn and each.said is not None]
    return {
        "withdrawn": sum(each.ruled and not each.now for each in rest),
        "let_in": sum(each.now and not each.ruled for each in rest),
        "before": share_of(bool(each.said) for each in judged if each.ruled),
        "after": share_of(bool(each.said) for each in judged if each.now),
    }


def _verdict(picture: SyntheticImage, rule: Verdict, says: Mapping[str, Mapping[str, bool]]) -> Verdict:
    """Give the verdict by the rules above; `says` is what fits say, by class and request id."""
    labels = added_classes(picture)
    told = [says[label][picture.request_id] for label in labels if picture.request_id in says.get(label, {})]
    if rule.accepted and not all(told):
        return rule.model_copy(update={"accepted": False, "reason": WITHDRAWN})
    if not rule.accepted and told and len(told) == len(labels) and all(told):
        return rule.model_copy(update={"accepted": True, "reason": ""})
    return rule


def _says(
    fits: Sequence[ClassFit],
    pictures: Sequence[SyntheticImage],
    said: Mapping[str, PersonSaid],
    open_to: Collection[str],
) -> dict[str, dict[str, bool]]:
    """Give what each fit says of its class's pictures; of decided ones, what one says that had not seen them."""
    says: dict[str, dict[str, bool]] = {}
    for fit in fits:
        rest = [each for each in pictures if fit.label in added_classes(each) and each.request_id in open_to]
        rest = [each for each in rest if each.request_id not in said]
        accepts = (probabilities(fit, rest) >= fit.min_probability).tolist()
        says[fit.label] = {**fit.held_out, **{each.request_id: yes for each, yes in zip(rest, accepts, strict=True)}}
    return says
