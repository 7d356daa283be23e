"""DOOR disk: a selection as a folder that people take to their labelling tool, and which of its files they changed.

DIR/
├── images/            copies of the photos: a tool may write into them
├── labels/, data.yaml what the champion sees, as YOLO
├── prelabels.coco.json  the same as COCO
├── reasons.csv        why each photo was picked, the most telling first
├── README.txt         what to do, and the command that takes it back
└── .handoff.json      digests of the label files as they went out

People correct YOLO or COCO, whichever their tool knows. Both lie in one folder, so `curate add DIR` could not tell
which is meant; `changed_format` can, because it compares with the digests. `untouched_names` says which COCO file is
only what went out, so that it does not stand against what people saved beside it.
"""

import csv
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import yaml

from curation.returned import Selected
from curation.selection import Pick
from generation.label_files import Numbered, with_label_files, write_coco
from generation.records import PictureLabel, SyntheticImage
from training.errors import CurateError, DataError, UsageError
from training.files import digest_of_file, make_folder, refuse_changed, writing_failed
from training.folder import list_files, suffix_of
from training.read_coco import coco_names, looks_like_coco
from training.read_voc import has_voc
from training.source import Format

COCO_NAME, YAML_NAME, NOTE_NAME = "prelabels.coco.json", "data.yaml", ".handoff.json"
MAX_STEM = 60
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
README = """\
{count} photos to label, from curate select (selection {number}).

Correct what the champion saw, in one of the two forms; leave the other alone:
  YOLO  images/ with labels/ and data.yaml
  COCO  images/ with {coco}; an export such as annotations/instances_default.json may lie beside it
A photo without objects keeps an empty label file. Use these classes alone: {classes}
reasons.csv says why each photo was picked.

Then:
  {command}

It knows the photos by their bytes, so their names may change, but do not turn, scale or save them anew.
"""


def hand_off(root: Path, selected: Selected, out: Path) -> None:
    """Write the folder `out`, complete or not at all.

    Raises `UsageError` where it is there and not empty, `DamagedFile` where a photo is not what was selected, and
    `CurateError` where the disk cannot be written.
    """
    out = out.resolve()
    refuse_used(out)
    make_folder(out.parent)
    part = out.with_name(f".{out.name}.curate-part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a hand-off that was killed
        _fill(part, root, selected, out)
        part.rename(out)
    except OSError as error:
        raise writing_failed(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_used(out: Path) -> None:
    """Raise `UsageError` where the folder to write is there and not empty."""
    out = out.resolve()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} is there and not empty", hint="name a folder that is new or empty")


def names_of(picks: Sequence[Pick]) -> list[str]:
    """Give each photo a file name of plain letters, unique also where upper and lower case are one."""
    names: list[str] = []
    taken: set[str] = set()
    for pick in picks:
        path = PurePosixPath(pick.name)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem)[:MAX_STEM]
        suffix = PurePosixPath(pick.path).suffix
        short, full = (f"{pick.photo_id[:digits]}-{stem}{suffix}" for digits in (8, 24))
        names.append(full if f"{pick.photo_id[:8]}-{stem}".lower() in taken else short)
        taken.add(PurePosixPath(names[-1]).stem.lower())
    return names


def changed_format(folder: Path) -> Format | None:
    """Give the format that people changed in a folder of `hand_off`; None for any other folder.

    YOLO where they changed nothing. Raises `DataError` where they changed several: which counts is theirs to say.
    """
    went_out = _went_out(folder)
    if went_out is None:
        return None
    names, _ = list_files(folder.resolve())
    now = _digests(folder.resolve(), names)
    changed: list[Format] = [name for name in ("yolo", "coco") if now[name] != went_out[name]]
    if has_voc(names):
        changed.append("voc")
    if len(changed) > 1:
        raise DataError(
            f"labels of {folder} were changed as {' and as '.join(changed)}",
            hint=f"say which counts with {' or '.join(f'--format {name}' for name in changed)}",
        )
    return changed[0] if changed else "yolo"


