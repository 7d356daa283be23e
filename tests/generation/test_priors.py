from dataclasses import replace

import numpy as np
import pytest

from generation.layout import plan
from generation.priors import Priors, pixel_boxes, refuse_unless_train, usable
from training.boxes import BoxTable, ImageTable
from training.errors import DataError


def one_photo(*boxes_px, width=200, height=100):
    count = len(boxes_px)
    images = ImageTable(
        id=np.array(["p"]),
        path=np.array(["p.jpg"]),
        width_px=np.array([width]),
        height_px=np.array([height]),
        split=np.array(["train"]),
    )
    labels = BoxTable(
        id=np.array([f"l{turn}" for turn in range(count)]),
        image=np.zeros(count, int),
        label=np.zeros(count, int),
        xyxy=np.array(boxes_px).reshape(-1, 4) / [width, height, width, height],
        score=np.ones(count),
    )
    return labels, images


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([(20, 20, 60, 60)], [True], id="an object by itself"),
        pytest.param([(0, 20, 40, 60)], [False], id="cut off on the left"),
        pytest.param([(160, 20, 200, 60)], [False], id="cut off on the right"),
        pytest.param([(20, 60, 60, 99)], [False], id="a pixel from the lower border"),
        pytest.param([(20, 20, 27, 60)], [False], id="seven pixels wide"),
        pytest.param([(20, 20, 60, 60), (56, 20, 96, 60)], [True, True], id="a tenth in common"),
        pytest.param([(20, 20, 60, 60), (50, 20, 90, 60)], [False, False], id="a quarter in common"),
        pytest.param([(20, 10, 80, 90), (40, 12, 60, 30)], [False, False], id="a hat on a person"),
        pytest.param([(20, 20, 60, 60), (44, 5, 190, 95)], [True, False], id="a larger one over two fifths of it"),
        pytest.param([(20, 20, 60, 60), (36, 5, 190, 95)], [False, False], id="a larger one over three fifths of it"),
        pytest.param([], [], id="no object"),
    ],
)
def test_an_object_is_cut_out_only_whole_and_apart_from_others(boxes, expected):
    labels, images = one_photo(*boxes)
    assert usable(labels, images).tolist() == expected


@pytest.mark.parametrize(("others", "expected"), [(8, True), (11, False)])
def test_of_a_class_with_enough_to_choose_from_none_is_taken_that_a_neighbour_reaches_over(others, expected):
    apart = [(2 + 12 * turn, 2, 10 + 12 * turn, 10) for turn in range(others)]
    labels, images = one_photo((20, 40, 60, 80), (44, 25, 190, 95), *apart)
    assert usable(labels, images)[0] == expected


def test_objects_of_different_photos_do_not_overlap():
    labels, images = one_photo((20, 20, 60, 60), (20, 20, 60, 60))
    two = ImageTable(**{name: np.repeat(column, 2) for name, column in vars(images).items()})
    assert usable(replace(labels, image=np.array([1, 0])), two).all()


def test_priors_hold_nothing_of_val_and_test(drawn):
    priors = drawn.priors
    assert len(priors.images) == 10
    kept = drawn.labels.of_images(drawn.images.rows_of("train"))
    assert priors.labels.id.tolist() == kept.id.tolist()
    assert priors.images.id[priors.labels.image].tolist() == drawn.images.id[kept.image].tolist()


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_photo_of_val_or_test_is_refused(drawn, split):
    images = replace(drawn.images, split=np.where(drawn.images.split == "train", "train", split))
    with pytest.raises(DataError, match="train photos only"):
        Priors(images=images, labels=drawn.labels, classes=drawn.classes, usable=np.ones(len(drawn.labels), bool))


@pytest.mark.parametrize("what", ["background", "object"])
def test_a_request_for_anything_outside_train_is_refused(drawn, wish, what):
    priors = drawn.priors
    request = plan(wish(), priors, count=1, seed=0)[0]
    refuse_unless_train(request, priors)
    val = drawn.images.rows_of("val")
    if what == "background":
        forged = request.model_copy(update={"background_id": str(drawn.images.id[val[0]])})
    else:
        source_id = str(drawn.labels.of_images(val).id[0])
        forged = request.model_copy(
            update={"objects": (request.objects[0].model_copy(update={"source_id": source_id}),)}
        )
    with pytest.raises(DataError, match="not in train"):
        refuse_unless_train(forged, priors)


def test_corners_become_whole_pixels_of_their_own_photo():
    boxes = pixel_boxes(np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5]]), np.array([100, 33]), np.array([50, 20]))
    assert boxes.tolist() == [[10, 5, 50, 25], [3, 2, 16, 10]]
