"""From photos on disk to columns: every object gets what belongs to it, under words that name it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.appearance import COLOURS, Looks, look_of
from curation.diagnose import Column, ErrorTable
from curation.measure import label_columns, look_at, measured_columns
from training.boxes import BoxTable, ImageTable
from training.dataset import read_pixels
from training.errors import DataError
from training.fields import Fields

CLASSES = ("cone", "person")
DARK, LIGHT = (40, 60), (200, 220)


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, ImageTable, BoxTable]:
    """Twenty photos, every second one dark, each with a red cone and in two of four with a blue person."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(20):
        low, high = DARK if number % 2 else LIGHT
        picture = rng.integers(low, high, (60, 80, 3)).astype(np.uint8)
        cv2.rectangle(picture, (8, 6), (24, 30), (20, 20, 210), -1)
        rows.append((number, 0, (0.1, 0.1, 0.3, 0.5)))
        if number % 4 < 2:
            cv2.rectangle(picture, (48, 30), (72, 54), (210, 60, 20), -1)
            rows.append((number, 1, (0.6, 0.5, 0.9, 0.9)))
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    rows = [rows[place] for place in rng.permutation(len(rows))]
    images = ImageTable(
        id=np.array([f"{number:024x}" for number in range(20)], "<U24"),
        path=np.array([f"{number}.png" for number in range(20)], "<U20"),
        width_px=np.full(20, 80),
        height_px=np.full(20, 60),
        split=np.where(np.arange(20) < 12, "val", "train"),
    )
    return (
        tmp_path,
        images,
        BoxTable(
            id=np.array([f"b{number:023x}" for number in range(len(rows))], "<U24"),
            image=np.array([row[0] for row in rows]),
            label=np.array([row[1] for row in rows]),
            xyxy=np.array([row[2] for row in rows]),
            score=np.ones(len(rows)),
        ),
    )


def quiet(_done: int, _total: int, _note: str) -> None: ...


def columns(world: tuple[Path, ImageTable, BoxTable], fields: Fields | None = None) -> dict[str, Column]:
    root, images, labels = world
    found = measured_columns(
        labels,
        images,
        CLASSES,
        looks=look_at(root, images, labels, read_pixels, quiet),
        fields=fields or {},
        is_val=images.split[labels.image] == "val",
    )
    return {column.name: column for column in found}


def words(column: Column) -> np.ndarray:
    return np.array([column.values[code] if code >= 0 else "unknown" for code in column.codes.tolist()])


def test_each_photo_is_read_once_and_looks_lie_in_the_order_of_the_labels(
    world: tuple[Path, ImageTable, BoxTable],
) -> None:
    root, images, labels = world
    read: list[Path] = []
    told: list[tuple[int, int, str]] = []
    looks = look_at(
        root, images, labels, lambda path: (read.append(path), read_pixels(path))[1], lambda *note: told.append(note)
    )
    assert len(read) == len(set(read)) == 20
    assert told[0] == (1, 20, "photos")
    assert told[-1] == (20, 20, "photos")
    assert [COLOURS[code] for code in looks.colour] == ["blue" if label else "red" for label in labels.label]
    row = len(labels) - 3
    alone = look_of(read_pixels(root / str(images.path[labels.image[row]])), labels.xyxy[row : row + 1])
    for name, values in vars(looks).items():
        np.testing.assert_array_equal(values[row], vars(alone)[name][0], err_msg=name)


def test_objects_are_told_by_what_they_are_and_by_what_is_around_them(
    world: tuple[Path, ImageTable, BoxTable],
) -> None:
    _, _, labels = world
    found, cone = columns(world), labels.label == 0
    assert (words(found["colour"])[cone] == "red").all()
    assert (words(found["position"])[cone] == "top left").all()
    assert (words(found["position"])[~cone] == "bottom right").all()
    with_person = np.isin(labels.image, labels.image[~cone])
    assert (words(found["with person"])[cone & with_person] == "yes").all()
    assert (words(found["with person"])[cone & ~with_person] == "no").all()
    assert (words(found["with person"])[~cone] == "unknown").all(), "of its own class it tells nothing"
    dark = labels.image % 2 == 1
    (low,) = set(words(found["photo brightness"])[dark])
    assert low.startswith("low (< 0.")
    assert low not in words(found["photo brightness"])[~dark]


def test_fields_and_tags_are_columns_and_never_take_anothers_name(
    world: tuple[Path, ImageTable, BoxTable],
) -> None:
    _, _, labels = world
    number = np.arange(20)
    fields = {
        "camera": np.where(number % 2 == 0, "gate", "yard"),
        "hour": np.where(number == 3, np.nan, number % 10.0),
        "tag night": np.where(number // 2 % 2 == 0, "yes", "no"),
        "colour": np.where(number % 2 == 0, "infrared", "daylight"),
        "file": np.array([f"{n}.jpg" for n in number]),
    }
    found = columns(world, fields)
    assert words(found["camera"]).tolist() == fields["camera"][labels.image].tolist()
    assert words(found["tag night"]).tolist() == fields["tag night"][labels.image].tolist()
    assert (words(found["hour"])[labels.image == 3] == "unknown").all()
    assert set(found["field colour"].values) == {"infrared", "daylight"}
    assert set(found["colour"].values) == {"red", "blue"}
    assert "file" not in found
    assert {column.source for name, column in found.items() if name in ("camera", "tag night", "field colour")} == {
        "field"
    }


def test_the_columns_make_an_error_table_that_finds_its_objects(world: tuple[Path, ImageTable, BoxTable]) -> None:
    from curation.records import Condition

    _, images, labels = world
    every = (*label_columns(labels, images, CLASSES), *columns(world).values())
    table = ErrorTable(labels.id, labels.image, labels.label, np.ones(len(labels), np.bool_), every)
    assert [column.name for column in table.columns[:2]] == ["class", "size"]
    assert len({column.name for column in table.columns}) == len(table.columns)
    inside = table.mask([Condition(column="class", value="cone"), Condition(column="with person", value="no")])
    assert inside.sum() == 10


def test_a_photo_that_is_gone_is_named(world: tuple[Path, ImageTable, BoxTable]) -> None:
    root, images, labels = world
    (root / "7.png").unlink()
    with pytest.raises(DataError, match=r"7\.png"):
        look_at(root, images, labels, read_pixels, quiet)


def test_no_labels_give_no_columns(world: tuple[Path, ImageTable, BoxTable]) -> None:
    root, images, _ = world
    looks = look_at(root, images, BoxTable.empty(), read_pixels, quiet)
    assert isinstance(looks, Looks)
    none = np.zeros(0, np.bool_)
    assert measured_columns(BoxTable.empty(), images, CLASSES, looks=looks, fields={}, is_val=none) == ()
