import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pydantic import TypeAdapter

from generation import label_files
from generation.label_files import (
    ErrorLine,
    PictureLine,
    check_classes,
    labels_name,
    with_label_files,
    write_coco,
    write_data_yaml,
    write_dataset,
    yolo_rows,
)
from generation.records import Failure, PictureLabel, SyntheticImage
from training.dataset import read_source
from training.errors import CurateError, DamagedFile, DataError
from training.files import digest_of
from training.pixels import encode_jpeg
from training.read_yolo import read_row

CLASSES = ("hard hat", "no", "person")
MANIFEST_LINE = TypeAdapter(PictureLine | ErrorLine)


def label(name="person", xyxy=(0.1, 0.2, 0.3, 0.6)):
    return PictureLabel(label=name, xyxy=xyxy, visible_share=1, source_id="", added=True)


PERSON = (label(),)


def note(number=1, labels=PERSON, width_px=64, height_px=48):
    request_id = digest_of(["picture", number])
    return SyntheticImage(
        request_id=request_id,
        brief_id="",
        finding_id="",
        backend="gligen",
        digest="",
        path=f"images/{request_id[:2]}/{request_id}.jpg",
        width_px=width_px,
        height_px=height_px,
        labels=labels,
        source_ids=(),
        look="0" * 16,
    )


def random_notes(count, seed=0):
    rng = np.random.default_rng(seed)
    for number in range(1, count + 1):
        corners = np.sort(rng.random((int(rng.integers(0, 6)), 2, 2)), axis=1).reshape(-1, 4).tolist()
        yield note(number, tuple(label(CLASSES[int(rng.integers(3))], tuple(xyxy)) for xyxy in corners))


def stored(folder, notes):
    """Put pictures and notes on the disk, as `produce` does, and give them as results by line."""
    for number, one in enumerate(notes, 1):
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (one.height_px, one.width_px, 3), dtype=np.uint8)
        path.write_bytes(encode_jpeg(pixels))
        path.with_suffix(".json").write_text(one.model_dump_json())
    return [(number, one.path) for number, one in enumerate(notes, 1)]


def written(folder, results, classes=CLASSES):
    write_dataset(folder, results, classes=classes, manifest="manifest.jsonl", coco="coco.json")


def labels_in(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("labels/*/*.txt"))}


@pytest.mark.parametrize(
    ("xyxy", "row"),
    [
        ((0.1, 0.2, 0.3, 0.6), "2 0.20000000 0.40000000 0.20000000 0.40000000\n"),
        ((0.0, 0.0, 1.0, 1.0), "2 0.50000000 0.50000000 1.00000000 1.00000000\n"),
        ((1 / 3, 0.25, 2 / 3, 0.5), "2 0.50000000 0.37500000 0.33333333 0.25000000\n"),
    ],
    ids=["a box", "the whole picture", "thirds"],
)
def test_a_row_is_class_centre_and_size(xyxy, row):
    assert yolo_rows(note(labels=(label(xyxy=xyxy),)), {"person": 2}) == row


def test_a_picture_without_labels_has_an_empty_file(tmp_path):
    list(with_label_files([(1, note(labels=()))], folder=tmp_path, classes=CLASSES))
    assert list(labels_in(tmp_path).values()) == [b""]


SIDES = st.tuples(st.floats(0, 0.9), st.floats(0.001, 1)).map(lambda side: (side[0], min(1.0, side[0] + side[1])))


@given(st.lists(st.tuples(SIDES, SIDES, st.sampled_from(CLASSES)), max_size=6))
def test_rows_read_back_are_the_boxes_to_eight_digits(wanted):
    boxes = tuple(label(name, (x[0], y[0], x[1], y[1])) for x, y, name in wanted)
    rows = yolo_rows(note(labels=boxes), {name: number for number, name in enumerate(CLASSES)}).splitlines()
    found = [read_row(row, dict(enumerate(CLASSES))) for row in rows]
    assert [one.label for one in found] == [one.label for one in boxes]
    for back, box in zip(found, boxes, strict=True):
        assert back.xyxy == pytest.approx(box.xyxy, abs=1.1e-8)


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_a_folder_reads_back_as_it_was_written(tmp_path, layout):
    notes = list(random_notes(30))
    written(tmp_path, stored(tmp_path, notes))
    source = read_source(tmp_path, layout)
    assert [refusal for refusal in source.refusals if refusal.lost != "nothing"] == []
    assert source.classes == CLASSES
    by_name = {photo.path.name: photo for photo in source.photos}
    assert len(by_name) == 30
    for one in notes:
        found = by_name[Path(one.path).name].boxes
        assert [box.label for box in found] == [box.label for box in one.labels]
        for back, box in zip(found, one.labels, strict=True):
            assert back.xyxy == pytest.approx(box.xyxy, abs=1.1e-8 if layout == "yolo" else 5e-6)


