"""The folder that people label in: complete or absent, harmless, and read back whichever format they changed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from curation import handoff
from curation.handoff import COCO_NAME, changed_format, hand_off, names_of, untouched_names
from curation.returned import Selected
from curation.selection import Pick
from tests.curation.small_selections import selected
from training.dataset import read_source
from training.errors import CurateError, DamagedFile, DataError, UsageError
from training.files import digest_of_file
from training.source import Source


@pytest.fixture
def given(tmp_path: Path) -> Selected:
    return selected(tmp_path / "ws", bare=1)


@pytest.fixture
def out(tmp_path: Path, given: Selected) -> Path:
    hand_off(tmp_path / "ws", given, tmp_path / "to label")
    return tmp_path / "to label"


def read(folder: Path) -> Source:
    """Read a folder back as `curate add` does."""
    return read_source(folder, changed_format(folder), left_out=untouched_names(folder))


def test_the_folder_holds_all_photos_as_copies(tmp_path: Path, out: Path, given: Selected) -> None:
    photos = sorted((out / "images").iterdir())
    assert {digest_of_file(path) for path in photos} == set(given.images.id.tolist())
    photos[0].write_bytes(b"a tool wrote into it")
    assert all(digest_of_file(tmp_path / "ws" / pick.path) == pick.photo_id for pick in given.picks)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["to label", "ws"], "nothing else is left behind"


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_both_formats_hold_the_boxes_of_the_champion(out: Path, given: Selected, layout: str) -> None:
    source = read_source(out, layout)
    assert source.classes == ("dog", "cat")
    assert [each for each in source.refusals if each.lost != "nothing"] == []
    by_id = {photo.photo_id: photo for photo in source.photos}
    for row, pick in enumerate(given.picks):
        own = given.prelabels.of_images(np.array([row]))
        boxes = by_id[pick.photo_id].boxes
        assert [box.label for box in boxes] == [("dog", "cat")[label] for label in own.label]
        np.testing.assert_allclose(np.array([box.xyxy for box in boxes]).reshape(-1, 4), own.xyxy, atol=1e-5)


def test_other_programs_read_the_coco_file(out: Path) -> None:
    coco = COCO(str(out / COCO_NAME))
    assert (len(coco.imgs), len(coco.anns)) == (6, 10)


def test_nothing_changed_is_read_as_yolo(out: Path) -> None:
    assert changed_format(out) == "yolo"


def test_a_changed_yolo_label_comes_back_without_a_word_about_the_format(out: Path) -> None:
    labels = sorted((out / "labels").iterdir())
    labels[0].write_text("0 0.5 0.5 0.2 0.2\n")
    source = read(out)
    assert source.format == "yolo"
    assert any([box.xyxy for box in photo.boxes] == [(0.4, 0.4, 0.6, 0.6)] for photo in source.photos)


def test_a_changed_coco_file_comes_back_without_a_word_about_the_format(out: Path) -> None:
    found = json.loads((out / COCO_NAME).read_text())
    found["annotations"] = found["annotations"][:3]
    (out / COCO_NAME).write_text(json.dumps(found))
    source = read(out)
    assert source.format == "coco"
    assert sum(len(photo.boxes) for photo in source.photos) == 3


def test_an_export_beside_the_coco_file_counts_instead_of_it(out: Path) -> None:
    found = json.loads((out / COCO_NAME).read_text())
    found["annotations"] = found["annotations"][:1]
    (out / "annotations").mkdir()
    (out / "annotations" / "instances_default.json").write_text(json.dumps(found))
    assert sum(len(photo.boxes) for photo in read(out).photos) == 1


def test_an_export_of_another_name_counts_instead_of_prelabels_that_nobody_changed(out: Path) -> None:
    found = json.loads((out / COCO_NAME).read_text())
    found["annotations"] = found["annotations"][:1]
    (out / "result.json").write_text(json.dumps(found))
    assert changed_format(out) == "coco"
    assert untouched_names(out) == {COCO_NAME}
    assert sum(len(photo.boxes) for photo in read(out).photos) == 1


def test_prelabels_that_somebody_changed_are_read_beside_an_export(out: Path) -> None:
    (out / "result.json").write_bytes((out / COCO_NAME).read_bytes())
    (out / COCO_NAME).write_text((out / COCO_NAME).read_text() + "\n")
    assert untouched_names(out) == frozenset()


def test_prelabels_are_read_where_nothing_else_is_coco(out: Path) -> None:
    (out / "tool.json").write_text('{"version": 3}')
    assert untouched_names(out) == frozenset()
    assert changed_format(out) == "yolo", "no file of labels was changed"


def test_both_formats_changed_is_for_people_to_settle(out: Path) -> None:
    next((out / "labels").iterdir()).write_text("")
    (out / COCO_NAME).write_text((out / COCO_NAME).read_text() + "\n")
    with pytest.raises(DataError, match="as yolo and as coco") as caught:
        changed_format(out)
    assert "--format coco" in caught.value.hint


def test_a_deleted_photo_with_its_label_is_simply_not_back(out: Path) -> None:
    gone = sorted((out / "images").iterdir())[0]
    (out / "labels" / f"{gone.stem}.txt").unlink()
    gone.unlink()
    assert len(read(out).photos) == 5


@pytest.mark.parametrize("text", [None, "{", "[]", '{"yolo": 1}'])
def test_any_other_folder_says_nothing_of_its_format(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / handoff.NOTE_NAME).write_text(text)
    assert changed_format(tmp_path) is None
    assert untouched_names(tmp_path) == frozenset()


def test_reasons_are_no_formulas(out: Path, given: Selected) -> None:
    with (out / "reasons.csv").open(newline="", encoding="utf-8-sig") as file:
        head, *rows = csv.reader(file)
    assert head[:5] == ["file", "photo_id", "kind", "finding", "reason"]
    assert [row[1] for row in rows] == [pick.photo_id for pick in given.picks]
    assert rows[0][4] == "'=1+1 the champion wavers"
    assert rows[1][4] == "the champion wavers, ünsicher"
    assert all((out / "images" / row[0]).is_file() for row in rows)


def test_the_way_back_is_written_down(tmp_path: Path, out: Path) -> None:
    text = (out / "README.txt").read_text()
    assert f"curate add '{out}' -C {tmp_path / 'ws'}" in text
    assert "dog, cat" in text


@pytest.mark.parametrize("what", ["a file in it", "a file"])
def test_a_folder_that_is_taken_is_left_alone(tmp_path: Path, given: Selected, what: str) -> None:
    out = tmp_path / "out"
    if what == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty") as caught:
        hand_off(tmp_path / "ws", given, out)
    assert caught.value.hint
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out", "ws"]


def test_an_empty_folder_is_filled(tmp_path: Path, given: Selected) -> None:
    (tmp_path / "out").mkdir()
    hand_off(tmp_path / "ws", given, tmp_path / "out")
    assert len(read(tmp_path / "out").photos) == 6


def test_a_photo_that_was_lost_leaves_no_half_folder(tmp_path: Path, given: Selected) -> None:
    (tmp_path / "ws" / given.picks[4].path).write_bytes(b"other bytes")
    with pytest.raises(DamagedFile, match="missing or has changed"):
        hand_off(tmp_path / "ws", given, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["ws"]


def test_a_place_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path, given: Selected) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CurateError, match="cannot write") as caught:
        hand_off(tmp_path / "ws", given, tmp_path / "file" / "out")
    assert caught.value.hint


def test_a_hand_off_that_was_killed_is_begun_anew(tmp_path: Path, given: Selected) -> None:
    (tmp_path / ".out.curate-part" / "images").mkdir(parents=True)
    (tmp_path / ".out.curate-part" / "images" / "left.jpg").write_bytes(b"x")
    hand_off(tmp_path / "ws", given, tmp_path / "out")
    assert len(list((tmp_path / "out" / "images").iterdir())) == 6
    assert not (tmp_path / ".out.curate-part").exists()


def pick(photo_id: str, name: str) -> Pick:
    return Pick(photo_id=photo_id, path=f"data/photos/aa/{photo_id}.png", name=name, kind="random", reason="drawn")


def test_names_are_plain_unique_and_tell_where_they_came_from() -> None:
    names = names_of(
        [
            pick("a" * 24, "../-rf `x`.PNG"),
            pick("a" * 8 + "b" * 16, "other/-RF `x`.png"),
            pick("c" * 24, "日本.png"),
            pick("d" * 24, f"{'long' * 99}.png"),
        ]
    )
    assert names[0] == "aaaaaaaa--rf_x_.png"
    assert names[1] == f"{'a' * 8}{'b' * 16}--RF_x_.png"
    assert names[2] == "cccccccc-_.png"
    assert len(names[3]) < 80
    assert len({name.lower() for name in names}) == 4
