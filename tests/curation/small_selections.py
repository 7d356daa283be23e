"""A small selection in a workspace's folder: photos, picks and pre-labels, written as `curate select` does."""

from pathlib import Path

import numpy as np

from curation.returned import Selected
from curation.selection import Pick, Selection
from curation.selections import keep_picks, keep_selection, keep_tables, selected_of
from tests.training.photo_folders import photo
from training.boxes import BoxTable, ImageTable
from training.files import digest_of

CLASSES = ("dog", "cat")
BOX = (0.25, 0.25, 0.5, 0.75)


def selected(
    root: Path, *, count: int = 6, at_random: int = 2, number: int = 1, first_seed: int = 500, bare: int = 0
) -> Selected:
    """Select photos of noise; the last `at_random` at random, the last `bare` without a pre-label, others with two."""
    data = [photo(first_seed + row) for row in range(count)]
    picks = tuple(
        _pick(row, digest_of(each), "random" if row >= count - at_random else "uncertain")
        for row, each in enumerate(data)
    )
    for pick, each in zip(picks, data, strict=True):
        path = root / pick.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
    images, prelabels = _images(picks), _prelabels(count - bare, number)
    image_ref, box_ref = keep_tables(root, number, images, prelabels)
    selection = Selection(
        number=number, round=1, model_id="m", pool="pool", asked=count, seen=50, excluded={}, refused=(),
        classes=CLASSES, picks=keep_picks(root, number, picks), images=image_ref, prelabels=box_ref,
        shares={"uncertain": count - at_random, "random": at_random},
    )  # fmt: skip
    keep_selection(root, selection)
    return selected_of(root)[-1]


def _pick(row: int, photo_id: str, kind: str) -> Pick:
    return Pick.model_validate(
        {
            "photo_id": photo_id,
            "path": f"data/photos/{photo_id[:2]}/{photo_id}.jpg",
            "name": f"site é/=cam {row}.JPG",
            "kind": kind,
            "reason": "=1+1 the champion wavers" if row == 0 else "the champion wavers, ünsicher",
        }
    )


def _images(picks: tuple[Pick, ...]) -> ImageTable:
    return ImageTable(
        id=np.array([pick.photo_id for pick in picks]),
        path=np.array([pick.path for pick in picks]),
        width_px=np.full(len(picks), 40),
        height_px=np.full(len(picks), 30),
        split=np.full(len(picks), "", "<U5"),
    )


def _prelabels(photo_count: int, number: int) -> BoxTable:
    """Give each photo a dog and a cat, the cat to the right."""
    right = np.array([0.6, 0.1, 0.9, 0.4])
    return BoxTable(
        id=np.array([digest_of(["pre-label", number, box]) for box in range(2 * photo_count)], "<U24"),
        image=np.repeat(np.arange(photo_count), 2),
        label=np.tile([0, 1], photo_count),
        xyxy=np.tile(np.array([BOX, right]), (photo_count, 1)).reshape(-1, 4),
        score=np.full(2 * photo_count, 0.8),
    )
