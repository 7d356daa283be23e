"""Door to FiftyOne's book-keeping of a dataset: fields, classes, where its files lie, and evaluations as runs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curation.documents import Origin
from curation.results import Judged, pairs_found, prediction_field
from training.boxes import Floats, Texts
from training.errors import DataError
from training.fields import TAG_PREFIX, Fields

LABELS = "ground_truth"
ORIGIN_FIELDS = ("split", "request_id", "brief_id", "finding_id", "backend", "verified")
"""They say where a sample came from; the App shows them and cannot change them."""
TEXT_FIELDS = (*ORIGIN_FIELDS, "verdict", "verdict_reason", "reviewer")
SELECTION_FIELDS = ("selection", "picked_for", "reason")
"""Of photos to label: the number of their selection, the finding or kind that they were picked for, and why."""
MEAN_AP = "curate_mean_ap"


def declare_fields(dataset: Any) -> None:
    """Declare what samples carry, so that the App shows it; and that no file is there twice."""
    import fiftyone as fo

    if dataset.has_field("repairs"):  # declared last, so all is
        return
    dataset.media_type = "image"
    for name in TEXT_FIELDS:
        dataset.add_sample_field(name, fo.StringField, read_only=name in ORIGIN_FIELDS)
    declare_selection(dataset)
    _declare_boxes(dataset, LABELS)
    for name in ("visible_share", "judge_score"):
        dataset.add_sample_field(f"{LABELS}.detections.{name}", fo.FloatField)
    dataset.add_sample_field(f"{LABELS}.detections.added", fo.BooleanField)
    dataset.add_sample_field(f"{LABELS}.detections.source_id", fo.StringField)
    dataset.create_index("filepath", unique=True)
    dataset.create_index("request_id")
    for name in ("source_ids", "repairs"):
        dataset.add_sample_field(name, fo.ListField, subfield=fo.StringField, read_only=True)


def declare_selection(dataset: Any) -> None:
    """Declare what photos to label carry; raises `DataError` where photos brought a field of such a name before."""
    import fiftyone as fo

    for name in SELECTION_FIELDS:
        known = dataset.get_field(name)
        if known is None:
            dataset.add_sample_field(name, fo.StringField, read_only=True)
        elif not _is_of_selections(name, known):
            hint = f"rename it: dataset.rename_sample_field({name!r}, {name + '_of_photo'!r}) in Python with FiftyOne"
            raise DataError(f"photos have a field {name!r} of their own, so a selection cannot be shown", hint=hint)


def _is_of_selections(name: str, field: Any) -> bool:
    return name in SELECTION_FIELDS and field.read_only


def declare_review(dataset: Any) -> None:
    """Declare what a review writes on samples: the App drops from a sample what is not declared when it saves one."""
    import fiftyone as fo

    if not dataset.has_field("review"):
        dataset.add_sample_field("decisions", fo.ListField, subfield=fo.DictField, read_only=True)
        dataset.add_sample_field("review", fo.DictField, read_only=True)


def offer_annotation(dataset: Any) -> None:
    """Let people correct boxes and classes in the App, with the classes of the dataset."""
    schema = dataset.generate_label_schemas(LABELS, scan_samples=False)
    schema |= {"classes": list(dataset.default_classes), "component": "dropdown"}
    schema["attributes"] = []  # ours are not for people to change
    dataset.set_label_schemas(dataset.label_schemas | {LABELS: schema})
    dataset.active_label_schemas = [LABELS]


def _declare_boxes(dataset: Any, field: str) -> None:
    import fiftyone as fo

    dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)


def user_fields(dataset: Any) -> list[str]:
    """Give the names of the simple fields that are neither ours nor FiftyOne's own."""
    import fiftyone as fo

    simple = dataset.get_field_schema(ftype=(fo.StringField, fo.BooleanField, fo.IntField, fo.FloatField))
    counts = {f"{key}_{count}" for key in dataset.list_evaluations() for count in ("tp", "fp", "fn")}
    ours = {*TEXT_FIELDS, "filepath", *counts}
    return [name for name, field in simple.items() if name not in ours and not _is_of_selections(name, field)]


