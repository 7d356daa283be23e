"""Cut labelled objects out of photos with OpenCV's GrabCut, once each, and keep them as RGBA pictures.

GrabCut: Rother, Kolmogorov and Blake, "GrabCut: interactive foreground extraction using iterated graph cuts" (2004).
"""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from generation.paste import MARGIN_PX, Cutout
from generation.priors import can_be_cut, pixel_boxes
from training.boxes import Bools, Floats
from training.errors import DamagedFile
from training.files import write_bytes

Pixels = NDArray[np.uint8]
PixelBox = tuple[int, int, int, int]

WORK_SIDE_PX = 112  # GrabCut's time grows with the pixels and its masks do not get better above about this
CONTEXT_SHARE = 0.3  # of the object's side: what GrabCut learns the background from
ROUNDS = 4
MIN_COVER, MAX_COVER = 0.15, 0.95  # of the box; an ellipse covers 0.79
MIN_EXTENT = (
    0.4  # of the box's width and height; people draw loose boxes: on blood cells the masks fill 0.65 of the width
)
MAX_SHIFT = 0.15  # of the box's width and height, from its middle: people's boxes are loose on all sides, or on none
MAX_RIM = 0.6  # of the box's outline: a mask that follows the outline has found the box, not the object
MIN_SOFTNESS_PX, MAX_SOFTNESS_PX = 0.6, MARGIN_PX / 3
MIN_MAIN = 0.8  # of the mask, in one piece


def cut(pixels: Pixels, xyxy: Floats, *, seed: int, others: Floats | None = None) -> Cutout | None:
    """Cut one object out of an upright BGR photo (h, w, 3); the same arguments give the same bytes.

    `xyxy` are its corners as fractions, `others` (n, 4) those of the photo's other labels, whose pixels are taken for
    background. Where GrabCut finds no plausible object, the mask is an ellipse in the box.
    Gives None for an object that the picture's border cuts off or that is too small to be cut.
    """
    height, width = pixels.shape[:2]
    size = np.array([width]), np.array([height])
    boxes = pixel_boxes(xyxy[None], *size)
    if not can_be_cut(boxes, *size)[0]:
        return None
    x1, y1, x2, y2 = (int(value) for value in boxes[0])
    box = (x1, y1, x2, y2)
    neighbours = np.zeros((0, 4)) if others is None else np.asarray(others)
    mask = _grabcut_mask(pixels, box, neighbours * [width, height, width, height], seed)
    return _soft_cutout(pixels, box, _ellipse_mask(x2 - x1, y2 - y1) if mask is None else mask)


