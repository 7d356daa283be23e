"""Suspected label errors: named worlds for each kind, what is left out of what, and the twins of real blood cells."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from training.boxes import BoxTable, iou
from training.dataset import read_source
from training.matching import NOT_COUNTED, Errors, error_kinds, match
from training.records import ERROR_KINDS
from training.suspects import (
    SUSPECT_KINDS,
    Neighbours,
    SuspectTable,
    confident_scores,
    find_suspects,
    labels_to_test,
    set_aside,
)
from training.tables import load_table, save_table

DATA = os.environ.get("CURATE_DATA", "")
Box = tuple[float, float, float, float]
HERE, BESIDE, NEAR = (0.1, 0.1, 0.3, 0.3), (0.6, 0.6, 0.8, 0.8), (0.25, 0.1, 0.45, 0.3)  # NEAR: IoU 0.14 with HERE
TWIN = (0.1, 0.1, 0.3, 0.305)  # IoU 0.98 with HERE
SMALL = (0.1, 0.1, 0.13, 0.13)


@dataclass
class World:
    """Photos with one label or prediction after the other: (photo, class, box, score)."""

    predictions: list[tuple[int, int, Box, float]] = field(default_factory=list)
    labels: list[tuple[int, int, Box, float]] = field(default_factory=list)

    def found(
        self, count: int, *, label: int = 0, scores: tuple[float, float] = (0.3, 0.9), box: Box = HERE
    ) -> "World":
        """Add photos with an object of the class that is found, with evenly spread scores."""
        for score in np.linspace(*scores, count):
            photo = self.next_photo
            self.labels.append((photo, label, box, 1.0))
            self.predictions.append((photo, label, box, float(score)))
        return self

    @property
    def next_photo(self) -> int:
        return max([row[0] for row in self.labels + self.predictions], default=-1) + 1

    def tables(self) -> tuple[BoxTable, BoxTable, Errors]:
        predictions, labels = (table(rows, name) for rows, name in ((self.predictions, "p"), (self.labels, "l")))
        return predictions, labels, error_kinds(predictions, labels, match(predictions, labels), min_score=0.25)

    def suspects(self, neighbours: Neighbours | None = None) -> SuspectTable:
        predictions, labels, errors = self.tables()
        return find_suspects(predictions, labels, errors, class_count=3, neighbours=neighbours)


def table(rows: list, name: str) -> BoxTable:
    return BoxTable(
        id=np.array([f"{name}{row}" for row in range(len(rows))], "<U24"),
        image=np.array([row[0] for row in rows], np.int64),
        label=np.array([row[1] for row in rows], np.int64),
        xyxy=np.array([row[2] for row in rows], float).reshape(-1, 4),
        score=np.array([row[3] for row in rows], float),
    )


def named(suspects: SuspectTable) -> list[tuple[str, str]]:
    return [(SUSPECT_KINDS[kind], str(name)) for kind, name in zip(suspects.kind, suspects.id, strict=True)]


UNLABELLED = {
    # name: correct predictions, their scores, the score of a prediction where nothing is labelled, suspected
    "as confident as the better half": (21, (0.3, 0.9), 0.61, True),
    "less confident than the better half": (21, (0.3, 0.9), 0.59, False),
    "too few to know what is confident": (19, (0.3, 0.9), 0.99, False),
    "of a detector that is sure of nothing": (40, (0.26, 0.45), 0.49, False),
    "at the least score that counts as sure": (40, (0.26, 0.45), 0.5, True),
}


@pytest.mark.parametrize("case", UNLABELLED)
def test_a_confident_prediction_on_nothing_is_an_unlabelled_object(case):
    correct, scores, score, suspected = UNLABELLED[case]
    world = World().found(correct, scores=scores)
    world.predictions.append((0, 0, BESIDE, score))
    suspects = world.suspects()
    assert named(suspects) == ([("unlabelled", f"p{correct}")] if suspected else [])
    if suspected:
        assert (suspects.suggested[0], suspects.score[0], suspects.row[0]) == (0, score, correct)
        assert suspects.xyxy[0] == pytest.approx(BESIDE)


def test_each_class_has_a_bound_of_its_own():
    world = World().found(21, scores=(0.5, 0.9)).found(30, label=1, scores=(0.8, 1.0)).found(5, label=2)
    predictions, _, errors = world.tables()
    bound = confident_scores(predictions, errors, class_count=4)
    assert bound == pytest.approx([0.7, 0.8 + 15 * 0.2 / 29, np.inf, np.inf])


def test_a_poor_box_on_a_label_is_no_unlabelled_object():
    world = World().found(30)
    world.predictions.append((0, 0, NEAR, 0.99))
    assert world.suspects().counts()["unlabelled"] == 0


TWINS = {
    # name: labels of one photo (class, box), scores of predictions on them (None: not found), suspected rows
    "found neither": ([(0, HERE), (0, TWIN)], [None, None], [1]),
    "found the earlier": ([(0, HERE), (0, TWIN)], [0.9, None], [1]),
    "found the later": ([(0, HERE), (0, TWIN)], [None, 0.9], [0]),
    "found both": ([(0, HERE), (0, TWIN)], [0.9, 0.8], [1]),
    "of another class": ([(0, HERE), (1, TWIN)], [None, None], []),
    "only close": ([(0, HERE), (0, (0.1, 0.1, 0.3, 0.325))], [None, None], []),
    "three": ([(0, HERE), (0, TWIN), (0, HERE)], [None, 0.9, None], [0, 2]),
}


@pytest.mark.parametrize("case", TWINS)
def test_of_two_labels_on_one_object_one_is_suspected(case):
    labels, scores, expected = TWINS[case]
    world = World(labels=[(0, label, box, 1.0) for label, box in labels])
    world.predictions = [
        (0, label, box, score) for (label, box), score in zip(labels, scores, strict=True) if score is not None
    ]
    suspects = world.suspects()
    assert sorted(suspects.rows_of("duplicate label").tolist()) == expected
    assert (suspects.score > 0.9).all()
    assert (suspects.suggested == -1).all()


def test_equal_boxes_in_two_photos_are_no_duplicates():
    assert World(labels=[(0, 0, HERE, 1.0), (1, 0, HERE, 1.0)]).suspects().counts()["duplicate label"] == 0


CONTRADICTED = {
    # name: score of class 1 there, score of the own class there, neighbours say, share of them, suspected
    "both say so": (0.9, None, 1, 0.9, True),
    "the neighbours agree with the label": (0.9, None, 0, 0.9, False),
    "the neighbours are not known": (0.9, None, -1, 0.0, False),
    "the neighbours are not of one mind": (0.9, None, 1, 0.7, False),
    "the neighbours say a third class": (0.9, None, 2, 0.9, False),
    "the detector is not sure": (0.3, None, 1, 0.9, False),
    "the detector sees the label, too": (0.9, 0.8, 1, 0.9, False),
    "the detector says nothing": (None, None, 1, 0.9, False),
}


@pytest.mark.parametrize("case", CONTRADICTED)
def test_a_class_is_contradicted_by_neighbours_and_detector_together(case):
    other, own, label, share, suspected = CONTRADICTED[case]
    world = World().found(30, label=1)
    world.labels.append((90, 0, BESIDE, 1.0))
    world.predictions += [(90, number, BESIDE, score) for number, score in ((1, other), (0, own)) if score is not None]
    neighbours = Neighbours(label=np.array([1] * 30 + [label]), share=np.array([1.0] * 30 + [share]))
    suspects = world.suspects(neighbours)
    assert named(suspects) == ([("other class", "l30")] if suspected else [])
    assert named(world.suspects()) == []
    if suspected:
        assert (suspects.label[0], suspects.suggested[0], suspects.score[0]) == (0, 1, 0.9)


UNSUPPORTED = {
    # name: found alike, missed alike, box of the label that nothing touches, a prediction beside it, suspected
    "all like it are found": (30, 0, BESIDE, None, True),
    "too few like it": (19, 0, BESIDE, None, False),
    "its class is often missed": (30, 4, BESIDE, None, False),
    "no others of its size": (30, 0, SMALL, None, False),
    "an unsure prediction touches it": (30, 0, BESIDE, (0, BESIDE, 0.001), False),
    "a prediction of another class touches it": (30, 0, HERE, (2, NEAR, 0.3), False),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_a_label_that_nothing_supports_is_suspected_where_all_like_it_are_found(case):
    found, missed, box, beside, suspected = UNSUPPORTED[case]
    world = World().found(found)
    world.labels += [(100 + number, 0, HERE, 1.0) for number in range(missed)] + [(90, 0, box, 1.0)]
    if beside is not None:
        world.predictions.append((90, *beside))
    assert named(world.suspects()) == ([("unsupported", f"l{found + missed}")] if suspected else [])


def test_objects_of_another_size_do_not_speak_for_a_label():
    world = World().found(60).found(15, box=SMALL)
    world.labels += [(200, 0, SMALL, 1.0)]
    assert world.suspects().counts()["unsupported"] == 0
    world.found(10, box=SMALL)
    suspects = world.suspects()
    assert suspects.counts()["unsupported"] == 1
    assert suspects.score[0] == 1


def test_a_class_that_is_often_missed_excuses_a_label_though_its_size_is_found():
    world = World().found(30)
    world.labels += [(100 + number, 0, SMALL, 1.0) for number in range(8)] + [(90, 0, BESIDE, 1.0)]
    assert world.suspects().counts()["unsupported"] == 0


def test_a_size_that_is_often_missed_excuses_a_label_though_its_class_is_found():
    world = World().found(100).found(20, box=SMALL)
    world.labels += [(200 + number, 0, SMALL, 1.0) for number in range(4)]
    assert world.suspects().counts()["unsupported"] == 0


def every_kind() -> tuple[World, Neighbours]:
    world = World().found(40).found(30, label=1)
    world.predictions += [(0, 0, BESIDE, 0.95), (1, 0, BESIDE, 0.3), (90, 1, BESIDE, 0.95)]
    world.labels += [(90, 0, BESIDE, 1.0), (0, 0, TWIN, 1.0), (91, 0, HERE, 1.0)]
    return world, Neighbours(label=np.array([0] * 40 + [1] * 31 + [0, 0]), share=np.ones(73))


def test_tests_leave_out_duplicates_and_contradicted_classes_and_keep_what_may_be_hard_to_see():
    world, neighbours = every_kind()
    suspects = world.suspects(neighbours)
    assert suspects.counts() == dict.fromkeys(SUSPECT_KINDS, 1)
    keep = labels_to_test(suspects, len(world.labels))
    assert np.flatnonzero(~keep).tolist() == [70, 71]
    assert suspects.rows_of("unsupported").tolist() == [72]


def test_what_is_set_aside_is_no_error_any_more_and_the_rest_is_as_it_was():
    world, neighbours = every_kind()
    _, _, errors = world.tables()
    left = set_aside(errors, world.suspects(neighbours))
    assert np.flatnonzero(left.prediction_kind != errors.prediction_kind).tolist() == [70, 72]
    assert (left.prediction_kind[[70, 72]] == NOT_COUNTED).all()
    assert left.prediction_kind[71] == ERROR_KINDS.index("background")
    assert np.flatnonzero(left.label_kind != errors.label_kind).tolist() == [70, 71]
    assert np.flatnonzero(left.label_missed).tolist() == [72]


def test_without_predictions_only_duplicates_are_found():
    world, neighbours = every_kind()
    world.predictions = []
    assert named(world.suspects(neighbours)) == [("duplicate label", "l71")]


def test_nothing_is_suspected_of_nothing():
    assert len(World().suspects()) == 0


def test_suspects_survive_the_disk(tmp_path):
    world, neighbours = every_kind()
    suspects = world.suspects(neighbours)
    ref = save_table(tmp_path / "suspects.npz", suspects)
    assert load_table(tmp_path / "suspects.npz", SuspectTable, ref).counts() == suspects.counts()


@pytest.mark.skipif(not DATA, reason="CURATE_DATA names no folder with data/bccd")
def test_the_seven_twins_among_real_blood_cells_and_cells_whose_label_was_lost_are_found():
    source = read_source(Path(DATA) / "data/bccd")
    rows = [
        (number, source.classes.index(box.label), box.xyxy, 1.0)
        for number, photo in enumerate(source.photos)
        for box in photo.boxes
    ]
    labels = table(rows, "l")
    rng = np.random.default_rng(0)
    lost = rng.permutation(len(labels))[:100]
    detector = BoxTable(**{**vars(labels), "score": 0.5 + rng.random(len(labels)) / 2})  # finds all that is there
    kept = labels.take(np.setdiff1d(np.arange(len(labels)), lost))
    errors = error_kinds(detector, kept, match(detector, kept), min_score=0.25)
    suspects = find_suspects(detector, kept, errors, class_count=3)
    unlabelled = suspects.rows_of("unlabelled")
    assert np.isin(unlabelled, lost).all()
    assert len(unlabelled) > 25
    nothing = BoxTable.empty()
    alone = find_suspects(
        nothing, labels, error_kinds(nothing, labels, match(nothing, labels), min_score=0.25), class_count=3
    )
    twins = alone.rows_of("duplicate label")
    assert alone.counts() == {"unlabelled": 0, "other class": 0, "duplicate label": 7, "unsupported": 0}
    for row in twins:
        before = np.flatnonzero((labels.image == labels.image[row]) & (np.arange(len(labels)) < row))
        assert iou(labels.xyxy[before], labels.xyxy[[row]].repeat(len(before), 0)).max() > 0.9
