"""A model judged on one split: predict, match, measure with intervals, name the errors, keep the tables."""

from collections.abc import Callable, Sequence

import numpy as np

from training.bootstrap import BootstrappedAp, bootstrap_ap
from training.boxes import BoxTable, ImageTable, Table
from training.matching import Errors, error_kinds, match
from training.metrics import OperatingPoint, known, point_ap, prepare, recall_precision
from training.records import ERROR_KINDS, ClassScore, ErrorKind, Evaluation, FileRef, ImageSet, ModelVersion, Split

SaveTable = Callable[[str, Table], FileRef]
"""Keep a table under a name beside the step's proof."""


def evaluate(
    model: ModelVersion,
    image_set: ImageSet,
    images: ImageTable,
    labels: BoxTable,
    predictions: BoxTable,
    *,
    split: Split,
    min_score: float,
    replicates: int,
    prefix: str,
    save: SaveTable,
) -> Evaluation:
    """Judge a model by its predictions on one split; its tables are kept under names that begin with `prefix`.

    The labels in the tables are those of the split, in the order of the frozen label table.
    """
    rows = images.rows_of(split)
    truth = labels.of_images(rows)
    matches = match(predictions, truth)
    classes = len(image_set.classes)
    curves = prepare(predictions, truth, matches, image_rows=rows, class_count=classes)
    measured = bootstrap_ap(curves, replicates=replicates, rng=np.random.default_rng(0))
    point = recall_precision(predictions, truth, matches, class_count=classes, min_score=min_score)
    errors = error_kinds(predictions, truth, matches, min_score=min_score)
    ap50 = point_ap(curves)[:, 0]
    return Evaluation(
        model_id=model.model_id,
        images=image_set.fingerprint(),
        split=split,
        min_score=min_score,
        mean_ap=measured.mean,
        mean_ap50=float(np.nanmean(ap50)),
        classes=_class_scores(
            image_set.classes, measured, ap50, point, _count_kinds(predictions, truth, errors, classes)
        ),
        predictions=save(f"{prefix}.predictions.npz", predictions),
        matches=save(f"{prefix}.matches.npz", matches),
    )


def _class_scores(
    classes: Sequence[str],
    measured: BootstrappedAp,
    ap50: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    point: OperatingPoint,
    kinds: Sequence[dict[ErrorKind, int]],
) -> tuple[ClassScore, ...]:
    return tuple(
        ClassScore(
            label=label,
            ap=measured.classes[number],
            ap50=known(ap50[number]),
            objects=int(point.objects[number]),
            recall=known(point.recall[number]),
            precision=known(point.precision[number]),
            errors=kinds[number],
        )
        for number, label in enumerate(classes)
    )


def _count_kinds(
    predictions: BoxTable, labels: BoxTable, errors: Errors, class_count: int
) -> list[dict[ErrorKind, int]]:
    """Count, by class, wrong predictions by kind, and labels that nothing found or explains."""
    counts: list[dict[ErrorKind, int]] = [{} for _ in range(class_count)]
    for number, kind in enumerate(ERROR_KINDS):
        column = (
            labels.label[errors.label_missed]
            if kind == "missed"
            else predictions.label[errors.prediction_kind == number]
        )
        for label, count in enumerate(np.bincount(column, minlength=class_count)):
            counts[label][kind] = int(count)
    return counts
