"""What boxes tell, against a slow and obvious count, and the values of a drawn scene."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import scene
from curation.scene import PLACES, companions, scene_of
from training.boxes import BoxTable, ImageTable


def photos(*sizes: tuple[int, int]) -> ImageTable:
    count = len(sizes)
    return ImageTable(
        id=np.array([f"{number:024x}" for number in range(count)], "<U24"),
        path=np.array([f"{number}.jpg" for number in range(count)], "<U20"),
        width_px=np.array([size[0] for size in sizes], np.int64),
        height_px=np.array([size[1] for size in sizes], np.int64),
        split=np.full(count, "val"),
    )


def boxes(*rows: tuple[int, int, tuple[float, float, float, float]]) -> BoxTable:
    """Rows of image, class and corners."""
    return BoxTable(
        id=np.array([f"b{number:023x}" for number in range(len(rows))], "<U24"),
        image=np.array([row[0] for row in rows], np.int64),
        label=np.array([row[1] for row in rows], np.int64),
        xyxy=np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        score=np.ones(len(rows)),
    )


def test_sizes_are_in_pixels_of_the_original_photo() -> None:
    found = scene_of(boxes((1, 0, (0.1, 0.1, 0.3, 0.2))), photos((10, 10), (1000, 500)))
    assert found.area_share == pytest.approx([0.02])
    assert found.side_px == pytest.approx([100])
    assert found.aspect == pytest.approx([4])


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        *((0.1, 0.1, "top left"), (0.5, 0.2, "top"), (0.9, 0.3, "top right")),
        *((0.2, 0.5, "left"), (0.5, 0.5, "centre"), (0.8, 0.6, "right")),
        *((0.3, 0.9, "bottom left"), (0.6, 0.9, "bottom"), (0.95, 0.95, "bottom right")),
    ],
)
def test_a_box_lies_where_its_centre_lies(x: float, y: float, place: str) -> None:
    found = scene_of(boxes((0, 0, (x - 0.04, y - 0.04, x + 0.04, y + 0.04))), photos((100, 100)))
    assert PLACES[found.place[0]] == place


@pytest.mark.parametrize(
    ("corners", "touches"),
    [
        pytest.param((0.0, 0.4, 0.2, 0.6), True, id="left"),
        pytest.param((0.4, 0.0, 0.6, 0.2), True, id="top"),
        pytest.param((0.4, 0.4, 1.0, 0.6), True, id="right"),
        pytest.param((0.4, 0.4, 0.6, 1.0), True, id="bottom"),
        pytest.param((0.0015, 0.4, 0.2, 0.6), True, id="a pixel short"),
        pytest.param((0.003, 0.4, 0.2, 0.6), False, id="three pixels away"),
        pytest.param((0.4, 0.003, 0.6, 0.2), True, id="three thousandths are fewer pixels of the short side"),
    ],
)
def test_the_border_is_touched_within_two_pixels(corners: tuple[float, float, float, float], touches: bool) -> None:
    assert scene_of(boxes((0, 0, corners)), photos((1000, 500))).at_border.tolist() == [touches]


def test_neighbours_are_counted_near_and_far_and_cover_what_they_cover() -> None:
    labels = boxes(
        (0, 0, (0.0, 0.0, 0.2, 0.2)),
        (0, 1, (0.1, 0.0, 0.3, 0.2)),  # half over the first
        (0, 1, (0.0, 0.0, 0.05, 0.2)),  # inside the first
        (0, 0, (0.8, 0.8, 0.9, 0.9)),  # far from all
        (1, 0, (0.0, 0.0, 0.2, 0.2)),  # in another photo
    )
    found = scene_of(labels, photos((100, 100), (100, 100)))
    assert found.others.tolist() == [3, 3, 3, 3, 0]
    assert found.near.tolist() == [2, 2, 1, 0, 0], "near is measured in one's own size"
    assert found.covered_share == pytest.approx([0.5, 0.5, 1, 0, 0])


def test_companions_are_the_classes_of_the_same_photo() -> None:
    labels = boxes(*[(image, label, (0.1, 0.1, 0.2, 0.2)) for image, label in ((0, 0), (0, 1), (1, 2), (2, 1))])
    chosen, held = companions(labels, class_count=4)
    assert chosen.tolist() == [0, 1, 2, 3]
    assert held.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]


def test_of_many_classes_the_most_frequent_are_companions() -> None:
    labels = boxes(*[(n, n % 30, (0.1, 0.1, 0.2, 0.2)) for n in range(30)], (30, 29, (0.1, 0.1, 0.2, 0.2)))
    chosen, held = companions(labels, class_count=30)
    assert chosen.tolist() == [*range(19), 29]
    assert held.shape == (31, 20)


def test_no_labels_at_all_are_an_empty_scene() -> None:
    assert len(scene_of(BoxTable.empty(), photos((10, 10)))) == 0


corner = st.tuples(st.floats(0, 0.9), st.floats(0.01, 1)).map(lambda pair: (pair[0], min(1.0, pair[0] + pair[1])))


@settings(deadline=None)  # machines are busy
@given(st.lists(st.tuples(st.integers(0, 3), corner, corner), max_size=14), st.integers(1, 40))
def test_neighbours_agree_with_a_plain_loop_however_they_are_parted(
    drawn: list[tuple[int, tuple[float, float], tuple[float, float]]], part: int
) -> None:
    labels = boxes(*[(image, 0, (x[0], y[0], x[1], y[1])) for image, x, y in drawn])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "PAIRS_AT_ONCE", part)
        found = scene_of(labels, photos(*[(100, 100)] * 4))
    for one, (image, x, y) in enumerate(drawn):
        mates = [(a, b) for other, (place, a, b) in enumerate(drawn) if place == image and other != one]
        shares = [
            max(0.0, min(x[1], a[1]) - max(x[0], a[0])) * max(0.0, min(y[1], b[1]) - max(y[0], b[0]))
            / ((x[1] - x[0]) * (y[1] - y[0]))
            for a, b in mates
        ]  # fmt: skip
        assert found.others[one] == len(mates)
        assert found.covered_share[one] == pytest.approx(min(1, max(shares, default=0)), abs=1e-9)
