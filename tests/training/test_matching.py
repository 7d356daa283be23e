"""Matching against a slow reading of COCO's rule and against pycocotools; errors against a table of named cases."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import matching
from training.boxes import BoxTable, iou
from training.matching import IOU_LEVELS, error_kinds, match
from training.records import ERROR_KINDS
from training.tables import load_table, save_table


def boxes(*rows: tuple[int, int, tuple[float, float, float, float], float]) -> BoxTable:
    """Make a table of (image, class, corners, score) rows."""
    return BoxTable(
        id=np.array([f"{row:024x}" for row in range(len(rows))], "<U24"),
        image=np.array([row[0] for row in rows], np.int64),
        label=np.array([row[1] for row in rows], np.int64),
        xyxy=np.array([row[2] for row in rows], float).reshape(-1, 4),
        score=np.array([row[3] for row in rows], float),
    )


def random_boxes(rng: np.random.Generator, count: int, *, images: int, classes: int) -> BoxTable:
    """Draw boxes on a coarse grid, where equal IoUs, IoUs on a level and equal scores are common.

    Multiples of 1/8 are exact in floats, so that pixels and fractions give the very same IoU.
    """
    corner = rng.integers(0, 4, (count, 2))
    size = rng.integers(2, 5, (count, 2))
    return BoxTable(
        id=np.arange(count).astype("<U24"),
        image=rng.integers(0, images, count),
        label=rng.integers(0, classes, count),
        xyxy=np.hstack([corner, corner + size]) / 8,
        score=rng.integers(0, 8, count) / 8,
    )


def match_slowly(predictions: BoxTable, labels: BoxTable, *, max_detections: int = 100) -> np.ndarray:
    """Follow COCO's rule box by box."""
    label_row = np.full((len(predictions), 10), -1)
    groups = set(zip(predictions.image.tolist(), predictions.label.tolist(), strict=True))
    for group in groups:
        rows = [r for r in range(len(predictions)) if (predictions.image[r], predictions.label[r]) == group]
        rows = sorted(rows, key=lambda r: -predictions.score[r])[:max_detections]
        mine = [r for r in range(len(labels)) if (labels.image[r], labels.label[r]) == group]
        for number, level in enumerate(IOU_LEVELS):
            taken: set[int] = set()
            for row in rows:
                best, best_iou = -1, level
                for label in mine:
                    value = iou(predictions.xyxy[row : row + 1], labels.xyxy[label : label + 1])[0]
                    if label not in taken and value >= best_iou:
                        best, best_iou = label, value
                if best >= 0:
                    taken.add(best)
                    label_row[row, number] = best
    return label_row


@given(seed=st.integers(0, 2**32 - 1), predictions=st.integers(0, 40), labels=st.integers(0, 25))
@settings(max_examples=60, deadline=None)
def test_matches_are_those_of_the_rule_followed_box_by_box(seed, predictions, labels):
    rng = np.random.default_rng(seed)
    found = random_boxes(rng, predictions, images=3, classes=2)
    drawn = random_boxes(rng, labels, images=3, classes=2)
    assert (match(found, drawn, max_detections=5).label_row == match_slowly(found, drawn, max_detections=5)).all()


