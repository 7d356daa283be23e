"""Windows around boxes: which part of a photo a model of fixed size sees, and what of its picture goes back.

A model paints one square size. An object is painted through a square window in which it is large enough for the model,
and only the object's box with a feathered edge goes back: every other pixel stays the photo's own.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from generation.grounding import MIN_BOX_SHARE, Pixels, Singles
from training.boxes import Bools, Floats

WINDOW_FACTOR = 3.0  # of the object's mean side: it then covers 11 % of the window, and the rest shows where it stands
TOGETHER_FACTOR = 2.0  # of the largest object's mean side, where several share a window
LONG_FACTOR = 1.25  # of the longer side of what it is for
MAX_FACTOR = 9.0  # beyond this a square object would cover little more than 1 %
CONTEXT_PX = 64  # a window of fewer pixels shows too little, so small objects get one up to MAX_FACTOR
MIN_TOGETHER_SHARE = 0.02  # of the window: objects smaller than this are painted one by one
FEATHER_SHARE, MIN_FEATHER_PX, MAX_FEATHER_PX = 0.06, 2, 12  # of the smallest object's mean side


@dataclass(frozen=True)
class Window:
    """A square part of a photo, in its pixels; where the photo is narrower, it reaches beyond it on both sides."""

    left: int
    top: int
    side: int


@dataclass(frozen=True)
class Pass:
    """What is painted at once: a window, and the numbers of the boxes that it is for."""

    window: Window
    members: tuple[int, ...]


def passes(boxes_px: Floats, *, width_px: int, height_px: int) -> tuple[Pass, ...]:
    """Give the passes in which boxes (k, 4) of a photo are painted; at least one box.

    All together where each covers 2 % of their common window, else one by one, the largest first, so that what is small
    lies on top.
    """
    areas_px2 = (boxes_px[:, 2:] - boxes_px[:, :2]).prod(axis=1)
    wanted = window_sides(boxes_px)
    if len(boxes_px) == 1:
        return (Pass(_place(boxes_px[0], float(wanted[0]), width_px, height_px), (0,)),)
    around = np.concatenate([boxes_px[:, :2].min(axis=0), boxes_px[:, 2:].max(axis=0)])
    common = max(
        TOGETHER_FACTOR * float(np.sqrt(areas_px2.max())),
        LONG_FACTOR * float((around[2:] - around[:2]).max()),
        min(CONTEXT_PX, MAX_FACTOR * float(np.sqrt(areas_px2.min()))),
    )
    together = _place(around, common, width_px, height_px)
    if areas_px2.min() >= MIN_TOGETHER_SHARE * together.side**2:
        return (Pass(together, tuple(range(len(boxes_px)))),)
    order = np.argsort(-areas_px2, kind="stable").tolist()
    return tuple(Pass(_place(boxes_px[n], float(wanted[n]), width_px, height_px), (n,)) for n in order)


def window_sides(boxes_px: Floats) -> Floats:
    """Give the side in px of the window that each box wants, before it is fitted to the photo: (k, 4) → (k,)."""
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    mean = np.sqrt(sides.prod(axis=1))
    context = np.minimum(CONTEXT_PX, MAX_FACTOR * mean)
    return np.asarray(np.maximum(np.maximum(WINDOW_FACTOR * mean, LONG_FACTOR * sides.max(axis=1)), context))


def is_too_thin(boxes_px: Floats, *, width_px: int, height_px: int) -> Bools:
    """Tell which boxes (k, 4) are so long and narrow that they cover less than 1 % of any window around them."""
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    side = np.maximum(np.minimum(window_sides(boxes_px), max(width_px, height_px)), sides.max(axis=1))
    return np.asarray(sides.prod(axis=1) < MIN_BOX_SHARE * side**2)


def _place(box_px: Floats, side_px: float, width_px: int, height_px: int) -> Window:
    """Centre a window on a box and move it into the photo as far as that goes."""
    x1, y1, x2, y2 = box_px
    longest = max(width_px, height_px)
    side = max(min(int(np.ceil(side_px)), longest), int(np.ceil(max(x2 - x1, y2 - y1))), 1)
    return Window(left=_start((x1 + x2) / 2, side, width_px), top=_start((y1 + y2) / 2, side, height_px), side=side)


def _start(middle: float, side: int, length: int) -> int:
    if side >= length:
        return (length - side) // 2
    return int(np.clip(round(middle - side / 2), 0, length - side))


def in_window(boxes_px: Floats, window: Window) -> Floats:
    """Give boxes (k, 4) of the photo as fractions of the window, cut off at its border."""
    moved = (boxes_px - [window.left, window.top, window.left, window.top]) / window.side
    return np.asarray(np.clip(moved, 0, 1))


def cut_out(photo: Pixels, window: Window, *, side_px: int) -> Pixels:
    """Give the window's pixels at the model's size, (side_px, side_px, 3); beyond the photo it is mirrored."""
    height, width = photo.shape[:2]
    left, top = max(-window.left, 0), max(-window.top, 0)
    right, bottom = max(window.left + window.side - width, 0), max(window.top + window.side - height, 0)
    rows, columns = _inside(photo, window)
    part = cv2.copyMakeBorder(photo[rows, columns], top, bottom, left, right, cv2.BORDER_REFLECT)
    return _resized(part, side_px)


def feather(boxes_px: Floats, window: Window) -> Singles:
    """Give how much of each of the window's pixels is painted: (side, side), 1 in the boxes, falling to 0 around them.

    Boxes reach outwards to whole pixels, and the edge lies outside of them, so that an object that fills its box is
    wholly painted. Where it is 0, the photo stays as it is.
    """
    outward = np.hstack([np.floor(boxes_px[:, :2]), np.ceil(boxes_px[:, 2:])])  # first: a difference would be rounded
    corners = outward - [window.left, window.top, window.left, window.top]
    x1, y1, x2, y2 = np.clip(corners, 0, window.side).astype(np.int64).T
    covers = np.zeros((window.side + 1, window.side + 1), np.int32)  # summed up: how many boxes cover a pixel
    for rows, columns, change in ((y1, x1, 1), (y2, x1, -1), (y1, x2, -1), (y2, x2, 1)):
        np.add.at(covers, (rows, columns), change)
    outside = (covers.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] == 0).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.clip(1 - distance / (feather_px(boxes_px) + 1), 0, 1), np.float32)


def feather_px(boxes_px: Floats) -> int:
    """Give the width of the feathered edge around boxes (k, 4) that are painted at once."""
    smallest = np.sqrt((boxes_px[:, 2:] - boxes_px[:, :2]).prod(axis=1).min())
    return int(np.clip(round(FEATHER_SHARE * smallest), MIN_FEATHER_PX, MAX_FEATHER_PX))


def cells_to_paint(share: Singles, *, cells: int) -> Bools:
    """Tell which of the model's cells hold a painted pixel: (side, side) → (cells, cells); never none of them."""
    side = len(share)
    starts = np.arange(cells) * side // cells
    stops = -(-(np.arange(cells) + 1) * side // cells)  # rounded up: a cell that a pixel touches is painted
    total = np.pad((share > 0).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, columns = (starts[:, None], stops[:, None]), (starts, stops)
    count = total[rows[1], columns[1]] - total[rows[0], columns[1]] - total[rows[1], columns[0]]
    return np.asarray(count + total[rows[0], columns[0]] > 0)


def put_back(photo: Pixels, painted: Pixels, window: Window, share: Singles) -> Pixels:
    """Give the photo with the painted window mixed in; where the share is 0, pixels are the photo's own."""
    rows, columns = _inside(photo, window)
    inner_rows = slice(rows.start - window.top, rows.stop - window.top)
    inner_columns = slice(columns.start - window.left, columns.stop - window.left)
    mixing = share[inner_rows, inner_columns, None]
    new = _resized(painted, window.side)[inner_rows, inner_columns].astype(np.float32)
    result = photo.copy()
    result[rows, columns] = np.rint(result[rows, columns] * (1 - mixing) + new * mixing)  # exact where it is 0
    return result


def _inside(photo: Pixels, window: Window) -> tuple[slice, slice]:
    """Give the rows and columns of the photo that the window shows."""
    height, width = photo.shape[:2]
    rows = slice(max(window.top, 0), min(window.top + window.side, height))
    return rows, slice(max(window.left, 0), min(window.left + window.side, width))


def _resized(pixels: Pixels, side_px: int) -> Pixels:
    if len(pixels) == side_px:
        return pixels
    how = cv2.INTER_AREA if len(pixels) > side_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (side_px, side_px), interpolation=how), np.uint8)