READ_BACK = """
import json, sys
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset
data = check_det_dataset(sys.argv[1], autodownload=False)
found = YOLODataset(img_path=data["train"], data=data, task="detect", imgsz=64, augment=False)
rows = {it["im_file"].rsplit("/")[-1]: [it["cls"].ravel().tolist(), it["bboxes"].tolist()] for it in found.labels}
print("READ" + json.dumps([data["names"], data["val"], rows]))
"""


def test_the_yaml_is_enough_for_ultralytics_and_for_our_reader_also_where_the_folder_was_moved(tmp_path):
    notes = list(random_notes(12))
    written(tmp_path / "made", stored(tmp_path / "made", notes))
    folder = (tmp_path / "made").rename(tmp_path / "moved")
    assert len(read_source(folder / "data.yaml").photos) == 12
    switches = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "YOLO_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, str(folder / "data.yaml")],
        env=os.environ | switches | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, val, found = json.loads(done.stdout.partition("READ")[2])
    assert names == {str(number): label for number, label in enumerate(CLASSES)}
    assert val == str(folder / "images")
    assert len(found) == 12
    for one in notes:
        numbers, boxes = found[Path(one.path).name]
        assert [CLASSES[int(number)] for number in numbers] == [box.label for box in one.labels]
        corners = np.array([box.xyxy for box in one.labels]).reshape(-1, 4)
        sizes = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
        np.testing.assert_allclose(np.reshape(boxes, (-1, 4)), sizes, atol=1e-6)


def test_pycocotools_reads_boxes_in_pixels_and_ids_that_do_not_depend_on_other_pictures(tmp_path):
    boxes = (label("person", (0.25, 0.5, 0.75, 1.0)), label("hard hat", (0, 0, 0.5, 0.25)))
    one, other = note(1), note(2, boxes)
    write_coco(tmp_path / "both.json", [(3, one), (7, other)], classes=CLASSES)
    write_coco(tmp_path / "alone.json", [(7, other)], classes=CLASSES)
    for name in ("both.json", "alone.json"):
        coco = COCO(str(tmp_path / name))
        assert coco.imgs[7] == {"id": 7, "file_name": other.path.removeprefix("images/"), "width": 64, "height": 48}
        assert coco.imgToAnns[7] == [
            {"id": 70001, "image_id": 7, "category_id": 3, "bbox": [16, 24, 32, 24], "area": 768, "iscrowd": 0},
            {"id": 70002, "image_id": 7, "category_id": 1, "bbox": [0, 0, 32, 12], "area": 384, "iscrowd": 0},
        ]
        assert {key: one["name"] for key, one in coco.cats.items()} == {1: "hard hat", 2: "no", 3: "person"}


def test_a_coco_file_of_no_pictures_is_still_one(tmp_path):
    write_coco(tmp_path / "coco.json", [], classes=CLASSES)
    assert json.loads((tmp_path / "coco.json").read_text())["images"] == []


def test_the_manifest_has_a_line_for_each_result_in_order(tmp_path):
    notes = list(random_notes(3))
    results = stored(tmp_path, notes)
    refused = Failure(request_id="r", reason="person: missing", refused=True)
    written(tmp_path, [results[1], (2, Failure(request_id="", reason="blank line")), results[0], (5, refused)])
    lines = [MANIFEST_LINE.validate_json(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert lines == [
        PictureLine(line=2, labels_path=labels_name(notes[1]), picture=notes[1]),
        ErrorLine(line=2, request_id="", reason="blank line", refused=False),
        PictureLine(line=1, labels_path=labels_name(notes[0]), picture=notes[0]),
        ErrorLine(line=5, request_id="r", reason="person: missing", refused=True),
    ]
    assert all((tmp_path / line.labels_path).is_file() for line in lines if isinstance(line, PictureLine))


def test_a_picture_of_two_lines_is_labelled_once_under_the_first(tmp_path):
    (_, path), other = stored(tmp_path, list(random_notes(2)))
    written(tmp_path, [(4, path), other, (9, path)])
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert [image["id"] for image in coco["images"]] == [4, 2]
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "other"])
def test_a_label_file_that_was_spoilt_is_written_anew_and_the_others_are_left_alone(tmp_path, damage):
    results = stored(tmp_path, list(random_notes(20, seed=3)))
    written(tmp_path, results)
    before = labels_in(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("labels/*/*.txt")}
    spoilt = next(path for path in sorted(times) if path.stat().st_size > 60)
    match damage:
        case "cut":
            os.truncate(spoilt, 50)
        case "emptied":
            spoilt.write_text("")
        case "removed":
            spoilt.unlink()
        case _:
            spoilt.write_text("0 0.5 0.5 1 1\n")
    written(tmp_path, results)
    assert labels_in(tmp_path) == before
    assert {path for path, time in times.items() if path != spoilt and path.stat().st_mtime_ns != time} == set()


