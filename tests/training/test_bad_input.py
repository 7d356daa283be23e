import io
import json
import os
import sys
import zlib
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photo_folders import GOOD, coco, coco_file, lay_out, photo, voc, voc_note, voc_object, yolo
from PIL import Image

from training import pixels
from training.dataset import read_source
from training.errors import DataError
from training.source import BadItem, Source, check_usable, checked_corners

ROW = "1 0.5 0.5 0.2 0.4\n"
LABEL = "labels/train/p00.txt"
IMAGE = "images/train/p00.jpg"
NOTE = "Annotations/p01.xml"


def with_row(row: str) -> dict:
    return yolo() | {LABEL: f"{ROW}\n{row}\n"}


def with_note(*objects: str, **more) -> dict:
    return voc() | {NOTE: voc_note("p01.jpg", voc_object(), *objects, **more)}


def with_coco(change) -> dict:
    lists = coco_file()
    change(lists)
    return coco() | {"train.json": json.dumps(lists)}


def with_annotation(**values) -> dict:
    annotation = {"id": 100, "image_id": 1, "category_id": 7, "bbox": [1, 1, 5, 5]} | values
    return with_coco(lambda lists: lists["annotations"].append(annotation))


def with_image(**values) -> dict:
    image = {"id": 100, "file_name": "x.jpg", "width": 40, "height": 30} | values
    return with_coco(lambda lists: lists["images"].append(image))


def name_again(lists: dict) -> None:
    """Name a photo a second time, with the label that it has."""
    lists["images"].append(lists["images"][3] | {"id": 100})
    lists["annotations"].append(lists["annotations"][3] | {"id": 100, "image_id": 100})


def without(files: dict, *names: str) -> dict:
    return {name: content for name, content in files.items() if name not in names}


