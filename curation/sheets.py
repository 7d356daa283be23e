"""Contact sheets for the language model: crops in a grid with a short id above each, and what must not leave hidden.

A sheet is an array of pixels and nothing else, so no metadata of a photo can travel with it.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.evidence import Pixels, crop_window
from generation.records import Corners
from training.boxes import Floats, Ints

MAX_SHEET_PX = 512
COLUMNS = 4
CROPS_PER_SHEET = COLUMNS**2
CELL_PX = MAX_SHEET_PX // COLUMNS
CAPTION_PX = 16
CROP_PX = CELL_PX - CAPTION_PX
PAD = 0.5  # surroundings on every side, as a share of the object's longer side
MIN_WINDOW_PX = 48
HIDING_MARGIN = 0.1  # labels are drawn tightly: a share of the box's sides that is hidden around it, too
HIDING_MARGIN_PX = 2
MAX_HIDDEN_CELLS, HIDDEN_CELL_PX = 3, 16
HIDDEN_STEP = 32  # grey levels that become one
GROUND = 240
OUTLINE = (255, 0, 255)


def crop_ids(sheet_number: int, count: int) -> tuple[str, ...]:
    """Give the ids of the crops of one sheet, the sheet's letters and a number: `A1` … `A16` on sheet 0."""
    return tuple(f"{_letters(sheet_number)}{place + 1}" for place in range(count))


def spread(labels: Ints, photos: Ints, *, count: int, rng: np.random.Generator) -> Ints:
    """Choose up to `count` of n objects by chance: each class gets its turn, and each photo before any comes twice.

    Takes the class and the photo of each object, (n,) and (n,), and gives row numbers in the order of choice.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(_turn(photos[order]), kind="stable")]
    order = order[np.argsort(_turn(labels[order]), kind="stable")]
    return order[:count].astype(np.int64)


def hide(pixels: Pixels, xyxy: Floats) -> Pixels:
    """Give a copy of a photo in which what lies in the boxes, (n, 4) fractions 0–1, is gone for good.

    Of each box and a margin around it at most 3 × 3 mean colours in steps of 32 grey levels are kept, each over 16 px
    or more on a side, and blended into each other. Nothing of the object's outline or texture can be computed back.
    """
    hidden = pixels.copy()
    for left, top, right, bottom in _grown_px(xyxy, width_px=pixels.shape[1], height_px=pixels.shape[0]):
        region = hidden[top:bottom, left:right]  # one by one: a box may lie over another that is hidden already
        region[:] = _washed(region)
    return hidden


def cut(pixels: Pixels, xyxy: Corners) -> Pixels:
    """Give a (112, 112, 3) crop of an object with its surroundings, the object outlined; corners are fractions 0–1."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (
        int(edge) for edge in crop_window(xyxy, width_px=width, height_px=height, pad=PAD, min_side_px=MIN_WINDOW_PX)
    )
    factor = CROP_PX / max(right - left, bottom - top)
    size = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    crop = np.full((CROP_PX, CROP_PX, 3), GROUND, np.uint8)
    crop[: size[1], : size[0]] = cv2.resize(pixels[top:bottom, left:right], size, interpolation=method)
    corners = (np.array(xyxy) * [width, height, width, height] - [left, top, left, top]) * factor
    return _outlined(crop, corners)


def sheet(crops: Sequence[Pixels], captions: Sequence[str]) -> Pixels:
    """Lay up to 16 crops out in rows of four, each below its caption; (h, w, 3) with both sides at most 512 px."""
    if not 1 <= len(crops) == len(captions) <= CROPS_PER_SHEET:
        raise ValueError(f"a sheet takes 1 to {CROPS_PER_SHEET} crops with a caption each, got {len(crops)}")
    rows, columns = math.ceil(len(crops) / COLUMNS), min(len(crops), COLUMNS)
    page = np.full((rows * CELL_PX, columns * CELL_PX, 3), GROUND, np.uint8)
    for place, (crop, caption) in enumerate(zip(crops, captions, strict=True)):
        top, left = place // COLUMNS * CELL_PX, place % COLUMNS * CELL_PX
        page[top + CAPTION_PX : top + CELL_PX, left : left + CROP_PX] = crop
        place_of_text = (left + 1, top + CAPTION_PX - 4)
        cv2.putText(page, caption, place_of_text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return page


def _letters(number: int) -> str:
    """Give A … Z, AA, AB, … as spreadsheets name their columns."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _turn(groups: NDArray[Any]) -> Ints:
    """Give for each entry how many of its group stand before it, (n,)."""
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    turn = np.empty(len(groups), np.int64)
    turn[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return turn


def _grown_px(xyxy: Floats, *, width_px: int, height_px: int) -> list[list[int]]:
    """Give the boxes with their margin in whole pixels of the photo, outwards."""
    size = np.array([width_px, height_px])
    corners = xyxy.reshape(-1, 2, 2) * size
    margin = np.maximum((corners[:, 1] - corners[:, 0]) * HIDING_MARGIN, HIDING_MARGIN_PX)
    first = np.clip(np.floor(corners[:, 0] - margin), 0, size - 1)
    last = np.clip(np.ceil(corners[:, 1] + margin), first + 1, size)
    boxes: list[list[int]] = np.hstack([first, last]).astype(int).tolist()
    return boxes


def _washed(region: Pixels) -> Pixels:
    """Give a region of the same size that knows only a few mean colours of it."""
    height, width = region.shape[:2]
    cells = int(np.clip(min(height, width) // HIDDEN_CELL_PX, 1, MAX_HIDDEN_CELLS))
    means = cv2.resize(region, (cells, cells), interpolation=cv2.INTER_AREA)
    few = (means // HIDDEN_STEP * HIDDEN_STEP + HIDDEN_STEP // 2).astype(np.uint8)
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _outlined(crop: Pixels, corners: Floats) -> Pixels:
    """Draw a thin frame around the object, outside it, so that its own pixels stay as they are."""
    x1, y1, x2, y2 = (int(edge) for edge in np.hstack([np.floor(corners[:2]) - 2, np.ceil(corners[2:]) + 1]))
    cv2.rectangle(crop, (x1, y1), (x2, y2), OUTLINE, 1)
    return crop
