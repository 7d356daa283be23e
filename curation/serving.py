"""What the generators can do about a condition, and which of them serves a brief.

All of them: class and size, which the brief says itself.

Pasting, which shows real objects on real photos:

* a value of a photo, or of a field: train photos that have it are painted on
* a look of the object (`LOOKS`): train objects that have it are cut out

Painting into photos with GLIGEN:

* a value of a photo, or of a field: as pasting
* an attribute of the class that the vocabulary knows by the same name and value, such as a colour: it is asked for

Whole pictures by GLIGEN:

* such an attribute, or a value of a photo that the vocabulary's scenes know by the same name and value

Anything else (where an object stands, what is beside it, a cluster) cannot be varied, so people label such photos.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from curation.diagnose import ErrorTable
from curation.records import Condition
from generation.records import Backend, Brief
from generation.vocabulary import Vocabulary
from training.boxes import Bools, Texts

LOOKS = ("colour", "brightness", "contrast", "sharpness")
MIN_PHOTOS = 3  # on fewer backgrounds a detector learns these photos, not what they have in common
MIN_OBJECTS = 3  # and so with objects
MAX_IDS = 500  # ids are digests, so the first are as good as any
IN_ORDER: tuple[Backend, ...] = ("gligen", "gligen-inpaint", "paste")
MAKES = {"paste": "pasting", "gligen-inpaint": "painting into photos", "gligen": "drawing whole pictures"}


@dataclass(frozen=True)
class Means:
    """What makes the pictures of a brief, and what they are limited to; empty for any."""

    backend: Backend
    background_ids: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    wanted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    instead_of: str = ""
    """Why those that would have come first cannot serve it."""

    def of_brief(self) -> dict[str, Any]:
        """Give what the brief carries of it."""
        return {key: value for key, value in vars(self).items() if key != "instead_of"}


@dataclass(frozen=True)
class Stock:
    """What there is to make pictures from."""

    train: ErrorTable
    """The labelled objects of train with the columns of the analysis."""
    photo_ids: Texts
    """(n,) of their photos."""
    vocabulary: Vocabulary

    def source_of(self, condition: Condition) -> str:
        """Say what a condition is about; an attribute that was tagged on val is no column of train."""
        sources = {column.name: column.source for column in self.train.columns}
        return sources.get(condition.column, "attribute")


def serve(
    brief: Brief,
    conditions: Sequence[Condition],
    stock: Stock,
    *,
    first: Backend,
    cannot_make: Callable[[Brief], str | None],
) -> Means | str:
    """Give the means of the first generator that can serve a brief, from `first` on, or why none can.

    `cannot_make` says why a brief with its backend and limits cannot be laid out, None where it can.
    """
    reasons: list[str] = []
    for backend in IN_ORDER[IN_ORDER.index(first) :]:
        means = means_for(conditions, brief.label, stock, backend=backend)
        reason = means if isinstance(means, str) else cannot_make(brief.model_copy(update=means.of_brief()))
        if not isinstance(means, str) and reason is None:
            return replace(means, instead_of=", ".join(reasons))
        reasons.append(str(reason))
    return "; ".join(reasons)


def means_for(conditions: Sequence[Condition], label: str, stock: Stock, *, backend: Backend) -> Means | str:
    """Give what a generator limits a brief to, or why it cannot vary what the brief is about."""
    ways = [(condition, _way(condition, label, stock, backend)) for condition in conditions]
    if beyond := [condition for condition, way in ways if way is None]:
        return f"{MAKES[backend]} cannot vary {_words(beyond)}"
    photos = [condition for condition, way in ways if way == "photo"]
    looks = [condition for condition, way in ways if way == "object"]
    like = np.unique(stock.photo_ids[stock.train.mask(photos)])
    if photos and len(like) < MIN_PHOTOS:
        return f"train has {len(like)} photos with {_words(photos)}, and {MIN_PHOTOS} are needed to paint on"
    shown = np.sort(stock.train.id[_of_class(stock.train, label) & stock.train.mask(looks)])
    if looks and len(shown) < MIN_OBJECTS:
        return f"train has {len(shown)} of {label} with {_words(looks)}, and {MIN_OBJECTS} are needed to cut out"
    return Means(
        backend=backend,
        background_ids=tuple(like[:MAX_IDS].tolist()) if photos else (),
        source_ids=tuple(shown[:MAX_IDS].tolist()) if looks else (),
        wanted={way: (c.value,) for c, way in ways if way and way not in ("brief", "photo", "object")},
    )


def _way(condition: Condition, label: str, stock: Stock, backend: Backend) -> str | None:
    """Say how a condition is met: by the brief, by choice of photos or objects, or by a factor of the vocabulary."""
    column, value, source = condition.column, condition.value, stock.source_of(condition)
    if source == "label":
        return "brief"
    of_photo = source in ("photo", "field")
    if of_photo and backend != "gligen":
        return "photo"
    if backend == "paste":
        return "object" if source == "object" and column in LOOKS else None
    words = stock.vocabulary
    known = words.scene if of_photo else words.words_of(label).attributes
    factor = column if of_photo else f"{label}.{column}"
    return factor if value in known.get(column, ()) else None


def _of_class(train: ErrorTable, label: str) -> Bools:
    return train.mask([Condition(column="class", value=label)])


def _words(conditions: Iterable[Condition]) -> str:
    return " and ".join(f"{condition.column}: {condition.value}" for condition in conditions)
