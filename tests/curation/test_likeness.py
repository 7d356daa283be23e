"""Predicted objects of unlabelled photos fall into the slices that labels like them fall into."""

import numpy as np
import pytest

from curation.clusters import nearest_values
from curation.likeness import CLUSTERS, Known, expected_objects
from curation.records import Condition
from tests.curation.test_study import PHOTOS, study
from training.boxes import BoxTable, ImageTable


def pool_of(known: Known, score: float = 0.5) -> tuple[ImageTable, BoxTable]:
    """The photos of val once more, as if they were unlabelled, with val's labels as predictions."""
    first = PHOTOS // 2
    images = known.images.take(np.arange(first, PHOTOS))
    boxes = known.labels
    return images, BoxTable(boxes.id, boxes.image - first, boxes.label, boxes.xyxy, np.full(len(boxes), score))


def test_what_looks_like_a_label_of_val_gets_its_codes_in_every_column() -> None:
    made = study()
    known = Known.of(made)
    images, boxes = pool_of(known)
    crops = made.embedded.vector[made.is_val]

    coded = {column.name: column for column in known.code(images, boxes, known.looks, crops)}

    assert set(coded) == {column.name for column in made.objects.columns} == set(known.column_names())
    for column in made.objects.columns:
        if column.name != CLUSTERS:  # of most of the nearest crops, of which one is the crop itself
            assert coded[column.name].values == column.values
            assert coded[column.name].codes.tolist() == column.codes[made.is_val].tolist(), column.name


def test_a_crop_is_of_the_cluster_of_its_nearest_labelled_crops() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[5.0, 0, 0], [0, 5, 0], [0, 0, 5]], np.float32)
    member = np.arange(90) % 3
    known = (centres[member] + rng.normal(size=(90, 3))).astype(np.float32)
    asked = (centres[[2, 0, 1]] + rng.normal(size=(3, 3))).astype(np.float32)
    assert nearest_values(asked, known, member).tolist() == [2, 0, 1]
    assert nearest_values(asked, known[:0], member[:0]).tolist() == [-1, -1, -1]


def test_without_pixels_and_crops_their_columns_are_left_out() -> None:
    known = Known.of(study())
    images, boxes = pool_of(known)
    names = {column.name for column in known.code(images, boxes, None, None)}
    assert "size" in names
    assert not names & {"brightness", CLUSTERS}


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], 0.0), ([0.5], 0.5), ([0.5, 0.5], 1.0), ([1.0, 0.2], 1.2)],
    ids=["no box", "one", "two together", "a sure one"],
)
def test_a_photo_matches_by_how_many_objects_of_the_slice_are_expected(scores: list[float], expected: float) -> None:
    known = Known.of(study())
    images, boxes = pool_of(known)
    rows = np.flatnonzero((boxes.image == 1) & (boxes.label == boxes.label[boxes.image == 1][0]))[: len(scores)]
    some = boxes.take(rows)
    some = BoxTable(some.id, some.image, some.label, some.xyxy, np.array(scores))
    target = [Condition(column="class", value=known.classes[int(boxes.label[boxes.image == 1][0])])]
    columns = known.code(images, some, None, None)
    strengths = expected_objects([target], columns, some, image_count=len(images))
    assert strengths[1, 0] == pytest.approx(expected, abs=1e-6)
    assert not strengths[np.arange(len(images)) != 1].any()


@pytest.mark.parametrize("column", ["camera", "tag night", "worn"], ids=["a field", "a tag", "an attribute"])
def test_what_unlabelled_photos_do_not_have_matches_nothing(column: str) -> None:
    known = Known.of(study())
    images, boxes = pool_of(known)
    columns = known.code(images, boxes, known.looks, None)
    assert not expected_objects(
        [[Condition(column=column, value="yes")]], columns, boxes, image_count=len(images)
    ).any()
    assert column not in known.column_names()


def test_all_conditions_of_a_slice_must_hold_for_one_object() -> None:
    known = Known.of(study())
    images, boxes = pool_of(known)
    columns = known.code(images, boxes, known.looks, None)
    by_name = {column.name: column for column in columns}
    of_class, bright = by_name["class"], by_name["brightness"]
    target = [
        Condition(column="class", value=of_class.values[0]),
        Condition(column="brightness", value=bright.values[0]),
    ]
    both = (of_class.codes == 0) & (bright.codes == 0)
    held = np.bincount(boxes.image[both], minlength=len(images)) > 0
    strengths = expected_objects([target], columns, boxes, image_count=len(images))[:, 0]
    assert 0 < held.sum() < len(images)
    assert ((strengths > 0) == held).all()


def test_no_box_at_all_is_no_match() -> None:
    known = Known.of(study())
    images, _ = pool_of(known)
    nothing = BoxTable.empty()
    columns = known.code(images, nothing, None, None)
    target = [Condition(column="size", value="small")]
    assert expected_objects([target], columns, nothing, image_count=len(images)).tolist() == [[0.0]] * (PHOTOS // 2)
