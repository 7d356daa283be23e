"""Which pictures people look at first, so that a hundred decisions teach most.

Every fifth place goes to a picture drawn at random, the others to the least certain. A hash of seed and request id says
which are drawn, so the draw stays what it was as decisions and pictures come in. The drawn ones are shown in their
places only, never for being uncertain, and in the order of the hash: whenever people stop, those of them that are
decided are a random sample of all pictures but near-duplicates.

The doubt about a picture, 0–1, is that of a fit to people's decisions where there is one (`curation.refit`). Else it is
1 − Π(1 − part) over

* visible share: 1 at `min_visible_share`, 0 from 0.2 away on, of the added object that is nearest to it
* side: 1 at `min_side_px`, 0 from half and double on, likewise
* the judge's score: 1 for the lowest of its class, 0 from the median on, likewise
* 0.5 where nobody has checked the labels, and 0.5 where the judge sees what the champion does not find

Where the rule refused a picture, both kinds of doubt are multiplied by how near the worst object is to the bound that
it fails: what lies far beyond is not worth a look. Near-duplicates come last, because no decision about them teaches.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curation.precision import added_classes
from curation.records import PersonSaid
from curation.traits import AddedObjects, added_objects
from generation.records import ReviewSettings, SyntheticImage, Verdict
from training.boxes import Floats
from training.files import digest_of

RANDOM_EVERY = 5
VISIBLE_REACH = 0.2
UNCHECKED_DOUBT = 0.5
HEX_DIGITS = 13  # 52 bits, which a float holds exactly
TWIN = "near-duplicate"


@dataclass(frozen=True)
class Queue:
    """An order to look at pictures in."""

    ids: tuple[str, ...]
    """Request ids of the pictures that nobody has decided on, the first to be looked at first."""
    at_random: tuple[str, ...]
    """Request ids of all pictures that were drawn at random, decided or not, in the order of the draw."""


def queue_of(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    said: Mapping[str, PersonSaid],
    *,
    settings: ReviewSettings,
    doubt: Mapping[str, float] | None = None,
    disputed: Collection[str] = (),
    seed: int,
) -> Queue:
    """Order the pictures that nobody has decided on, by the rules above.

    `verdicts` are the program's own by request id, `disputed` the pictures in which the judge sees what the champion
    does not find. The least certain are taken in turn from each finding, backend and class, so far as a group has not
    had its turns with what is decided already.
    """
    drawn = sorted((draw_of(each.request_id, seed), each.request_id) for each in pictures)
    at_random = [request_id for place, request_id in drawn if place < 1 / RANDOM_EVERY]
    doubts = doubts_of(pictures, verdicts, settings=settings, doubt=doubt, disputed=disputed)
    ordered = _in_turn(pictures, doubts, said)
    last = {key for key, verdict in verdicts.items() if verdict.reason.startswith(TWIN)}
    picked = set(at_random)
    ids = _merged(
        [each for each in at_random if each not in said and each not in last],
        [each for each in ordered if each not in said and each not in last and each not in picked],
    )
    twins = [request_id for _, request_id in drawn if request_id in last and request_id not in said]
    return Queue(ids=(*ids, *twins), at_random=tuple(at_random))


def draw_of(request_id: str, seed: int) -> float:
    """Give a picture's number in the draw, uniform in 0–1; below a fifth it is drawn."""
    return float(int(digest_of([seed, request_id])[:HEX_DIGITS], 16) / 16**HEX_DIGITS)


def doubts_of(
    pictures: Sequence[SyntheticImage],
    verdicts: Mapping[str, Verdict],
    *,
    settings: ReviewSettings,
    doubt: Mapping[str, float] | None = None,
    disputed: Collection[str] = (),
) -> Floats:
    """Give the doubt (n,) about each picture, by the rules above."""
    added, count, seen_less = added_objects(pictures), len(pictures), set(disputed)
    visible = np.clip(1 - np.abs(added.visible_share - settings.min_visible_share) / VISIBLE_REACH, 0, 1)
    side = np.clip(1 - np.abs(np.log2(added.side_px / settings.min_side_px)), 0, 1)
    parts = [
        *(added.highest(part, count) for part in (visible, side, _score_doubts(added))),
        np.array([UNCHECKED_DOUBT * (each.verified == "unverified") for each in pictures]),
        np.array([UNCHECKED_DOUBT * (each.request_id in seen_less) for each in pictures]),
    ]
    own = 1 - np.prod(1 - np.nan_to_num(np.stack(parts)), axis=0)
    fitted = np.array([(doubt or {}).get(each.request_id, np.nan) for each in pictures])
    refused = np.array([not verdicts[each.request_id].accepted for each in pictures], np.bool_)
    near = np.minimum(
        np.where(added.visible_share < settings.min_visible_share, visible, 1),
        np.where(added.side_px < settings.min_side_px, side, 1),
    )
    nearness = np.where(refused, np.nan_to_num(added.lowest(near, count)), 1)
    return np.asarray(np.where(np.isnan(fitted), own, fitted) * nearness)


def _score_doubts(added: AddedObjects) -> Floats:
    """Give 1 for the lowest score of a class, falling by rank to 0 at the median; 0 where nothing was judged."""
    doubts = np.zeros(len(added.score))
    for label in np.unique(added.label):
        rows = np.flatnonzero((added.label == label) & ~np.isnan(added.score))
        rank = np.searchsorted(np.sort(added.score[rows]), added.score[rows])
        doubts[rows] = np.clip(1 - 2 * rank / max(1, len(rows)), 0, 1)
    return doubts


def _in_turn(pictures: Sequence[SyntheticImage], doubts: Floats, said: Mapping[str, PersonSaid]) -> list[str]:
    """Give request ids, one of each group in turn; what is decided takes the first turns of its groups."""
    decided = np.array([each.request_id in said for each in pictures], np.bool_)
    ids = np.array([each.request_id for each in pictures], np.str_)
    turn = np.full(len(pictures), len(pictures))
    for rows in _groups(pictures).values():
        members = np.array(rows)
        order = members[np.lexsort((ids[members], -doubts[members], ~decided[members]))]
        turn[order] = np.minimum(turn[order], np.arange(len(order)))
    return list(map(str, ids[np.lexsort((ids, -doubts, turn))]))


def _groups(pictures: Sequence[SyntheticImage]) -> dict[tuple[str, str, str], list[int]]:
    """Give the rows of each finding, backend and class; a picture that adds two classes is in two groups."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row, each in enumerate(pictures):
        for label in added_classes(each) or ("",):
            groups.setdefault((each.finding_id, each.backend, label), []).append(row)
    return groups


def _merged(at_random: Iterable[str], uncertain: Iterable[str]) -> Iterator[str]:
    """Give every fifth place to a drawn one; what is left over of either follows without gaps."""
    drawn, others = iter(at_random), iter(uncertain)
    place = 0
    while True:
        place += 1
        first, second = (drawn, others) if place % RANDOM_EVERY == 0 else (others, drawn)
        found = next(first, None) or next(second, None)
        if found is None:
            return
        yield found
