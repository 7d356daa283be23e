"""Synthetic pictures in few words, what the rule says of them, and people who decide on them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from curation.records import PersonSaid
from generation.auto_review import judge_by_rule
from generation.records import PictureLabel, ReviewSettings, SyntheticImage, Verdict

SETTINGS = ReviewSettings()
WIDTH_PX = 640


def label(name: str = "cone", **changes: Any) -> PictureLabel:
    """An added object of 64 pixels, wholly visible."""
    given = {"label": name, "xyxy": (0.1, 0.1, 0.2, 0.2), "visible_share": 1, "source_id": "", "added": True}
    return PictureLabel.model_validate(given | changes)


def picture(name: str, *labels: PictureLabel, **changes: Any) -> SyntheticImage:
    """A picture of one cone, unless labels say otherwise; its look is that of no other name."""
    look = f"{int.from_bytes(np.random.default_rng(list(name.encode())).bytes(8), 'big'):016x}"
    given = {
        "request_id": name, "brief_id": "b", "finding_id": "f", "backend": "gligen", "digest": "d", "path": "p.jpg",
        "width_px": WIDTH_PX, "height_px": WIDTH_PX, "labels": labels or (label(),), "source_ids": (), "look": look,
    }  # fmt: skip
    return SyntheticImage.model_validate(given | changes)


def rule(pictures: Sequence[SyntheticImage]) -> dict[str, Verdict]:
    """What the rule says, by request id."""
    return {each.request_id: each for each in judge_by_rule(pictures, settings=SETTINGS)}


def told(name: str, accepted: bool, reason: str = "", **others: bool) -> PersonSaid:
    """What Ann said last; what others said before her by name."""
    return PersonSaid(
        request_id=name, accepted=accepted, reviewer="ann", reason=reason, at="2030-01-01T00:00:00.000",
        by_reviewer={**others, "ann": accepted},
    )  # fmt: skip


def people(said: Mapping[str, bool]) -> dict[str, PersonSaid]:
    """Decisions of one person."""
    return {name: told(name, accepted) for name, accepted in said.items()}


def say(names: Iterable[str], accepted: bool, reason: str = "") -> dict[str, PersonSaid]:
    """The same decision on each."""
    return {name: told(name, accepted, reason) for name in names}
