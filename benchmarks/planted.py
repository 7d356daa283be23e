"""Weak slices planted in simulated evaluations: which of them are found, and how many findings are false.

    python benchmarks/planted.py [--full]

200 evaluations (`--full`: 1,000), a fifth of them without a weak slice, the others with two. Each has 800–20,000
objects of 3–8 classes and 12 columns, five of them properties of the photo, several correlated; the objects of a photo
share a random effect (latent correlation 0.05–0.3). A planted slice has one to three conditions, 30–3,000 objects and a
recall that lies 0.1–0.5 below that of the rest. The true effect of any slice is worked out from the probabilities of
finding its objects, as `curation.slices` defines effects, never from what was drawn.

* Found: a confirmed finding has exactly the planted conditions, or one of the two slices contains the other and they
  share 80 % of their objects (Jaccard).
* Oracle: told the planted slices, it makes the same tests on the same objects at the same level. That is a run of ours
  in which the planted slices are handed in and nothing is searched: a single condition on all of val, a conjunction on
  the confirm half, and the same q ≤ 0.05 together with all pre-specified tests. What ours loses against it is the price
  of searching: slices that the discover half does not show, and a stricter q for up to 30 tests more.
* Told all: the planted slice alone, on all of val, p ≤ 0.05 without correction; what no search can reach.
* Tree: a decision tree of depth 3 over all of val without a confirm half; it reports the leaves with a recall below the
  rest at a binomial p ≤ 0.05, and finds a slice where a leaf shares 80 % of its objects.

Exits with 1 where ours has less than 80 % of the oracle's power in a cell, less than 90 % of the slices with an effect
of at least 0.3 and 300 objects are found, or more than 5 % of the confirmed findings are false (true effect ≤ 0). Cells
in which the oracle finds fewer than five slices are judged together: there, one slice more or less would decide.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import stats

from curation.diagnose import Column, ErrorTable
from curation.findings import find
from curation.hypotheses import Proposal
from curation.records import Condition, Finding
from curation.slices import slice_of, test
from training.boxes import Bools, Floats, Ints
from training.files import digest_of

MIN_POWER_SHARE, MIN_FOUND, MAX_FALSE, MIN_ORACLE = 0.8, 0.9, 0.05, 5
EFFECTS, OBJECTS = (0.1, 0.2, 0.3, 0.5), (30, 100, 300, 1000, 3000)
PLANTS, SHARE_WITHOUT = 2, 0.2
NOTHING = 1e-9


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
    photo_ids: "np.ndarray[tuple[int], np.dtype[np.str_]]"
    probability: Floats
    plants: list[Plant]


@dataclass(frozen=True)
class Row:
    """What became of one planted slice."""

    conditions: int
    objects: int
    effect: float
    ours: bool
    on_top: bool
    oracle: bool
    told_all: bool
    tree: bool


@dataclass(frozen=True)
class Outcome:
    """One evaluation: its planted slices, and confirmed findings with the false ones, of us and of the tree."""

    rows: list[Row]
    confirmed: int
    false: int
    tree_reported: int
    tree_false: int


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


def confirmed(world: World, *, told: bool) -> list[Finding]:
    """Give the confirmed findings of a run that searches, or of one that is told the planted slices instead."""
    proposals = [Proposal(plant.conditions, "llm") for plant in world.plants] if told else []
    found = find(
        world.table,
        photo_ids=world.photo_ids,
        classes=world.table.columns[0].values,
        areas=np.zeros(len(world.table)),
        gain=lambda missed: float(missed.mean()),
        min_effect=0.1,
        max_q=0.05,
        proposals=proposals,
        **({"max_proposals": len(proposals)} if told else {}),
    )
    return [finding for finding in found.findings if finding.status == "confirmed"]


def names(finding: Finding, plant: Plant, table: ErrorTable) -> bool:
    """Tell whether a finding is the planted slice, or one that contains or lies in it and is nearly the same."""
    if set(finding.conditions) == set(plant.conditions):
        return True
    other = table.mask(finding.conditions)
    nested = not (other & ~plant.inside).any() or not (plant.inside & ~other).any()
    return nested and jaccard(other, plant.inside) >= 0.8


def jaccard(first: Bools, second: Bools) -> float:
    return float(np.count_nonzero(first & second) / max(1, np.count_nonzero(first | second)))


def leaves(table: ErrorTable) -> Iterator[Bools]:
    """Give the leaves that a decision tree over all of val reports as weak."""
    from sklearn.tree import DecisionTreeClassifier

    items = [(column.codes == value) for column in table.columns for value in range(len(column.values))]
    features = np.column_stack(items).astype(np.float32)
    leaf = DecisionTreeClassifier(max_depth=3, min_samples_leaf=15, random_state=0).fit(features, table.found)
    number = leaf.apply(features)
    for one in np.unique(number):
        inside = number == one
        if inside.all():
            return
        recall, rest, both = table.found[inside].mean(), table.found[~inside].mean(), table.found.mean()
        error = np.sqrt(both * (1 - both) * (1 / inside.sum() + 1 / (~inside).sum()))
        if rest > recall and stats.norm.sf((rest - recall) / error) <= 0.05:
            yield inside


def outcome(task: tuple[int, int]) -> Outcome:
    """Simulate one evaluation and judge all methods on it; the seed is the evaluation."""
    seed, plants = task
    made = world(np.random.default_rng(seed), plants)
    table = made.table
    ours, oracle, tree = confirmed(made, told=False), confirmed(made, told=True), list(leaves(table))
    false = [true_effect(table, finding.conditions, made.probability) <= NOTHING for finding in ours]
    tree_false = [weakness(table.label, inside, ~inside, made.probability) <= NOTHING for inside in tree]
    rows = [
        Row(
            conditions=len(plant.conditions),
            objects=int(plant.inside.sum()),
            effect=plant.effect,
            ours=any(names(finding, plant, table) for finding in ours),
            on_top=any(names(finding, plant, table) for finding in ours if finding.explained_by is None),
            oracle=any(set(finding.conditions) == set(plant.conditions) for finding in oracle),
            told_all=test(table, slice_of(table, plant.conditions)).p <= 0.05,
            tree=any(jaccard(inside, plant.inside) >= 0.8 for inside in tree),
        )
        for plant in made.plants
    ]
    return Outcome(rows, len(ours), sum(false), len(tree), sum(tree_false))


def one_thread() -> None:
    """Keep a worker to one core: there is one worker a core."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)