def huge_png(side_px: int = 9_000) -> bytes:
    """A square by its header, and nothing behind it."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = side_px.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


ENTITY = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x {}>]><annotation><filename>&x;</filename></annotation>'

# name: (files, file of the refusal, line, how its reason begins, what is lost)
BAD = {
    # labels of YOLO
    "yolo: short row": (with_row("1 0.5 0.5"), LABEL, 3, "short row: 3 of 5", "label"),
    "yolo: polygon": (with_row("1 .1 .1 .2 .2 .3 .1"), LABEL, 3, "polygon instead of a box: 3 points", "label"),
    "yolo: six numbers": (with_row("1 .5 .5 .2 .2 .9"), LABEL, 3, "polygon or scored box", "label"),
    "yolo: zero area": (with_row("1 .5 .5 0 .2"), LABEL, 3, "box without an area", "label"),
    "yolo: negative size": (with_row("1 .5 .5 -.2 .2"), LABEL, 3, "box without an area", "label"),
    "yolo: out of range": (with_row("1 .5 .5 1.03 .2"), LABEL, 3, "box outside the picture", "label"),
    "yolo: pixels": (with_row("1 20 15 8 12"), LABEL, 3, "box outside the picture", "label"),
    "yolo: nan": (with_row("1 .5 nan .2 .2"), LABEL, 3, "not a usable number: 'nan'", "label"),
    "yolo: infinity": (with_row("1 .5 .5 1e999 .2"), LABEL, 3, "not a usable number", "label"),
    "yolo: a word": (with_row("cat .5 .5 .2 .2"), LABEL, 3, "not a usable number: 'cat'", "label"),
    "yolo: underscore": (with_row("1 0.5 0.5 0.2 0_1"), LABEL, 3, "not a usable number", "label"),
    "yolo: half a class": (with_row("0.7 .5 .5 .2 .2"), LABEL, 3, "unknown class: number 0.7", "label"),
    "yolo: negative class": (with_row("-1 .5 .5 .2 .2"), LABEL, 3, "unknown class: number -1", "label"),
    "yolo: unknown class": (with_row("99 .5 .5 .2 .2"), LABEL, 3, "unknown class: number 99", "label"),
    "yolo: the same row again": (with_row(ROW), LABEL, 3, "the same box again", "nothing"),
    "yolo: not UTF-8": (yolo() | {LABEL: b"\xff\xfe1 0"}, LABEL, None, "not UTF-8 text", "photo"),
    "yolo: label without photo": (
        yolo() | {"labels/train/x.txt": ROW}, "labels/train/x.txt", None, "missing image", "photo",
    ),
    "yolo: list names a missing photo": (
        yolo() | {"data.yaml": "train: [images, l.txt]\nnames: [dog, cat]", "l.txt": "images/train/p00.jpg\nx.jpg"},
        "l.txt", 2, "missing image: 'x.jpg'", "photo",
    ),
    "yolo: a split is missing": (
        yolo() | {"data.yaml": "names: [dog, cat]\ntrain: images/train\nval: images/vla"},
        "data.yaml", 3, "split is missing", "photo",
    ),
    "yolo: download": (
        yolo() | {"data.yaml": "train: images\nnames: [dog, cat]\ndownload: import os\n"},
        "data.yaml", 3, "download is ignored", "nothing",
    ),
    # photos
    "photo: no picture": (yolo() | {IMAGE: "<svg/>"}, IMAGE, None, "unreadable picture", "photo"),
    "photo: empty": (yolo() | {IMAGE: b""}, IMAGE, None, "unreadable picture", "photo"),
    "photo: cut off": (yolo() | {IMAGE: photo(0, 64, 64)[:-9]}, IMAGE, None, "unreadable picture: image", "photo"),
    "photo: cut off PNG": (
        yolo() | {"images/train/x.png": photo(0, 64, 64, kind="PNG")[:-40]},
        "images/train/x.png", None, "unreadable picture", "photo",
    ),
    "photo: too small": (yolo() | {IMAGE: photo(0, 9, 30)}, IMAGE, None, "picture smaller than 10 px", "photo"),
    "photo: huge": (
        yolo() | {"images/train/x.png": huge_png()}, "images/train/x.png", None, "picture larger than 64 mega", "photo",
    ),
    "photo: turned TIFF": (
        yolo() | {"images/train/x.tif": photo(kind="TIFF", orientation=6)},
        "images/train/x.tif", None, "turned TIFF", "photo",
    ),
    "photo: another format inside": (
        yolo() | {IMAGE: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n"},
        IMAGE, None, "unreadable picture", "photo",
    ),
    # COCO
    "coco: missing image": (with_image(), "train.json", None, "missing image: 'x.jpg'", "photo"),
    "coco: no file_name": (with_image(file_name=None), "train.json", None, "image without file_name", "photo"),
    "coco: no image id": (with_image(id=None), "train.json", None, "not an id: None", "photo"),
    "coco: an image that is a number": (
        with_coco(lambda lists: lists["images"].append(5)), "train.json", None, "not an id", "photo",
    ),
    "coco: the same photo under two ids": (
        with_coco(name_again), "train.json", None, "photo named twice: 'images/p03.jpg'", "nothing",
    ),
    "coco: the same photo under two ids, once without its labels": (
        with_image(file_name="p03.jpg"),
        "train.json", None, "photo named twice with other labels: 'images/p03.jpg'", "nothing",
    ),
    "coco: another picture size": (
        with_coco(lambda lists: lists["images"][0].update(width=80)),
        "images/p00.jpg", None, "labels are for another picture size: 80 × 30", "photo",
    ),
    "coco: NaN size": (
        with_coco(lambda lists: lists["images"][0].update(width="wide")),
        "images/p00.jpg", None, "not a usable number", "photo",
    ),
    "coco: duplicate annotation id": (with_annotation(id=3), "train.json", None, "annotation id given twice", "label"),
    "coco: annotation of no image": (with_annotation(image_id=77), "train.json", None, "annotation of no", "label"),
    "coco: image id of another kind": (
        with_annotation(image_id="1"), "train.json", None, "annotation of no image", "label",
    ),
    "coco: crowd": (with_annotation(iscrowd=1), "train.json", None, "crowd, not one object: annotation 100", "label"),
    "coco: unknown category": (
        with_annotation(category_id=9), "train.json", None, "unknown class: category 9 (annotation 100)", "label",
    ),
    "coco: zero area": (with_annotation(bbox=[1, 1, 0, 5]), "train.json", None, "box without an area", "label"),
    "coco: out of range": (with_annotation(bbox=[30, 1, 12, 5]), "train.json", None, "box outside", "label"),
    "coco: three numbers": (with_annotation(bbox=[1, 1, 5]), "train.json", None, "not a box", "label"),
    "coco: a huge number": (with_annotation(bbox=[1, 1, 5, 10**400]), "train.json", None, "not a usable", "label"),
    "coco: true for a number": (with_annotation(bbox=[1, 1, 5, True]), "train.json", None, "not a usable", "label"),
    "coco: an annotation that is a list": (
        with_coco(lambda lists: lists["annotations"].append([])), "train.json", None, "not an annotation", "label",
    ),
    "coco: another file holds NaN": (
        coco() | {"val.json": '{"images": [{"id": NaN}]}'}, "val.json", None, "not JSON: it holds NaN", "photo",
    ),
    "coco: another file is cut off": (coco() | {"val.json": '{"images":\n ['}, "val.json", 2, "not JSON", "photo"),
    "coco: another file is a list": (coco() | {"val.json": "[]"}, "val.json", None, "not a COCO file", "photo"),
    "coco: another file is deep": (coco() | {"val.json": "[" * 100_000}, "val.json", None, "not JSON", "photo"),
    # VOC
    "voc: missing image": (without(voc(), "JPEGImages/p01.jpg"), NOTE, None, "missing image: 'p01.jpg'", "photo"),
    "voc: list names a missing photo": (
        voc() | {"ImageSets/Main/train.txt": "p02\nx"}, "ImageSets/Main/train.txt", 2, "missing image: 'x'", "photo",
    ),
    "voc: photo in two lists": (
        voc() | {"ImageSets/Main/val.txt": "p01"}, "ImageSets/Main/val.txt", 1, "photo in two lists: train", "nothing",
    ),
    "voc: zero area": (with_note(voc_object(corners=(5, 5, 5, 9))), NOTE, 4, "box without an area", "label"),
    "voc: out of range": (with_note(voc_object(corners=(5, 5, 41, 9))), NOTE, 4, "box outside the picture", "label"),
    "voc: NaN": (with_note(voc_object(corners=(5, "NaN", 9, 9))), NOTE, 4, "not a usable number: 'NaN'", "label"),
    "voc: no number": (with_note(voc_object(corners=(5, "", 9, 9))), NOTE, 4, "not a usable number: ''", "label"),
    "voc: no class": (with_note(voc_object("")), NOTE, 4, "not a class name", "label"),
    "voc: no box": (with_note("<object><name>cat</name></object>"), NOTE, 4, "not a box", "label"),
    "voc: another picture size": (
        voc() | {NOTE: voc_note("p01.jpg", size=(30, 40))}, NOTE, None, "labels are for another picture size", "photo",
    ),
    "voc: entity": (voc() | {NOTE: ENTITY.format("'p01.jpg'")}, NOTE, None, "XML with entities", "photo"),
    "voc: external entity": (
        voc() | {NOTE: ENTITY.format("SYSTEM 'file:///etc/hostname'")}, NOTE, None, "XML with entities", "photo",
    ),
    "voc: cut off": (voc() | {NOTE: "<annotation><object>"}, NOTE, None, "not XML", "photo"),
    "voc: deep": (voc() | {NOTE: "<a>" * 100_000}, NOTE, None, "not XML", "photo"),
    "voc: something else": (voc() | {NOTE: "<html></html>"}, NOTE, None, "not a VOC annotation", "photo"),
    "voc: odd encoding": (
        voc() | {NOTE: "<?xml version='1.0' encoding='none'?><annotation/>"}, NOTE, None, "not XML", "photo",
    ),
    "voc: two photos for one annotation": (
        voc() | {"JPEGImages/p01.png": photo(kind="PNG")}, "JPEGImages/p01.png", None, "two photos for one", "photo",
    ),
    "voc: two annotations for one photo": (
        voc() | {"Annotations/x.xml": voc_note("p01.jpg")}, "Annotations/x.xml", None, "two annotations for", "label",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "file", "line", "reason", "lost"), BAD.values(), ids=BAD)
def test_one_bad_item_is_one_refusal_and_the_rest_is_read(tmp_path, files, file, line, reason, lost):
    source = read_source(lay_out(tmp_path, files))
    (refusal,) = source.refusals
    assert (refusal.file, refusal.line, refusal.lost) == (file, line, lost)
    assert refusal.reason.startswith(reason)
    assert refusal.reason.isprintable()
    assert source.seen_count == len(source.photos) + (lost == "photo")
    assert len(source.photos) >= 9


def test_photos_that_share_an_image_id_are_both_refused_because_their_labels_are_mixed(tmp_path):
    source = read_source(lay_out(tmp_path, with_image(id=3, file_name="p99.jpg") | {"images/p99.jpg": photo(99)}))
    assert [(r.reason, r.lost) for r in source.refusals] == [("image id given to several photos: 3", "photo")] * 2
    assert {p.path.stem for p in source.photos}.isdisjoint({"p03", "p99"})


@pytest.mark.parametrize("corners", [(-0.009, 0.2, 0.5, 1.009), (0.0, 0.0, 1.0, 1.0)])
def test_a_box_at_most_a_hundredth_outside_is_clipped(corners):
    assert checked_corners(*corners) == tuple(min(max(value, 0), 1) for value in corners)


@given(st.tuples(*[st.floats(-0.5, 1.5)] * 4))
def test_corners_are_inside_or_refused(corners):
    inside = min(corners) >= 0 and max(corners) <= 1
    roomy = corners[2] - corners[0] > 1e-5 and corners[3] - corners[1] > 1e-5
    with nullcontext() if inside and roomy else suppress(BadItem):
        x1, y1, x2, y2 = checked_corners(*corners)
        assert 0 <= x1 < x2 <= 1
        assert 0 <= y1 < y2 <= 1


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pixels.cv2, "imdecode", None)
    with pytest.raises(BadItem, match="larger than 64 megapixels"):
        pixels.look_at(huge_png())


def test_a_picture_of_more_pixels_than_pillow_opens_is_refused_alike():
    with pytest.raises(BadItem, match="larger than 64 megapixels"):
        pixels.look_at(huge_png(60_000))


def test_a_json_of_more_than_a_gigabyte_is_refused_by_its_size(tmp_path):
    with (lay_out(tmp_path, coco()) / "val.json").open("wb") as file:
        file.truncate(2**30 + 1)
    assert [r.reason.partition(":")[0] for r in read_source(tmp_path).refusals] == ["file too large"]


# Names in data that lead out of the dataset folder, or are no names.
OUTSIDE = {
    "absolute": "/etc/hostname", "above": "../secret.jpg", "above by a detour": "images/../../secret.jpg",
    "home": "~/secret.jpg", "another's home": "~root/secret.jpg", "file address": "file:///etc/hostname",
    "file address, short": "file:/etc/hostname", "web address": "https://example.org/a.jpg", "share": "\\\\host\\a.jpg",
    "drive": "C:\\a.jpg", "backslashes": "..\\secret.jpg", "data address": "data:image/png;base64,AAAA",
    "absolute beside": "{root}-other/secret.jpg", "absolute detour": "{root}/../secret.jpg",
}  # fmt: skip
NO_NAMES = {"NUL": "a\0b.jpg", "very long": "a/" * 3000 + "a.jpg", "lone surrogate": "\ud800.jpg"}


@pytest.mark.parametrize("name", [*OUTSIDE.values(), *NO_NAMES.values()], ids=[*OUTSIDE, *NO_NAMES])
def test_a_coco_file_name_that_leaves_the_folder_is_refused(tmp_path, name):
    folder = tmp_path / "data"
    lay_out(tmp_path, {"secret.jpg": photo(5), "data-other/secret.jpg": photo(5)})
    (refusal,) = read_source(lay_out(folder, with_image(file_name=name.format(root=folder)))).refusals
    assert refusal.reason.startswith("not a file name" if name in NO_NAMES.values() else "path that leaves")
    assert refusal.reason.isprintable()


@pytest.mark.parametrize("name", OUTSIDE.values(), ids=OUTSIDE)
def test_a_voc_filename_that_leaves_the_folder_is_refused(tmp_path, name):
    folder = tmp_path / "data"
    told = voc_note(name.format(root=folder), voc_object())
    (refusal,) = read_source(lay_out(folder, voc() | {NOTE: told})).refusals
    assert (refusal.file, refusal.lost) == (NOTE, "photo")
    assert refusal.reason.startswith("path that leaves")


@pytest.mark.parametrize("name", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("place", ["split", "list", "path"])
def test_a_yolo_path_that_leaves_the_folder_is_refused(tmp_path, name, place):
    folder = tmp_path / "data"
    lay_out(tmp_path, {"secret.jpg": photo(5), "data-other/secret.jpg": photo(5)})
    name = name.format(root=folder)
    shown = json.dumps(name)
    text = {
        "split": f"val: {shown}\ntrain: images\nnames: [dog, cat]",
        "list": "val: l.txt\ntrain: images\nnames: [dog, cat]",
        "path": f"path: {shown}\ntrain: images\nnames: [dog, cat]",
    }[place]
    source = read_source(lay_out(folder, yolo() | {"data.yaml": text, "l.txt": name}), "yolo")
    (refusal,) = source.refusals
    # one step up is how exports for a neighbour folder are written, so there it is only missing
    assert refusal.reason.startswith(("path that leaves", "split is missing"))
    assert refusal.line == 1
    assert len(source.photos) == 12


def test_an_absolute_path_inside_the_folder_is_followed(tmp_path):
    files = yolo() | {
        "data.yaml": "train: l.txt\nnames: [dog, cat]",
        "l.txt": f"{tmp_path.resolve()}/images/train/p00.jpg",
    }
    source = read_source(lay_out(tmp_path, files))
    assert [p.path.stem for p in source.photos] == ["p00"]
    assert source.refusals == ()


# What lies in the place of a photo or of its folder: how to put it there, and how the reason begins.
TRAPS = {
    "link out": (lambda path, out: path.symlink_to(out / "secret.jpg"), "link that leads out"),
    "link out by steps": (lambda path, out: path.symlink_to(f"../../../{out.name}/secret.jpg"), "link that leads out"),
    "link to itself": (lambda path, out: path.symlink_to(path.name), ("link that leads to itself", "cannot be read")),
    "link to nothing": (lambda path, out: path.symlink_to("gone.jpg"), "cannot be read: it is not there"),
    "pipe": (lambda path, out: os.mkfifo(path), "not an ordinary file"),
    "device": (lambda path, out: path.symlink_to("/dev/zero"), "link that leads out"),
    "link to a file without suffix": (
        lambda path, out: path.symlink_to("../../LICENCE"), "link to a file that is not a photo",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("put", "reason"), TRAPS.values(), ids=TRAPS)
def test_what_is_not_an_ordinary_file_inside_is_never_opened(tmp_path, put, reason):
    lay_out(tmp_path, {"out/secret.jpg": photo(5)})
    folder = lay_out(tmp_path / "data", yolo() | {"LICENCE": photo(7)})
    put(folder / "images/train/trap.jpg", tmp_path / "out")
    source = read_source(folder)
    (refusal,) = source.refusals
    assert (refusal.file, refusal.lost) == ("images/train/trap.jpg", "photo")
    assert refusal.reason.startswith(reason)
    assert len(source.photos) == 12


def test_a_label_file_that_is_a_link_out_costs_its_photo(tmp_path):
    lay_out(tmp_path, {"out/p00.txt": ROW})
    folder = lay_out(tmp_path / "data", yolo())
    (folder / LABEL).unlink()
    (folder / LABEL).symlink_to(tmp_path / "out/p00.txt")
    (refusal,) = read_source(folder).refusals
    assert (refusal.file, refusal.lost) == (LABEL, "photo")


def test_a_linked_folder_is_followed_inside_and_never_out_or_round(tmp_path):
    lay_out(tmp_path, {"out/secret.jpg": photo(5)})
    folder = lay_out(tmp_path / "data", yolo() | {"store/q.jpg": photo(50)})
    (folder / "images/train/more").symlink_to("../../store")
    (folder / "images/train/out").symlink_to(tmp_path / "out")
    (folder / "images/train/round").symlink_to("..")
    source = read_source(folder)
    assert {r.file: r.kind for r in source.refusals} == {
        "images/train/out": "link that leads out of the dataset folder",
        "images/train/round": "link to a folder that is read already",
    }
    assert {p.path.name for p in source.photos} >= {"q.jpg", "p00.jpg"}
    assert len(source.photos) == 13


def test_a_linked_photo_inside_is_given_by_its_real_path(tmp_path):
    folder = lay_out(tmp_path.resolve(), yolo() | {"store/q.jpg": photo(50)})
    (folder / "images/train/q.jpg").symlink_to("../../store/q.jpg")
    assert folder / "store/q.jpg" in {p.path for p in read_source(folder).photos}


# name: (files, format, what the message says)
UNUSABLE = {
    "yolo: no classes": (yolo() | {"data.yaml": "train: images\nval: images"}, "yolo", "names no classes"),
    "yolo: neither yaml nor classes.txt": (without(yolo(), "data.yaml"), None, "no class names"),
    "yolo: a class twice": (yolo() | {"data.yaml": "train: images\nnames: [a, a]"}, None, "names class 'a' twice"),
    "yolo: a number twice": (yolo() | {"data.yaml": "train: images\nnames: {0: a, 00: b}"}, None, "line 2"),
    "yolo: an odd number": (yolo() | {"data.yaml": "train: images\nnames: {one: a}"}, None, "class number"),
    "yolo: a list for a name": (yolo() | {"data.yaml": "train: images\nnames: [[a]]"}, None, "not a class name"),
    "yolo: a name that is not text": (yolo() | {"data.yaml": 'train: images\nnames: ["\\e[31m"]'}, None, "not a class"),
    "yolo: unsafe tag": (
        yolo() | {"data.yaml": "train: images\nnames: !!python/object/apply:os.system ['touch owned']"}, None, "unsafe",
    ),
    "yolo: not YAML": (yolo() | {"data.yaml": "names: [\n"}, None, "not YAML"),
    "yolo: deep YAML": (yolo() | {"data.yaml": "names: " + "[" * 50_000}, None, "not YAML"),
    "yolo: YAML that holds itself": (yolo() | {"data.yaml": "train: images\nnames: &a [*a]"}, None, "not a class name"),
    "yolo: a key twice": (yolo() | {"data.yaml": "train: a\ntrain: images\nnames: [a]"}, None, "key given twice"),
    "yolo: no splits": (yolo() | {"data.yaml": "names: [dog, cat]"}, None, "names no train, val or test"),
    "yolo: all splits outside": (
        yolo() | {"data.yaml": "train: /data/train\nval: /data/val\nnames: [a]"}, None, "path that leaves",
    ),
    "yolo: two YAMLs": (
        without(yolo(), "data.yaml") | {"a.yaml": "names: [a]", "b.yaml": "names: [b]"}, None, "several YAML files",
    ),
    "yolo: only polygons": (
        {n: "1 .1 .1 .2 .2 .3 .1" if n.endswith(".txt") else c for n, c in yolo().items()}, None, "no usable label",
    ),
    "yolo: no photo": ({n: c for n, c in yolo().items() if not n.endswith("jpg")}, None, "no usable photo"),
    "coco: no categories": (with_coco(lambda lists: lists.update(categories=[])), None, "name no categories"),
    "coco: a category without name": (
        with_coco(lambda lists: lists.update(categories=[{"id": 3}])), None, "not a class name",
    ),
    "coco: a category id twice": (
        with_coco(lambda lists: lists["categories"].append({"id": 3, "name": "bee"})), None, "stands for two",
    ),
    "coco: a category name twice": (
        with_coco(lambda lists: lists["categories"].append({"id": 4, "name": "cat"})), None, "the same name",
    ),
    "coco: only file is NaN": (coco() | {"train.json": "NaN"}, None, "it holds NaN"),
    "coco: only file is a number": (coco() | {"train.json": "7"}, None, "not a COCO file"),
    "coco: only file is not text": (coco() | {"train.json": b"\xff\x00\x80"}, None, "not JSON"),
    "coco: none there": ({"a.jpg": photo()}, "coco", "no usable photo"),
    "voc: none there": ({"a.jpg": photo()}, "voc", "no usable label"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "kind", "told"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_dataset_that_cannot_be_used_is_one_error_with_a_hint(tmp_path, files, kind, told):
    with pytest.raises(DataError) as caught:
        read_source(lay_out(tmp_path, files), kind)
    assert told in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["gone", "file.txt"])
def test_a_source_that_is_no_folder_is_said_so(tmp_path, name):
    lay_out(tmp_path, {"file.txt": "x"})
    with pytest.raises(DataError, match=name):
        read_source(tmp_path / name)


def bad_photos(count: int) -> dict:
    names = [name for name in yolo(count=20) if name.endswith(".jpg")]
    broken = {name: b"" if i % 2 else photo(i, 9, 9) for i, name in enumerate(names[:count])}
    return yolo(count=20) | broken


def test_a_tenth_of_bad_photos_is_listed_and_more_is_refused_with_the_main_reasons(tmp_path):
    check_usable(read_source(lay_out(tmp_path / "a", bad_photos(2))), allow_bad=False)
    worse = read_source(lay_out(tmp_path / "b", bad_photos(3)))
    check_usable(worse, allow_bad=True)
    with pytest.raises(DataError) as caught:
        check_usable(worse, allow_bad=False)
    assert "3 of 20 photos cannot be used: 2 × picture smaller than 10 px (first images/" in caught.value.message
    assert "1 × unreadable picture" in caught.value.message
    assert "--allow-bad" in caught.value.hint


def test_more_than_a_tenth_of_bad_labels_is_refused_too(tmp_path):
    source = read_source(lay_out(tmp_path, yolo(count=20) | {LABEL: ROW + "1 .1 .1 .2 .2 .3 .1\n" * 3}))
    with pytest.raises(DataError, match=r"3 of 23 labels cannot be used: 3 × polygon instead of a box"):
        check_usable(source, allow_bad=False)


# -- mutations ---------------------------------------------------------------------------------------------------------


class Watch:
    """Hears of every file, process and connection that is opened while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.opened: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple) -> None:
        if self.on and event in {"open", "os.listdir", "os.scandir", "subprocess.Popen", "socket.connect", "os.system"}:
            self.opened.append(str(arguments[0]))

    def read(self, folder: Path, kind: str | None) -> Source | DataError:
        self.opened.clear()
        self.on = True
        try:
            return read_source(folder, kind)
        except DataError as error:
            return error
        finally:
            self.on = False


