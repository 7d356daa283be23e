"""Tables of plain text that fit a terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from curation.wording import cells_of, fit

GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column of a table, as text."""

    heading: str
    cells: Sequence[str]
    right: bool = False
    """Whether cells stand at the right edge, as numbers do."""
    stretch: bool = False
    """Whether long cells are cut to what the other columns leave."""
    least: int = 12
    """Cells that a stretching column needs before an optional one may stay."""
    rank: int = 0
    """0 always stays; in a narrow terminal the highest goes first."""


def table(columns: Sequence[Column], *, width: int) -> list[str]:
    """Lay columns out, heading first; optional columns go, then the stretching one is cut, until a line fits."""
    shown = list(columns)
    while _spare(shown, width) < 0 and any(column.rank for column in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    sizes = [_size(column) for column in shown]
    stretch = next((number for number, column in enumerate(shown) if column.stretch), None)
    if stretch is not None:
        rest = sum(sizes) - sizes[stretch] + len(GAP) * (len(shown) - 1)
        sizes[stretch] = max(1, min(sizes[stretch], width - rest))
    rows = zip(*([column.heading, *column.cells] for column in shown), strict=True)
    return [fit(_row(cells, shown, sizes).rstrip(), width) for cells in rows]


def _spare(columns: Sequence[Column], width: int) -> int:
    needed = [min(_size(column), column.least) if column.stretch else _size(column) for column in columns]
    return width - sum(needed) - len(GAP) * (len(columns) - 1)


def _size(column: Column) -> int:
    return max(map(cells_of, [column.heading, *column.cells]))


def _row(cells: Iterable[str], columns: Sequence[Column], sizes: Sequence[int]) -> str:
    placed = []
    for cell, column, size in zip(cells, columns, sizes, strict=True):
        text = fit(cell, size)
        pad = " " * (size - cells_of(text))
        placed.append(pad + text if column.right else text + pad)
    return GAP.join(placed)
