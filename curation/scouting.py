"""Look at a pool of unlabelled photos with the champion, some at a time, and remember what was seen.

A photo is looked at once for each question (`home_of`): photos that were seen before are read, new ones are added. What
a killed run has finished stays.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curation.acquisition import MIN_FAINT_SCORE, PoolTable, score_photos
from curation.chunks import Chunks
from curation.clusters import Vectors
from training.boxes import Bools, BoxTable, Floats, ImageTable, Ints, Table, Texts, concat
from training.errors import DataError
from training.files import digest_of, link_or_copy
from training.records import ModelVersion
from training.source import FoundPhoto

CHUNK = 2048
"""Photos that are looked at in one go: each starts three children, seconds each; a killed run loses what it began."""
WHOLE_SIDE_PX = 160
"""Side to which a whole photo is shrunk for a vector of it."""
MAX_NEAR_BITS = 2
"""Photos whose 64-bit looks differ in no more bits are taken for copies of each other."""
LINKS = "scratch/looked-at"

Match = Callable[[ImageTable, BoxTable], Floats]
"""Say how many objects of each finding's slice each photo may hold, by its predictions: (n, f)."""
Progress = Callable[[int, int, str], None]
"""Called with done, total and a note."""


class View(Protocol):
    """What sees photos, as `training.detector.Detector` does."""

    def predict(
        self, models: Sequence[ModelVersion], images: ImageTable, rows: Ints, classes: Sequence[str], *, flipped: bool
    ) -> list[BoxTable]:
        """Predict with each model on photos; `flipped` shows them mirrored and gives the boxes mirrored back."""

    def embed(self, model: ModelVersion, images: ImageTable, boxes: BoxTable, *, side_px: int) -> Vectors:
        """Give the model's own view of each box (n, d), shrunk to `side_px`."""


@dataclass(frozen=True)
class Portraits(Table):
    """The model's own view of whole photos."""

    id: Texts
    vector: Vectors
    """(n, d)."""


def exclude(
    photos: Sequence[FoundPhoto],
    *,
    placed: Sequence[FoundPhoto],
    before: Collection[str],
    drawn: Collection[str] = (),
) -> tuple[list[FoundPhoto], dict[str, int]]:
    """Give the photos that may be selected, and how many may not, by why.

    `placed` are the photos of the workspace, `before` the ids of those selected earlier, `drawn` of those among
    them that were drawn at random: until they are placed they count as photos of val or test. What looks like one of
    these would make them judge what was learned from, once it is in train.
    """
    split_of = {photo.photo_id: photo.split for photo in placed}
    waiting = set(drawn) - split_of.keys()
    looks = [photo.look for photo in placed if photo.split != "train"]
    looks += [photo.look for photo in photos if photo.photo_id in waiting]
    judged = np.array(looks, np.uint64)
    near = near_any(np.array([photo.look for photo in photos], np.uint64), judged)
    kept: dict[str, FoundPhoto] = {}
    why: Counter[str] = Counter()
    for photo, is_near in zip(photos, near.tolist(), strict=True):
        if photo.photo_id in split_of:
            why[f"in {split_of[photo.photo_id]}"] += 1
        elif photo.photo_id in before:
            why["selected before"] += 1
        elif is_near:
            why["like one of val or test"] += 1
        elif photo.photo_id in kept:
            why["there twice"] += 1
        else:
            kept[photo.photo_id] = photo
    return list(kept.values()), dict(why)


def near_any(looks: NDArray[np.uint64], others: NDArray[np.uint64]) -> Bools:
    """Say which looks are within `MAX_NEAR_BITS` bits of any other; (n,), (m,) → (n,).

    Two looks are within 2 bits where some look is within 1 bit of both, so that sorted lists of 65 neighbours a look
    answer it, however many looks are alike.
    """
    near = np.zeros(len(looks), np.bool_)
    if not len(others):
        return near
    steps = np.append(np.uint64(1) << np.arange(64, dtype=np.uint64), np.uint64(0))
    around = np.unique(others[:, None] ^ steps)
    for step in steps:
        place = np.minimum(np.searchsorted(around, looks ^ step), len(around) - 1)
        near |= around[place] == looks ^ step
    return near


def scout(
    photos: Sequence[FoundPhoto],
    *,
    root: Path,
    folder: Path,
    model: ModelVersion,
    classes: Sequence[str],
    min_score: float,
    view: View,
    match: Match,
    key: str,
    name_of: Callable[[FoundPhoto], str] = lambda photo: photo.path.name,
    progress: Progress = lambda _done, _total, _note: None,
) -> PoolTable:
    """Give what the model makes of each photo, a row each, by id; exact duplicates are one row.

    `root` is the folder that `view` and `match` read photos from: they get links there, never the pool's own files.
    `match` is given the predictions from `MIN_FAINT_SCORE` on. `key` stands for all else that answers depend on: what
    `match` knows, the size at which `view` looks. What was seen is kept in `folder`; only the table itself grows with
    the pool. Raises `DataError` where there is no photo.
    """
    by_id = {photo.photo_id: photo for photo in reversed(photos)}
    if not by_id:
        raise DataError("the pool holds no photo to look at", hint="add photos to the pool, or name another one")
    ids = sorted(by_id)
    chunks = Chunks(home_of(folder, model=model, classes=classes, min_score=min_score, key=key))
    known = chunks.photo_ids()
    new = [by_id[photo_id] for photo_id in ids if photo_id not in known]
    for start in range(0, len(new), CHUNK):
        progress(len(ids) - len(new) + start, len(ids), "photos of the pool")
        chunk = new[start : start + CHUNK]
        with _linked(root, chunk) as images:
            seen, predictions = _look(images, model, classes, min_score, view=view, match=match)
        looks = np.array([photo.look for photo in chunk], np.uint64)
        pool = PoolTable(name=images.id, look=looks, **seen)
        firm = predictions.take(predictions.score >= min_score)
        chunks.keep(images.id.tolist(), {"pool": pool, "firm": firm})
    progress(len(ids), len(ids), "photos of the pool")
    names = np.array([name_of(by_id[photo_id]) for photo_id in ids], np.str_)
    return PoolTable(id=np.array(ids, "<U24"), name=names, **_numbers(chunks, "pool", PoolTable, ids))


