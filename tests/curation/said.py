"""What people would have left in FiftyOne, for fakes of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from curation.decisions import Collected, Edits, HumanDecisions
from curation.documents import NamedBoxes


def collected(decided: Mapping[str, bool], *, there: Sequence[str] = (), reviewer: str = "tag") -> Collected:
    """One decision a picture, all of one person; no box was moved."""
    count = len(decided)
    words = ["accepted" if accepted else "rejected" for accepted in decided.values()]
    decisions = HumanDecisions(
        sample_id=np.array([*decided], "<U24"),
        number=np.zeros(count, np.int64),
        verdict=np.array(words, np.str_),
        reviewer=np.full(count, reviewer),
        reason=np.full(count, ""),
        at=np.full(count, np.datetime64("2026-01-01T00:00:00", "ms")),
        stands=np.ones(count, np.bool_),
        counts=np.ones(count, np.bool_),
    )
    none = np.zeros(0, np.int64)
    boxes = NamedBoxes(id=none.astype("<U24"), image=none, name=none.astype(np.str_), xyxy=np.zeros((0, 4)))
    return Collected(decisions=decisions, tagged_both_ways=(), edits=Edits((), boxes, tuple(there)))
