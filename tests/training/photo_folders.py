"""Tiny folders of labelled photos for tests: made from a dict of names and contents."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

Content = bytes | str


def photo(seed: int = 0, width_px: int = 40, height_px: int = 30, *, kind: str = "JPEG", orientation: int = 1) -> bytes:
    """Draw coarse noise, so that different seeds look different; stored size, before its orientation."""
    cells = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture = Image.fromarray(cells).resize((width_px, height_px), Image.Resampling.NEAREST)
    picture.save(file, kind, **({} if kind == "BMP" else {"exif": exif.tobytes()}))
    return file.getvalue()


def lay_out(folder: Path, files: Mapping[str, Content]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def yolo(*, count: int = 12) -> dict[str, Content]:
    """Photos p00 … with one box of class `cat` each, split by folders; the names are not in alphabetical order."""
    files: dict[str, Content] = {"data.yaml": "train: images/train\nval: images/val\ntest:\nnames: [dog, cat]\n"}
    for i in range(count):
        split = "val" if i % 4 == 3 else "train"
        files[f"images/{split}/p{i:02}.jpg"] = photo(i)
        files[f"labels/{split}/p{i:02}.txt"] = "1 0.5 0.5 0.2 0.4\n"
    return files


def coco_file(*, count: int = 12) -> dict:
    return {
        "images": [{"id": i, "file_name": f"p{i:02}.jpg", "width": 40, "height": 30} for i in range(count)],
        "annotations": [{"id": i, "image_id": i, "category_id": 3, "bbox": [16, 9, 8, 12]} for i in range(count)],
        "categories": [{"id": 7, "name": "ant"}, {"id": 3, "name": "cat"}],
    }


def coco(*, count: int = 12) -> dict[str, Content]:
    return {"train.json": json.dumps(coco_file(count=count))} | {f"images/p{i:02}.jpg": photo(i) for i in range(count)}


def voc_object(label: str = "cat", corners: tuple[object, ...] = (16, 9, 24, 21)) -> str:
    sides = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{label}</name>\n<bndbox>{sides}</bndbox></object>\n"


def voc_note(name: str, *objects: str, size: tuple[int, int] | None = (40, 30), more: str = "") -> str:
    shown = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation><filename>{name}</filename>{shown}{more}\n{''.join(objects)}</annotation>"


def voc(*, count: int = 12) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for i in range(count):
        files[f"JPEGImages/p{i:02}.jpg"] = photo(i)
        files[f"Annotations/p{i:02}.xml"] = voc_note(f"p{i:02}.jpg", voc_object("cat" if i else "ant"))
    files["ImageSets/Main/train.txt"] = "".join(f"p{i:02}\n" for i in range(count) if i % 4)
    files["ImageSets/Main/test.txt"] = "".join(f"p{i:02}\n" for i in range(count) if i % 4 == 0)
    return files


GOOD = {"yolo": yolo, "coco": coco, "voc": voc}
