"""DOOR disk: folders of labelled photos, read from wherever they come and written for ultralytics."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import yaml

from training.boxes import Floats, Ints
from training.errors import DataError
from training.files import link_or_copy, writing_failed
from training.folder import list_files, suffix_of
from training.intake import Intake, Progress
from training.pixels import Pixels, difference_hash, encode_jpeg, read_pixels
from training.read_coco import coco_names, looks_like_coco, read_coco
from training.read_rows import read_rows
from training.read_voc import has_voc, read_voc
from training.read_yolo import read_yolo
from training.source import Format, Source
from training.unlabelled import KnownPhotos, Unlabelled, read_paths, read_unlabelled
from training.yolo_yaml import find_yaml

__all__ = [
    "KnownPhotos",
    "Pixels",
    "Progress",
    "Unlabelled",
    "YoloPicture",
    "difference_hash",
    "encode_jpeg",
    "read_paths",
    "read_pixels",
    "read_rows",
    "read_source",
    "read_unlabelled",
    "write_yolo_folder",
]

_YAMLS = (".yaml", ".yml")


@dataclass(frozen=True)
class YoloPicture:
    """One picture to train on, with its labels."""

    picture_id: str
    """Names its files; letters, digits, `-` and `_`."""
    source: Path
    labels: Ints
    """(n,) class numbers."""
    xyxy: Floats
    """(n, 4) corners as fractions 0–1."""
    times: int
    """How often one pass over the list shows it."""


def read_source(
    path: Path,
    format: Format | None = None,  # noqa: A002  # the word of the command line
    progress: Progress | None = None,
    *,
    left_out: frozenset[str] = frozenset(),
    may_be_bare: frozenset[str] = frozenset(),
) -> Source:
    """Read labelled photos from a folder, or from the folder of a YOLO `data.yaml`; the format is found if not given.

    Nothing is written, and nothing outside the folder is opened. Photos and labels that cannot be used are listed as
    refusals. `left_out` are files to read the folder without, relative to it. Raises `DataError` where the whole folder
    cannot be used: it is missing, its format is unclear, it names no classes, no photo is usable, or no label is and
    none of the photos `may_be_bare` (their ids).
    """
    root, yaml_name = _root_of(path)
    names, refusals = list_files(root)
    names = [name for name in names if name not in left_out]
    layout = format or ("yolo" if yaml_name else _found_format(root, names))
    intake = Intake(root=root, names=names, progress=progress, may_be_bare=may_be_bare, refusals=refusals)
    match layout:
        case "yolo":
            return read_yolo(intake, yaml_name)
        case "coco":
            return read_coco(intake)
        case "voc":
            return read_voc(intake)
        case _:
            assert_never(layout)


def write_yolo_folder(folder: Path, pictures: Sequence[YoloPicture], classes: Sequence[str]) -> Path:
    """Lay out pictures for ultralytics and give the path of `data.yaml`.

    Holds `images/` (hard links, true suffixes), `labels/` (ours), `train.txt` (absolute, repeated as asked), `val.txt`
    (one train picture, because nothing is chosen on val) and `data.yaml` with path, train, val and names only. What an
    earlier call left in `folder` is removed, caches of ultralytics included: those are pickles.
    """
    if not pictures:
        raise DataError("there are no pictures to train on", hint="add photos to train")
    folder = folder.absolute()
    try:
        _clear(folder)
        for name in ("images", "labels"):
            (folder / name).mkdir(parents=True)
        images = [_lay_out(folder, picture) for picture in pictures]
        listed = [str(image) for image, picture in zip(images, pictures, strict=True) for _ in range(picture.times)]
        (folder / "train.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
        (folder / "val.txt").write_text(f"{images[0]}\n", encoding="utf-8")
        described = {"path": str(folder), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(classes))}
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        (folder / "data.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise writing_failed(folder, error) from error
    return folder / "data.yaml"


def _lay_out(folder: Path, picture: YoloPicture) -> Path:
    image = folder / "images" / f"{picture.picture_id}{picture.source.suffix.lower()}"
    link_or_copy(picture.source, image)
    centres = (picture.xyxy[:, :2] + picture.xyxy[:, 2:]) / 2
    sizes = picture.xyxy[:, 2:] - picture.xyxy[:, :2]
    rows = [
        f"{label} {x:.8f} {y:.8f} {width:.8f} {height:.8f}\n"
        for label, (x, y), (width, height) in zip(picture.labels, centres, sizes, strict=True)
    ]
    (folder / "labels" / f"{picture.picture_id}.txt").write_text("".join(rows), encoding="utf-8")
    return image


def _clear(folder: Path) -> None:
    """Remove what we or ultralytics wrote here before, and nothing else."""
    for name in ("images", "labels"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for leftover in (*folder.glob("*.cache*"), *(folder / name for name in ("train.txt", "val.txt", "data.yaml"))):
        leftover.unlink(missing_ok=True)


def _root_of(path: Path) -> tuple[Path, str | None]:
    """Give the folder to read, and the name of the YAML where that was named."""
    if path.is_dir():
        return path.resolve(), None
    if path.is_file() and path.suffix.lower() in _YAMLS:
        return path.parent.resolve(), path.name
    what = "is not a folder" if path.exists() else "is not there"
    raise DataError(f"{path} {what}", hint="name the folder that holds the photos and labels, or its data.yaml")


def _found_format(root: Path, names: list[str]) -> Format:
    """Find the format; raises `DataError` where none, or more than one, fits."""
    found: list[Format] = []
    if _looks_like_yolo(root, names):
        found.append("yolo")
    if any(looks_like_coco(root, name) for name in coco_names(names)):
        found.append("coco")
    if has_voc(names):
        found.append("voc")
    if not found and coco_names(names):
        return "coco"  # its reader says what is wrong with the .json
    if len(found) == 1:
        return found[0]
    problem = f"could be {' or '.join(found)}" if found else "is in no format that was recognised"
    raise DataError(f"{root} {problem}", hint="say which with --format yolo, --format coco or --format voc")


def _looks_like_yolo(root: Path, names: list[str]) -> bool:
    if find_yaml(root, names) is not None or "classes.txt" in names:
        return True
    return any("labels" in name.split("/")[:-1] and suffix_of(name) == ".txt" for name in names)
