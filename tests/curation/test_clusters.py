"""Clusters find the groups that were planted and not the classes; neighbours of other photos vote."""

from dataclasses import replace

import numpy as np
import pytest

from curation import clusters, slices
from curation.clusters import cluster_column, crops_to_embed, neighbour_labels
from curation.diagnose import Column, ErrorTable
from curation.records import Condition
from curation.shortage import find_shortages
from tests.curation.simulated import CLASSES, table


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


CROPS = {
    # name: errors and others of val, objects of train, most crops; of the sample, of which val; are all errors embedded
    "a sample and all errors": (10, 90, 300, 50, 40, 20, True),
    "everything": (10, 20, 20, 50, 50, 30, True),
    "more errors than places beside the sample": (80, 20, 100, 50, 25, 12, False),
    "val has less than half a sample": (4, 4, 100, 50, 46, 8, True),
    "train has less than half a sample": (4, 200, 10, 50, 46, 36, True),
    "no errors": (0, 20, 60, 50, 50, 20, True),
    "nothing": (0, 0, 0, 50, 0, 0, True),
}


@pytest.mark.parametrize("name", CROPS)
def test_a_sample_is_embedded_and_the_errors_beside_it(name: str) -> None:
    errors, others, of_train, limit, size, size_val, whole = CROPS[name]
    is_error = np.repeat([True, False], [errors, others + of_train])
    is_val = np.arange(len(is_error)) < errors + others
    mixed = generator().permutation(len(is_error))
    is_error, is_val = is_error[mixed], is_val[mixed]
    rows, sampled = crops_to_embed(is_error, is_val, rng=generator(), max_count=limit)
    assert (np.diff(rows) > 0).all()
    assert len(rows) <= limit
    assert (sampled.sum(), is_val[rows[sampled]].sum()) == (size, min(size_val, is_val.sum()))
    assert is_error[rows[~sampled]].all()
    assert (is_error[rows].sum() == errors) == whole
    again, _ = crops_to_embed(is_error, is_val, rng=generator(), max_count=limit)
    assert rows.tolist() == again.tolist()


def test_the_sample_is_drawn_without_a_look_at_which_objects_are_errors() -> None:
    is_val = np.arange(900) % 3 > 0
    drawn = []
    for seed in range(3):
        is_error = generator(seed).permutation(np.repeat([True, False], [200, 700])) & is_val
        is_error[np.flatnonzero(is_val & ~is_error)[: 120 - is_error.sum()]] = True  # as many errors every time
        rows, sampled = crops_to_embed(is_error, is_val, rng=generator(), max_count=300)
        drawn.append(rows[sampled].tolist())
    assert drawn[0] == drawn[1] == drawn[2]


WORLDS = {
    # name: objects of val and train, share that is of the second group, recall of both groups, most crops
    "errors fill all places": (3000, 3000, 0.3, (0.75, 0.45), 600),
    "half of the crops are errors": (3000, 3000, 0.3, (0.9, 0.7), 600),
    "a rare group of which all is missed": (3000, 3000, 0.05, (0.98, 0.02), 600),
    "two groups that are alike": (3000, 3000, 0.3, (0.85, 0.85), 600),
}


