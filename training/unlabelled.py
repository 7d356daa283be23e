"""DOOR disk: photos without labels, read from a folder or from a list of paths; whatever else lies there is ignored.

A file that is still being copied decodes only in part, so it is refused; once it is whole, a later reading takes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.boxes import Ints, Table, Texts
from training.errors import DataError
from training.folder import list_files
from training.intake import Intake, Progress
from training.pixels import PHOTO_SUFFIXES
from training.source import BadItem, FoundPhoto, Refusal, printable

_SUFFIXES = ", ".join(sorted(PHOTO_SUFFIXES))
_State = tuple[str, int, int]
"""A file's name, its bytes, and when it was last changed, in ns."""
_NO_FILE = -1
"""The bytes of a file that cannot be looked at."""


@dataclass(frozen=True)
class KnownPhotos(Table):
    """Photos that were decoded before, a row each: a file of the same name, size and time is not decoded again."""

    name: Texts
    """Relative to the root, with forward slashes."""
    size_bytes: Ints
    changed_ns: Ints
    """When the file was last changed, since 1970."""
    photo_id: Texts
    width_px: Ints
    height_px: Ints
    look: NDArray[np.uint64]

    @classmethod
    def of(cls, rows: Sequence[tuple[_State, FoundPhoto]]) -> "KnownPhotos":
        """Give the table of photos and what their files were when they were read."""
        return cls(
            name=np.array([state[0] for state, _ in rows], np.str_),
            size_bytes=np.array([state[1] for state, _ in rows], np.int64),
            changed_ns=np.array([state[2] for state, _ in rows], np.int64),
            photo_id=np.array([photo.photo_id for _, photo in rows], "<U24"),
            width_px=np.array([photo.width_px for _, photo in rows], np.int64),
            height_px=np.array([photo.height_px for _, photo in rows], np.int64),
            look=np.array([photo.look for _, photo in rows], np.uint64),
        )


@dataclass(frozen=True)
class Unlabelled:
    """All photos of a pool; none has a label or a split."""

    root: Path
    """The folder that names are relative to: `/` where paths were listed. Links resolved."""
    photos: tuple[FoundPhoto, ...]
    """In the order of the names, or of the list; exact duplicates are still in."""
    refusals: tuple[Refusal, ...]
    seen_count: int
    """Photos that the pool holds or names, usable or not."""
    known: KnownPhotos
    """What the next reading need not decode again."""

    def name_of(self, photo: FoundPhoto) -> str:
        """Give what a photo is called in the pool: its path relative to the root, printable."""
        return printable(photo.path.relative_to(self.root).as_posix(), 300)


def read_unlabelled(path: Path, progress: Progress | None = None, known: KnownPhotos | None = None) -> Unlabelled:
    """Read all photos of a folder and of those below it; label files, and whatever is no photo by suffix, are ignored.

    Nothing is written, and nothing outside the folder is opened. Photos that cannot be used are listed as refusals.
    `known` is what an earlier reading gave. Raises `DataError` where the folder is missing or no photo is usable.
    """
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "is not there"
        raise DataError(f"{path} {what}", hint="name the folder that holds the unlabelled photos")
    root = path.resolve()
    names, refusals = list_files(root)
    intake = Intake(root=root, names=names, progress=progress, refusals=refusals)
    return _read(intake, intake.photo_names(), known, where=str(path))


def read_paths(paths: Sequence[str], progress: Progress | None = None, known: KnownPhotos | None = None) -> Unlabelled:
    """Read the photos that a list of absolute paths names, wherever they lie; the rest as `read_unlabelled` does."""
    names = [path.lstrip("/") for path in paths]
    return _read(Intake(root=Path("/"), names=names, progress=progress), names, known, where="the dataset")


def _read(intake: Intake, names: Sequence[str], known: KnownPhotos | None, *, where: str) -> Unlabelled:
    intake.total_count = len(names)
    before = _by_state(known) if known is not None else {}
    read: list[tuple[_State, FoundPhoto]] = []
    for name in names:
        try:
            read.append(_photo(intake, name, before))
        except BadItem as bad:
            intake.refuse(name, bad.reason, lost="photo")
        intake.step()
    if not read:
        raise _nothing(where, len(names), intake.refusals)
    return Unlabelled(
        root=intake.root,
        photos=tuple(photo for _, photo in read),
        refusals=tuple(intake.refusals),
        seen_count=len(names),
        known=KnownPhotos.of([(state, photo) for state, photo in read if state[1] != _NO_FILE]),
    )


def _photo(intake: Intake, name: str, before: Mapping[_State, FoundPhoto]) -> tuple[_State, FoundPhoto]:
    """Give a photo and the state of its file; raises `BadItem`."""
    state = _state(intake.root / name, name)  # before it is read: a file that grows meanwhile is read again next time
    if photo := before.get(state):
        path = (intake.root / name).resolve()
        if path.is_relative_to(intake.root):  # else opening it says what is wrong
            return state, replace(photo, path=path)
    opened = intake.open_photo(name)
    seen = opened.seen
    return state, _found(opened.path, opened.photo_id, seen.width_px, seen.height_px, seen.look)


def _state(path: Path, name: str) -> _State:
    try:
        found = path.stat()
    except OSError:  # opening it says why
        return name, _NO_FILE, 0
    return name, found.st_size, found.st_mtime_ns


def _found(path: Path, photo_id: str, width_px: int, height_px: int, look: int) -> FoundPhoto:
    return FoundPhoto(
        path=path,
        photo_id=photo_id,
        width_px=width_px,
        height_px=height_px,
        split=None,
        group="",
        look=look,
        boxes=(),
    )


def _by_state(known: KnownPhotos) -> dict[_State, FoundPhoto]:
    states = zip(known.name.tolist(), known.size_bytes.tolist(), known.changed_ns.tolist(), strict=True)
    seen = (known.photo_id, known.width_px, known.height_px, known.look)
    photos = zip(*(column.tolist() for column in seen), strict=True)
    return {state: _found(Path(state[0]), *photo) for state, photo in zip(states, photos, strict=True)}


def _nothing(where: str, count: int, refusals: Sequence[Refusal]) -> DataError:
    first = f"; first {refusals[0].file}: {refusals[0].reason}" if refusals else ""
    if not count:
        return DataError(f"{where} holds no photos{first}", hint=f"photos are {_SUFFIXES} files")
    return DataError(
        f"none of the {count} photos of {where} can be used{first}", hint="repair them, or name another pool"
    )
