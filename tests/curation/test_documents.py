"""Columns → documents → columns: nothing is moved, lost, or taken for something else."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.documents import Origin, Photos, photo_samples, photos_of, read_boxes, read_images
from curation.results import evaluation_updates, judge, pairs_found
from training.boxes import BoxTable, ImageTable
from training.matching import error_kinds, match

CLASSES = ("cone", "vest")
ORIGIN = Origin(ObjectId("0" * 24), Path("/workspace"), datetime(2000, 1, 1, tzinfo=UTC))


def images_of(count: int) -> ImageTable:
    ids = np.array([f"{number:024x}" for number in range(count)], "<U24")
    sizes = np.full(count, 100)
    return ImageTable(ids, np.char.add("data/", ids), sizes, sizes, np.full(count, "val"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ImageTable, BoxTable]:
    """Photos with labels anywhere, in any order of photos; some photos are empty."""
    edge = st.tuples(st.floats(0, 0.99), st.floats(1e-6, 1)).map(lambda pair: (pair[0], min(1.0, pair[0] + pair[1])))
    boxes = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), edge, edge), max_size=12))
    return images_of(4), BoxTable(
        id=np.array([f"b{number:023x}" for number in range(len(boxes))], "<U24"),
        image=np.array([box[0] for box in boxes], np.int64),
        label=np.array([box[1] for box in boxes], np.int64),
        xyxy=np.array([(x[0], y[0], x[1], y[1]) for _, _, x, y in boxes], float).reshape(-1, 4),
        score=np.ones(len(boxes)),
    )


def through_documents(images: ImageTable, labels: BoxTable, *, part: int) -> Photos:
    samples: list[dict[str, Any]] = []
    for first in range(0, len(images), part):
        rows = np.arange(first, min(first + part, len(images)))
        samples += photo_samples(images, labels, rows, CLASSES, ORIGIN)
    parts = [samples[first : first + part] for first in range(0, len(samples), part)]
    return photos_of([(read_images(some, ORIGIN.root), read_boxes(some)) for some in parts], CLASSES)


@settings(deadline=None)  # machines are busy
@given(worlds(), st.integers(1, 5))
def test_boxes_come_back_and_the_second_time_bit_by_bit(world: tuple[ImageTable, BoxTable], part: int) -> None:
    images, labels = world
    once = through_documents(images, labels, part=part)
    order = np.lexsort((labels.id, labels.image))
    assert once.skipped == ()
    assert once.labels.id.tolist() == labels.id[order].tolist()
    assert once.labels.image.tolist() == labels.image[order].tolist()
    assert once.labels.label.tolist() == labels.label[order].tolist()
    np.testing.assert_allclose(once.labels.xyxy, labels.xyxy[order], atol=1e-15)
    twice = through_documents(once.images, once.labels, part=part)
    assert twice.labels.xyxy.tobytes() == once.labels.xyxy.tobytes()
    assert twice.images.path.tolist() == images.path.tolist()


@settings(deadline=None)  # machines are busy
@given(worlds(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_every_counted_prediction_and_every_label_is_reported_once(
    world: tuple[ImageTable, BoxTable], seed: int, min_score: float
) -> None:
    images, labels = world
    rng = np.random.default_rng(seed)
    predictions = BoxTable(**{**vars(labels), "score": rng.random(len(labels)), "label": rng.permutation(labels.label)})
    matches = match(predictions, labels)
    errors = error_kinds(predictions, labels, matches, min_score=min_score)
    judged = judge(predictions, labels, matches, errors)

    pairs = pairs_found(judged, CLASSES)
    counted = predictions.id[predictions.score >= min_score].tolist()
    assert sorted(pair[5] for pair in pairs if pair[5]) == sorted(counted)
    assert sorted(pair[4] for pair in pairs if pair[4]) == sorted(labels.id.tolist())
    assert all(pair[0] == pair[1] for pair in pairs if pair[4] and pair[5]), "partners are of one class"

    rows = np.arange(len(images))
    updates = evaluation_updates("key", judged, images, rows, CLASSES)
    whole = [stages[0]["$set"] for _, stages in updates]
    assert sum(changes["key_tp"] for changes in whole) == sum(1 for pair in pairs if pair[4] and pair[5])
    assert sum(changes["key_fp"] for changes in whole) == sum(1 for pair in pairs if not pair[4])
    assert sum(changes["key_fn"] for changes in whole) == sum(1 for pair in pairs if not pair[5])
    halves = [evaluation_updates("key", judged, images, part, CLASSES) for part in (rows[:1], rows[1:])]
    assert halves[0] + halves[1] == updates, "in parts it is the same"
