"""What people's decisions say: how right the labels are, how far people agree, and what they reject and why.

Label precision rests on the pictures that were drawn at random alone (`curation.queue`): of the others people saw the
least certain first, so these say less good of all pictures than is true.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from curation.plugin.sitting import wilson
from curation.records import Agreement, LabelPrecision, PersonSaid, Share
from generation.records import SyntheticImage, Verdict
from training.records import Record

MIN_DECISIONS = 10
"""A finding is not stopped on fewer: by its interval four would do, and these may be near-copies of one bad picture."""
MAX_ACCEPTED = 0.5
NO_REASON = "no reason given"
CORRECTED = "boxes were corrected"
BY_TAG = "tag"  # the reviewer of `PersonSaid` where somebody set a tag


class BriefReasons(Record):
    """What people decided about the pictures of a brief."""

    accepted: int
    rejected: int
    reasons: dict[str, int]
    """Rejected pictures by reason, the most frequent first; `no reason given` where nothing was said."""


def share_of(right: Iterable[bool]) -> Share:
    """Give the share of what is right."""
    flags = list(right)
    low, high = wilson(sum(flags), len(flags))
    return Share(right=sum(flags), count=len(flags), low=low, high=high)


def added_classes(picture: SyntheticImage) -> tuple[str, ...]:
    """Give the classes of which objects were added to a picture, sorted."""
    return tuple(sorted({label.label for label in picture.labels if label.added}))


def about_what_was_made(said: Mapping[str, PersonSaid], corrected: Collection[str]) -> dict[str, PersonSaid]:
    """Give decisions as they are about pictures as they were made: with wrong boxes, where people corrected them.

    Such a picture may be accepted as it is now, but its labels were not right. The other functions here, and those that
    learn from decisions, want these and the pictures as they were made; `corrected` are request ids.
    """
    changed, wrong = set(corrected), {"accepted": False, "reason": CORRECTED}
    return {
        key: each.model_copy(update=wrong) if each.accepted and key in changed else each for key, each in said.items()
    }


def label_precision(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    *,
    at_random: Collection[str],
) -> LabelPrecision:
    """Measure label precision over all pictures, by backend and by class.

    `verdicts` are the program's own by request id, before people's decisions took the place of any.
    """
    drawn = set(at_random)
    judged = [
        (each, said[each.request_id].accepted)
        for each in pictures
        if each.request_id in drawn and each.request_id in said and verdicts[each.request_id].accepted
    ]
    return LabelPrecision(
        overall=share_of(right for _, right in judged),
        backends=_by(judged, lambda picture: (picture.backend,)),
        classes=_by(judged, added_classes),
    )


def agreement(said: Mapping[str, PersonSaid]) -> Agreement:
    """Measure how often people agree, on the pictures that two or more decided on.

    Whoever set a tag may be one of the others, so tags do not count. There is no kappa: where people accept nearly all,
    it is close to 0 although they nearly always agree (Feinstein and Cicchetti 1990).
    """
    named = [{who: yes for who, yes in each.by_reviewer.items() if who != BY_TAG} for each in said.values()]
    seen = [by_name for by_name in named if len(by_name) > 1]
    people = {who for by_name in seen for who in by_name}
    return Agreement(pictures=share_of(len(set(each.values())) == 1 for each in seen), reviewers=len(people))


def reasons_by_brief(pictures: Sequence[SyntheticImage], said: Mapping[str, PersonSaid]) -> dict[str, BriefReasons]:
    """Count people's decisions and reasons by brief, in the order of the pictures; briefs without any are left out."""
    return {brief_id: reasons_of(told) for brief_id, told in _grouped(pictures, said, lambda each: each.brief_id)}


def reasons_of(told: Collection[PersonSaid]) -> BriefReasons:
    """Count decisions and reasons."""
    reasons = Counter(each.reason or NO_REASON for each in told if not each.accepted)
    rejected = reasons.total()
    return BriefReasons(accepted=len(told) - rejected, rejected=rejected, reasons=dict(reasons.most_common()))


def stopped_findings(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    *,
    at_random: Collection[str],
) -> dict[str, str]:
    """Give, by finding id, why no more pictures are made for a finding: people keep rejecting them.

    A finding is stopped when all of this holds:

    * people decided on at least 10 of its pictures that the program accepts or leaves to people; what the program
      refuses is no loss, and is looked at for other reasons
    * the upper end of the 95 % interval of the share that they accepted lies below one half: 1 of 10 at
      most, 4 of 16, 13 of 40
    * of those drawn at random, they accepted at most half: the least certain are looked at first, and alone they would
      stop a finding most of whose pictures are right

    More decisions, or other ones, can lift it. `verdicts` are the program's own, as for `label_precision`.
    """
    drawn = set(at_random)
    used = [each for each in pictures if verdicts[each.request_id].accepted or _is_left_to_people(each)]
    found = _grouped(used, said, lambda each: each.finding_id)
    return {finding_id: _rejected_text(told) for finding_id, told in found if _is_stopped(told, drawn)}


def _is_stopped(told: Collection[PersonSaid], drawn: Collection[str]) -> bool:
    share = share_of(each.accepted for each in told)
    at_random = share_of(each.accepted for each in told if each.request_id in drawn)
    return share.count >= MIN_DECISIONS and share.high < MAX_ACCEPTED and (at_random.value or 0) <= MAX_ACCEPTED


def _rejected_text(told: Collection[PersonSaid]) -> str:
    counts = reasons_of(told)
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts.reasons.items())
    return f"people rejected {counts.rejected} of {len(told)} of its pictures: {reasons}"


def _is_left_to_people(picture: SyntheticImage) -> bool:
    return any(check.verdict == "unjudged" for check in picture.checks)


def _grouped(
    pictures: Sequence[SyntheticImage], said: Mapping[str, PersonSaid], key: Callable[[SyntheticImage], str]
) -> list[tuple[str, list[PersonSaid]]]:
    groups: dict[str, list[PersonSaid]] = {}
    for picture in pictures:
        if picture.request_id in said:
            groups.setdefault(key(picture), []).append(said[picture.request_id])
    return list(groups.items())


def _by(
    judged: Sequence[tuple[SyntheticImage, bool]], names_of: Callable[[SyntheticImage], tuple[str, ...]]
) -> dict[str, Share]:
    named = [(name, right) for picture, right in judged for name in names_of(picture)]
    names = sorted({name for name, _ in named})
    return {name: share_of(right for other, right in named if other == name) for name in names}
