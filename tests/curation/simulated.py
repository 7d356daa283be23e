"""Error tables for tests: written out, or drawn with objects of one photo alike."""

from typing import Any

import numpy as np
from scipy import stats

from curation.diagnose import Column, ErrorTable
from curation.records import Condition
from training.boxes import SIZE_BINS
from training.files import digest_of

CLASSES = ("cone", "hat", "vest")


def table(photo: Any, label: Any, size: Any, found: Any, **others: Any) -> ErrorTable:
    """Give an error table; every further column is codes, or a tuple of codes and source."""
    columns = [
        Column("class", CLASSES, np.asarray(label, np.int16), "label"),
        Column("size", SIZE_BINS, np.asarray(size, np.int16), "label"),
    ]
    for name, given in others.items():
        codes, source = given if isinstance(given, tuple) else (given, "field")
        values = tuple(f"{name}{value}" for value in range(int(np.max(codes, initial=0)) + 1))
        columns.append(Column(name, values, np.asarray(codes, np.int16), source))
    return ErrorTable(
        id=np.array([f"{k:024x}" for k in range(len(photo))], "<U24"),
        photo=np.asarray(photo, np.int64),
        label=np.asarray(label, np.int64),
        found=np.asarray(found, bool),
        columns=tuple(columns),
    )


def photo_ids(count: int = 200, *, start: int = 0) -> Any:
    return np.array([digest_of(number) for number in range(start, start + count)])


def conditions(**values: str) -> tuple[Condition, ...]:
    """`conditions(label="hat", light="light1")`."""
    names = {"label": "class"}
    return tuple(Condition(column=names.get(name, name), value=value) for name, value in values.items())


def simulate(
    seed: int,
    spread: dict[int, tuple[int, float]],
    *,
    recall: float,
    correlation: float,
    weaker: dict[int, float] | None = None,
) -> ErrorTable:
    """Draw objects of each class on so many photos, so many on each; those of one photo and class are alike.

    Recall is the same for all classes but the `weaker` ones.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for label, (photos, each) in spread.items():
        count = 1 + rng.poisson(each - 1, photos)
        mood = np.repeat(rng.normal(size=photos), count) * np.sqrt(correlation)
        luck = mood + rng.normal(size=count.sum()) * np.sqrt(1 - correlation)
        found = luck < stats.norm.ppf(recall - (weaker or {}).get(label, 0.0))
        parts.append((np.repeat(rng.choice(100, photos, replace=False), count), np.full(count.sum(), label), found))
    photo, label, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    return table(photo, label, rng.choice(3, len(photo), p=(0.4, 0.4, 0.2)), found)


def many(seed: int, *, photos: int = 200, each: int = 8, recall: float = 0.9, **weak: float) -> ErrorTable:
    """Draw a table with four columns beside class and size; each `weak` slice is one of `SLICES`, with its effect."""
    rng = np.random.default_rng(seed)
    photo = np.repeat(np.arange(photos), each)
    label, size, colour, crowd = (rng.integers(0, 3, len(photo)) for _ in range(4))
    light, site = rng.integers(0, 3, photos)[photo], rng.integers(0, 4, photos)[photo]
    blank = table(photo, label, size, np.ones(len(photo)), light=light, site=site, colour=colour, crowd=crowd)
    chance = np.full(len(photo), recall)
    for name, effect in weak.items():
        chance[blank.mask(SLICES[name])] = recall - effect
    luck = np.sqrt(0.1) * rng.normal(size=photos)[photo] + np.sqrt(0.9) * rng.normal(size=len(photo))
    return ErrorTable(blank.id, photo, label, luck < stats.norm.ppf(chance), blank.columns)


SLICES = {
    "one": conditions(light="light1"),
    "pair": conditions(light="light2", colour="colour0"),
    "triple": conditions(label="hat", light="light0", crowd="crowd2"),
}
