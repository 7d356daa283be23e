"""Judge models on a split of a round, and read what was judged back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from curation.appearance import Looks
from curation.desk import Desk, Frozen, JudgedSplit
from curation.records import Measured
from curation.study import Detected, Embedded, Study
from training.boxes import BoxTable
from training.evaluate import evaluate
from training.matching import Matches, error_kinds
from training.records import Evaluation, ModelVersion, Split
from training.tables import load_table, save_table


def judge(desk: Desk, frozen: Frozen, models: Mapping[str, ModelVersion], *, split: Split) -> list[Evaluation]:
    """Evaluate models on one split; the keys begin the names of their tables."""
    rows = frozen.images.rows_of(split)
    predicted = desk.predict(list(models.values()), frozen.images, rows, frozen.image_set.classes)
    return [
        evaluate(
            model,
            frozen.image_set,
            frozen.images,
            frozen.labels,
            predictions,
            split=split,
            min_score=desk.config.evaluate.min_score,
            replicates=desk.config.evaluate.replicates,
            prefix=prefix,
            save=lambda name, table: save_table(frozen.folder.path / name, table),
        )
        for (prefix, model), predictions in zip(models.items(), predicted, strict=True)
    ]


def load_judged(frozen: Frozen, evaluation: Evaluation) -> JudgedSplit:
    """Read an evaluation's tables back."""
    path = frozen.folder.path
    predictions = load_table(path / evaluation.predictions.name, BoxTable, evaluation.predictions)
    matches = load_table(path / evaluation.matches.name, Matches, evaluation.matches)
    labels = frozen.labels_of(evaluation.split)
    return JudgedSplit(
        evaluation=evaluation,
        images=frozen.images,
        labels=labels,
        predictions=predictions,
        matches=matches,
        errors=error_kinds(predictions, labels, matches, min_score=evaluation.min_score),
    )


@dataclass(frozen=True)
class Studied:
    """What a round has frozen, judged on val and measured, joined when it is first needed."""

    frozen: Frozen
    evaluation: Evaluation
    measured: Measured
    wanted: frozenset[str]
    """Columns that people expect values of."""

    @cached_property
    def study(self) -> Study:
        """Give all that is known of the labelled objects of train and val."""
        frozen, measured, path = self.frozen, self.measured, self.frozen.folder.path
        labels = frozen.labels_of("train")
        predictions = load_table(path / measured.predictions.name, BoxTable, measured.predictions)
        matches = load_table(path / measured.matches.name, Matches, measured.matches)
        errors = error_kinds(predictions, labels, matches, min_score=self.evaluation.min_score)
        val = load_judged(frozen, self.evaluation)
        return Study(
            classes=frozen.image_set.classes,
            images=frozen.images,
            labels=studied_labels(frozen),
            looks=load_table(path / measured.looks.name, Looks, measured.looks),
            fields=frozen.fields,
            embedded=load_table(path / measured.embedded.name, Embedded, measured.embedded),
            train=Detected(labels, predictions, matches, errors),
            val=Detected(val.labels, val.predictions, val.matches, val.errors),
            wanted=self.wanted,
        )


def studied_labels(frozen: Frozen) -> BoxTable:
    """Give the labels of train and val."""
    return frozen.labels.of_images(np.flatnonzero(frozen.images.split != "test"))
