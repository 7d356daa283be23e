"""An evaluation and verdicts as FiftyOne keeps them, as updates of its samples; nothing but arguments.

An update is an aggregation that the server runs on the sample as it is then, so a box that a reviewer moves, adds or
deletes meanwhile stays as they left it. All values are literals: a class may be called `$5 bill`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from curation.documents import Document, box_documents, by_image
from curation.plugin.decisions import ACCEPTED, BY_TAG, REJECTED, TAGGED, TOUCHED, take_in_stages
from generation.records import Verdict
from training.boxes import BoxTable, Floats, ImageTable, Ints, Table, Texts, iou
from training.matching import CORRECT, NOT_COUNTED, Errors, Matches
from training.records import ERROR_KINDS

RULE = "rule"
"""The reviewer of a verdict that no person gave."""
_NOBODY: Document = {"review.decided": {"$ne": True}, "$expr": {"$eq": [TAGGED, []]}}
"""Pictures that show nothing that a person did in this database."""
Update = tuple[Document, list[Document]]
"""Which samples, and the stages that change each."""
Marks = Mapping[str, list[str]]
"""Names by id of the label that they mark."""
FoundPair = tuple[str | None, str | None, float | None, float | None, str | None, str | None]
"""Label's class, prediction's class, IoU, confidence, label's id, prediction's id; None where one is alone."""


@dataclass(frozen=True)
class Outcomes(Table):
    """What boxes are, in the order of their table."""

    partner_id: Texts
    """Id of the matched label or prediction, empty without one."""
    overlap: Floats
    """IoU with it, 0 without one."""
    kind: NDArray[np.int8]
    """Number into `ERROR_KINDS`, below 0 for what is right."""


@dataclass(frozen=True)
class Judged:
    """A model's predictions on one split at the operating point, matched to labels at IoU 0.5."""

    predictions: BoxTable
    predicted: Outcomes
    labels: BoxTable
    labelled: Outcomes

    def of_images(self, rows: Ints) -> "Judged":
        """Give what lies in the given image rows."""
        predicted = np.flatnonzero(np.isin(self.predictions.image, rows))
        labelled = np.flatnonzero(np.isin(self.labels.image, rows))
        return Judged(
            predictions=self.predictions.take(predicted),
            predicted=self.predicted.take(predicted),
            labels=self.labels.take(labelled),
            labelled=self.labelled.take(labelled),
        )


def prediction_field(key: str) -> str:
    """Give the field that holds the predictions of an evaluation."""
    return f"pred_{key}"


def judge(predictions: BoxTable, labels: BoxTable, matches: Matches, errors: Errors) -> Judged:
    """Give each counted prediction and each label with its partner; `matches` and `errors` are of just these tables."""
    found = np.flatnonzero(errors.prediction_kind == CORRECT)
    label = matches.label_row[found, 0]
    overlap = iou(predictions.xyxy[found], labels.xyxy[label])
    shown = np.flatnonzero(errors.prediction_kind != NOT_COUNTED)
    return Judged(
        predictions=predictions.take(shown),
        predicted=_outcomes(found, labels.id[label], overlap, errors.prediction_kind).take(shown),
        labels=labels,
        labelled=_outcomes(label, predictions.id[found], overlap, errors.label_kind),
    )


def _outcomes(found: Ints, partner_id: Texts, overlap: Floats, kind: NDArray[np.int8]) -> Outcomes:
    ids, overlaps = np.full(len(kind), "", "<U24"), np.zeros(len(kind))
    ids[found], overlaps[found] = partner_id, overlap
    return Outcomes(partner_id=ids, overlap=overlaps, kind=kind)


def evaluation_updates(
    key: str, judged: Judged, images: ImageTable, rows: Ints, classes: Sequence[str]
) -> list[Update]:
    """Give the updates of the photos `rows`: their predictions, what each box is, and counts.

    As FiftyOne's own: `key` of a box is tp, fp or fn, `key_id` the id of its partner, `key_iou` their IoU; `key_tp`,
    `key_fp` and `key_fn` count a photo's. Ours is `key_kind`, the error's name.
    """
    part = judged.of_images(rows)
    outcomes = _describe(key, part.predicted, wrong="fp")
    boxes = zip(box_documents(part.predictions, classes), part.predictions.score.tolist(), outcomes, strict=True)
    predicted = [box | {"confidence": score} | outcome for box, score, outcome in boxes]
    label_ids = map(ObjectId, part.labels.id.tolist())
    labelled = list(zip(label_ids, _describe(key, part.labelled, wrong="fn"), strict=True))
    columns = zip(
        images.id[rows].tolist(),
        by_image(predicted, np.searchsorted(rows, part.predictions.image), len(rows)),
        by_image(labelled, np.searchsorted(rows, part.labels.image), len(rows)),
        strict=True,
    )
    return [
        ({"_id": ObjectId(photo_id)}, [{"$set": _evaluated(key, of_predictions, of_labels)}])
        for photo_id, of_predictions, of_labels in columns
    ]


def pairs_found(judged: Judged, classes: Sequence[str]) -> list[FoundPair]:
    """Give every prediction, matched or not, then every missed label, as FiftyOne's results list them."""
    name = np.array(classes, object)
    predictions, missed = judged.predictions, judged.labels.take(judged.labelled.partner_id == "")
    columns = zip(
        *(name[predictions.label].tolist(), judged.predicted.overlap.tolist(), predictions.score.tolist()),
        *(judged.predicted.partner_id.tolist(), predictions.id.tolist()),
        strict=True,
    )
    matched_or_alone: list[FoundPair] = [
        (label, label, overlap, score, partner, own) if partner else (None, label, None, score, None, own)
        for label, overlap, score, partner, own in columns
    ]
    left = zip(name[missed.label].tolist(), missed.id.tolist(), strict=True)
    return matched_or_alone + [(label, None, None, None, label_id, None) for label, label_id in left]


