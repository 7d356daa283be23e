"""What train shows too rarely: classes, values that val has and train lacks, and values that people expect.

* A class is rare in train when it has fewer than 40 objects, or objects in fewer than 10 photos: in our measurements a
  class with 19 objects was not learned at all, and objects of one photo are no independent examples.
* A class is rare beside the others when it has less than a third of an equal share (the objects of train by the classes
  that it holds), and val does not show that it is found nevertheless: the lower end of the 95 % Wilson interval of its
  recall, with photos as trials, is below 0.9. The commonest class is no measure of rarity, because where one class has
  most of the objects all others would be rare.
* Train lacks a value of a column (a colour, a light, a size) of a class where val has it (at least 10 objects in at
  least 5 photos), its share in train is below a quarter of that in val, and the share of photos with it is smaller in
  train: Fisher's exact test over the photos that hold the class, Benjamini–Hochberg over all such comparisons. Classes
  that are rare in train are left to the first rule.
* An expected value of a column (`analyze.expected`) is short where it has less than a third of an equal share among
  the values that are expected. So where one value has nine tenths of a class, another of two or three is short.

Objects whose value is unknown are left out of shares.
"""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

import numpy as np
from scipy import stats

from curation.diagnose import ErrorTable
from curation.records import Condition, Shortage
from curation.shares import ValueCounts, class_counts, value_counts, wilson_low
from curation.wording import view_name
from generation.records import SizeBin
from training.boxes import Bools, Floats
from training.files import digest_of

MIN_CLASS_OBJECTS = 40
MIN_CLASS_PHOTOS = 10
MIN_SHARE_OF_EQUAL = 1 / 3
MIN_FOUND_SHARE = 0.9
MIN_VALUE_OBJECTS = 10
MIN_VALUE_PHOTOS = 5
MAX_SHARE_RATIO = 1 / 4
MIN_DOMINANT_SHARE = 0.9
MAX_EVIDENCE = 24

Expected = Mapping[str, Mapping[str, Sequence[str]]]
"""Class → column → values that the detector should meet."""
Reason = tuple[tuple[Condition, ...], str]
Cell = tuple[int, int]
"""Class and value of a column."""


def find_shortages(
    train: ErrorTable,
    val: ErrorTable,
    *,
    classes: Sequence[str],
    train_area: Floats,
    val_area: Floats,
    gain: Callable[[Bools], float],
    expected: Expected,
    max_q: float,
    view_prefix: str,
) -> tuple[Shortage, ...]:
    """Find what train shows too rarely, by the rules above, ordered by what finding val's missed ones would gain.

    Both tables are coded by the same values; `found` of train is not read. Areas order the evidence, largest first;
    `gain` gives the mean AP that returns when the objects of a mask over val, all missed, were found. Columns that only
    one table has are not compared. Raises `ValueError` where a column is coded by different values.
    """
    reasons: dict[tuple[Condition, ...], list[str]] = defaultdict(list)
    for conditions, why in _reasons(train, val, classes, expected, max_q):
        reasons[conditions].append(why)
    found = []
    for conditions, whys in reasons.items():
        in_train, in_val = mask_of(train, conditions), mask_of(val, conditions)
        missed = in_val & ~val.found
        evidence = _largest(val, in_val, val_area) or _largest(train, in_train, train_area)
        words = _words(conditions)
        finding_id = digest_of(["shortage", *(condition.plain() for condition in conditions)])
        found.append(
            Shortage(
                finding_id=finding_id,
                conditions=conditions,
                label=conditions[0].value,
                size=next(
                    (size for size in get_args(SizeBin) if Condition(column="size", value=size) in conditions), None
                ),
                words=words,
                why="; ".join(whys),
                train_objects=int(in_train.sum()),
                val_objects=int(in_val.sum()),
                val_photos=len(np.unique(val.photo[in_val])),
                recall=float(val.found[in_val].mean()) if in_val.any() else None,
                gain=gain(missed) if missed.any() else 0.0,
                evidence=evidence,
                view=view_name(f"{view_prefix}: short of {words}", finding_id),
            )
        )
    return tuple(sorted(found, key=lambda shortage: (-shortage.gain, shortage.finding_id)))


