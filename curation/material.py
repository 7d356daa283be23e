"""What the language model may look at, and what is hidden from it: the one place that chooses crops.

Evidence comes from train and the discover half of val; crops to be tagged from the other half, chosen by chance alone.
Rows are rows of `labels`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from curation.diagnose import ErrorTable
from curation.sheets import CROPS_PER_SHEET, spread
from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, concat
from training.errors import ConfigError
from training.files import digest_of

Group = Literal["missed", "found", "train"]
SHEETS: tuple[Group, ...] = ("missed", "found", "train", "missed", "found", "missed")
"""What each sheet of evidence shows; the first half of them is a smaller question."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The objects of val with their halves, the labels behind them, and the classes that nobody outside may see."""

    classes: tuple[str, ...]
    table: ErrorTable
    """Objects of val."""
    discover: Bools
    """(n,) which of them lie in photos of the discover half."""
    images: ImageTable
    labels: BoxTable
    """Labels of train and val at least; those of test are never looked at."""
    predictions: BoxTable | None = None
    """Predictions on val: what the detector takes for a class that is hidden is hidden, too."""
    blur_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse photos that are not of val, halves that share a photo, and classes to hide that do not exist."""
        if (self.images.split[self.table.photo] != "val").any():
            raise ValueError("the error table must hold objects of val alone")
        if len(self.discover) != len(self.table):
            raise ValueError("discover must say of each object which half it lies in")
        if np.isin(self.table.photo[self.discover], self.table.photo[~self.discover]).any():
            raise ValueError("a photo must lie in one half alone")
        if unknown := [name for name in self.blur_classes if name not in self.classes]:
            near = difflib.get_close_matches(unknown[0], self.classes, n=1)
            raise ConfigError(
                f"llm.blur_classes names '{unknown[0]}', which is no class of the data",
                hint=f"did you mean '{near[0]}'?" if near else "write the class as the labels do",
            )

    @cached_property
    def val_rows(self) -> Ints:
        """Row of each object of the error table, (n,)."""
        order = np.argsort(self.labels.id)
        return order[np.searchsorted(self.labels.id, self.table.id, sorter=order)]

    @cached_property
    def train_rows(self) -> Ints:
        """Rows of all labels of train."""
        return np.flatnonzero(self.images.split[self.labels.image] == "train")

    def evidence(self, *, seed: int) -> tuple[tuple[Group, Ints], ...]:
        """Choose the crops of each sheet of evidence, spread over classes and photos; empty sheets are left out."""
        rng = np.random.default_rng(seed)
        pools: Mapping[Group, Ints] = {
            "missed": self.val_rows[self.discover & ~self.table.found],
            "found": self.val_rows[self.discover & self.table.found],
            "train": self.train_rows,
        }
        chosen = {group: self._spread(pool, SHEETS.count(group), rng) for group, pool in pools.items()}
        sheets = []
        for number, group in enumerate(SHEETS):
            start = SHEETS[:number].count(group) * CROPS_PER_SHEET
            sheets.append((group, chosen[group][start : start + CROPS_PER_SHEET]))
        return tuple((group, rows) for group, rows in sheets if len(rows))

    def unseen(self, *, name: str, label: str | None, max_count: int, seed: int) -> Ints:
        """Choose crops to be tagged with the attribute of this name, in a random order, of one class or of any.

        The choice does not look at what the detector found: recall within the tagged crops stays what it is among all.
        """
        pool = self.val_rows[~self.discover]
        if label is not None:
            pool = pool[self.labels.label[pool] == self.classes.index(label)]
        rng = np.random.default_rng([seed, int(digest_of(name)[:8], 16)])
        return rng.permutation(np.sort(pool))[:max_count]

    def hidden_on(self, photo: int) -> Floats:
        """Give the boxes (k, 4) on a photo whose content must not leave."""
        boxes: Floats = self._hidden.xyxy[self._hidden.image == photo]
        return boxes

    @cached_property
    def _hidden(self) -> BoxTable:
        boxes = concat([self.labels, *([self.predictions] if self.predictions is not None else [])])
        numbers = [self.classes.index(name) for name in self.blur_classes]
        return boxes.take(np.isin(boxes.label, numbers))

    def _spread(self, pool: Ints, sheets: int, rng: np.random.Generator) -> Ints:
        labels, photos = self.labels.label[pool], self.labels.image[pool]
        return pool[spread(labels, photos, count=sheets * CROPS_PER_SHEET, rng=rng)]