def _describe(key: str, outcomes: Outcomes, *, wrong: str) -> list[Document]:
    rows = zip(outcomes.partner_id.tolist(), outcomes.overlap.tolist(), outcomes.kind.tolist(), strict=True)
    return [
        {
            key: "tp" if partner else wrong,
            f"{key}_id": partner,
            f"{key}_iou": overlap if partner else None,
            f"{key}_kind": ERROR_KINDS[kind] if kind >= 0 else None,
        }
        for partner, overlap, kind in rows
    ]


def _evaluated(key: str, predicted: list[Document], labelled: list[tuple[ObjectId, Document]]) -> Document:
    found = sum(box[key] == "tp" for box in predicted)
    changes: Document = {
        prediction_field(key): {"$literal": {"_cls": "Detections", "detections": predicted}},
        f"{key}_tp": found,
        f"{key}_fp": len(predicted) - found,
        f"{key}_fn": len(labelled) - found,
        "last_modified_at": "$$NOW",
    }
    return changes | ({"ground_truth": _with_outcomes(labelled)} if labelled else {})


def mark_updates(field: str, images: ImageTable, labels: BoxTable, rows: Ints, marks: Marks) -> list[Update]:
    """Give the updates that write into `field` of each label of the photos `rows` the names that mark it."""
    here = labels.of_images(rows)
    marked: dict[int, list[tuple[ObjectId, Document]]] = {}
    for image, label_id in zip(here.image.tolist(), here.id.tolist(), strict=True):
        marked.setdefault(image, []).append((ObjectId(label_id), {field: marks.get(label_id, [])}))
    now = {"last_modified_at": "$$NOW"}
    return [
        ({"_id": ObjectId(str(images.id[image]))}, [{"$set": {"ground_truth": _with_outcomes(labelled)} | now}])
        for image, labelled in marked.items()
    ]


def _with_outcomes(labelled: list[tuple[ObjectId, Document]]) -> Document:
    """Give the expression of the sample's labels with their outcomes merged in by id."""
    ids, outcomes = zip(*labelled, strict=True)
    place = {"$indexOfArray": [{"$literal": list(ids)}, "$$box._id"]}
    merged = {"$mergeObjects": ["$$box", {"$arrayElemAt": [{"$literal": list(outcomes)}, "$$place"]}]}
    either = {"$cond": [{"$gte": ["$$place", 0]}, merged, "$$box"]}
    stored = "$ground_truth.detections"
    boxes = {"$map": {"input": stored, "as": "box", "in": {"$let": {"vars": {"place": place}, "in": either}}}}
    whole = {"$mergeObjects": ["$ground_truth", {"detections": boxes}]}
    return {"$cond": [{"$isArray": stored}, whole, "$ground_truth"]}


def verdict_updates(verdicts: Iterable[Verdict]) -> list[Update]:
    """Give the updates that mark pictures: the tag and why. No verdict is written over what a person did since.

    * a picture that somebody decided on in the App shows that already, and is left alone
    * one that somebody tagged is left alone, too, unless the verdict is this very tag: then it is taken into the list
    * a rule's verdict takes the place of none but a rule's
    * a person's is not written where the list has any decision: it is there, or was taken back
    """
    ruled: dict[tuple[bool, str], list[ObjectId]] = {}
    updates: list[Update] = []
    for verdict in verdicts:
        sample_id = ObjectId(verdict.request_id)
        if verdict.reviewer == RULE:
            ruled.setdefault((verdict.accepted, verdict.reason), []).append(sample_id)
        else:
            updates += _of_person(sample_id, verdict)
    by_rule = _NOBODY | {"reviewer": {"$in": [None, RULE]}}
    for (accepted, reason), ids in ruled.items():
        updates.append(({"_id": {"$in": ids}} | by_rule, _shown(accepted=accepted, reason=reason, reviewer=RULE)))
    return updates


def _of_person(sample_id: ObjectId, verdict: Verdict) -> list[Update]:
    stages = _shown(accepted=verdict.accepted, reason=verdict.reason, reviewer=verdict.reviewer)
    where: Document = {"_id": sample_id}
    updates = [(where | _NOBODY | {"decisions.0": {"$exists": False}}, stages)]
    if verdict.reviewer == BY_TAG:
        mine = [ACCEPTED if verdict.accepted else REJECTED]
        updates.append((where | {"$expr": {"$eq": [TAGGED, mine]}}, take_in_stages()))
    return updates


def _shown(*, accepted: bool, reason: str, reviewer: str) -> list[Document]:
    mine = ACCEPTED if accepted else REJECTED
    is_other = {"$not": [{"$in": ["$$this", [ACCEPTED, REJECTED]]}]}
    others = {"$filter": {"input": {"$ifNull": ["$tags", []]}, "cond": is_other}}
    changes = {
        "tags": {"$concatArrays": [others, [mine]]},
        "verdict": mine,
        "verdict_reason": {"$literal": reason},
        "reviewer": {"$literal": reviewer},
        "last_modified_at": TOUCHED,
    }
    return [{"$set": changes}]
