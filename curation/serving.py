"""What the paste backend can do about a condition: which photos to paint on, which objects to show.

* class and size: the brief says them itself
* a value of a photo, or of a field: train photos that have it are painted on
* a look of the object (`LOOKS`): train objects that have it are cut out
* anything else (where an object stands, what is beside it, a cluster, an attribute tagged on some crops) cannot be
  varied, so people have to label such photos
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from curation.diagnose import ErrorTable
from curation.records import Condition
from training.boxes import Bools, Texts

LOOKS = ("colour", "brightness", "contrast", "sharpness")
MIN_PHOTOS = 3  # on fewer backgrounds a detector learns these photos, not what they have in common
MIN_OBJECTS = 3  # and so with objects
MAX_IDS = 500  # ids are digests, so the first are as good as any


@dataclass(frozen=True)
class Means:
    """Ids of the train photos and labels that a brief is limited to; empty for any."""

    background_ids: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()


def means_for(conditions: Sequence[Condition], label: str, *, train: ErrorTable, photo_ids: Texts) -> Means | str:
    """Give what a brief is limited to, or why pasting cannot serve it.

    `train` holds the labelled objects of train with the columns of the analysis; `photo_ids` (n,) are their photos'.
    """
    sources = {column.name: column.source for column in train.columns}
    # An attribute is tagged on some objects of val alone, so train has no such column.
    by_source = {condition: sources.get(condition.column, "attribute") for condition in conditions}
    kinds = [c for c, source in by_source.items() if source in ("photo", "field")]
    looks = [c for c, source in by_source.items() if source == "object" and c.column in LOOKS]
    beyond = [c for c, source in by_source.items() if source != "label" and c not in (*kinds, *looks)]
    if beyond:
        return f"pasting cannot vary {_words(beyond)}"
    like = np.unique(photo_ids[train.mask(kinds)])
    if kinds and len(like) < MIN_PHOTOS:
        return f"train has {len(like)} photos with {_words(kinds)}, and {MIN_PHOTOS} are needed to paint on"
    shown = np.sort(train.id[_of_class(train, label) & train.mask(looks)])
    if looks and len(shown) < MIN_OBJECTS:
        return f"train has {len(shown)} of {label} with {_words(looks)}, and {MIN_OBJECTS} are needed to cut out"
    return Means(
        background_ids=tuple(like[:MAX_IDS].tolist()) if kinds else (),
        source_ids=tuple(shown[:MAX_IDS].tolist()) if looks else (),
    )


def _of_class(train: ErrorTable, label: str) -> Bools:
    return train.mask([Condition(column="class", value=label)])


def _words(conditions: Iterable[Condition]) -> str:
    return " and ".join(f"{condition.column}: {condition.value}" for condition in conditions)
