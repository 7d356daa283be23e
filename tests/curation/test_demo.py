"""The built-in dataset: counts that the demo stands on, labels that are what can be seen, bytes that a seed fixes."""

import io
import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation import figures
from curation.demo import CLASSES, MARK, PHOTOS, RARE_PHOTOS, Scene, demo_files, draw_scene, scenes
from curation.yard import LIGHTS, MARGIN_PX, OVERSIZE, Camera, Place, Yard
from training.records import SPLITS, Split

SIZE_PX = (256, 192)
RARE = "spill"


@cache
def files() -> dict[str, bytes]:
    """Draw the whole dataset, once for all tests of this file."""
    return dict(demo_files(0))


@cache
def some_scenes() -> dict[str, Scene]:
    return dict(itertools.islice(scenes(0, "val"), 40))


@cache
def objects(split: Split, label: str) -> list[int]:
    """Objects of a class by photo, photos without one left out."""
    number = f"{CLASSES.index(label)} "
    texts = [data.decode().splitlines() for name, data in files().items() if name.startswith(f"labels/{split}/")]
    counts = [sum(line.startswith(number) for line in lines) for lines in texts]
    return [count for count in counts if count]


def empty_yard() -> Yard:
    width, height = ((side + 2 * MARGIN_PX) * OVERSIZE for side in SIZE_PX)
    camera = Camera(centre_px=width / 2, horizon_px=0.3 * height, focal_px=500, height_m=2.5)
    return Yard(np.full((height, width, 3), 128, np.float32), camera, LIGHTS[0], sun=(0.5, 0.2))


def a_cone() -> figures.Figure:
    return figures.cone(np.random.default_rng(0))


def labelled(yard: Yard) -> list[str]:
    return sorted(name for name, _ in yard.reduced(SIZE_PX)[1])


NEEDED: dict[str, tuple[Split, int, int, int]] = {
    "few to learn from": ("train", 40, 60, 0),
    "enough to analyse": ("val", 60, 200, 50),
    "enough to judge": ("test", 60, 200, 50),
}


@pytest.mark.parametrize("name", NEEDED)
def test_each_split_holds_as_many_rare_objects_as_its_role_needs(name: str) -> None:
    split, least, most, least_photos = NEEDED[name]
    by_photo = objects(split, RARE)
    assert least <= sum(by_photo) <= most
    assert len(by_photo) >= least_photos


@pytest.mark.parametrize("split", SPLITS)
def test_few_pictures_of_a_split_show_the_rare_class_and_nearly_all_that_were_planned_do(split: Split) -> None:
    assert RARE_PHOTOS[split] * 0.9 <= len(objects(split, RARE)) <= RARE_PHOTOS[split]


def test_in_train_the_rare_class_is_several_times_rarer_than_any_other() -> None:
    rare = sum(objects("train", RARE))
    assert all(sum(objects("train", name)) > 5 * rare for name in CLASSES if name != RARE)


@given(seed=st.integers(0, 2**32), rare=st.integers(0, 2), size_px=st.sampled_from([(256, 192), (96, 96), (130, 200)]))
@settings(max_examples=25, deadline=None)
def test_any_scene_has_the_size_that_was_asked_for_and_boxes_inside_it(
    seed: int, rare: int, size_px: tuple[int, int]
) -> None:
    scene = draw_scene(np.random.default_rng(seed), size_px=size_px, rare=rare)
    assert scene.pixels.shape == (size_px[1], size_px[0], 3)
    assert scene.pixels.dtype == np.uint8
    assert sum(name == RARE for name, _ in scene.boxes) <= rare
    for name, (x1, y1, x2, y2) in scene.boxes:
        assert name in CLASSES
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1


def test_a_hat_and_a_vest_lie_within_a_person() -> None:
    worn = 0
    for scene in some_scenes().values():
        people = np.array([box for name, box in scene.boxes if name == "person"]).reshape(-1, 4)
        for box in (np.array(box) for name, box in scene.boxes if name in ("hard_hat", "vest")):
            worn += 1
            assert ((people[:, :2] <= box[:2]) & (box[2:] <= people[:, 2:])).all(axis=1).any()
    assert worn > 40


