"""Square crops of labelled objects, in the form in which the detector looks at them; arithmetic on arrays."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.boxes import Floats, Ints

Pixels = NDArray[np.uint8]
MARGIN = 0.1
"""Of the longer side of the box, on each side: a little of what is around belongs to a look."""


def square_crops(pixels: Pixels, xyxy: Floats, *, side_px: int) -> Pixels:
    """Cut boxes out of a photo as squares; (h, w, 3) and (k, 4) fractions → (k, side_px, side_px, 3).

    The square is the longer side of the box with a margin, moved inside the photo, so that a crop holds neither grey
    bars nor a bent object; only where it is larger than the photo itself is it cut, and then stretched.
    """
    if not len(xyxy):
        return np.zeros((0, side_px, side_px, pixels.shape[2]), np.uint8)
    windows = square_windows(xyxy, width_px=pixels.shape[1], height_px=pixels.shape[0])
    # One call into OpenCV a crop: they differ in size until this line.
    return np.stack([_resized(pixels[y1:y2, x1:x2], side_px) for x1, y1, x2, y2 in windows.tolist()])


def square_windows(xyxy: Floats, *, width_px: int, height_px: int) -> Ints:
    """Give the squares around boxes in whole pixels, each at least 1 px wide and inside the photo; (k, 4) → (k, 4)."""
    photo = np.array([width_px, height_px])
    corners = xyxy.reshape(-1, 2, 2) * photo
    longest = (corners[:, 1] - corners[:, 0]).max(axis=1)
    side = np.minimum(np.ceil(longest * (1 + 2 * MARGIN))[:, None], photo)
    first = np.clip(np.round(corners.mean(axis=1) - side / 2), 0, photo - side)
    return np.hstack([first, first + side]).astype(np.int64)


def _resized(crop: Pixels, side_px: int) -> Pixels:
    shrinks = min(crop.shape[:2]) > side_px
    return np.asarray(
        cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )
