"""Which labelled objects two models see differently, and in which order people are shown them."""

import numpy as np

from curation.changes import changed
from training.boxes import BoxTable


def labels(classes: list[int], sides: list[float]) -> BoxTable:
    corner = np.full((len(classes), 2), 0.1)
    return BoxTable(
        id=np.array([f"{row}" for row in range(len(classes))]), image=np.zeros(len(classes), np.int64),
        label=np.array(classes), xyxy=np.hstack([corner, corner + np.array(sides)[:, None]]),
        score=np.ones(len(classes)),
    )  # fmt: skip


def test_what_one_model_alone_finds_is_gained_or_lost() -> None:
    table = labels([0, 0, 0, 0], [0.1] * 4)
    found = changed(table, before=np.array([1, 1, 0, 0], bool), after=np.array([1, 0, 1, 0], bool))
    assert found.gained.tolist() == [2]
    assert found.lost.tolist() == [1]


def test_classes_take_turns_rare_ones_first_and_large_objects_come_before_small_ones() -> None:
    table = labels([0, 0, 0, 0, 1, 1], [0.1, 0.4, 0.2, 0.3, 0.1, 0.2])
    nothing, all_but_one = np.zeros(6, bool), np.array([1, 1, 1, 0, 1, 1], bool)
    found = changed(table, before=nothing, after=all_but_one)
    assert found.gained.tolist() == [5, 1, 4, 2, 0]
    assert found.lost.tolist() == []