def embedded_world(name: str, *, seed: int) -> tuple[ErrorTable, ErrorTable]:
    """Draw val and train with two groups that look different, and embed no more than fits; give both as tables."""
    val, train, share, recall, limit = WORLDS[name]
    rng = generator(seed)
    group = (rng.random(val + train) < share).astype(int)
    vectors = (rng.normal(0, 3, (2, 24))[group] + rng.normal(0, 0.5, (val + train, 24))).astype(np.float32)
    is_val = np.arange(val + train) < val
    found = ~is_val | (rng.random(val + train) < np.array(recall)[group])
    rows, sampled = crops_to_embed(~found, is_val, rng=rng, max_count=limit)
    label = np.zeros(val + train, int)
    look = cluster_column(vectors[rows], rows, label[rows], sampled=sampled, count=val + train, rng=rng)
    assert look is not None
    assert look.values == ("cluster 1", "cluster 2"), "the groups are told apart, and the larger comes first"
    objects = table(np.arange(val + train) // 3, label, label, found, look=(look.codes, "cluster"), group=group)
    columns = tuple(replace(each, values=look.values) if each.name == "look" else each for each in objects.columns)
    objects = replace(objects, columns=columns)
    return objects.take(is_val), objects.take(~is_val)


@pytest.mark.parametrize("name", WORLDS)
def test_recall_of_a_cluster_is_that_of_all_its_objects_though_errors_are_embedded_first(name: str) -> None:
    """Of the intervals, which are of 95 %, so many hold the truth; with all errors counted none would."""
    (first, second), held = WORLDS[name][3], 0
    for seed in range(6):
        val, _ = embedded_world(name, seed=seed)
        effect = slices.test(val, slices.slice_of(val, [Condition(column="look", value="cluster 2")]))
        held += effect.low <= first - second <= effect.high
        assert abs(effect.recall - second) < 0.2
        assert abs(effect.recall_rest - first) < 0.1
    assert held >= 4


def test_train_does_not_lack_a_cluster_because_the_errors_of_val_are_embedded_first() -> None:
    for seed in range(5):
        val, train = embedded_world("a rare group of which all is missed", seed=seed)
        known = np.count_nonzero(val.column("look").codes >= 0)
        assert (val.column("look").codes == 1).sum() < 0.1 * known
        found = find_shortages(
            train, val, classes=CLASSES, train_area=np.ones(len(train)), val_area=np.ones(len(val)),
            gain=lambda missed: float(missed.mean()), expected={}, max_q=0.05, view_prefix="",
        )  # fmt: skip
        assert [each.words for each in found] == []


def planted(groups: int, *, count: int = 400, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors whose class shifts them far, and whose group shifts them less, with groups of unequal size."""
    rng = generator(1)
    group = rng.choice(groups, count, p=np.arange(groups, 0, -1) / np.arange(groups, 0, -1).sum())
    label = rng.integers(0, classes, count)
    centres, shifts = rng.normal(0, 3, (groups, 24)), rng.normal(0, 30, (classes, 24))
    return (centres[group] + shifts[label] + rng.normal(0, 0.5, (count, 24))).astype(np.float32), label, group


def clusters_of(vectors: np.ndarray) -> Column | None:
    """Cluster objects of one class, all of them embedded."""
    count = len(vectors)
    every = np.ones(count, bool)
    return cluster_column(vectors, np.arange(count), np.zeros(count, int), sampled=every, count=count, rng=generator())


@pytest.mark.parametrize("groups", [2, 3, 4, 6])
def test_clusters_are_the_groups_within_classes_and_not_the_classes(groups: int) -> None:
    vectors, label, group = planted(groups)
    rows = np.sort(generator(2).choice(1000, 400, replace=False))
    column = cluster_column(vectors, rows, label, sampled=np.ones(400, bool), count=1000, rng=generator())
    assert column is not None
    assert column.values == tuple(f"cluster {number + 1}" for number in range(groups))
    found = column.codes[rows]
    assert len(set(zip(found.tolist(), group.tolist(), strict=True))) == groups, "each group is one cluster"
    assert (np.diff(np.bincount(found)) <= 0).all(), "the largest comes first"
    assert (np.delete(column.codes, rows) == -1).all()


def test_the_same_seed_gives_the_same_clusters() -> None:
    vectors, label, _ = planted(5)
    every, rows = np.ones(400, bool), np.arange(400)
    one, two = (cluster_column(vectors, rows, label, sampled=every, count=400, rng=generator(3)) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.codes.tolist() == two.codes.tolist()


def test_two_different_crops_are_two_clusters_at_most() -> None:
    vectors = np.tile(np.array([[1.0], [2.0]], np.float32), (40, 1))
    column = clusters_of(vectors)
    assert column is not None
    assert column.values == ("cluster 1", "cluster 2")
    assert column.codes.tolist() in ([0, 1] * 40, [1, 0] * 40)


def test_crops_that_are_all_one_have_no_clusters() -> None:
    same = np.ones((80, 8), np.float32)
    assert clusters_of(same) is None


def test_few_crops_have_no_clusters() -> None:
    vectors, _, _ = planted(2, count=59)
    assert clusters_of(vectors) is None
    assert clusters_of(np.zeros((0, 0), np.float32)) is None


def test_neighbours_name_the_class_that_a_wrong_label_should_have(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, label, _ = planted(1, count=300, classes=3)
    given = label.copy()
    given[:6] = (given[:6] + 1) % 3
    for rows_at_once in (7, 512):
        monkeypatch.setattr(clusters, "ROWS_AT_ONCE", rows_at_once)
        found, share = neighbour_labels(vectors, given, np.arange(300), k=10)
        assert found.tolist() == label.tolist()
        assert share.min() >= 0.7


def test_crops_of_the_same_photo_do_not_vote() -> None:
    vectors = np.array([[10, 0], [10, 0.1], [10, 0.2], [10, 1], [10, 1.1], [-10, -10]], np.float32)
    label, photo = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 2, 3])
    found, share = neighbour_labels(vectors, label, photo, k=1)
    assert found[:3].tolist() == [1, 1, 1], "their like are in their own photo"
    assert found[3:5].tolist() == [1, 1]
    assert share.tolist() == [1] * 6


def test_alone_in_the_world_a_crop_has_no_neighbours() -> None:
    vectors = generator().normal(size=(4, 3)).astype(np.float32)
    found, share = neighbour_labels(vectors, np.zeros(4, np.int64), np.zeros(4, np.int64), k=10)
    assert found.tolist() == [-1] * 4
    assert share.tolist() == [0] * 4
    few, of_ten = neighbour_labels(vectors, np.array([1, 1, 0, 0]), np.array([0, 1, 1, 1]), k=10)
    assert few.tolist() == [0, 1, 1, 1]
    assert of_ten == pytest.approx([0.2, 0.1, 0.1, 0.1])
    none, _ = neighbour_labels(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert none.tolist() == []