def coco_matches(predictions: BoxTable, labels: BoxTable, *, images: int, classes: int) -> np.ndarray:
    """Give what pycocotools matches, as rows of labels; boxes in pixels of a 1024 px picture."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def notes(table: BoxTable) -> list[dict]:
        px = table.xyxy * 1024
        return [
            {
                "id": row + 1, "image_id": int(table.image[row]), "category_id": int(table.label[row]), "iscrowd": 0,
                "bbox": [*px[row, :2], *(px[row, 2:] - px[row, :2])], "score": float(table.score[row]),
                "area": float(np.prod(px[row, 2:] - px[row, :2])),
            }
            for row in range(len(table))
        ]  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": n} for n in range(images)],
            "categories": [{"id": n} for n in range(classes)],
            "annotations": notes(labels),
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(notes(predictions)), "bbox")
        judge.evaluate()
    label_row = np.full((len(predictions), 10), -1)
    for found in judge.evalImgs:
        if found is not None and found["aRng"] == judge.params.areaRng[0] and found["dtIds"]:
            label_row[np.array(found["dtIds"]) - 1] = found["dtMatches"].T.astype(int) - 1
    return label_row


@pytest.mark.parametrize("seed", range(4))
def test_matches_are_those_of_pycocotools_with_ties_everywhere(seed):
    rng = np.random.default_rng(seed)
    predictions = random_boxes(rng, 600, images=12, classes=3)
    labels = random_boxes(rng, 200, images=12, classes=3)
    ours = match(predictions, labels).label_row
    assert (ours == coco_matches(predictions, labels, images=12, classes=3)).all()
    assert (ours >= 0).sum() > 300


def test_only_the_hundred_best_of_an_image_and_class_are_kept():
    rng = np.random.default_rng(0)
    predictions, labels = random_boxes(rng, 700, images=2, classes=2), random_boxes(rng, 200, images=2, classes=2)
    matches = match(predictions, labels)
    kept = np.bincount(predictions.image[matches.kept] * 2 + predictions.label[matches.kept])
    assert (kept == 100).all()
    assert (matches.label_row[~matches.kept] == -1).all()
    assert (matches.label_row == coco_matches(predictions, labels, images=2, classes=2)).all()


def test_matching_in_many_small_parts_changes_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    predictions, labels = random_boxes(rng, 300, images=5, classes=2), random_boxes(rng, 100, images=5, classes=2)
    whole = match(predictions, labels)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 7)
    parts = match(predictions, labels)
    assert (whole.label_row == parts.label_row).all()
    assert (whole.best_iou == parts.best_iou).all()


@pytest.mark.parametrize(
    ("predictions", "labels"), [(0, 0), (0, 4), (4, 0)], ids=["nothing", "labels only", "no labels"]
)
def test_empty_tables_match_nothing(predictions, labels):
    rng = np.random.default_rng(2)
    found, drawn = (random_boxes(rng, count, images=2, classes=2) for count in (predictions, labels))
    matches = match(found, drawn)
    errors = error_kinds(found, drawn, matches, min_score=0)
    assert (matches.label_row == -1).all()
    assert matches.label_row.shape == (predictions, 10)
    assert (errors.prediction_kind == ERROR_KINDS.index("background")).all()
    assert errors.label_missed.all()
    assert len(errors.label_kind) == labels


def test_best_iou_looks_at_the_same_class_only_and_at_labels_that_are_taken():
    label, half = (0.0, 0.0, 0.4, 0.4), (0.0, 0.0, 0.4, 0.2)
    quarter = (0.0, 0.0, 0.2, 0.2)
    predictions = boxes((0, 0, label, 0.9), (0, 0, half, 0.8), (0, 1, label, 0.9), (1, 0, label, 0.9))
    labels = boxes((0, 0, quarter, 1), (0, 0, label, 1), (0, 0, quarter, 1))
    assert match(predictions, labels).best_iou == pytest.approx([1, 0.5, 0, 0])


def test_matches_survive_the_disk(tmp_path):
    rng = np.random.default_rng(3)
    matches = match(random_boxes(rng, 20, images=2, classes=2), random_boxes(rng, 9, images=2, classes=2))
    ref = save_table(tmp_path / "matches.npz", matches)
    assert (load_table(tmp_path / "matches.npz", type(matches), ref).label_row == matches.label_row).all()


CUP = (0.1, 0.1, 0.5, 0.5)
CUP_LOW = (0.1, 0.1, 0.5, 0.22)  # IoU 0.3 with CUP
CUP_WIDE = (0.1, 0.1, 0.5, 0.6)  # IoU 0.8 with CUP
FAR = (0.7, 0.7, 0.9, 0.9)
GRAZING = (0.48, 0.1, 0.8, 0.5)  # IoU 0.03 with CUP
ERROR_TABLE = {
    # name: predictions of one image (class, box, score), labels (class, box), kinds of predictions, kinds of labels
    "a match is correct": ([(0, CUP, 0.9)], [(0, CUP)], ["correct"], ["correct"]),
    "nothing predicted": ([], [(0, CUP)], [], ["missed"]),
    "far from everything": ([(0, FAR, 0.9)], [(0, CUP)], ["background"], ["missed"]),
    "below the background IoU": ([(0, GRAZING, 0.9)], [(0, CUP)], ["background"], ["missed"]),
    "right class, poor box": ([(0, CUP_LOW, 0.9)], [(0, CUP)], ["localisation"], ["localisation"]),
    "right box, wrong class": ([(1, CUP_WIDE, 0.9)], [(0, CUP)], ["class"], ["class"]),
    "wrong class and poor box": ([(1, CUP_LOW, 0.9)], [(0, CUP)], ["both"], ["missed"]),
    "a second box on a label": ([(0, CUP_WIDE, 0.8), (0, CUP, 0.9)], [(0, CUP)], ["duplicate", "correct"], ["correct"]),
    "below the score": ([(0, CUP, 0.1)], [(0, CUP)], ["not counted"], ["missed"]),
    "a poor box of a low score does not cover": ([(0, CUP_LOW, 0.1)], [(0, CUP)], ["not counted"], ["missed"]),
    "found once, confused once": ([(0, CUP, 0.9), (1, CUP, 0.8)], [(0, CUP)], ["correct", "class"], ["correct"]),
    "localisation goes before class": (
        [(0, CUP_LOW, 0.9)], [(0, CUP), (1, CUP_LOW)], ["localisation"], ["localisation", "missed"],
    ),
    "class goes before duplicate": (
        [(0, CUP, 0.9), (0, CUP_WIDE, 0.8)], [(0, CUP), (1, CUP_WIDE)], ["correct", "class"], ["correct", "class"],
    ),
    "a label covered in both ways": (
        [(0, CUP_LOW, 0.9), (1, CUP, 0.8)], [(0, CUP)], ["localisation", "class"], ["localisation"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ERROR_TABLE)
def test_errors_are_named_as_tide_names_them(case):
    found, drawn, prediction_kinds, label_kinds = ERROR_TABLE[case]
    predictions = boxes(*((0, label, xyxy, score) for label, xyxy, score in found))
    labels = boxes(*((0, label, xyxy, 1.0) for label, xyxy in drawn))
    errors = error_kinds(predictions, labels, match(predictions, labels), min_score=0.25)
    number = {name: place for place, name in enumerate(ERROR_KINDS)} | {"correct": -1, "not counted": -2}
    assert errors.prediction_kind.tolist() == [number[name] for name in prediction_kinds]
    assert errors.label_kind.tolist() == [number[name] for name in label_kinds]
    assert errors.label_found.tolist() == [name == "correct" for name in label_kinds]
    assert errors.label_missed.tolist() == [name == "missed" for name in label_kinds]


def test_the_best_label_of_a_prediction_may_be_of_any_class():
    labels = boxes((0, 0, CUP, 1), (0, 1, CUP_LOW, 1), (1, 0, CUP, 1))
    predictions = boxes((0, 0, CUP_LOW, 0.9), (0, 2, CUP_WIDE, 0.1), (0, 0, GRAZING, 0.9), (1, 1, CUP, 0.9))
    errors = error_kinds(predictions, labels, match(predictions, labels), min_score=0.25)
    assert errors.best_label_row.tolist() == [1, 0, -1, 2]


@given(seed=st.integers(0, 2**32 - 1), min_score=st.sampled_from([0.0, 0.25, 0.5, 0.9]))
@settings(max_examples=40, deadline=None)
def test_every_prediction_and_every_label_is_counted_once(seed, min_score):
    rng = np.random.default_rng(seed)
    predictions, labels = random_boxes(rng, 60, images=4, classes=3), random_boxes(rng, 30, images=4, classes=3)
    errors = error_kinds(predictions, labels, match(predictions, labels), min_score=min_score)
    correct = (errors.prediction_kind == matching.CORRECT).sum()
    assert correct == errors.label_found.sum()
    assert ((errors.prediction_kind == matching.NOT_COUNTED) == (predictions.score < min_score)).all()
    assert not (errors.prediction_kind == ERROR_KINDS.index("missed")).any()
    assert set(np.unique(errors.label_kind)) <= {-1, *map(ERROR_KINDS.index, ("missed", "class", "localisation"))}
