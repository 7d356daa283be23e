"""What people left on pictures, in columns, and how it is taken over: newer decisions over older ones, nothing lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from curation.documents import Boxes, Document, NamedBoxes, Origin, picture_sample
from curation.plugin.decisions import BY_TAG, decided_fields
from curation.records import PersonSaid
from generation.records import PictureLabel, SyntheticImage
from training.boxes import Bools, Ints, Table, Texts
from training.files import digest_of


@dataclass(frozen=True)
class HumanDecisions(Table):
    """Every decision that people took about samples, by sample, then in their order."""

    sample_id: Texts
    number: Ints
    """Its place among those of the sample."""
    verdict: Texts
    """accepted, rejected or undone."""
    reviewer: Texts
    """A name; `tag` for somebody who set a tag by hand or by script."""
    reason: Texts
    """Empty for an accepted picture."""
    at: NDArray[np.datetime64]
    """By the database's clock, UTC, in milliseconds."""
    stands: Bools
    """It was not taken back."""
    counts: Bools
    """It is the last one of its sample that stands."""


@dataclass(frozen=True)
class Edits:
    """The boxes of pictures that people changed, all of them, changed or not."""

    picture_ids: tuple[str, ...]
    """Request ids of the pictures whose boxes are no longer those that were published, in the order of the pictures."""
    boxes: NamedBoxes
    """By picture; `image` is its place in `picture_ids`. A picture without boxes left has no row."""
    there: tuple[str, ...]
    """Request ids of all pictures that were looked for and found."""


@dataclass(frozen=True)
class Collected:
    """What people did."""

    decisions: HumanDecisions
    tagged_both_ways: tuple[str, ...]
    """Ids of the samples with both tags; the one that was set later counts."""
    edits: Edits


@dataclass(frozen=True)
class Journal:
    """What is known of people's decisions and corrections, by request id."""

    said: Mapping[str, PersonSaid]
    boxes: Mapping[str, Boxes]
    """Of pictures whose boxes people changed: all that they left."""

    def correct(self, picture: SyntheticImage) -> SyntheticImage:
        """Give a picture with the boxes that people left on it."""
        boxes = self.boxes.get(picture.request_id)
        return picture if boxes is None else picture.model_copy(update={"labels": boxes})


NOTHING_KNOWN = Journal(said={}, boxes={})


def sample_as_left(picture: SyntheticImage, origin: Origin, journal: Journal) -> Document:
    """Give the sample of a picture with what people did to it, as a database that was made anew gets it.

    Of each reviewer the last decision is known, and reason and time of the very last alone.
    """
    sample = picture_sample(picture, origin, journal.boxes.get(picture.request_id))
    told = journal.said.get(picture.request_id)
    if told is None:
        return sample
    at = datetime.fromisoformat(told.at)
    others = [(who, yes, "", at) for who, yes in sorted(told.by_reviewer.items()) if who != told.reviewer]
    shown = decided_fields([*others, (told.reviewer, told.accepted, told.reason, at)])
    return sample | shown | {"tags": [*sample["tags"], shown["verdict"]]}


def take_over(known: Journal, collected: Collected, pictures: Sequence[SyntheticImage]) -> Journal:
    """Give what is known after reading the database again; `pictures` are those whose boxes were read, as published.

    Where the database holds a decision that is known, what stands there is what counts, also where that is an older one
    or none, because somebody took theirs back. What it does not hold, as after it was made anew, stays.
    """
    said, held = _said(collected.decisions), _held(collected.decisions)
    kept = {
        key: each for key, each in known.said.items() if (key, each.reviewer, _when(each.reviewer, each.at)) not in held
    }
    newer = {key: each for key, each in said.items() if key not in kept or each.at >= kept[key].at}
    as_published = set(collected.edits.there) - set(collected.edits.picture_ids)
    boxes = {key: each for key, each in known.boxes.items() if key not in as_published}
    return Journal(said=kept | newer, boxes=boxes | _boxes(collected.edits, pictures))


def _held(decisions: HumanDecisions) -> set[tuple[str, str, str]]:
    """Give sample, reviewer and time of every decision, whether it stands or not."""
    columns = (decisions.sample_id.tolist(), decisions.reviewer.tolist(), map(str, decisions.at))
    return {(key, reviewer, _when(reviewer, at)) for key, reviewer, at in zip(*columns, strict=True)}


def _when(reviewer: str, at: str) -> str:
    """Give what tells a reviewer's decisions apart: a tag has no time but that of its sample, which moves on."""
    return "" if reviewer == BY_TAG else at


def _said(decisions: HumanDecisions) -> dict[str, PersonSaid]:
    """Give what stands about each sample."""
    said: dict[str, PersonSaid] = {}
    rows = np.flatnonzero(decisions.stands)
    for sample_id, group in groupby(rows.tolist(), key=lambda row: str(decisions.sample_id[row])):
        of_sample = list(group)
        last = of_sample[-1]
        said[sample_id] = PersonSaid(
            request_id=sample_id,
            accepted=bool(decisions.verdict[last] == "accepted"),
            reviewer=str(decisions.reviewer[last]),
            reason=str(decisions.reason[last]),
            at=str(decisions.at[last]),
            by_reviewer={str(decisions.reviewer[row]): bool(decisions.verdict[row] == "accepted") for row in of_sample},
        )
    return said


def _boxes(edits: Edits, pictures: Sequence[SyntheticImage]) -> dict[str, Boxes]:
    """Give the labels that people left, with what is known of those that the program had put there."""
    by_id = {picture.request_id: picture for picture in pictures}
    return {
        key: _labels(by_id[key], edits.boxes.take(edits.boxes.image == place))
        for place, key in enumerate(edits.picture_ids)
    }


def _labels(picture: SyntheticImage, boxes: NamedBoxes) -> Boxes:
    published = {digest_of([picture.request_id, number]): label for number, label in enumerate(picture.labels)}
    drawn_by_hand = PictureLabel(label="", xyxy=(0, 0, 1, 1), visible_share=1, source_id="", added=True)
    rows = zip(boxes.id.tolist(), boxes.name.tolist(), boxes.xyxy.tolist(), strict=True)
    return tuple(
        published.get(label_id, drawn_by_hand).model_copy(update={"label": name, "xyxy": tuple(xyxy)})
        for label_id, name, xyxy in rows
    )
