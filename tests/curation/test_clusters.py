"""Clusters find the groups that were planted and not the classes; neighbours of other photos vote."""

import numpy as np
import pytest

from curation import clusters
from curation.clusters import cluster_column, crops_to_embed, neighbour_labels


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("errors", "others", "limit", "picked", "picked_errors"),
    [
        pytest.param(10, 90, 50, 50, 10, id="all errors and a sample"),
        pytest.param(10, 20, 50, 30, 10, id="everything"),
        pytest.param(80, 20, 50, 50, 50, id="a sample of the errors"),
        pytest.param(0, 20, 50, 20, 0, id="no errors"),
        pytest.param(0, 0, 50, 0, 0, id="nothing"),
    ],
)
def test_errors_are_embedded_first(errors: int, others: int, limit: int, picked: int, picked_errors: int) -> None:
    is_error = generator().permutation(np.repeat([True, False], [errors, others]))
    rows = crops_to_embed(is_error, rng=generator(), max_count=limit)
    assert len(set(rows.tolist())) == len(rows) == picked
    assert (np.diff(rows) > 0).all()
    assert is_error[rows].sum() == picked_errors
    again = crops_to_embed(is_error, rng=generator(), max_count=limit)
    assert rows.tolist() == again.tolist()


def planted(groups: int, *, count: int = 400, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors whose class shifts them far, and whose group shifts them less, with groups of unequal size."""
    rng = generator(1)
    group = rng.choice(groups, count, p=np.arange(groups, 0, -1) / np.arange(groups, 0, -1).sum())
    label = rng.integers(0, classes, count)
    centres, shifts = rng.normal(0, 3, (groups, 24)), rng.normal(0, 30, (classes, 24))
    return (centres[group] + shifts[label] + rng.normal(0, 0.5, (count, 24))).astype(np.float32), label, group


@pytest.mark.parametrize("groups", [2, 3, 4, 6])
def test_clusters_are_the_groups_within_classes_and_not_the_classes(groups: int) -> None:
    vectors, label, group = planted(groups)
    rows = np.sort(generator(2).choice(1000, 400, replace=False))
    column = cluster_column(vectors, rows, label, count=1000, rng=generator())
    assert column is not None
    assert column.values == tuple(f"cluster {number + 1}" for number in range(groups))
    found = column.codes[rows]
    assert len(set(zip(found.tolist(), group.tolist(), strict=True))) == groups, "each group is one cluster"
    assert (np.diff(np.bincount(found)) <= 0).all(), "the largest comes first"
    assert (np.delete(column.codes, rows) == -1).all()


def test_the_same_seed_gives_the_same_clusters() -> None:
    vectors, label, _ = planted(5)
    one, two = (cluster_column(vectors, np.arange(400), label, count=400, rng=generator(3)) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.codes.tolist() == two.codes.tolist()


def test_two_different_crops_are_two_clusters_at_most() -> None:
    vectors = np.tile(np.array([[1.0], [2.0]], np.float32), (40, 1))
    column = cluster_column(vectors, np.arange(80), np.zeros(80, np.int64), count=80, rng=generator())
    assert column is not None
    assert column.values == ("cluster 1", "cluster 2")
    assert column.codes.tolist() in ([0, 1] * 40, [1, 0] * 40)


def test_crops_that_are_all_one_have_no_clusters() -> None:
    same = np.ones((80, 8), np.float32)
    assert cluster_column(same, np.arange(80), np.zeros(80, np.int64), count=80, rng=generator()) is None


def test_few_crops_have_no_clusters() -> None:
    vectors, label, _ = planted(2, count=59)
    assert cluster_column(vectors, np.arange(59), label, count=59, rng=generator()) is None
    none = np.zeros(0, np.int64)
    assert cluster_column(np.zeros((0, 0), np.float32), none, none, count=9, rng=generator()) is None


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