def untouched_names(folder: Path) -> frozenset[str]:
    """Give the COCO pre-labels of a hand-off that nobody changed, where another COCO file lies beside them."""
    went_out = _went_out(folder)
    if went_out is None:
        return frozenset()
    now = _digests(folder.resolve(), list_files(folder.resolve())[0])["coco"]
    same = frozenset(name for name, digest in now.items() if went_out["coco"].get(name) == digest)
    return same if now.keys() - same else frozenset()


def _went_out(folder: Path) -> dict[str, dict[str, str]] | None:
    """Read the digests of a folder of `hand_off`; None for any other folder."""
    note = folder / NOTE_NAME
    if not note.is_file():
        return None
    try:
        before = json.loads(note.read_text(encoding="utf-8"))
        return {name: dict(before[name]) for name in ("yolo", "coco")}
    except (ValueError, KeyError, TypeError):
        return None  # a hidden file that is not ours to judge: the reader asks for --format


def _fill(part: Path, root: Path, selected: Selected, out: Path) -> None:
    selection, names = selected.selection, names_of(selected.picks)
    (part / "images").mkdir(parents=True)
    for pick, name in zip(selected.picks, names, strict=True):
        refuse_changed(root / pick.path, pick.photo_id, hint="restore it from a backup, or select again")
        shutil.copyfile(root / pick.path, part / "images" / name)
    pictures = with_label_files(_pictures(selected, names), folder=part, classes=selection.classes)
    write_coco(part / COCO_NAME, pictures, classes=selection.classes)
    described = {"train": "images", "names": dict(enumerate(selection.classes))}
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    (part / YAML_NAME).write_text(text, encoding="utf-8")
    # with its mark, so that spreadsheets read it as UTF-8
    (part / "reasons.csv").write_text(_reasons(selected.picks, names), encoding="utf-8-sig", newline="")
    command = f"curate add {shlex.quote(str(out))} -C {shlex.quote(str(root.resolve()))}"
    said = {"count": len(names), "number": selection.number, "coco": COCO_NAME, "command": command}
    (part / "README.txt").write_text(README.format(**said, classes=", ".join(selection.classes)), encoding="utf-8")
    digests = _digests(part, list_files(part)[0])
    (part / NOTE_NAME).write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")


def _pictures(selected: Selected, names: Sequence[str]) -> Iterator[Numbered]:
    """Give the photos as the writers of label files take them, which know pictures alone."""
    images, boxes, classes = selected.images, selected.prelabels, selected.selection.classes
    for row, (pick, name) in enumerate(zip(selected.picks, names, strict=True)):
        own = boxes.take(boxes.image == row)
        labels = tuple(
            PictureLabel(label=classes[number], xyxy=tuple(corners), visible_share=1, source_id="", added=False)
            for number, corners in zip(own.label.tolist(), own.xyxy.tolist(), strict=True)
        )
        yield (
            row + 1,
            SyntheticImage(
                request_id=pick.photo_id,
                brief_id="",
                finding_id="",
                backend="paste",
                digest=pick.photo_id,
                path=f"images/{name}",
                width_px=int(images.width_px[row]),
                height_px=int(images.height_px[row]),
                labels=labels,
                source_ids=(),
                look="",
            ),
        )


def _reasons(picks: Sequence[Pick], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "photo_id", "kind", "finding", "reason", "name in the pool"])
    for pick, name in zip(picks, names, strict=True):
        cells = (name, pick.photo_id, pick.kind, pick.finding_id or "", pick.reason, pick.name)
        writer.writerow([_as_text(cell) for cell in cells])
    return text.getvalue()


def _as_text(cell: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell


def _digests(folder: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """Give the digests of the label files, by format and name; `folder` is resolved."""
    of_yolo = [
        name for name in names if name == YAML_NAME or (name.startswith("labels/") and suffix_of(name) == ".txt")
    ]
    # a tool may leave other .json files behind
    of_coco = [name for name in coco_names(names) if name == COCO_NAME or looks_like_coco(folder, name)]
    try:
        return {
            "yolo": {name: digest_of_file(folder / name) for name in of_yolo},
            "coco": {name: digest_of_file(folder / name) for name in of_coco},
        }
    except OSError as error:
        raise CurateError(f"cannot read the labels in {folder}: {error.strerror}", hint="make them readable") from error