def declare_user_fields(dataset: Any, fields: Fields) -> dict[str, Texts | Floats]:
    """Declare fields that photos bring with them, and give those that fit, tags included.

    Left out are fields whose name has a meaning for us or for FiftyOne, or another type in the dataset already.
    """
    import fiftyone as fo

    fitting = {}
    for name, values in fields.items():
        if name.startswith(TAG_PREFIX):
            fitting[name] = values
            continue
        kind = fo.FloatField if np.issubdtype(values.dtype, np.number) else fo.StringField
        known = dataset.get_field(name)
        if known is None and not hasattr(fo.Sample, name):
            dataset.add_sample_field(name, kind)
            fitting[name] = values
        elif type(known) is kind and name in user_fields(dataset):
            fitting[name] = values
    return fitting


def declare_marks(dataset: Any, field: str) -> None:
    """Declare a list of names on each label."""
    import fiftyone as fo

    path = f"{LABELS}.detections.{field}"
    if not dataset.has_sample_field(path):
        dataset.add_sample_field(path, fo.ListField, subfield=fo.StringField, read_only=True)


def remember_classes(dataset: Any, classes: Sequence[str]) -> None:
    """Append classes that are new to those of the dataset."""
    known = list(dataset.default_classes)
    new = [name for name in classes if name not in known]
    if new:
        dataset.default_classes = known + new


def origin_of(dataset: Any, root: Path) -> Origin:
    """Give what samples that are inserted now share; the time is of the clock that FiftyOne's own updates go by."""
    now = dataset._sample_collection.database.command("hello")["localTime"]
    return Origin(dataset._doc.id, root, now)


def follow_move(dataset: Any, root: str) -> None:
    """Give samples their paths under `root`, where the dataset was last used under another one."""
    before = dataset.info.get("root")
    if before == root:
        return
    if before is not None:
        rest = {"$substrBytes": ["$filepath", len(before.encode()), -1]}
        dataset._sample_collection.update_many(
            {"filepath": {"$regex": f"^{re.escape(before)}/"}},
            [{"$set": {"filepath": {"$concat": [{"$literal": root}, rest]}, "last_modified_at": "$$NOW"}}],
        )
    dataset.info["root"] = root
    dataset.save()


def register_evaluation(view: Any, key: str) -> Any:
    """Announce an evaluation of a view, instead of one of that key; give FiftyOne's method for it."""
    from fiftyone.utils.eval.coco import COCOEvaluationConfig

    method = COCOEvaluationConfig(prediction_field(key), LABELS, iou=0.5, classwise=True, compute_mAP=False).build()
    _declare_boxes(view._dataset, prediction_field(key))
    method.register_run(view, key)
    view._dataset.add_dynamic_sample_fields(_evaluation_fields(key))
    return method


def _evaluation_fields(key: str) -> dict[str, Any]:
    """Give the fields of an evaluation by path: declared in one go, in a tenth of the time of `register_samples`."""
    import fiftyone as fo

    fields: dict[str, Any] = {f"{key}_{count}": fo.IntField() for count in ("tp", "fp", "fn")}
    for box in (f"{prediction_field(key)}.detections", f"{LABELS}.detections"):
        fields |= {f"{box}.{key}{ending}": fo.StringField() for ending in ("", "_id", "_kind")}
        fields[f"{box}.{key}_iou"] = fo.FloatField()
    return fields


def save_evaluation(
    view: Any, method: Any, key: str, judged: Judged, classes: Sequence[str], mean_ap: float | None
) -> None:
    """Finish an announced evaluation with its results; `mean_ap`, COCO's, is shown among its metrics."""
    from fiftyone.utils.eval.detection import DetectionResults

    metric = {"key": MEAN_AP, "value": mean_ap, "label": "mAP (COCO)", "lower_is_better": False}
    results = DetectionResults(
        view,
        method.config,
        key,
        pairs_found(judged, classes),
        classes=list(classes),
        custom_metrics=None if mean_ap is None else {MEAN_AP: metric},
        backend=method,
    )
    method.save_run_results(view, key, results)
    method.add_fields_to_sidebar_group(view, key, omit_fields=(method.config.pred_field, LABELS))
