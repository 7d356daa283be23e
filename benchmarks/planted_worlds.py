"""Simulated evaluations with weak slices planted in them, whose truth is known: for `planted.py`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from curation.diagnose import Column, ErrorTable
from curation.records import Condition
from curation.slices import slice_of
from training.boxes import Bools, Floats, Ints, Texts
from training.files import digest_of

EFFECTS, OBJECTS = (0.1, 0.2, 0.3, 0.5), (30, 100, 300, 1000, 3000)
"""Bounds of the cells in which planted slices are counted; what is planted lies within."""


@dataclass(frozen=True)
class Plant:
    """A weak slice that was put in."""

    conditions: tuple[Condition, ...]
    inside: Bools
    effect: float


@dataclass(frozen=True)
class World:
    """An evaluation whose truth is known."""

    table: ErrorTable
    photo_ids: Texts
    probability: Floats
    plants: list[Plant]


def follow(rng: np.random.Generator, codes: Ints, count: int, strength: float) -> Ints:
    """Draw a column of `count` values that depends more or less on another column."""
    tables = rng.dirichlet(np.full(count, 1.5), int(codes.max()) + 1)
    shares = strength * tables + (1 - strength) * rng.dirichlet(np.full(count, 1.5))
    return np.asarray((rng.random(len(codes))[:, None] > np.cumsum(shares, axis=1)[codes, :-1]).sum(axis=1), np.int64)


def columns(rng: np.random.Generator, photo: Ints) -> tuple[Column, ...]:
    """Draw what is known of objects and photos."""
    nothing = np.zeros(photo[-1] + 1, np.int64)
    site, hour = follow(rng, nothing, 5, 0), follow(rng, nothing, 4, 0)
    light = follow(rng, hour, 3, 0.5)[photo]
    label = follow(rng, site[photo], int(rng.integers(3, 9)), 0.3)
    drawn: dict[str, Ints] = {
        "class": label,
        "size": follow(rng, label, 3, 0.5),
        "site": site[photo],
        "hour": hour[photo],
        "camera": follow(rng, site, 4, 0.3)[photo],
        "light": light,
        "weather": follow(rng, nothing, 4, 0)[photo],
        "border": follow(rng, nothing[photo], 2, 0),
        "crowding": follow(rng, site[photo], 3, 0.5),
        "aspect": follow(rng, label, 3, 0.5),
        "colour": follow(rng, label, 5, 0.5),
        "blur": follow(rng, light, 3, 0.3),
    }
    return tuple(
        Column(name, tuple(f"{name} {value}" for value in range(codes.max() + 1)), codes.astype(np.int16), "field")
        for name, codes in drawn.items()
    )


def world(rng: np.random.Generator, plants: int) -> World:
    """Draw an evaluation; begins anew where no slices of the sizes and effects that were drawn exist."""
    while True:
        targets = np.exp(rng.uniform(*np.log([OBJECTS[0], OBJECTS[-1]]), plants))
        least = max(800.0, 4 * targets.max(initial=0))
        each = rng.uniform(3, 12)
        photos = int(np.exp(rng.uniform(*np.log([least, 20_000]))) / each)
        photo = np.repeat(np.arange(photos), 1 + rng.poisson(each - 1, photos))
        drawn = columns(rng, photo)
        label = drawn[0].codes.astype(np.int64)
        id_ = np.array([f"{number:024x}" for number in range(len(photo))])
        table = ErrorTable(id_, photo, label, np.ones(len(photo), np.bool_), drawn)
        base = rng.uniform(0.75, 0.95, label.max() + 1)[label]
        planted = plant(rng, table, base, targets)
        if planted is not None:
            break
    probability, put_in = planted
    alike = rng.uniform(0.05, 0.3)
    luck = np.sqrt(alike) * rng.normal(size=photos)[photo] + np.sqrt(1 - alike) * rng.normal(size=len(photo))
    ids = np.array([digest_of(int(number)) for number in rng.integers(1 << 60, size=photos)])
    return World(replace(table, found=luck < stats.norm.ppf(probability)), ids, probability, put_in)


def plant(
    rng: np.random.Generator, table: ErrorTable, base: Floats, targets: Floats
) -> tuple[Floats, list[Plant]] | None:
    """Lower the probability of finding objects in slices of about the sizes wanted; None where that is impossible."""
    wanted: list[tuple[tuple[Condition, ...], Bools]] = []
    probability = base.copy()
    for target in targets:
        conditions = conditions_near(rng, table, target, [inside for _, inside in wanted])
        if conditions is None:
            return None
        inside = table.mask(conditions)
        wanted.append((conditions, inside))
        bare = {condition.column for condition in conditions} == {"class"}
        goal = base[~inside].mean() if bare else base[inside]
        probability[inside] = np.minimum(probability[inside], goal - rng.uniform(EFFECTS[0], EFFECTS[-1]))
    probability = np.clip(probability, 0.02, 0.98)
    plants = [Plant(conditions, inside, true_effect(table, conditions, probability)) for conditions, inside in wanted]
    fits = all(EFFECTS[0] <= each.effect < EFFECTS[-1] for each in plants)
    return (probability, plants) if fits else None


def conditions_near(
    rng: np.random.Generator, table: ErrorTable, target: float, others: Sequence[Bools]
) -> tuple[Condition, ...] | None:
    """Draw one to three conditions that hold for about so many objects, few of them in slices planted before."""
    count = int(rng.integers(1, 4))
    for _ in range(300):
        chosen = [table.columns[k] for k in np.sort(rng.choice(len(table.columns), count, replace=False))]
        conditions = tuple(Condition(column=each.name, value=str(rng.choice(each.values))) for each in chosen)
        inside = table.mask(conditions)
        overlap = max(
            (np.count_nonzero(inside & other) / max(1, min(inside.sum(), other.sum())) for other in others), default=0
        )
        if (
            abs(np.log(max(inside.sum(), 1) / target)) < 0.2
            and overlap < 0.3
            and OBJECTS[0] <= inside.sum() < OBJECTS[-1]
        ):
            return conditions
    return None


def true_effect(table: ErrorTable, conditions: Sequence[Condition], probability: Floats) -> float:
    """Give how much weaker a slice is in truth than its rest, classes weighted as in the slice."""
    part = slice_of(table, conditions)
    return weakness(
        table.label if part.by_class else np.zeros(len(table), np.int64), part.inside, part.rest, probability
    )


def weakness(stratum: Ints, inside: Bools, rest: Bools, probability: Floats) -> float:
    """Give the mean over some objects of what their class has elsewhere, minus what they have."""
    count = np.bincount(stratum[rest], minlength=stratum.max() + 1)
    elsewhere = np.bincount(stratum[rest], weights=probability[rest], minlength=len(count)) / np.maximum(count, 1)
    compared = inside & (count[stratum] > 0)
    return float((elsewhere[stratum] - probability)[compared].mean()) if compared.any() else 0.0
