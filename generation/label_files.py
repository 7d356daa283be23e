"""DOOR disk: what training reads of made pictures: YOLO rows, a `data.yaml`, COCO, and a manifest of all lines.

All of it is derived from the notes of the pictures, so another rule holds than in `training/files.py`: label files are
written in place and not synced one by one, which would be a wait for the disk each. One that says what it should is
left alone and any other is written anew, so whoever lost some runs the same command again. All are synced together
before the manifest, which says that they are there, is moved into place.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import yaml
from pydantic import ValidationError

from generation.records import Failure, SyntheticImage
from training.errors import DamagedFile, DataError
from training.files import canonical_json, write_text, write_with, writing_failed
from training.intake import repeated
from training.read_yolo import label_name_of
from training.records import Record
from training.yolo_yaml import read_yaml

WRITERS = 4  # as quick as processes, which would have to send everything to and fro; also waits for slow disks
CHUNK = 128  # pictures handed to a writer at once
MAX_OBJECTS = 10_000  # of one picture: annotation ids of the next begin there
YAML_NAME = "data.yaml"
YAML_HEAD = "# val is train, because every picture here was made: name real photos as val before you believe a number\n"

Numbered = tuple[int, SyntheticImage]
"""The number of a picture, from 1, and its note; the note's path begins with `images/`."""
Result = tuple[int, str | Failure]
"""The number of a line, and its picture's path relative to the folder, or why there is none."""


class PictureLine(Record):
    """The manifest's line for a request that gave a picture."""

    kind: Literal["picture"] = "picture"
    line: int
    """Of the file of requests, from 1."""
    labels_path: str
    """Relative to the folder, as the picture's path is."""
    picture: SyntheticImage


class ErrorLine(Record):
    """The manifest's line for a request that gave none."""

    kind: Literal["error"] = "error"
    line: int
    request_id: str
    """Empty where the line has none."""
    reason: str
    refused: bool
    """It was painted, and the judge did not find in it what was asked for."""


def check_classes(folder: Path, classes: Sequence[str]) -> None:
    """Raise `DataError` where a class is named twice, or the folder's `data.yaml` numbers other classes."""
    if twice := sorted(repeated(classes)):
        raise DataError(f"class {twice[0]} is named twice", hint="name each class once")
    if (folder / YAML_NAME).is_file() and read_yaml(folder, YAML_NAME).names != dict(enumerate(classes)):
        raise DataError(
            f"{folder / YAML_NAME} has other classes than {', '.join(classes) or 'none'}, so its labels mean others",
            hint="use another folder, or name the same classes in the same order",
        )


def write_dataset(folder: Path, results: Iterable[Result], *, classes: Sequence[str], manifest: str, coco: str) -> None:
    """Write label files, COCO, `data.yaml` and, last, the manifest, in one pass over the notes.

    The manifest has one line a result, in order: a `PictureLine` or an `ErrorLine`. A picture that several results give
    is labelled once, under the number of the first. Without classes there is no `data.yaml`. Raises `DataError` where
    the folder holds other classes or a picture shows one that is not named, `DamagedFile` where a note is not there,
    and `CurateError` where the disk cannot be written.
    """

    def fill(file: BinaryIO) -> None:
        pictures = _entered(results, folder, file)
        write_coco(folder / coco, with_label_files(pictures, folder=folder, classes=classes), classes=classes)
        if classes:
            write_data_yaml(folder, classes)

    check_classes(folder, classes)
    write_with(folder / manifest, fill)


def write_data_yaml(folder: Path, classes: Sequence[str]) -> Path:
    """Write what ultralytics trains by, and give its path; one that is there, edited perhaps, stays.

    It holds no absolute path, so the folder can be moved. Raises `DataError` as `check_classes` does.
    """
    check_classes(folder, classes)
    path = folder / YAML_NAME
    if not path.is_file():
        described = {"train": "images", "val": "images", "names": dict(enumerate(classes))}
        write_text(path, YAML_HEAD + yaml.safe_dump(described, sort_keys=False, allow_unicode=True))
    return path


def with_label_files(pictures: Iterable[Numbered], *, folder: Path, classes: Sequence[str]) -> Iterator[Numbered]:
    """Write the label file of each picture below `labels/`, then give the picture on; in order, by parallel writers.

    Pictures are read only a little ahead. Raises `DataError` where a picture shows a class that is not named, and
    `CurateError` where the disk cannot be written.
    """
    numbers = {label: number for number, label in enumerate(classes)}
    source = iter(pictures)
    waiting: deque[tuple[list[Numbered], Future[None]]] = deque()
    with ThreadPoolExecutor(WRITERS) as writers:
        while chunk := list(islice(source, CHUNK)):
            waiting.append((chunk, writers.submit(_write_chunk, chunk, folder, numbers)))
            if len(waiting) > 2 * WRITERS:
                yield from _written(*waiting.popleft())
        for one in waiting:
            yield from _written(*one)
    os.sync()


