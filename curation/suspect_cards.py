"""Suspected labels as people review them: the photos, most strongly suspected first, and each suspicion in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.plugin.markdown import plain_text
from training.boxes import Floats, ImageTable
from training.suspects import SUSPECT_KINDS, SuspectKind, SuspectTable

WORDS: dict[SuspectKind, str] = {
    "unlabelled": "no label here, but the detector is sure of **{suggested}** (confidence {score:.2f})",
    "other class": "labelled **{own}**, but it looks like **{suggested}** (confidence {score:.2f})",
    "duplicate label": "**{own}** is labelled twice (IoU {score:.2f} with its twin)",
    "unsupported": "labelled **{own}**, but nothing is detected there, though {score:.0%} of its like are found",
}
"""What is suspected, in Markdown."""


@dataclass(frozen=True)
class SuspectQueue:
    """What a session on labels shows."""

    photo_ids: tuple[str, ...]
    """The photo with the strongest suspicion first."""
    suspicions: dict[str, list[dict[str, Any]]]
    """By photo, the strongest first; plain documents: `label_id`, `kind`, `own` and `suggested` (class names, None
    where there is none), `score`, `xyxy` and `words`."""


def suspect_queue(suspects: SuspectTable, *, images: ImageTable, classes: Sequence[str]) -> SuspectQueue:
    """Give the suspicions on photos of train and val in the order in which people should look at them.

    Scores are comparable within a kind alone, so a suspicion is as strong as its place among those of its kind.
    """
    on_test = images.split[suspects.image] == "test"
    kept = suspects.take(np.flatnonzero(~on_test))
    order = np.argsort(_place_in_kind(kept), kind="stable")
    found: dict[str, list[dict[str, Any]]] = {}
    for suspicion, photo_id in zip(
        _documents(kept.take(order), classes), images.id[kept.image[order]].tolist(), strict=True
    ):
        found.setdefault(photo_id, []).append(suspicion)
    return SuspectQueue(photo_ids=tuple(found), suspicions=found)


def _place_in_kind(suspects: SuspectTable) -> Floats:
    """Give each suspicion's place 0–1 among those of its kind, 0 the strongest."""
    place = np.zeros(len(suspects))
    for kind in np.unique(suspects.kind):
        rows = np.flatnonzero(suspects.kind == kind)
        strongest = rows[np.argsort(-suspects.score[rows], kind="stable")]
        place[strongest] = np.arange(len(rows)) / len(rows)
    return place


def _documents(suspects: SuspectTable, classes: Sequence[str]) -> list[dict[str, Any]]:
    names = {-1: None, **dict(enumerate(classes))}
    columns = zip(
        *(suspects.id.tolist(), suspects.kind.tolist(), suspects.label.tolist(), suspects.suggested.tolist()),
        *(suspects.score.tolist(), suspects.xyxy.tolist()),
        strict=True,
    )
    return [
        _document(label_id, SUSPECT_KINDS[kind], names[own], names[suggested], score, xyxy)
        for label_id, kind, own, suggested, score, xyxy in columns
    ]


def _document(
    label_id: str, kind: SuspectKind, own: str | None, suggested: str | None, score: float, xyxy: list[float]
) -> dict[str, Any]:
    told = {"own": plain_text(own or ""), "suggested": plain_text(suggested or ""), "score": score}
    words = WORDS[kind].format(**told)
    own = None if kind == "unlabelled" else own  # there is no label that could have a class
    return {"label_id": label_id, "kind": kind, "own": own, "suggested": suggested} | {
        "score": score,
        "xyxy": xyxy,
        "words": words,
    }