def store(path: Path, cutout: Cutout) -> None:
    """Write a cut-out as an RGBA PNG: its colours also where it is transparent, for they show the light around it."""
    rgba = np.dstack([cutout.pixels, cutout.alpha])
    write_bytes(path, cv2.imencode(".png", rgba, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes())


def load(path: Path) -> Cutout:
    """Read a stored cut-out; raises `DamagedFile` where there is none or it cannot be read."""
    hint = "remove the file and generate again: it is made anew from its photo"
    if not path.is_file():
        raise DamagedFile(f"{path} is missing", hint=hint)
    rgba = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4 or min(rgba.shape[:2]) <= 2 * MARGIN_PX:
        raise DamagedFile(f"{path} is not a cut-out", hint=hint)
    return Cutout(pixels=np.ascontiguousarray(rgba[:, :, :3]), alpha=np.ascontiguousarray(rgba[:, :, 3]))


def _grabcut_mask(pixels: Pixels, box: PixelBox, others_px: Floats, seed: int) -> Bools | None:
    """Give the object's mask within its box, or None where it is not plausible."""
    x1, y1, x2, y2 = box
    height, width = pixels.shape[:2]
    context = max(MARGIN_PX, round(CONTEXT_SHARE * max(x2 - x1, y2 - y1)))
    left, top, right, bottom = (
        max(x1 - context, 0),
        max(y1 - context, 0),
        min(x2 + context, width),
        min(y2 + context, height),
    )
    scale = min(1.0, WORK_SIDE_PX / max(right - left, bottom - top))
    crop = pixels[top:bottom, left:right]
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    inner = np.rint((np.array(box) - [left, top, left, top]) * scale).astype(int)
    seeds = _seeds(crop.shape[:2], inner, (others_px - [left, top, left, top]) * scale)
    cv2.setRNGSeed(seed % 2**31)  # GrabCut starts its clusters at random from OpenCV's own generator
    cv2.grabCut(
        np.ascontiguousarray(crop), seeds, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    found = (seeds & 1).astype(np.uint8)[inner[1] : inner[3], inner[0] : inner[2]]
    mask = _main_piece(found)
    return None if mask is None else _resized(mask, x2 - x1, y2 - y1)


def _seeds(shape: tuple[int, ...], inner: NDArray[np.int64], others: Floats) -> Pixels:
    """Give GrabCut's start: background outside the box, probably so under other labels, object in the middle."""
    seeds = np.full(shape, cv2.GC_BGD, np.uint8)
    x1, y1, x2, y2 = inner
    seeds[y1:y2, x1:x2] = cv2.GC_PR_FGD
    for left, top, right, bottom in np.rint(np.clip(others, 0, max(shape))).astype(int):
        part = seeds[top:bottom, left:right]
        part[part == cv2.GC_PR_FGD] = cv2.GC_PR_BGD
    cover = _ellipse_mask(x2 - x1, y2 - y1, share=0.35)
    seeds[y1:y2, x1:x2][cover] = cv2.GC_FGD
    return seeds


def _main_piece(found: Pixels) -> Bools | None:
    """Give the largest piece without holes if it looks like one object that fills its box, else None."""
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    largest = max(outlines, key=cv2.contourArea)
    filled = cv2.drawContours(np.zeros_like(found), [largest], -1, 1, cv2.FILLED).astype(bool)
    return filled if _is_plausible(found.astype(bool), filled) else None


def _is_plausible(found: Bools, filled: Bools) -> bool:
    extent, shift = np.array([_span(np.asarray(filled.any(axis=axis))) for axis in (0, 1)]).T
    rim = np.concatenate([filled[0], filled[-1], filled[:, 0], filled[:, -1]]).mean()
    in_one_piece = (found & filled).sum() / found.sum()
    fills_box = extent.min() >= MIN_EXTENT and shift.max() <= MAX_SHIFT
    return bool(MIN_COVER <= filled.mean() <= MAX_COVER and fills_box and rim <= MAX_RIM and in_one_piece >= MIN_MAIN)


def _span(is_there: Bools) -> tuple[float, float]:
    """Give, along a side, the share from the first to the last, and how far their middle is from the side's."""
    first, last = int(is_there.argmax()), len(is_there) - int(is_there[::-1].argmax())
    return (last - first) / len(is_there), abs((first + last) / len(is_there) - 1) / 2


def _resized(mask: Bools, width: int, height: int) -> Bools:
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)


def _ellipse_mask(width: int, height: int, *, share: float = 1.0) -> Bools:
    """Give the ellipse that fills the given share of the box's width and height."""
    across = (np.arange(width) + 0.5) / width * 2 - 1
    down = (np.arange(height) + 0.5) / height * 2 - 1
    return np.asarray(across[None] ** 2 + down[:, None] ** 2 <= share**2)


def _soft_cutout(pixels: Pixels, box: PixelBox, mask: Bools) -> Cutout:
    """Give the box with a margin of surroundings; the alpha passes one half where the mask ends."""
    x1, y1, x2, y2 = box
    rows = np.arange(y1 - MARGIN_PX, y2 + MARGIN_PX)
    columns = np.arange(x1 - MARGIN_PX, x2 + MARGIN_PX)
    height, width = pixels.shape[:2]
    canvas = pixels[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None]]
    whole = np.pad(mask, MARGIN_PX).astype(np.uint8)
    alpha = cv2.GaussianBlur(whole.astype(np.float32) * 255, (0, 0), _softness_px(canvas, whole))
    return Cutout(pixels=np.ascontiguousarray(canvas), alpha=np.rint(alpha).astype(np.uint8))


def _softness_px(canvas: Pixels, mask: Pixels) -> float:
    """Give the standard deviation of the blur that the photo itself has at the mask's edge.

    A step of contrast c that is blurred by s has the largest slope c / (s √(2π)), so s follows from slope and contrast.
    """
    grey = cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY)
    slope = cv2.magnitude(cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)) / 32
    edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    contrast = abs(float(grey[mask > 0].mean()) - float(grey[mask == 0].mean()))
    steepest = max(float(np.percentile(slope[edge], 75)), 1.0)
    softness_px = np.clip(contrast / steepest / math.sqrt(2 * math.pi), MIN_SOFTNESS_PX, MAX_SOFTNESS_PX)
    return min(float(softness_px), math.sqrt(int(mask.sum())) / 6)  # a tiny object would fade away