def test_a_box_touches_the_outermost_pixels_of_its_object() -> None:
    yard, before = empty_yard(), empty_yard().pixels
    yard.stand(a_cone(), (0.4, 5.0), name="cone")
    owned, edge = yard.owner > 0, MARGIN_PX * OVERSIZE
    rows, columns = (np.flatnonzero(owned.any(axis=axis)) - edge for axis in (1, 0))
    width, height = (side * OVERSIZE for side in SIZE_PX)
    ((_, box),) = yard.reduced(SIZE_PX)[1]
    assert box == pytest.approx(
        (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    )
    assert (yard.pixels[owned] != before[owned]).any(axis=1).all()


def test_what_stands_behind_a_wall_has_no_label_and_what_sticks_out_has_the_extent_that_is_seen() -> None:
    whole, half, hidden = empty_yard(), empty_yard(), empty_yard()
    for yard, left_m in ((whole, 9.0), (half, 0.0), (hidden, -2.0)):
        yard.stand(a_cone(), (0.0, 6.0), name="cone")
        wall = np.array([[left_m, -1.0], [left_m + 4, -1.0], [left_m + 4, 3.0], [left_m, 3.0]])
        yard.stand([figures.Shape(wall, figures.GREY)], (0.0, 4.0), name="")
    assert labelled(hidden) == []
    (_, seen), (_, full) = half.reduced(SIZE_PX)[1][0], whole.reduced(SIZE_PX)[1][0]
    assert seen[0] == full[0]
    assert seen[2] == pytest.approx((full[0] + full[2]) / 2, abs=0.01)


PLACES: dict[str, tuple[float, float, list[str]]] = {
    "in view": (0.0, 6.0, ["cone"]),
    "cut by the frame, half of it in view": (3.07, 6.0, ["cone"]),
    "cut by the frame, a tip of it in view": (3.38, 6.0, []),
    "a speck far away": (0.0, 150.0, []),
}


@pytest.mark.parametrize("name", PLACES)
def test_only_what_can_be_seen_well_enough_is_labelled(name: str) -> None:
    right_m, away_m, expected = PLACES[name]
    yard = empty_yard()
    yard.stand(a_cone(), (right_m, away_m), name="cone")
    assert labelled(yard) == expected


def test_clutter_and_stains_have_no_label() -> None:
    yard, rng = empty_yard(), np.random.default_rng(0)
    for number, draw in enumerate(figures.CLUTTER):
        yard.stand(draw(rng), (number - 2.0, 6.0), name="")
    for _ in range(6):
        yard.stain(rng, (0.0, 5.0))
    assert labelled(yard) == []


def test_what_is_nearer_is_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[float] = []
    stand = Yard.stand

    def noted(yard: Yard, figure: figures.Figure, place: Place, *, name: str) -> None:
        depths.append(place[1])
        stand(yard, figure, place, name=name)

    monkeypatch.setattr(Yard, "stand", noted)
    draw_scene(np.random.default_rng(2))
    assert len(depths) > 3
    assert depths == sorted(depths, reverse=True)


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_pictures() -> None:
    def first(seed: int) -> list[tuple[str, bytes]]:
        return list(itertools.islice(demo_files(seed), 7))

    assert first(3) == first(3)
    assert all(a[1] != b[1] for a, b in zip(first(3), first(4), strict=True) if a[0].endswith(".jpg"))


def test_a_picture_does_not_depend_on_those_drawn_before_it() -> None:
    expected = some_scenes()["drawn-val-0003"]
    rng = np.random.default_rng([0, SPLITS.index("val"), 3])
    alone = draw_scene(rng, rare=[name for name, _ in expected.boxes].count(RARE))
    assert np.array_equal(alone.pixels, expected.pixels)


def test_no_two_pictures_are_equal_within_or_across_splits() -> None:
    pictures = [data for name, data in files().items() if name.endswith(".jpg")]
    assert len(set(pictures)) == len(pictures) == sum(PHOTOS.values())


def test_the_files_are_a_yolo_dataset_with_a_label_file_for_every_picture() -> None:
    description = files()["data.yaml"].decode()
    for split in SPLITS:
        pictures = {name.split("/")[2].removesuffix(".jpg") for name in files() if name.startswith(f"images/{split}/")}
        labels = {name.split("/")[2].removesuffix(".txt") for name in files() if name.startswith(f"labels/{split}/")}
        assert len(pictures) == PHOTOS[split]
        assert pictures == labels
        assert f"{split}: images/{split}\n" in description
    assert [line.split(": ")[1] for line in description.splitlines() if line.startswith("  ")] == list(CLASSES)


def test_label_files_say_what_the_scenes_say() -> None:
    for name, scene in some_scenes().items():
        lines = files()[f"labels/val/{name}.txt"].decode().splitlines()
        for line, (label, box) in zip(lines, scene.boxes, strict=True):
            number, x, y, width, height = (float(part) for part in line.split())
            assert CLASSES[int(number)] == label
            assert (x - width / 2, y - height / 2, x + width / 2, y + height / 2) == pytest.approx(box, abs=2e-6)


def test_every_picture_is_marked_as_drawn_in_its_name_and_inside_its_file() -> None:
    assert MARK in files()["data.yaml"].decode()
    for name, data in ((name, data) for name, data in files().items() if name.endswith(".jpg")):
        with Image.open(io.BytesIO(data)) as picture:
            found: object = picture.info.get("comment")
        assert "/drawn-" in name
        assert found == MARK.encode()


def test_colours_keep_their_order_in_the_file() -> None:
    for name, scene in itertools.islice(some_scenes().items(), 5):
        with Image.open(io.BytesIO(files()[f"images/val/{name}.jpg"])) as picture:
            red_first = np.asarray(picture, float)
        assert np.abs(red_first[..., ::-1] - scene.pixels).mean() < np.abs(red_first - scene.pixels).mean()


def test_people_wear_hats_and_vests_in_part_only() -> None:
    """Else a detector could learn the hat from the person."""
    counts = Counter(name for scene in some_scenes().values() for name, _ in scene.boxes)
    for worn in ("hard_hat", "vest"):
        assert 0.3 < counts[worn] / counts["person"] < 0.9