def share(rows: Sequence[Row], name: str) -> float:
    return float(np.mean([getattr(row, name) for row in rows])) if rows else float("nan")


def cells(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Give the planted slices by effect and objects."""
    for low, high in pairwise(EFFECTS):
        for least, most in pairwise(OBJECTS):
            inside = [row for row in rows if low <= row.effect < high and least <= row.objects < most]
            yield f"{low}–{high}  {f'{least}–{most}':>9}", inside


def show(title: str, rows: Sequence[Row]) -> None:
    shares = [share(rows, name) for name in ("ours", "oracle", "told_all", "tree")]
    against = f"{shares[0] / shares[1]:7.0%}" if rows and shares[1] else "      –"
    print(f"{title:<22}{len(rows):>6}" + "".join(f"{value:>9.0%}" for value in shares) + f"{against:>12}")


def misses(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[str]:
    """Print the tables and give the targets that were missed."""
    print(f"{'effect        objects':<22}{'n':>6}{'ours':>9}{'oracle':>9}{'told all':>9}{'tree':>9}{'of oracle':>12}")
    missed, thin = [], []
    for title, cell in cells(rows):
        show(title, cell)
        if sum(row.oracle for row in cell) < MIN_ORACLE:
            thin += cell
        elif share(cell, "ours") < MIN_POWER_SHARE * share(cell, "oracle"):
            missed.append(f"power in the cell {title}")
    show("thin cells together", thin)
    if sum(row.oracle for row in thin) >= MIN_ORACLE and share(thin, "ours") < MIN_POWER_SHARE * share(thin, "oracle"):
        missed.append("power in the thin cells together")
    for count in (1, 2, 3):
        show(f"{count} condition{'s' * (count > 1)}", [row for row in rows if row.conditions == count])
    show("all", rows)

    large = [row for row in rows if row.effect >= 0.3 and row.objects >= 300]
    total, false = sum(each.confirmed for each in outcomes), sum(each.false for each in outcomes)
    tree, tree_false = sum(each.tree_reported for each in outcomes), sum(each.tree_false for each in outcomes)
    print(f"found and not explained by another finding: {share(rows, 'on_top'):.0%} of all planted slices")
    print(f"tree: {tree_false} of {tree} reported leaves false ({tree_false / max(tree, 1):.1%})")
    if share(large, "ours") < MIN_FOUND:
        missed.append("slices with effect ≥ 0.3 and 300 objects")
    if false > MAX_FALSE * total:
        missed.append("false findings")
    print(
        f"found {share(large, 'ours'):.0%} of {len(large)} slices with effect ≥ 0.3 and ≥ 300 objects (target 90 %); "
        f"{false} of {total} confirmed findings false ({false / max(total, 1):.1%}, target 5 %); "
        f"power {share(rows, 'ours') / share(rows, 'oracle'):.0%} of the oracle's over all"
    )
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="1,000 evaluations instead of 200")
    count = 1000 if parser.parse_args().full else 200
    began = time.perf_counter()
    tasks = [(seed, 0 if seed < SHARE_WITHOUT * count else PLANTS) for seed in range(count)]
    with multiprocessing.Pool(multiprocessing.cpu_count(), one_thread) as pool:
        outcomes = list(pool.imap_unordered(outcome, tasks))
    missed = misses([row for each in outcomes for row in each.rows], outcomes)
    for target in missed:
        print(f"MISSED: {target}")
    print(f"{count} evaluations in {time.perf_counter() - began:.0f} s: {'missed' if missed else 'all targets met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
