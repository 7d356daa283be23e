import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from photo_folders import GOOD, coco, coco_file, lay_out, photo, voc, voc_note, voc_object, yolo
from PIL import Image, ImageOps

from training.dataset import (
    YoloPicture,
    difference_hash,
    encode_jpeg,
    read_pixels,
    read_source,
    write_yolo_folder,
)
from training.errors import DataError
from training.files import digest_of, digest_of_file
from training.source import FORMATS, FoundBox, check_usable, photo_path, to_tables
from training.splits import assign_splits

DATA = os.environ.get("CURATE_DATA")
THE_BOX = (0.4, 0.3, 0.6, 0.7)


def boxes_by_stem(source):
    return {photo.path.stem: photo.boxes for photo in source.photos}


def fingerprints(folder: Path) -> dict:
    return {
        path.relative_to(folder): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_recognised_and_gives_the_same_box(tmp_path, kind):
    source = read_source(lay_out(tmp_path, GOOD[kind]()))
    assert source.format == kind
    assert source.seen_count == len(source.photos) == 12
    assert source.refusals == ()
    assert boxes_by_stem(source)["p03"] == (FoundBox("cat", pytest.approx(THE_BOX)),)
    assert source.photos[0].photo_id == digest_of_file(source.photos[0].path)


@pytest.mark.parametrize(
    ("kind", "classes"), [("yolo", ("dog", "cat")), ("coco", ("cat", "ant")), ("voc", ("ant", "cat"))]
)
def test_classes_come_in_the_order_of_their_format(tmp_path, kind, classes):
    assert read_source(lay_out(tmp_path, GOOD[kind]())).classes == classes


@pytest.mark.parametrize("kind", FORMATS)
def test_a_source_is_never_written_to(tmp_path, kind):
    before = fingerprints(lay_out(tmp_path, GOOD[kind]()))
    read_source(tmp_path)
    assert fingerprints(tmp_path) == before


@pytest.mark.parametrize("kind", FORMATS)
def test_progress_counts_up_to_every_photo(tmp_path, kind):
    told = []
    read_source(lay_out(tmp_path, GOOD[kind]()), progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 12) for done in range(1, 13)]


TURNED_BOX = {
    # where a box over the top left eighth of the stored picture lies in the upright one
    1: (0.0, 0.0, 0.25, 0.5), 2: (0.75, 0.0, 1.0, 0.5), 3: (0.75, 0.5, 1.0, 1.0), 4: (0.0, 0.5, 0.25, 1.0),
    5: (0.0, 0.0, 0.5, 0.25), 6: (0.5, 0.0, 1.0, 0.25), 7: (0.5, 0.75, 1.0, 1.0), 8: (0.0, 0.75, 0.5, 1.0),
}  # fmt: skip