def prelabels_of(
    folder: Path,
    photo_ids: Sequence[str],
    *,
    model: ModelVersion,
    classes: Sequence[str],
    min_score: float,
    key: str,
) -> BoxTable:
    """Give what `scout` saw of photos at `min_score` or above; `image` is the place of the photo in `photo_ids`.

    By photo. Raises `DamagedFile` where a photo was not looked at, or what was seen is gone.
    """
    chunks = Chunks(home_of(folder, model=model, classes=classes, min_score=min_score, key=key))
    parts = []
    for chunk, place in chunks.holding(photo_ids):
        firm = chunks.load(chunk, "firm", BoxTable)
        moved = replace(firm, image=place[firm.image])
        parts.append(moved.take(moved.image >= 0))
    found = concat(parts)
    return found.take(np.argsort(found.image, kind="stable"))


def photo_vectors(view: View, model: ModelVersion, images: ImageTable, rows: Ints, *, folder: Path) -> Vectors:
    """Give the model's own view of whole photos of the workspace, (n, d) in the order of the rows; kept in `folder`."""
    chunks = Chunks(folder / digest_of(["photo vectors", model.model_id, WHOLE_SIDE_PX]))
    ids = images.id[rows].tolist()
    new = rows[~np.isin(images.id[rows], list(chunks.photo_ids()))]
    for start in range(0, len(new), CHUNK):
        part = images.take(new[start : start + CHUNK])
        vectors = view.embed(model, part, _whole(part), side_px=WHOLE_SIDE_PX)
        chunks.keep(part.id.tolist(), {"portraits": Portraits(part.id, vectors)})
    return _numbers(chunks, "portraits", Portraits, ids)["vector"] if ids else np.zeros((0, 0), np.float32)


def home_of(folder: Path, *, model: ModelVersion, classes: Sequence[str], min_score: float, key: str) -> Path:
    """Give where the answers to one question about photos are kept."""
    columns = [column.name for column in fields(PoolTable)]  # so that another version starts anew
    return folder / digest_of([model.model_id, key, list(classes), min_score, WHOLE_SIDE_PX, columns])


def _look(
    images: ImageTable, model: ModelVersion, classes: Sequence[str], min_score: float, *, view: View, match: Match
) -> tuple[dict[str, Any], BoxTable]:
    """Give columns of a `PoolTable`, and all predictions."""
    rows = np.arange(len(images))
    (predictions,) = view.predict([model], images, rows, classes, flipped=False)
    (flipped,) = view.predict([model], images, rows, classes, flipped=True)
    scores = score_photos(predictions, flipped, image_count=len(images), min_score=min_score)
    columns = vars(scores) | {
        "id": images.id,
        "width_px": images.width_px,
        "height_px": images.height_px,
        "vector": view.embed(model, images, _whole(images), side_px=WHOLE_SIDE_PX),
        "match": match(images, predictions.take(predictions.score >= MIN_FAINT_SCORE)),
    }
    return columns, predictions


def _whole(images: ImageTable) -> BoxTable:
    """Give a box around each photo."""
    count = len(images)
    corners = np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (count, 1))
    return BoxTable(images.id, np.arange(count), np.zeros(count, np.int64), corners, np.ones(count))


@contextmanager
def _linked(root: Path, photos: Sequence[FoundPhoto]) -> Iterator[ImageTable]:
    """Give photos as files below `root`, for the time of the block."""
    shutil.rmtree(root / LINKS, ignore_errors=True)
    paths = [f"{LINKS}/{photo.photo_id}{photo.path.suffix.lower()}" for photo in photos]
    try:
        for photo, path in zip(photos, paths, strict=True):
            link_or_copy(photo.path, root / path)
        yield ImageTable(
            id=np.array([photo.photo_id for photo in photos], "<U24"),
            path=np.array(paths, np.str_),
            width_px=np.array([photo.width_px for photo in photos], np.int64),
            height_px=np.array([photo.height_px for photo in photos], np.int64),
            split=np.full(len(photos), "", "<U5"),
        )
    finally:
        shutil.rmtree(root / LINKS, ignore_errors=True)


def _numbers(chunks: Chunks, key: str, kind: type[Table], photo_ids: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Give the columns of numbers for photos, in their order; each chunk is in memory for itself alone."""
    columns: dict[str, NDArray[Any]] = {}
    for chunk, place in chunks.holding(photo_ids):
        table, wanted = chunks.load(chunk, key, kind), place >= 0
        for field in fields(kind):
            values = getattr(table, field.name)
            if values.dtype.kind != "U":  # texts are the asker's to give
                column = columns.setdefault(field.name, np.zeros((len(photo_ids), *values.shape[1:]), values.dtype))
                column[place[wanted]] = values[wanted]
    return columns
