import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.calibration import MIN_OBJECTS, Calibration, ClassSight, calibrate, distinct, table_of
from generation.sighting import Sighting
from training.boxes import BoxTable

CLASSES = ("ball", "crate")
PHOTOS = 10


def sighting(rows):
    """Give a sighting of rows (class, corners, score), sorted as a judge gives them."""
    rows = sorted(rows, key=lambda row: -row[2])
    return Sighting(
        label=np.array([row[0] for row in rows], np.int64),
        xyxy=np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
        score=np.array([row[2] for row in rows], np.float64),
    )


def labels(rows):
    """Give a table of rows (photo, class, corners)."""
    return BoxTable(
        id=np.arange(len(rows)).astype("<U24"),
        image=np.array([row[0] for row in rows], np.int64),
        label=np.array([row[1] for row in rows], np.int64),
        xyxy=np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        score=np.ones(len(rows)),
    )


def place(number):
    return (0.1 * number, 0.1, 0.1 * number + 0.08, 0.3)


def measured(objects, found, wrong):
    """Calibrate on balls, four a photo, with scores of those that are found and of sightings where nothing is."""
    truth = [(number // 4, 0, place(number % 4)) for number in range(objects)]
    photos = [[] for _ in range(max(PHOTOS, -(-objects // 4)))]
    for number, score in enumerate(found):
        photos[number // 4].append((0, place(number % 4), score))
    for number, score in enumerate(wrong):
        x1, _, x2, _ = place(number // PHOTOS)
        photos[number % PHOTOS].append((0, (x1, 0.6, x2, 0.8), score))
    made = calibrate([sighting(rows) for rows in photos], labels(truth), classes=CLASSES, judge="a judge")
    return made.classes[0]


@pytest.mark.parametrize(
    ("found", "wrong", "min_score", "recall", "precision"),
    [
        pytest.param([0.5] * 40, [], 0.5, 1, 1, id="all right"),
        pytest.param([0.5] * 40, [0.4] * 20, 0.5, 1, 1, id="above what is wrong"),
        pytest.param([0.9] * 30 + [0.3] * 10, [0.6] * 5, 0.3, 1, 40 / 45, id="some wrong ones for ten more objects"),
        pytest.param([0.9] * 30 + [0.3] * 2, [0.6] * 20, 0.9, 0.75, 1, id="not for two more"),
        pytest.param([0.5] * 40, [0.5] * 10, 0.5, 1, 0.8, id="equal scores fall on one side"),
        pytest.param([0.2] * 20, [0.9] * 20, 0.2, 0.5, 0.5, id="surer of what is wrong"),
        pytest.param([], [0.5] * 20, 1, 0, 0, id="nothing right"),
        pytest.param([], [], 1, 0, 0, id="nothing seen"),
    ],
)
def test_the_bound_is_that_of_the_best_f1(found, wrong, min_score, recall, precision):
    sight = measured(40, found, wrong)
    assert (sight.min_score, sight.recall, sight.precision) == (min_score, recall, pytest.approx(precision))
    assert sight.objects == 40
    assert sight.sightings == sum(score >= min_score for score in [*found, *wrong])


scores = st.lists(st.integers(1, 99).map(lambda number: number / 100), max_size=40)


@given(found=scores, wrong=scores)
def test_no_other_bound_has_a_better_f1(found, wrong):
    def f1(bound):
        right = sum(score >= bound for score in found)
        return 2 * right / (right + sum(score >= bound for score in wrong) + 40)

    sight = measured(40, found, wrong)
    assert f1(sight.min_score) == pytest.approx(max(f1(bound) for bound in [*found, *wrong, 1]))


@pytest.mark.parametrize(
    ("objects", "found", "wrong", "reason"),
    [
        pytest.param(MIN_OBJECTS, MIN_OBJECTS, 0, "", id="just enough objects"),
        pytest.param(
            MIN_OBJECTS - 1, MIN_OBJECTS - 1, 0, "19 labelled objects in train, and 20 are needed", id="one too few"
        ),
        pytest.param(0, 0, 5, "0 labelled objects in train, and 20 are needed", id="no object"),
        pytest.param(40, 20, 0, "", id="half are found"),
        pytest.param(40, 19, 0, "it finds 48% of the objects, and 50% are needed", id="fewer than half are found"),
        pytest.param(40, 40, 40, "", id="half of it is right"),
        pytest.param(40, 40, 41, "49% of what it finds is right, and 50% are needed", id="less than half is right"),
    ],
)
def test_a_class_with_too_little_behind_it_is_not_seen(objects, found, wrong, reason):
    sight = measured(objects, [0.5] * found, [0.5] * wrong)
    assert (sight.sees, sight.reason) == (not reason, reason)


def test_classes_have_bounds_of_their_own_and_a_judge_may_see_one_only():
    truth = labels([(photo, number, place(3 * number)) for photo in range(30) for number in (0, 1)])
    seen = [sighting([(0, place(0), 0.8), (1, place(0), 0.7), (1, place(7), 0.6)]) for _ in range(30)]
    made = calibrate(seen, truth, classes=CLASSES, judge="a judge")
    assert (made.judge, made.photos) == ("a judge", 30)
    assert [(sight.label, sight.sees) for sight in made.classes] == [("ball", True), ("crate", False)]
    assert made.sight_of("ball") == made.classes[0]
    assert made.sight_of("cone") is None
    assert Calibration.model_validate_json(made.model_dump_json()) == made


def test_one_object_that_is_seen_several_times_counts_once():
    boxes = [(0.1, 0.1, 0.5, 0.5), (0.12, 0.1, 0.5, 0.5), (0.1, 0.1, 0.5, 0.42)]
    truth = labels([(photo, 0, boxes[0]) for photo in range(MIN_OBJECTS)])
    seen = [
        sighting([(0, box, 0.9 - photo / 50 - turn / 500) for turn, box in enumerate(boxes)])
        for photo in range(MIN_OBJECTS)
    ]
    sight = calibrate(seen, truth, classes=CLASSES, judge="").classes[0]
    assert (sight.recall, sight.precision, sight.sightings) == (1, 1, MIN_OBJECTS)


def test_one_label_is_found_by_one_sighting():
    two = [(0, (0.1, 0.1, 0.5, 0.5), 0.9), (0, (0.3, 0.1, 0.7, 0.5), 0.8)]  # an IoU of a third with each other
    truth = labels([(photo, 0, (0.2, 0.1, 0.6, 0.5)) for photo in range(MIN_OBJECTS)])
    sight = calibrate([sighting(two)] * MIN_OBJECTS, truth, classes=CLASSES, judge="").classes[0]
    assert (sight.min_score, sight.precision) == (0.9, 1)


def test_labels_of_photos_that_nobody_looked_at_are_a_mistake():
    with pytest.raises(ValueError, match="photo 3, and 1 were looked at"):
        calibrate([sighting([])], labels([(3, 0, place(0))]), classes=CLASSES, judge="")


def test_no_photos_give_classes_that_are_not_seen():
    made = calibrate([], labels([]), classes=CLASSES, judge="")
    assert [sight.sees for sight in made.classes] == [False, False]


def test_a_record_with_an_impossible_bound_is_refused():
    with pytest.raises(ValueError, match="min_score"):
        ClassSight(label="ball", min_score=1.5, recall=1, precision=1, objects=30, sightings=30)


def plain_suppression(table, min_iou):
    """Suppress as textbooks do: one box after the other."""
    kept = []
    for row in range(len(table)):
        for other in kept:
            a, b = table.xyxy[row], table.xyxy[other]
            sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
            union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - np.prod(sides)
            same = table.image[row] == table.image[other] and table.label[row] == table.label[other]
            if same and np.prod(sides) / union >= min_iou:
                break
        else:
            kept.append(row)
    return kept


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), min_iou=st.sampled_from([0.3, 0.5, 0.7]))
def test_repetitions_are_those_of_plain_suppression(seed, min_iou):
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(2):
        corner = rng.uniform(0, 0.5, (30, 2))
        xyxy = np.concatenate([corner, corner + rng.uniform(0.2, 0.5, (30, 2))], axis=1)
        seen.append(Sighting(rng.integers(0, 2, 30), xyxy, np.sort(rng.uniform(size=30))[::-1]))
    table = table_of(seen)
    assert np.flatnonzero(distinct(table, min_iou=min_iou)).tolist() == plain_suppression(table, min_iou)