def test_pictures_go_on_in_order_while_several_writers_work(tmp_path, monkeypatch):
    writers = set()
    write = label_files._write_chunk

    def watched(*arguments):
        writers.add(threading.get_ident())
        write(*arguments)

    monkeypatch.setattr(label_files, "_write_chunk", watched)
    pictures = list(enumerate(random_notes(2000), 1))
    assert list(with_label_files(iter(pictures), folder=tmp_path, classes=CLASSES)) == pictures
    assert len(writers) > 1
    assert threading.get_ident() not in writers


def test_pictures_are_read_only_a_little_ahead(tmp_path):
    read = []
    source = (read.append(number) or (number, one) for number, one in enumerate(random_notes(5000), 1))
    going = with_label_files(source, folder=tmp_path, classes=CLASSES)
    next(going)
    assert len(read) <= (2 * label_files.WRITERS + 1) * label_files.CHUNK
    going.close()


def test_a_class_that_is_not_named_stops_before_the_manifest(tmp_path):
    results = stored(tmp_path, [note(1), note(2, (label("forklift"),))])
    with pytest.raises(DataError, match="shows a forklift, which is none of the classes"):
        written(tmp_path, results)
    assert not list(tmp_path.glob("*.jsonl"))
    assert not (tmp_path / "data.yaml").exists()


def test_a_lost_note_stops_before_the_manifest(tmp_path):
    results = stored(tmp_path, [note(1), note(2)])
    (tmp_path / results[1][1]).with_suffix(".json").unlink()
    with pytest.raises(DamagedFile, match="was lost or changed"):
        written(tmp_path, results)
    assert not (tmp_path / "manifest.jsonl").exists()


def test_a_full_disk_is_one_sentence_and_the_next_run_ends_the_same(tmp_path, monkeypatch):
    notes = list(random_notes(40))
    results = stored(tmp_path / "full", notes)
    put, written_count = label_files._put, []

    def until_full(path, data):
        written_count.append(path)
        if len(written_count) > 15:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[:10])
            raise OSError(errno.ENOSPC, "full")
        put(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(label_files, "_put", until_full)
        with pytest.raises(CurateError, match=r"cannot write .*labels.*: no space left on device") as error:
            written(tmp_path / "full", results)
    assert "free some space" in error.value.hint
    assert {path.name for path in (tmp_path / "full").iterdir()} == {"images", "labels"}
    written(tmp_path / "full", results)
    stored(tmp_path / "empty", notes)
    written(tmp_path / "empty", results)
    for name in ("manifest.jsonl", "coco.json", "data.yaml"):
        assert (tmp_path / "full" / name).read_bytes() == (tmp_path / "empty" / name).read_bytes()
    assert labels_in(tmp_path / "full") == labels_in(tmp_path / "empty")


def test_a_yaml_of_other_classes_is_refused_and_one_that_somebody_edited_stays(tmp_path):
    path = write_data_yaml(tmp_path, CLASSES)
    edited = path.read_text().replace("val: images", "val: ../real/images")
    path.write_text(edited)
    write_data_yaml(tmp_path, CLASSES)
    assert path.read_text() == edited
    for others in (("person", "no", "hard hat"), CLASSES[:2], (*CLASSES, "tote")):
        with pytest.raises(DataError, match="has other classes"):
            check_classes(tmp_path, others)


def test_a_class_named_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="person is named twice"):
        check_classes(tmp_path, ("person", "tote", "person"))
