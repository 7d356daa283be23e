"""The error table: one row a labelled object, one column for everything that a slice can be made of.

Every column is coded: a short list of values in words, and a number into it for each object. Measured columns are cut
into bins at their own quantiles, which needs no look at what the detector found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from curation.records import Condition
from training.boxes import Bools, Ints, Texts

ColumnSource = Literal["label", "object", "photo", "field", "cluster", "attribute"]
"""label: class and size; object: measured on the box or its crop; photo: measured on the photo; field: a field or tag
of the user's samples; cluster: of the detector's embeddings; attribute: tagged by the language model."""


@dataclass(frozen=True)
class Column:
    """One coded column."""

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int16]
    """(n,) number into `values`, −1 where unknown."""
    source: ColumnSource

    def __post_init__(self) -> None:
        """Check that every code has a value."""
        if len(self.codes) and not -1 <= self.codes.min() <= self.codes.max() < len(self.values):
            raise ValueError(f"codes of column {self.name!r} must lie within −1 and {len(self.values) - 1}")


@dataclass(frozen=True)
class ErrorTable:
    """Labelled objects, whether the detector found them at its operating point, and what is known of them."""

    id: Texts
    photo: Ints
    """Row of the `ImageTable`: objects of one photo are not independent."""
    label: Ints
    """Number of the class."""
    found: Bools
    """A prediction of the same class at `min_score` or more overlaps it with an IoU of at least 0.5."""
    columns: tuple[Column, ...]
    """`class` and `size` are always there and come first."""

    def __post_init__(self) -> None:
        """Check that all columns are equally long."""
        lengths = {len(self.id), len(self.photo), len(self.label), len(self.found)}
        lengths |= {len(column.codes) for column in self.columns}
        if len(lengths) > 1:
            raise ValueError(f"columns of the error table must be equally long, got {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.id)

    def column(self, name: str) -> Column:
        """Give a column by name; raises `KeyError` where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def mask(self, conditions: Sequence[Condition]) -> Bools:
        """Give the objects (n,) for which all conditions hold; raises `KeyError` for an unknown column or value."""
        inside = np.ones(len(self), np.bool_)
        for condition in conditions:
            column = self.column(condition.column)
            if condition.value not in column.values:
                raise KeyError(condition.value)
            inside &= column.codes == column.values.index(condition.value)
        return inside

    def take(self, rows: NDArray[np.int64] | Bools) -> Self:
        """Give the table of the rows that an index or a mask selects, in its order."""
        columns = tuple(replace(column, codes=column.codes[rows]) for column in self.columns)
        return type(self)(self.id[rows], self.photo[rows], self.label[rows], self.found[rows], columns)

    def with_columns(self, columns: Sequence[Column]) -> Self:
        """Give the table with more columns behind those that it has."""
        return replace(self, columns=(*self.columns, *columns))