def marked_photo(orientation: int) -> bytes:
    """White over the top left eighth of the stored 80 × 40 picture."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:20, :20] = 255
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, "PNG", exif=exif.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright_at_every_orientation(tmp_path, orientation):
    path = lay_out(tmp_path, {"a.png": marked_photo(orientation)}) / "a.png"
    height, width = (np.array([40, 80]) if orientation < 5 else np.array([80, 40])).tolist()
    x1, y1, x2, y2 = (np.array(TURNED_BOX[orientation]) * [width, height, width, height]).astype(int)
    pixels = read_pixels(path)
    assert pixels.shape == (height, width, 3)
    assert pixels[y1:y2, x1:x2].min() == 255
    assert np.count_nonzero(pixels[:, :, 0]) == 400


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_labels_drawn_on_the_stored_picture_are_turned_with_it(tmp_path, kind, orientation):
    corners = (0, 0, 20, 20)
    lists = coco_file(count=1)
    lists["images"][0] = {"id": 0, "file_name": "a.png", "width": 80, "height": 40}
    lists["annotations"][0]["bbox"] = list(corners)
    note = voc_note("a.png", voc_object(corners=corners), size=(80, 40))
    labels = {"train.json": json.dumps(lists)} if kind == "coco" else {"a.xml": note}
    source = read_source(lay_out(tmp_path, {"a.png": marked_photo(orientation), **labels}))
    (found,) = source.photos
    assert (found.width_px, found.height_px) == (40, 80)
    assert found.boxes[0].xyxy == pytest.approx(TURNED_BOX[orientation])


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_labels_drawn_on_the_upright_picture_stay(tmp_path, kind):
    lists = coco_file(count=1)
    lists["images"][0] = {"id": 0, "file_name": "a.png", "width": 40, "height": 80}
    lists["annotations"][0]["bbox"] = [20, 0, 20, 20]
    note = voc_note("a.png", voc_object(corners=(20, 0, 40, 20)), size=(40, 80))
    labels = {"train.json": json.dumps(lists)} if kind == "coco" else {"a.xml": note}
    source = read_source(lay_out(tmp_path, {"a.png": marked_photo(6), **labels}))
    assert source.photos[0].boxes[0].xyxy == (0.5, 0.0, 1.0, 0.25)


def test_yolo_labels_are_meant_for_the_upright_picture(tmp_path):
    files = {"classes.txt": "cat\n", "images/a.png": marked_photo(6), "labels/a.txt": "0 0.75 0.125 0.5 0.25\n"}
    source = read_source(lay_out(tmp_path, files))
    assert source.photos[0].boxes[0].xyxy == (0.5, 0.0, 1.0, 0.25)


@pytest.mark.parametrize("form", ["JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF"])
def test_every_photo_format_is_read_alike(tmp_path, form):
    suffix = {"JPEG": "jpg", "MPO": "JPG", "TIFF": "TIF"}.get(form, form.lower())
    files = {"classes.txt": "cat\n", f"a.{suffix}": photo(3, kind=form), "a.txt": "0 0.5 0.5 0.2 0.4\n"}
    (found,) = read_source(lay_out(tmp_path, files)).photos
    upright = np.asarray(ImageOps.exif_transpose(Image.open(found.path)).convert("RGB"))[:, :, ::-1]
    assert np.abs(read_pixels(found.path).astype(int) - upright).mean() < 3
    assert found.look == difference_hash(read_pixels(found.path))


SPLITS_BY = {
    "a folder each": {"data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames: {0: dog, 1: cat}"},
    "names and lists over several lines": {
        "data.yaml": "train:\n  - images/train\nval: [images/val]\nnames:\n  1: cat\n  0: dog\n"
    },
    "text lists from the folder": {
        "dataset.yaml": "train: t.txt\nval: v.txt\nnames: [dog, cat]",
        "t.txt": "".join(f"images/train/p{i:02}.jpg\n" for i in range(12) if i % 4 != 3),
        "v.txt": "\n./images/val/p03.jpg\r\nimages\\val\\p07.jpg\nimages/val/p11.jpg\nimages/val/p11.jpg\n",
    },
    "a list beside the photos": {
        "data.yml": "train: images/train\nval: images/list.txt\nnames: [dog, cat]",
        "images/list.txt": "./val/p03.jpg\nval/p07.jpg\nval/p11.jpg",
    },
    "an export written for a neighbour folder": {
        "data.yaml": "train: ../images/train\nval: ../images/val\nnames: [dog, cat]"
    },
    "folders only": {"classes.txt": "dog\ncat\n"},
}


@pytest.mark.parametrize("files", SPLITS_BY.values(), ids=SPLITS_BY)
def test_yolo_splits_are_read_from(tmp_path, files):
    named = {name: content for name, content in yolo().items() if name != "data.yaml"}
    source = read_source(lay_out(tmp_path, named | files))
    assert {p.path.stem for p in source.photos if p.split == "val"} == {"p03", "p07", "p11"}
    assert {p.path.stem for p in source.photos if p.split == "train"} == set(boxes_by_stem(source)) - {
        "p03",
        "p07",
        "p11",
    }
    assert source.classes == ("dog", "cat")
    assert source.refusals == ()


def test_a_path_that_lies_elsewhere_is_listed_and_the_folder_of_the_yaml_used(tmp_path):
    text = "path: /content/data\ntrain: images/train\nval: images/val\nnames: [dog, cat]"
    source = read_source(lay_out(tmp_path, yolo() | {"data.yaml": text}) / "data.yaml")
    assert len(source.photos) == 12
    (refusal,) = source.refusals
    assert (refusal.file, refusal.line, refusal.lost) == ("data.yaml", 1, "nothing")


def test_a_photo_that_two_splits_name_stays_in_the_first(tmp_path):
    text = "train: images\nval: images/val\nnames: [dog, cat]"
    source = read_source(lay_out(tmp_path, yolo() | {"data.yaml": text}))
    assert {photo.split for photo in source.photos} == {"train"}
    assert [(r.line, r.lost) for r in source.refusals] == [(2, "nothing")]


def test_a_class_called_no_keeps_its_name(tmp_path):
    text = "train: images/train\nval: images/val\nnames: [no, yes]"
    assert read_source(lay_out(tmp_path, yolo() | {"data.yaml": text})).classes == ("no", "yes")


def split_files(*names: str) -> dict:
    """COCO files of two photos each, beside or above their photos."""
    files = {}
    for index, name in enumerate(names):
        lists = coco_file(count=2)
        stems = [f"s{index}{image['file_name']}" for image in lists["images"]]
        for image, stem in zip(lists["images"], stems, strict=True):
            image["file_name"] = stem
        folder = {"annotations": "images/val2017"}.get(name.split("/")[0], name.rpartition("/")[0] or "images")
        files |= {name: json.dumps(lists)} | {f"{folder}/{stem}": photo(10 * index + i) for i, stem in enumerate(stems)}
    return files


COCO_LAYOUTS = {
    "a file a split": (("train.json", "val.json"), {"train": 2, "val": 2}),
    "instances": (("annotations/instances_val2017.json",), {"val": 2}),
    "beside the photos": (
        ("train/_annotations.coco.json", "valid/_annotations.coco.json", "test/_annotations.coco.json"),
        {"train": 2, "val": 2, "test": 2},
    ),
    "one file": (("labels.json",), {None: 2}),
}


@pytest.mark.parametrize(("names", "splits"), COCO_LAYOUTS.values(), ids=COCO_LAYOUTS)
def test_coco_layouts(tmp_path, names, splits):
    source = read_source(lay_out(tmp_path, split_files(*names)))
    assert Counter(photo.split for photo in source.photos) == splits
    assert source.refusals == ()


def two_sets(change=lambda lists: None) -> dict:
    """COCO of the same photos in two files, where `change` was done to the second."""
    lists = coco_file()
    lists["annotations"].append({"id": 100, "image_id": 1, "category_id": 9, "bbox": [1, 1, 5, 5]})
    lists["annotations"].insert(0, {"id": 102, "image_id": 2, "category_id": 3, "bbox": [1, 1, 5, 5]})
    files = coco() | {"train.json": json.dumps(lists)}
    lists["annotations"].reverse()
    change(lists)
    return files | {"val.json": json.dumps(lists)}


def test_a_second_file_that_says_the_same_of_its_photos_changes_nothing(tmp_path):
    first = read_source(lay_out(tmp_path / "first", {k: v for k, v in two_sets().items() if k != "val.json"}))
    source = read_source(lay_out(tmp_path / "both", two_sets()))
    assert [photo.boxes for photo in source.photos] == [photo.boxes for photo in first.photos]
    assert {photo.split for photo in source.photos} == {"train"}
    assert [r.kind for r in first.refusals] == ["unknown class"], "what is bad in both is listed once"
    assert [r.kind for r in source.refusals] == ["unknown class"] + ["photo named twice"] * 12
    assert [n.kind for n in assign_splits(source.photos).notes] == [n.kind for n in assign_splits(first.photos).notes]


OTHER_LABELS = {
    "another box": (lambda lists: lists["annotations"][1].update(bbox=[1, 2, 3, 4]), 1),
    "another class": (lambda lists: lists["annotations"][1].update(category_id=7), 1),
    "a label deleted": (lambda lists: lists["annotations"].pop(1), 0),
    "one that cannot be used": (lambda lists: lists["annotations"][1].update(category_id=9), 0),
    "one more that cannot be used": (
        lambda lists: lists["annotations"].append({"id": 101, "image_id": 11, "category_id": 9, "bbox": [1, 1, 5, 5]}),
        1,
    ),
}


@pytest.mark.parametrize(("change", "box_count"), OTHER_LABELS.values(), ids=OTHER_LABELS)
def test_a_photo_with_two_label_sets_is_found_with_both_and_an_import_takes_the_first(tmp_path, change, box_count):
    source = read_source(lay_out(tmp_path, two_sets(change)))
    (*_, first, second) = source.photos
    assert first.photo_id == second.photo_id
    assert boxes_by_stem(replace(source, photos=(first,)))["p11"] == (FoundBox("cat", pytest.approx(THE_BOX)),)
    assert len(second.boxes) == box_count
    assert (first.split, second.split) == ("train", "val")
    (listed,) = [r for r in source.refusals if r.kind == "photo named twice with other labels"]
    assert (listed.file, listed.lost) == ("val.json", "nothing")
    images, labels = to_tables(source, assign_splits(source.photos).splits)
    assert (len(images), len(labels)) == (12, 13)
    assert np.unique(labels.label).tolist() == [0]


def test_a_label_that_is_lost_names_its_photo(tmp_path):
    bad = {"yolo": "99 .5 .5 .2 .2\n", "voc": voc_note("p01.jpg", voc_object(), voc_object(""))}
    files = {
        "yolo": yolo() | {"labels/train/p01.txt": bad["yolo"]},
        "coco": {k: v for k, v in two_sets().items() if k != "val.json"},
        "voc": voc() | {"Annotations/p01.xml": bad["voc"]},
    }
    for kind, each in files.items():
        source = read_source(lay_out(tmp_path / kind, each))
        (lost,) = source.refusals
        assert [photo.path.stem for photo in source.photos if photo.photo_id == lost.photo_id] == ["p01"]


def test_a_source_without_a_label_is_read_only_for_photos_that_may_be_bare(tmp_path):
    folder = lay_out(tmp_path, {name: "" if name.endswith(".txt") else text for name, text in yolo().items()})
    allowed = frozenset({digest_of(photo(3)), "f" * 24})
    assert len(read_source(folder, may_be_bare=allowed).photos) == 12
    with pytest.raises(DataError, match="no usable label"):
        read_source(folder, may_be_bare=frozenset({"f" * 24}))
    lay_out(tmp_path, {"labels/train/p00.txt": "1 .1 .1 .2 .2 .3 .1\n"})
    with pytest.raises(DataError, match=r"no usable label.*polygon"):
        read_source(folder, may_be_bare=allowed)


def test_a_folder_is_read_as_if_what_is_left_out_were_not_there(tmp_path):
    folder = lay_out(tmp_path, two_sets(lambda lists: lists["annotations"].clear()))
    source = read_source(folder, left_out=frozenset({"val.json"}))
    assert [r.kind for r in source.refusals] == ["unknown class"]
    assert len(source.photos) == 12


def test_captions_beside_instances_are_left_alone(tmp_path):
    files = split_files("annotations/instances_val2017.json") | {"annotations/captions_val2017.json": "{}"}
    assert read_source(lay_out(tmp_path, files)).refusals == ()


def test_extra_fields_of_coco_images_are_kept_and_the_camera_is_the_group(tmp_path):
    lists = coco_file(count=1)
    lists["images"][0] |= {"camera": "gate 2", "frame": 17, "tags": ["x"], "license": 1, "note": "a\x1b[31m"}
    (found,) = read_source(lay_out(tmp_path, {"train.json": json.dumps(lists), "p00.jpg": photo()})).photos
    assert found.fields == {"camera": "gate 2", "frame": 17}
    assert found.group == "camera=gate 2"


VOC_LAYOUTS = {
    "beside each other in folders of splits": ("train/a.jpg", "train/a.xml", {}, "train"),
    "images and annotations": ("images/a.jpg", "annotations/a.xml", {"images.png": photo(9)}, None),
    "a year's folder": (
        "VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.xml",
        {"VOC2007/ImageSets/Main/val.txt": "a\n", "VOC2007/SegmentationClass/a.png": photo(9, kind="PNG")}, "val",
    ),
    "trainval counts as train": (
        "JPEGImages/a.jpg", "Annotations/a.xml", {"ImageSets/Main/trainval.txt": "a 1\n"}, "train",
    ),
    "another name, found by filename": (
        "JPEGImages/a.jpg", "Annotations/0001.xml", {"ImageSets/Main/test.txt": "0001\n"}, "test",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("photo_name", "note_name", "more", "split"), VOC_LAYOUTS.values(), ids=VOC_LAYOUTS)
def test_voc_layouts(tmp_path, photo_name, note_name, more, split):
    files = {photo_name: photo(), note_name: voc_note("a.jpg", voc_object()), **more}
    source = read_source(lay_out(tmp_path, files), "voc")
    (found,) = source.photos
    assert (found.split, found.boxes) == (split, (FoundBox("cat", pytest.approx(THE_BOX)),))
    assert source.refusals == ()


def test_a_photo_without_labels_is_background(tmp_path):
    files = yolo() | {"labels/train/p00.txt": "\n", "images/train/empty.jpg": photo(99)}
    source = read_source(lay_out(tmp_path, files))
    assert boxes_by_stem(source)["p00"] == boxes_by_stem(source)["empty"] == ()
    assert source.refusals == ()


FORMAT_PROBLEMS = {
    "photos only": {"a.jpg": photo()},
    "two formats": {name: content for kind in ("voc", "yolo") for name, content in GOOD[kind]().items()},
}


@pytest.mark.parametrize("files", FORMAT_PROBLEMS.values(), ids=FORMAT_PROBLEMS)
def test_an_unclear_format_is_asked_for(tmp_path, files):
    with pytest.raises(DataError) as caught:
        read_source(lay_out(tmp_path, files))
    assert all(f"--format {kind}" in caught.value.hint for kind in FORMATS)


def test_a_format_that_is_named_is_not_guessed(tmp_path):
    assert read_source(lay_out(tmp_path, FORMAT_PROBLEMS["two formats"]), "voc").format == "voc"


def test_tables_are_sorted_keep_a_photo_once_and_name_labels_by_content(tmp_path):
    files = voc(count=4) | {"JPEGImages/p09.jpg": photo(0), "Annotations/p09.xml": voc_note("p09.jpg")}
    source = read_source(lay_out(tmp_path, files))
    images, labels = to_tables(source, ["train"] * 5)
    assert list(images.id) == sorted({photo.photo_id for photo in source.photos})
    assert list(labels.image) == [0, 1, 2, 3]
    assert images.path[0] == f"data/photos/{images.id[0][:2]}/{images.id[0]}.jpg"
    again, same = to_tables(read_source(tmp_path), ["train"] * 5)
    assert list(same.id) == list(labels.id)
    assert len(set(labels.id)) == 4
    assert [source.classes[number] for number in labels.label].count("ant") == 1
    assert again.path[0] == images.path[0] == next(photo_path(p) for p in source.photos if p.photo_id == images.id[0])


def test_the_same_pixels_give_the_same_jpeg_and_stay_alike(tmp_path):
    pixels = read_pixels(lay_out(tmp_path, {"a.jpg": photo(1, 200, 160)}) / "a.jpg")
    data = encode_jpeg(pixels)
    assert data == encode_jpeg(pixels.copy())
    again = read_pixels(lay_out(tmp_path, {"b.jpg": data}) / "b.jpg")
    assert np.abs(again.astype(int) - pixels).mean() < 3
    assert (difference_hash(again) ^ difference_hash(pixels)).bit_count() <= 4


def test_a_difference_hash_says_where_it_gets_lighter():
    ramp = np.tile(np.arange(90, dtype=np.uint8), (80, 1))
    assert difference_hash(ramp) == 2**64 - 1
    assert difference_hash(ramp[:, ::-1].copy()) == 0
    half = np.concatenate([ramp[:40], ramp[40:, ::-1]])
    assert difference_hash(half) == (2**32 - 1) << 32


@pytest.mark.parametrize("content", [b"", b"no picture", photo()[:-200]], ids=["empty", "text", "cut off"])
def test_a_damaged_picture_is_an_error_that_names_it(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.jpg"):
        read_pixels(lay_out(tmp_path, {"a.jpg": content}) / "a.jpg")
    with pytest.raises(DataError, match=r"b\.jpg"):
        read_pixels(tmp_path / "b.jpg")


def two_pictures(tmp_path) -> list[YoloPicture]:
    lay_out(tmp_path, {"s/a.JPG": photo(0, 64, 48), "s/b.png": photo(1, 48, 64, kind="PNG")})
    box = np.array([[0.1, 0.2, 0.5, 0.8], [0.0, 0.0, 1.0, 1.0]])
    return [
        YoloPicture("aa", tmp_path / "s/a.JPG", np.array([1, 0]), box, times=3),
        YoloPicture("bb", tmp_path / "s/b.png", np.zeros(0, np.int64), np.zeros((0, 4)), times=1),
    ]


def test_a_yolo_folder_holds_exactly_what_training_needs(tmp_path):
    folder = tmp_path / "arm"
    lay_out(folder, {"labels.cache": "pickle", "labels/old.txt": "0", "images/old.jpg": "", "kept.txt": "mine"})
    described = write_yolo_folder(folder, two_pictures(tmp_path), ["dog", "no"])
    assert yaml.safe_load(described.read_text()) == {
        "path": str(folder), "train": "train.txt", "val": "val.txt", "names": {0: "dog", 1: "no"},
    }  # fmt: skip
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "data.yaml", "train.txt", "val.txt", "kept.txt",
        "images/aa.jpg", "images/bb.png", "labels/aa.txt", "labels/bb.txt",
    }  # fmt: skip
    assert (folder / "train.txt").read_text().split() == [str(folder / "images/aa.jpg")] * 3 + [
        str(folder / "images/bb.png")
    ]
    assert (folder / "val.txt").read_text().split() == [str(folder / "images/aa.jpg")]
    assert (folder / "images/aa.jpg").stat().st_ino == (tmp_path / "s/a.JPG").stat().st_ino
    rows = [[float(value) for value in row.split()] for row in (folder / "labels/aa.txt").read_text().splitlines()]
    assert rows == [[1, 0.3, 0.5, 0.4, 0.6], [0, 0.5, 0.5, 1, 1]]
    assert (folder / "labels/bb.txt").read_text() == ""


def test_nothing_to_train_on_is_said_so(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        write_yolo_folder(tmp_path, [], ["cat"])


READ_BACK = """
import json, sys
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset
data = check_det_dataset(sys.argv[1], autodownload=False)
found = YOLODataset(img_path=data["train"], data=data, task="detect", imgsz=64, augment=False)
rows = [[it["im_file"].rsplit("/")[-1], it["cls"].ravel().tolist(), it["bboxes"].tolist()] for it in found.labels]
print("READ" + json.dumps([data["names"], rows]))
"""


def test_ultralytics_reads_a_yolo_folder_as_it_was_meant(tmp_path):
    described = write_yolo_folder(tmp_path / "arm", two_pictures(tmp_path), ["dog", "no"])
    switches = {
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, str(described)],
        env=os.environ | switches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, rows = json.loads(done.stdout.partition("READ")[2])
    assert names == {"0": "dog", "1": "no"}
    assert Counter(row[0] for row in rows) == {"aa.jpg": 3, "bb.png": 1}
    boxes = {row[0]: row[1:] for row in rows}
    assert boxes["bb.png"] == [[], []]
    assert boxes["aa.jpg"][0] == [1, 0]
    assert np.allclose(boxes["aa.jpg"][1], [[0.3, 0.5, 0.4, 0.6], [0.5, 0.5, 1, 1]])


@pytest.mark.skipif(not DATA, reason="CURATE_DATA names no folder with data/bccd")
def test_the_blood_cells_are_read_whole_but_for_two_boxes_without_area():
    folder = Path(DATA) / "data/bccd"
    before = fingerprints(folder)
    source = read_source(folder)
    assert (source.format, source.classes, source.seen_count) == ("voc", ("Platelets", "RBC", "WBC"), 364)
    assert Counter(photo.split for photo in source.photos) == {"train": 205, "val": 87, "test": 72}
    assert Counter(box.label for photo in source.photos for box in photo.boxes) == {
        "RBC": 4153, "WBC": 372, "Platelets": 361,
    }  # fmt: skip
    assert [(refusal.file, refusal.line, refusal.lost) for refusal in source.refusals] == [
        ("Annotations/BloodImage_00338.xml", 158, "label"),
        ("Annotations/BloodImage_00343.xml", 50, "label"),
    ]
    check_usable(source, allow_bad=False)
    assert fingerprints(folder) == before
