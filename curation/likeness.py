"""Which photos of a pool hold what a finding is about: predicted objects, coded as the labels of val are.

An unlabelled photo has no objects but those that the champion predicts. They are measured like labels, put into the
bins that val's labels made, and compared with a finding's conditions. A cluster of the detector's embeddings is that of
most of the nearest labelled crops. What is known of a photo by other means, a field, a tag or an attribute that a
language model tagged, an unlabelled photo does not have: findings about these match nothing, and people are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from curation.appearance import Looks, stack
from curation.clusters import Vectors, nearest_values
from curation.coding import columns_of
from curation.diagnose import Column
from curation.measure import label_columns, look_measures, scene_measures
from curation.records import Condition
from curation.study import Study
from training.boxes import Bools, BoxTable, Floats, ImageTable, concat

MIN_SCORE = 0.1
"""Predictions below it are not taken for objects here: of what the champion is weak on it is seldom sure."""
CLUSTERS = "look"
LOOK_COLUMNS = frozenset(measure.name for measure in look_measures(stack([])))
"""Columns for which pixels have to be read."""


@dataclass(frozen=True)
class Known:
    """Labelled objects that columns are coded by, and labelled crops that clusters are known from."""

    classes: Sequence[str]
    images: ImageTable
    labels: BoxTable
    """Of val."""
    looks: Looks
    """In the order of the labels."""
    wanted: frozenset[str] = frozenset()
    """Columns that people expect values of."""
    crops: Vectors | None = None
    """(m, d) embedded labels of train and val."""
    clusters: Column | None = None
    """(m,) the cluster of each crop."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """Take what a round measured on its labels."""
        of_val = np.flatnonzero(study.is_val)
        clusters = next((column for column in study.objects.columns if column.name == CLUSTERS), None)
        crops = study.embedded
        return cls(
            classes=study.classes,
            images=study.images,
            labels=study.labels.take(of_val),
            looks=study.looks.take(of_val),
            wanted=frozenset(study.wanted),
            crops=crops.vector if clusters else None,
            clusters=replace(clusters, codes=clusters.codes[crops.row]) if clusters else None,
        )

    def column_names(self) -> frozenset[str]:
        """Give the names of the columns that unlabelled photos have, too."""
        names = {column.name for column in self._columns(self.images, self.labels, self.looks)}
        return frozenset(names | ({CLUSTERS} if self.clusters is not None else set()))

    def _columns(self, images: ImageTable, boxes: BoxTable, looks: Looks | None) -> tuple[Column, ...]:
        """Code boxes of which the first are val's labels."""
        measures = scene_measures(boxes, images, self.classes) + (look_measures(looks) if looks is not None else [])
        is_val = np.arange(len(boxes)) < len(self.labels)
        coded = columns_of(measures, photo=boxes.image, is_val=is_val, wanted=self.wanted)
        return (*label_columns(boxes, images, self.classes), *coded)

    def code(self, images: ImageTable, boxes: BoxTable, looks: Looks | None, crops: Vectors | None) -> list[Column]:
        """Give the columns of predicted boxes by the bins of val; `looks` and `crops` (n, d) where they are needed."""
        both = concat([self.labels, _moved(boxes, len(self.images))])
        looked = stack([self.looks, looks]) if looks is not None else None
        coded = self._columns(_joined(self.images, images), both, looked)
        own = [Column(c.name, c.values, c.codes[len(self.labels) :], c.source) for c in coded]
        return own if crops is None else [*own, self._clusters_of(crops)]

    def _clusters_of(self, crops: Vectors) -> Column:
        assert self.crops is not None  # nobody embeds crops where no cluster is known
        assert self.clusters is not None
        known = self.clusters.codes >= 0
        codes = nearest_values(crops, self.crops[known], self.clusters.codes[known].astype(np.int64))
        return Column(CLUSTERS, self.clusters.values, codes.astype(np.int16), "cluster")


def expected_objects(
    targets: Sequence[Sequence[Condition]], columns: Sequence[Column], boxes: BoxTable, *, image_count: int
) -> Floats:
    """Give how many objects of each slice a photo may hold, (n, f): the sum of the scores of the boxes inside it.

    0 where a column is unknown.
    """
    found = np.zeros((image_count, len(targets)))
    for number, conditions in enumerate(targets):
        inside = _inside(conditions, columns, len(boxes))
        found[:, number] = np.bincount(boxes.image[inside], boxes.score[inside], minlength=image_count)
    return found


def _inside(conditions: Sequence[Condition], columns: Sequence[Column], count: int) -> Bools:
    by_name = {column.name: column for column in columns}
    inside = np.ones(count, np.bool_)
    for condition in conditions:
        column = by_name.get(condition.column)
        if column is None or condition.value not in column.values:
            return np.zeros(count, np.bool_)
        inside &= column.codes == column.values.index(condition.value)
    return inside


def _joined(first: ImageTable, second: ImageTable) -> ImageTable:
    return ImageTable(**{name: np.concatenate([values, getattr(second, name)]) for name, values in vars(first).items()})


def _moved(boxes: BoxTable, by: int) -> BoxTable:
    return BoxTable(**(vars(boxes) | {"image": boxes.image + by}))