def untestable(expected: Expected, *, classes: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Say, a sentence each, what `analyze.expected` names that the data does not have, so that it is not tested."""
    notes = []
    for label, wanted in expected.items():
        if label not in classes:
            notes.append(
                f"analyze.expected names the class '{label}', which nothing is labelled with{_near(label, classes)}"
            )
            continue
        for column in wanted:
            if column not in columns:
                known = _near(column, columns)
                notes.append(f"analyze.expected.{label} names '{column}', which is no column of the analysis{known}")
    return tuple(notes)


def mask_of(table: ErrorTable, conditions: Sequence[Condition]) -> Bools:
    """Give the objects (n,) for which all conditions hold: none for a column or value that the table does not have."""
    try:
        return table.mask(conditions)
    except KeyError:
        return np.zeros(len(table), np.bool_)


def _reasons(
    train: ErrorTable, val: ErrorTable, classes: Sequence[str], expected: Expected, max_q: float
) -> Iterator[Reason]:
    yield from _rare_classes(train, val, classes)
    yield from _short_of_expected(train, classes, expected)
    yield from _lacking(train, val, classes, max_q)


def _rare_classes(train: ErrorTable, val: ErrorTable, classes: Sequence[str]) -> Iterator[Reason]:
    objects, photos = class_counts(train, len(classes))
    val_objects, val_photos = class_counts(val, len(classes))
    found = np.bincount(val.label[val.found], minlength=len(classes))
    low = wilson_low(found / np.maximum(val_objects, 1), val_photos)
    equal = objects.sum() / max(1, np.count_nonzero(objects))
    few = (objects < MIN_CLASS_OBJECTS) | (photos < MIN_CLASS_PHOTOS)
    rare = (objects < MIN_SHARE_OF_EQUAL * equal) & (low < MIN_FOUND_SHARE)
    for number in np.flatnonzero((objects + val_objects > 0) & (few | rare)).tolist():
        why = f"train has {objects[number]:,} in {photos[number]:,} photos"
        if few[number]:
            why += f", too few to learn from: {MIN_CLASS_OBJECTS} in {MIN_CLASS_PHOTOS} photos are the least"
        else:
            why += f" of its {objects.sum():,} objects, less than a third of an equal share ({equal:,.0f})"
            if val_objects[number]:
                why += f", and val does not show that it is found: {found[number]:,} of {val_objects[number]:,}"
        yield (Condition(column="class", value=classes[number]),), why


def _short_of_expected(train: ErrorTable, classes: Sequence[str], expected: Expected) -> Iterator[Reason]:
    for label, wanted in expected.items():
        for name, values in wanted.items():
            column = next((column for column in train.columns if column.name == name), None)
            if label not in classes or column is None:
                continue
            codes = column.codes[(train.label == classes.index(label)) & (column.codes >= 0)]
            count = dict(zip(column.values, np.bincount(codes, minlength=len(column.values)), strict=True))
            most = max(count, key=lambda value: count[value], default="")
            for value in values:
                if len(codes) and count.get(value, 0) < MIN_SHARE_OF_EQUAL / len(values) * len(codes):
                    why = f"train shows {count.get(value, 0):,} of {len(codes):,} {label}, and {value} is expected"
                    if count[most] >= MIN_DOMINANT_SHARE * len(codes):
                        why += f"; {count[most] / len(codes):.0%} have {name}: {most}"
                    yield _conditions(label, name, value), why


def _lacking(train: ErrorTable, val: ErrorTable, classes: Sequence[str], max_q: float) -> Iterator[Reason]:
    """Compare all shares that val shows often enough, and give those that are demonstrably smaller in train."""
    enough = class_counts(train, len(classes))[0] >= MIN_CLASS_OBJECTS
    compared: list[tuple[float, Reason | None]] = []
    in_train = {column.name: column for column in train.columns}
    for column in val.columns:
        if column.name == "class" or column.name not in in_train:
            continue
        if in_train[column.name].values != column.values:
            raise ValueError(f"column {column.name!r} is coded by other values in train than in val")
        ours, theirs = value_counts(train, in_train[column.name], len(classes)), value_counts(val, column, len(classes))
        often = (theirs.objects >= MIN_VALUE_OBJECTS) & (theirs.photos >= MIN_VALUE_PHOTOS) & enough[:, None]
        less = often & (ours.share < MAX_SHARE_RATIO * theirs.share)
        # what has share enough is never named, so that p = 1 stands for it: it only makes the others' q larger
        compared += [(1.0, None)] * int((often & ~less).sum())
        for number, code in np.argwhere(less).tolist():
            conditions = _conditions(classes[number], column.name, column.values[code])
            why = _compared(ours, theirs, (number, code))
            compared.append((_fisher(ours, theirs, (number, code)), (conditions, why)))
    q_values = stats.false_discovery_control([p for p, _ in compared]) if compared else ()
    yield from (reason for (_, reason), q in zip(compared, q_values, strict=True) if reason and q <= max_q)


def _fisher(train: ValueCounts, val: ValueCounts, at: Cell) -> float:
    """Give the one-sided p that so few photos of train hold a value, were it as common as in val."""
    holders, others = train.holders[at[0]], val.holders[at[0]]
    with_value = train.photos[at] + val.photos[at]
    return float(stats.hypergeom.cdf(train.photos[at], holders + others, with_value, holders))


def _compared(train: ValueCounts, val: ValueCounts, at: Cell) -> str:
    parts = []
    for name, counts in (("train", train), ("val", val)):
        objects, of = counts.objects[at], counts.objects[at[0]].sum()
        parts.append(f"{objects:,} of {of:,} in {name} (in {counts.photos[at]:,} of {counts.holders[at[0]]:,} photos)")
    return " against ".join(parts)


def _conditions(label: str, column: str, value: str) -> tuple[Condition, ...]:
    return Condition(column="class", value=label), Condition(column=column, value=value)


def _words(conditions: Sequence[Condition]) -> str:
    label = conditions[0].value
    for condition in conditions[1:]:
        if condition.column == "size":
            label = f"{condition.value} {label}"
        else:
            label = f"{label}, {condition.column}: {condition.value}"
    return label


def _largest(table: ErrorTable, mask: Bools, areas: Floats) -> tuple[str, ...]:
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(-areas[rows], kind="stable")][:MAX_EVIDENCE]
    return tuple(table.id[rows].tolist())


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
