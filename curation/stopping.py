"""When `curate run` ends before the rounds that were asked for, and what to label instead.

After a round has been played, the first rule that fits decides:

* it promoted a model: go on
* its briefs ask for no picture: stop, no confirmed finding is left that pictures could help
* nothing was trained: stop, the next round would find the same
* the last N rounds on the same photos and labels promoted no model (`run.max_rounds_without_promotion`): stop
* else: go on

New photos or labels begin the count anew. What to label comes from the round that was played last: findings left to
people, classes that too few test photos hold, what would settle the decision, and open findings with the labelled
objects of val that they still need. Each group keeps its order, by gain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from curation.brief import MIN_VAL_PHOTOS
from curation.records import Briefs, Decision, Finding, Findings, Shortage
from curation.shortage import MIN_CLASS_OBJECTS, MIN_CLASS_PHOTOS
from curation.wording import count_text, full_sentence, without_outcome

MAX_LINES = 5
MAX_NAMED = 5  # classes that a line names
MAX_FIRST = 3  # lines for findings left to people before the other groups have theirs


@dataclass(frozen=True)
class PlayedRound:
    """A round that was decided, as far as stopping goes."""

    number: int
    photos: str
    """Digest of the photos and labels that it stood on: the fingerprint of its `ImageSet`."""
    findings: Findings
    briefs: Briefs
    decision: Decision


@dataclass(frozen=True)
class Stop:
    """Why no further round is played."""

    sentence: str
    lines: tuple[str, ...]
    """What to label instead, at most five: `label: …`, and `to settle round 3: …`."""


def why_stop(rounds: Sequence[PlayedRound], *, max_without_promotion: int, min_test_photos: int) -> Stop | None:
    """Say why the rounds so far, oldest first, should be the last ones; None where another may be played.

    `min_test_photos` is `decide.min_photos`.
    """
    if not rounds or rounds[-1].decision.outcome == "promoted":
        return None
    last = rounds[-1]
    unpromoted = _without_promotion(rounds)
    if not any(action.action == "generate" for action in last.briefs.actions):
        why = f"no confirmed finding of round {last.number} is left that pictures could help"
    elif last.decision.better is None:
        why = f"the next round would find the same as round {last.number}: {without_outcome(last.decision)}"
    elif unpromoted >= max_without_promotion:
        why = f"{count_text(unpromoted, 'round')} in a row promoted no model"
    else:
        return None
    return Stop(full_sentence(f"stopped: {why}"), tuple(to_label(last, min_test_photos=min_test_photos)))


def to_label(last: PlayedRound, *, min_test_photos: int) -> list[str]:
    """Say what to label for the next round to have more to go by, at most five lines."""
    people = list(_left_to_people(last))
    rest = chain(_short_of_test(last.decision, min_test_photos), _to_settle(last), _open(last.findings))
    ordered = [*people[:MAX_FIRST], *rest, *people[MAX_FIRST:]]
    return list(dict.fromkeys(ordered))[:MAX_LINES]


def _without_promotion(rounds: Sequence[PlayedRound]) -> int:
    """Count the rounds at the end that promoted nothing, all on the photos and labels of the last one."""
    count = 0
    for played in reversed(rounds):
        if played.decision.outcome == "promoted" or played.photos != rounds[-1].photos:
            break
        count += 1
    return count


def _left_to_people(last: PlayedRound) -> Iterator[str]:
    taken = {action.finding_id: action for action in last.briefs.actions}
    wants: list[Finding | Shortage] = [*last.findings.findings, *last.findings.shortages]
    for want in sorted(wants, key=lambda each: -each.gain):
        action = taken.get(want.finding_id)
        if action and action.action == "fix labels":
            yield f"label: mend the suspected labels of {want.words} ({action.reason})"
        elif action and action.action == "label":
            yield f"label: {_wanted(want)} ({action.reason})"


def _wanted(want: Finding | Shortage) -> str:
    """Say how much of what is to be labelled: for val, where it shows too little to judge by, else for train."""
    photos = want.photos if isinstance(want, Finding) else want.val_photos
    if photos < MIN_VAL_PHOTOS:
        return f"{count_text(MIN_VAL_PHOTOS - photos, 'photo')} more for val with {want.words}"
    known = want.train_objects if isinstance(want, Shortage) else 0
    objects = max(MIN_CLASS_OBJECTS - known, MIN_CLASS_PHOTOS)
    return f"at least {objects} more objects in {MIN_CLASS_PHOTOS} photos for train of {want.words}"


def _short_of_test(decision: Decision, min_photos: int) -> Iterator[str]:
    """Name the classes that too few test photos hold, the nearest first, unless the decision has done so."""
    few = [each for each in decision.classes if each.verdict == "too few photos"]
    nearest = sorted(few, key=lambda each: -each.photos)[:MAX_NAMED]
    named = ", ".join(f"{each.label} {min_photos - each.photos}" for each in nearest)
    if named and named not in decision.settle:
        yield f"label: more test photos that hold the class: {named}"


def _to_settle(last: PlayedRound) -> Iterator[str]:
    if last.decision.settle:
        yield f"to settle round {last.number}: {last.decision.settle}"


def _open(findings: Findings) -> Iterator[str]:
    """Name the objects that would settle each open finding; of a finding tested on half of val, twice as many."""
    for each in findings.findings:
        if each.status == "open" and each.objects_to_settle and each.gain > 0:
            more = (each.objects_to_settle - each.objects) * (2 if each.tested_on == "confirm" else 1)
            yield f"label: about {more:,} more objects for val of {each.words}, which may be weak"