WATCH = Watch()
TARGETS = {
    "yolo": ["data.yaml", LABEL, "l.txt", IMAGE],
    "coco": ["train.json", "images/p00.jpg"],
    "voc": [NOTE, "ImageSets/Main/train.txt", "JPEGImages/p01.jpg"],
}
PIECES = [
    b"nan", b"-1", b"1e999", b"../../x", b"/etc/hostname", b"~", b"\x00", b"\xff", b"\n", b" ", b"[", b"]", b"{", b"}",
    b'"', b"'", b"&x;", b"<object>", b"</annotation>", b"<!DOCTYPE a>", b"!!python/name:os.system", b"*a", b"&a ",
    b"<<: *a\n", b"9" * 400, b"true", b"null", b"\\ud800", b"- ", b": ", b"#", b"%", b"\xef\xbb\xbf", b"\x1b[31m",
]  # fmt: skip


@st.composite
def mutations(draw) -> tuple[str, str, bytes]:
    """One file of a good source with a few cuts, copies and insertions."""
    kind = draw(st.sampled_from(sorted(GOOD)))
    files = GOOD[kind](count=2) | ({"l.txt": f"{IMAGE}\n"} if kind == "yolo" else {})
    name = draw(st.sampled_from(TARGETS[kind]))
    content = files[name]
    data = content.encode() if isinstance(content, str) else content
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 12))
        new = draw(st.sampled_from([*PIECES, b"", data[at : at + size] * 2]) | st.binary(max_size=4))
        data = data[:at] + new + data[at + size :]
    return kind, name, data


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=mutations(), named=st.booleans())
def test_a_mutated_source_is_read_or_refused_and_nothing_outside_is_opened(tmp_path_factory, mutation, named):
    kind, name, data = mutation
    folder = tmp_path_factory.mktemp("mutated").resolve()
    lists = {"l.txt": f"{IMAGE}\n"} if kind == "yolo" else {}
    lay_out(folder, GOOD[kind](count=2) | lists | {name: data})
    source = WATCH.read(folder, kind if named else None)
    if isinstance(source, DataError):
        assert source.hint
    else:
        assert source.photos
        assert all(refusal.reason.isprintable() and refusal.file.isprintable() for refusal in source.refusals)
        assert source.seen_count == len(source.photos) + Counter(r.lost for r in source.refusals)["photo"]
        assert {box.label for p in source.photos for box in p.boxes} <= set(source.classes)
    libraries = tuple(str(Path(place).resolve()) for place in {*sys.path, sys.prefix, sys.base_prefix} if place)
    known = (str(folder), *libraries)
    assert not [place for place in WATCH.opened if not place.startswith(known) and not place.isdigit()]


def test_the_watch_hears_of_strangers(tmp_path):
    WATCH.opened.clear()
    WATCH.on = True
    (tmp_path / "x").write_text("x")
    WATCH.on = False
    assert WATCH.opened == [str(tmp_path / "x")]