def write_coco(path: Path, pictures: Iterable[Numbered], *, classes: Sequence[str]) -> None:
    """Write pictures and labels as COCO, piece by piece.

    An image's id is its number, its file's name is meant from `images/`; an annotation's id is 10,000 times that and
    its place in the picture from 1; a category's id is the number of the class from 1. Boxes are pixels, to 1/10,000.
    """
    write_with(path, lambda file: _fill_coco(file, pictures, classes))


def labels_name(picture: SyntheticImage) -> str:
    """Give the name of a picture's label file, relative to the folder that holds `images/`."""
    return label_name_of(picture.path)


def yolo_rows(picture: SyntheticImage, numbers: Mapping[str, int]) -> str:
    """Give the rows `class x y width height`, centre and size as fractions to 8 digits; "" without labels."""
    rows = []
    for label in picture.labels:
        if label.label not in numbers:
            raise _unknown(picture, label.label)
        x1, y1, x2, y2 = label.xyxy
        place = f"{(x1 + x2) / 2:.8f} {(y1 + y2) / 2:.8f} {x2 - x1:.8f} {y2 - y1:.8f}"
        rows.append(f"{numbers[label.label]} {place}\n")
    return "".join(rows)


def _entered(results: Iterable[Result], folder: Path, manifest: BinaryIO) -> Iterator[Numbered]:
    """Write the lines of the manifest, and give each picture once."""
    given: set[str] = set()
    for line, came in results:
        if isinstance(came, Failure):
            error = ErrorLine(line=line, request_id=came.request_id, reason=came.reason, refused=came.refused)
            manifest.write(error.model_dump_json().encode() + b"\n")
            continue
        picture = _note(folder / came)
        entry = PictureLine(line=line, labels_path=labels_name(picture), picture=picture)
        manifest.write(entry.model_dump_json().encode() + b"\n")
        if came not in given:
            given.add(came)
            yield line, picture


def _note(path: Path) -> SyntheticImage:
    note_path = path.with_suffix(".json")
    try:
        return SyntheticImage.model_validate_json(note_path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DamagedFile(f"{note_path} was lost or changed meanwhile", hint="run the same command again") from error


def _written(chunk: list[Numbered], written: Future[None]) -> list[Numbered]:
    written.result()
    return chunk


def _write_chunk(chunk: Iterable[Numbered], folder: Path, numbers: Mapping[str, int]) -> None:
    for _, picture in chunk:
        path = folder / labels_name(picture)
        rows = yolo_rows(picture, numbers).encode()
        try:
            _put(path, rows)
        except OSError as error:
            raise writing_failed(path, error) from error


def _put(path: Path, data: bytes) -> None:
    """Write a file in place, unless it holds just that."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _fill_coco(file: BinaryIO, pictures: Iterable[Numbered], classes: Sequence[str]) -> None:
    """Write annotations as they come, then the images, of which little is kept; the order of the keys is free."""
    category_ids = {label: number for number, label in enumerate(classes, 1)}
    images: list[bytes] = []
    separator = b"\n"
    file.write(b'{"annotations":[')
    for number, picture in pictures:
        images.append(_image(number, picture).encode())
        for annotation in _annotations(number, picture, category_ids):
            file.write(separator + annotation.encode())
            separator = b",\n"
    categories = canonical_json([{"id": number, "name": label} for label, number in category_ids.items()])
    file.write(b'\n],\n"categories":' + categories.encode() + b',\n"images":[\n' + b",\n".join(images) + b"\n]}\n")


def _image(number: int, picture: SyntheticImage) -> str:
    name = PurePosixPath(picture.path).relative_to("images").as_posix()
    described = {"id": number, "file_name": name, "width": picture.width_px, "height": picture.height_px}
    return canonical_json(described)


def _annotations(number: int, picture: SyntheticImage, category_ids: Mapping[str, int]) -> Iterator[str]:
    width_px, height_px = picture.width_px, picture.height_px
    for place, label in enumerate(picture.labels, 1):
        if label.label not in category_ids:
            raise _unknown(picture, label.label)
        x1, y1, x2, y2 = label.xyxy
        bbox = [round(v, 4) for v in (x1 * width_px, y1 * height_px, (x2 - x1) * width_px, (y2 - y1) * height_px)]
        annotation = {"id": MAX_OBJECTS * number + place, "image_id": number, "category_id": category_ids[label.label]}
        yield canonical_json(annotation | {"bbox": bbox, "area": round(bbox[2] * bbox[3], 4), "iscrowd": 0})


def _unknown(picture: SyntheticImage, label: str) -> DataError:
    return DataError(
        f"picture {picture.request_id} shows a {label}, which is none of the classes",
        hint="name every class that is asked for, and every class that the judge knows",
    )
