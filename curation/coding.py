"""From measurements to coded columns: numbers into bins, names into a short list, always by what val shows.

Bins and lists are made from the objects of val alone and then applied to train as well, so that a value means the same
in both. A photo is the unit here, too: a value counts when at least `MIN_PHOTOS` photos of val hold it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.diagnose import Column, ColumnSource
from training.boxes import Bools, Floats, Ints, Texts

MIN_PHOTOS = 5
MAX_VALUES = 12
MAX_VALUE_LENGTH = 40
OTHER = "other"
MAX_MOVED_SHARE = 0.05
"""Of val's objects: so many may change their bin where an edge is rounded to be readable."""
MAX_CELLS = 20_000_000
Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Numbers:
    """A number for each object."""

    name: str
    values: Floats
    """(n,), NaN where unknown."""
    source: ColumnSource
    words: Triple = ("low", "medium", "high")
    unit: str = ""
    """Follows an edge, with its space: ` px`."""


@dataclass(frozen=True)
class Names:
    """One of a list of words for each object."""

    name: str
    codes: Ints
    """(n,) number into `values`, −1 where unknown."""
    values: tuple[str, ...]
    source: ColumnSource


Measure = Numbers | Names


def named(name: str, texts: Texts, source: ColumnSource, *, rows: Ints) -> Names:
    """Give texts as a measure; `rows` has the place of each object's text, an empty text is unknown.

    Texts are cut to `MAX_VALUE_LENGTH` characters.
    """
    short = np.array([text[:MAX_VALUE_LENGTH].strip() for text in texts.tolist()], np.str_)
    values, codes = np.unique(short, return_inverse=True)
    has_empty = int(len(values) > 0 and values[0] == "")
    return Names(name, codes.astype(np.int64)[rows] - has_empty, tuple(values[has_empty:].tolist()), source)


def yes_no(name: str, flags: Bools, source: ColumnSource, *, known: Bools | None = None) -> Names:
    """Give flags as a measure with the values yes and no, unknown where not `known`."""
    codes = np.where(flags, 0, 1).astype(np.int64)
    return Names(name, codes if known is None else np.where(known, codes, -1), ("yes", "no"), source)


def columns_of(
    measures: Sequence[Measure],
    *,
    photo: Ints,
    is_val: Bools,
    min_photos: int = MIN_PHOTOS,
    wanted: Collection[str] = (),
) -> tuple[Column, ...]:
    """Code what was measured on objects (n,); a measure that does not tell objects of val apart is left out.

    `photo` has each object's photo; bins and lists are made where `is_val`. What a column must hold, unless it is named
    in `wanted`, where one value is enough:

    * two values at least, each in `min_photos` photos of val; so file names and ids, one for each photo, drop out
    * numbers: at most three bins, cut where val's objects divide most nearly into thirds; fewer where values tie. An
      edge is rounded to the fewest digits, two at least, at which at most 5 % of val's objects change their bin
    * names: the twelve most frequent on val, the rest as `other`; ties by name
    """
    found: list[Column] = []
    for measure in measures:
        column = (
            _of_numbers(measure, photo, is_val, min_photos)
            if isinstance(measure, Numbers)
            else _of_names(measure, photo, is_val, min_photos, min_values=1 if measure.name in wanted else 2)
        )
        if column is not None:
            found.append(column)
    return tuple(found)


def _of_numbers(measure: Numbers, photo: Ints, is_val: Bools, min_photos: int) -> Column | None:
    known = np.isfinite(measure.values)
    values, photos = measure.values[known & is_val], photo[known & is_val]
    edges = _readable(_edges(values, photos, min_photos), values, photos, min_photos)
    if not len(edges):
        return None
    codes = np.where(known, np.digitize(measure.values, edges), -1).astype(np.int16)
    return Column(measure.name, _bin_names(edges, measure, whole=not (values % 1).any()), codes, measure.source)


def _edges(values: Floats, photos: Ints, min_photos: int) -> Floats:
    """Give one or two of the values such that as nearly a third as can be lies below each; none where that fails."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 2:
        return np.zeros(0)
    below = np.cumsum(counts)[:-1] / len(values)
    for targets in ((1 / 3, 2 / 3), (1 / 2,)):
        chosen = np.unique([int(np.abs(below - target).argmin()) for target in targets])
        edges = np.asarray(distinct[chosen + 1], np.float64)
        if _are_filled(edges, values, photos, min_photos):
            return edges
    return np.zeros(0)


def _readable(edges: Floats, values: Floats, photos: Ints, min_photos: int) -> Floats:
    """Round edges to as few digits as change little; the value's words then say exactly where the bin ends."""
    bins = np.digitize(values, edges)
    for digits in range(2, 8):
        rounded = np.array([float(f"{edge:.{digits}g}") for edge in edges.tolist()])
        moved = (np.digitize(values, rounded) != bins).mean() if (np.diff(rounded) > 0).all() and len(values) else 1.0
        if moved <= MAX_MOVED_SHARE and _are_filled(rounded, values, photos, min_photos):
            return rounded
    return edges


def _are_filled(edges: Floats, values: Floats, photos: Ints, min_photos: int) -> bool:
    held = _photo_counts(np.digitize(values, edges), photos, len(edges) + 1)
    return bool((held >= min_photos).all())


def _bin_names(edges: Floats, measure: Numbers, *, whole: bool) -> tuple[str, ...]:
    """Name the bins; of whole numbers the middle one is named by its first and last."""
    shown = [np.format_float_positional(edge, trim="-") for edge in edges]
    low, medium, high = measure.words
    first, last = f"{low} (< {shown[0]}{measure.unit})", f"{high} (≥ {shown[-1]}{measure.unit})"
    if len(shown) == 1:
        return first, last
    top = np.format_float_positional(edges[1] - 1, trim="-") if whole else shown[1]
    middle = shown[0] if top == shown[0] else f"{shown[0]}–{top}"
    return first, f"{medium} ({middle}{measure.unit})", last


def _of_names(measure: Names, photo: Ints, is_val: Bools, min_photos: int, *, min_values: int) -> Column | None:
    count = len(measure.values)
    known = measure.codes >= 0
    held = _photo_counts(measure.codes[known & is_val], photo[known & is_val], count)
    objects = np.bincount(measure.codes[known & is_val], minlength=count)
    by_frequency = np.lexsort((np.array(measure.values, np.str_), -objects)).tolist()
    frequent = [n for n in by_frequency if held[n] >= min_photos and measure.values[n] != OTHER][:MAX_VALUES]
    recoded = np.full(count + 1, len(frequent), np.int64)
    recoded[frequent] = np.arange(len(frequent))
    recoded[-1] = -1  # where unknown
    codes = recoded[measure.codes]
    rest = _photo_counts(codes[known & is_val], photo[known & is_val], len(frequent) + 1)[-1]
    if len(frequent) + (rest >= min_photos) < min_values:
        return None
    values = [measure.values[n] for n in frequent] + ([OTHER] if (codes == len(frequent)).any() else [])
    return Column(measure.name, tuple(values), codes.astype(np.int16), measure.source)


def _photo_counts(codes: NDArray[np.int64], photos: Ints, count: int) -> Ints:
    """Give how many photos hold each of `count` values."""
    photo_count = int(photos.max(initial=0)) + 1
    if count * photo_count <= MAX_CELLS:  # several times as fast as sorting
        held = np.zeros((count, photo_count), np.bool_)
        held[codes, photos] = True
        return np.asarray(held.sum(axis=1), np.int64)
    return np.bincount(np.unique(codes * photo_count + photos) // photo_count, minlength=count)
