"""What the page shows of pixels: crops and thumbnails as JPEG, small enough to travel inside it.

Pixels are read elsewhere; here is only arithmetic on arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generation.records import Corners, PictureLabel

Pixels = NDArray[np.uint8]
"""(height, width, 3), blue first."""

CROP_SIDE_PX, GALLERY_SIDE_PX = 160, 320
JPEG_QUALITY = 70
BYTES_PER_BOX = 20  # what drawing a box adds to the page, in bytes of picture


@dataclass(frozen=True, kw_only=True)
class Crop:
    """One piece of evidence, cut from a photo."""

    jpeg: bytes
    caption: str
    box: Corners | None = None
    """Where the object lies within the crop."""


@dataclass(frozen=True, kw_only=True)
class GalleryPicture:
    """A synthetic picture as it is shown: a thumbnail, its labels, and what was decided about it."""

    jpeg: bytes
    width_px: int
    height_px: int
    """Width and height of the full picture; only their ratio is used."""
    labels: Sequence[PictureLabel]
    accepted: bool | None
    """None while nobody has decided."""
    reason: str
    words: str
    """The slice that it was made for."""
    is_unverified: bool
    """Nobody has checked that its labels are right."""


def thumbnail(pixels: Pixels, *, max_side_px: int) -> bytes:
    """Give a picture as JPEG, made smaller where its longer side exceeds `max_side_px`."""
    height, width = pixels.shape[:2]
    factor = min(1.0, max_side_px / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if factor < 1 else pixels
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def crop_window(xyxy: Corners, *, width_px: int, height_px: int, pad: float = 0.4, min_side_px: int = 48) -> Corners:
    """Give the square around a box, in pixels, that shows it with its surroundings; cut at the picture's borders.

    `pad` is the margin on every side as a share of the longer side. Small objects get at least `min_side_px`,
    because nobody recognises ten pixels without what is around them.
    """
    x1, y1, x2, y2 = np.array(xyxy) * [width_px, height_px, width_px, height_px]
    side = max((1 + 2 * pad) * max(x2 - x1, y2 - y1), min_side_px)
    left = np.clip((x1 + x2 - side) / 2, 0, max(width_px - side, 0))
    top = np.clip((y1 + y2 - side) / 2, 0, max(height_px - side, 0))
    return int(left), int(top), min(int(left + side) + 1, width_px), min(int(top + side) + 1, height_px)


def evidence_crop(pixels: Pixels, xyxy: Corners, *, caption: str) -> Crop:
    """Cut an object with its surroundings out of a photo; corners are fractions 0–1 of the photo."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (int(v) for v in crop_window(xyxy, width_px=width, height_px=height))
    corners = np.array(xyxy) * [width, height, width, height] - [left, top, left, top]
    x1, y1, x2, y2 = np.clip(corners / [right - left, bottom - top, right - left, bottom - top], 0, 1).tolist()
    jpeg = thumbnail(pixels[top:bottom, left:right], max_side_px=CROP_SIDE_PX)
    return Crop(jpeg=jpeg, caption=caption, box=(x1, y1, x2, y2))


def gallery_within(pictures: Sequence[GalleryPicture], count: int, *, max_bytes: int) -> list[GalleryPicture]:
    """Choose the pictures to show: accepted ones first, up to a third of the places for refused ones."""
    refused = [picture for picture in pictures if picture.accepted is False]
    others = [picture for picture in pictures if picture.accepted is not False]
    places = max(count - len(refused), count - count // 3)
    chosen = [*others[:places], *refused][:count]
    used = np.cumsum([len(picture.jpeg) + BYTES_PER_BOX * len(picture.labels) for picture in chosen])
    return [picture for picture, bytes_so_far in zip(chosen, used, strict=True) if bytes_so_far <= max_bytes]
