"""How objects look: light, contrast, sharpness and colour, from the pixels of a photo and its boxes.

Everything is measured at fixed sizes, so that large and small objects, and photos of different cameras, compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from training.boxes import Floats, Ints, Table

Pixels = NDArray[np.uint8]
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "grey", "black")
"""The eleven basic colour terms of English (Berlin and Kay 1969)."""
WORK_SIDE_PX = 800
"""Photos are shrunk first, by whole steps, while their longer side stays at least this: bounds the time for a photo."""
CROP_SIDE_PX, PHOTO_SIDE_PX = 64, 256
CENTRE = slice(13, 51, 2)  # the middle 60 % of a crop, every other pixel: corners of a box often show what is behind
MIN_CONTRAST = 0.01
"""Below it there is nothing that could be sharp."""


@dataclass(frozen=True)
class Looks(Table):
    """One row a label, in the order of the label table."""

    brightness: Floats
    """Mean luma of the box, 0–1."""
    contrast: Floats
    """Standard deviation of its luma, 0–0.5."""
    sharpness: Floats
    """Strength of its Laplacian by its contrast, about 0–4.5; NaN where the box is flat."""
    colour: Ints
    """The most frequent colour of its middle, number into `COLOURS`."""
    photo_brightness: Floats
    """Of the whole photo, as are the next two."""
    photo_contrast: Floats
    photo_sharpness: Floats


def look_of(pixels: Pixels, xyxy: Floats) -> Looks:
    """Measure the boxes (k, 4) of one upright photo (h, w, 3) BGR."""
    step = max(pixels.shape[:2]) // WORK_SIDE_PX
    work = _shrunk(pixels, step, step)
    crops = _crops(work, xyxy)
    crop_light, photo_light = _light(crops), _light(_fixed(work, PHOTO_SIDE_PX)[None])
    brightness, contrast, sharpness = crop_light
    of_photo = [np.repeat(value, len(xyxy)) for value in photo_light]
    return Looks(brightness, contrast, sharpness, colours_of(crops[:, CENTRE, CENTRE]), *of_photo)


def stack(parts: Sequence[Looks]) -> Looks:
    """Stack tables in order."""
    parts = [*parts] or [look_of(np.zeros((1, 1, 3), np.uint8), np.zeros((0, 4)))]
    return Looks(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Looks)))


def colours_of(crops: Pixels) -> Ints:
    """Give the most frequent colour of crops (k, h, w, 3) BGR as numbers into `COLOURS`; ties: the first of the list.

    A pixel's colour is the first rule that fits; V is its largest channel, C the largest minus the smallest, S = C / V
    (all 0–1), H the hue in degrees:

    * black: V < 0.2
    * white, grey: C < 0.12 or S < 0.15; white from V = 0.7
    * pink: H from 345 to 15 with S < 0.6 and V ≥ 0.7 (light red), or H from 290 to 345 unless purple
    * purple: H from 255 to 290, and to 320 with V < 0.7
    * red: H from 345 to 15
    * brown: H from 15 to 45 with V < 0.7 (dark orange) or S < 0.5 (dull orange)
    * orange to 42, yellow to 75, green to 165, blue to 255
    """
    count = len(crops)
    codes = _pixel_colours(np.asarray(crops.reshape(-1, 3), np.float32) / np.float32(255)).reshape(
        count, crops.shape[1] * crops.shape[2]
    )
    held = np.bincount((np.arange(count)[:, None] * len(COLOURS) + codes).ravel(), minlength=count * len(COLOURS))
    return np.asarray(held.reshape(count, len(COLOURS)).argmax(axis=1), np.int64)


def _pixel_colours(bgr: NDArray[np.float32]) -> Ints:
    value, chroma = bgr.max(axis=1), np.ptp(bgr, axis=1)
    saturation = chroma / np.maximum(value, 1e-6)
    hue = _hue(bgr, value, chroma)
    grey = (chroma < 0.12) | (saturation < 0.15)
    reddish = (hue < 15) | (hue >= 345)
    rules = [
        ("black", value < 0.2),
        ("white", grey & (value >= 0.7)),
        ("grey", grey),
        ("pink", reddish & (saturation < 0.6) & (value >= 0.7)),
        ("red", reddish),
        ("brown", (hue < 45) & ((value < 0.7) | (saturation < 0.5))),
        ("orange", hue < 42),
        ("yellow", hue < 75),
        ("green", hue < 165),
        ("blue", hue < 255),
        ("purple", (hue < 290) | ((hue < 320) & (value < 0.7))),
    ]
    names, conditions = zip(*rules, strict=True)
    return np.select(conditions, [COLOURS.index(name) for name in names], COLOURS.index("pink"))


def _hue(bgr: NDArray[np.float32], value: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the hue in degrees 0–360; without chroma, 0."""
    blue, green, red = bgr.T
    sixth = np.select(
        [value == red, value == green],
        [(green - blue) / np.maximum(chroma, 1e-6), (blue - red) / np.maximum(chroma, 1e-6) + 2],
        (red - green) / np.maximum(chroma, 1e-6) + 4,
    )
    return np.asarray(sixth * 60 % 360, np.float32)


def _light(squares: Pixels) -> tuple[Floats, Floats, Floats]:
    """Give brightness, contrast and sharpness of pictures of one size (k, s, s, 3)."""
    side = squares.shape[1]
    luma = cv2.cvtColor(squares.reshape(-1, side, 3), cv2.COLOR_BGR2GRAY) if len(squares) else squares
    grey = (
        luma.reshape(len(squares), side, side).astype(np.float64) / 255 if len(squares) else np.zeros((0, side, side))
    )
    contrast = grey.std(axis=(1, 2))
    inner = grey[:, 1:-1, 1:-1]
    laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    strength = np.sqrt((laplacian**2).mean(axis=(1, 2)))
    sharpness = np.where(contrast >= MIN_CONTRAST, strength / np.maximum(contrast, MIN_CONTRAST), np.nan)
    return grey.mean(axis=(1, 2)), contrast, sharpness


def _crops(work: Pixels, xyxy: Floats) -> Pixels:
    """Cut the boxes out and bring them to one size; (k, 4) → (k, s, s, 3)."""
    height, width = work.shape[:2]
    size = np.array([width, height, width, height])
    first = np.minimum(np.floor(xyxy * size)[:, :2], size[:2] - 1)
    last = np.maximum(np.ceil(xyxy * size)[:, 2:], first + 1)
    windows = np.hstack([first, last]).astype(np.int64).tolist()
    # One call into OpenCV a crop: they differ in size until this line.
    crops = [_fixed(work[y1:y2, x1:x2], CROP_SIDE_PX) for x1, y1, x2, y2 in windows]
    return np.stack(crops) if crops else np.zeros((0, CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8)


def _fixed(picture: Pixels, side_px: int) -> Pixels:
    picture = _shrunk(picture, picture.shape[1] // side_px, picture.shape[0] // side_px)
    shrinks = min(picture.shape[:2]) > side_px
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side_px, side_px), interpolation=way), np.uint8)


def _shrunk(pixels: Pixels, across: int, down: int) -> Pixels:
    """Average blocks of whole pixels, which OpenCV does ten times as fast as other ratios; a rest is cut off."""
    if across <= 1 and down <= 1:
        return pixels
    size = pixels.shape[1] // max(across, 1), pixels.shape[0] // max(down, 1)
    whole = pixels[: size[1] * max(down, 1), : size[0] * max(across, 1)]
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
