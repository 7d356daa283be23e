"""Judge models on a split of a round, and read what was judged back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from curation.appearance import Looks
from curation.desk import Desk, Frozen, JudgedSplit
from curation.power import Power, power_of
from curation.records import Measured, TrainedArms
from curation.study import Detected, Embedded, Study
from training.boxes import BoxTable
from training.evaluate import evaluate
from training.matching import Matches, error_kinds, match
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


def judge_arms(
    desk: Desk,
    frozen: Frozen,
    others: Sequence[ModelVersion],
    trained: TrainedArms,
    *,
    split: Split,
    step: str,
) -> tuple[tuple[Evaluation, ...], tuple[Evaluation, ...], tuple[Evaluation, ...]]:
    """Evaluate other models, then control and candidate of each seed, for a step; in their order."""
    models = {"champion": others, "control": trained.control, "candidate": trained.candidate}
    named = {f"{step}.{role}-{place}": model for role, each in models.items() for place, model in enumerate(each)}
    judged = judge(desk, frozen, named, split=split)
    first, second = len(others), len(others) + len(trained.control)
    return tuple(judged[:first]), tuple(judged[first:second]), tuple(judged[second:])


def detected_by(desk: Desk, frozen: Frozen, models: Sequence[ModelVersion], *, split: Split) -> list[Detected]:
    """Give what each model detects on a split; nothing is kept."""
    labels = frozen.labels_of(split)
    predicted = desk.predict(models, frozen.images, frozen.images.rows_of(split), frozen.image_set.classes)
    matched = [(predictions, match(predictions, labels)) for predictions in predicted]
    min_score = desk.config.evaluate.min_score
    return [
        Detected(labels, predictions, matches, error_kinds(predictions, labels, matches, min_score=min_score))
        for predictions, matches in matched
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


def photos_of_classes(frozen: Frozen, split: Split) -> dict[str, int]:
    """Count the photos of a split that hold each class."""
    labels = frozen.labels_of(split)
    held = np.unique(np.stack([labels.image, labels.label], axis=1), axis=0)[:, 1]
    counts = np.bincount(held, minlength=len(frozen.image_set.classes)).tolist()
    return dict(zip(frozen.image_set.classes, counts, strict=True))


def power_on_test(frozen: Frozen, evaluation: Evaluation, min_photos: int) -> Power:
    """Estimate from the champion on val what test could show; test stays closed."""
    photos = photos_of_classes(frozen, "test")
    return power_of(evaluation, photos, test_photos=frozen.image_set.photos["test"], min_photos=min_photos)


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
            kept_ids=frozen.image_set.kept_labels,
        )


def studied_labels(frozen: Frozen) -> BoxTable:
    """Give the labels of train and val."""
    return frozen.labels.of_images(np.flatnonzero(frozen.images.split != "test"))
