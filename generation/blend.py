"""Mix a cut-out into a photo: its light, its soft edge, its sharpness. Arithmetic on arrays of pixels, nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

OBJECT_ALPHA = 127  # above this, of 255, a pixel is the object's
SURROUNDINGS_ALPHA = 8  # below this, it shows surroundings
SAMPLED_SIDE = 24  # about this many pixels a side are enough to tell the light
MIN_LIGHT, MAX_LIGHT = 0.75, 1.33  # beyond this, the place is another surface rather than another light
MAX_HUE = 1.1  # factor on one colour beyond brightness: light changes less in colour, surfaces change more
GREY_WEIGHT = 0.5  # photos differ more in brightness than in colour, and the light is fitted afterwards
MIN_CAST, MAX_CAST = 0.6, 1.1  # shadows and blur go along; a bright neighbour does not
MIN_BLUR_PX, MAX_BLUR_PX = 0.5, 2.0
STRIP_PX = 12
GRAIN_SIDE = 48
STEPS = (np.arange(6) + 0.5) / 6  # along the sides of a place: so many pixels are enough to tell its ground
LEVELS = np.arange(256, dtype=np.float32)[:, None]


@dataclass(frozen=True)
class Tone:
    """How an object's colours are changed."""

    surroundings: Singles
    """Blue, green and red of what was around it where it was cut out."""
    factors: Singles
    """Wanted factors on its blue, green and red, besides the light of the place."""
    cast: Singles
    """(1, 256, 3) what each blue, green and red around it adds to the factor on the ground; give `cast_of`."""


@dataclass(frozen=True)
class Ground:
    """How a piece of ground looks."""

    colour: Singles
    """Median blue, green and red."""
    roughness: float
    """Mean difference from it, 0–255."""

    @classmethod
    def of(cls, some: Pixels) -> "Ground":
        """Look at pixels, (n, 3)."""
        colour = _median(some)
        return cls(colour, float(np.abs(some - colour).mean()))


def blend(ground: Pixels, bgra: Pixels, tone: Tone, *, penumbra_px: float, grain: Singles) -> None:
    """Mix an object into a region of a photo, in place; `ground` (h, w, 3), `bgra` (h, w, 4).

    At its edge the object gets the light of the place. Inwards it keeps half of the difference, which may as well be
    one of surface, and takes on the wanted factors: a change of colour at the edge would be a ring. What it casts on
    its surroundings, shadow or blur, goes along as a factor within about `penumbra_px`: a cut alone has a hard outline.
    """
    pixels, share = cv2.cvtColor(bgra, cv2.COLOR_BGRA2BGR), bgra[:, :, 3] * np.float32(1 / 255)
    light = light_of(surroundings(ground, bgra[:, :, 3]), tone.surroundings)
    near = 2 * cv2.GaussianBlur(share, (0, 0), penumbra_px)
    inwards = np.maximum(near, 1) - 1
    lit = _on_colours(inwards)
    lit *= _row(np.sqrt(light) * tone.factors - light, bgra)
    lit += _row(light, bgra)
    lit *= pixels
    mixed = cv2.LUT(pixels, tone.cast)
    mixed *= _on_colours(near - inwards)
    mixed += 1
    mixed *= ground
    lit -= mixed
    lit *= _on_colours(share)
    mixed += lit
    _add_grain(mixed, grain)
    ground[:] = cv2.convertScaleAbs(mixed)  # rounds and saturates


def light_of(there: Singles, here: Singles) -> Singles:
    """Give the factors on blue, green and red from the light of one piece of ground to that of another."""
    light = (there + 1) / (here + 1)
    brightness = float(light.sum()) / 3
    hue = np.minimum(np.maximum(light, brightness / MAX_HUE), brightness * MAX_HUE)
    return np.asarray(hue * (min(max(brightness, MIN_LIGHT), MAX_LIGHT) / brightness), np.float32)


def cast_of(around: Singles) -> Singles:
    """Give what an object casts, as a table (1, 256, 3): by how much a colour differs from the surroundings."""
    return np.asarray(np.clip(LEVELS / (around + 1), MIN_CAST, MAX_CAST)[None] - 1, np.float32)


def make_grain(rng: np.random.Generator) -> Singles:
    """Give a tile of what is added before rounding: an object that was enlarged or blurred would show bands.

    It stays below one half, so whole numbers are left alone.
    """
    return np.asarray((rng.random((GRAIN_SIDE, GRAIN_SIDE, 3), np.float32) - 0.5) * 0.999, np.float32)


def surroundings(pixels: Pixels, alpha: Pixels) -> Singles:
    """Give the median blue, green and red of what is not the object: a neighbour in a corner is not the light."""
    return _median(sampled_around(pixels, alpha))


def sampled_around(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Give some pixels (n, 3) of what is not the object, of all where nothing else is there."""
    step = max(round(math.sqrt(alpha.size) / SAMPLED_SIDE), 1)
    some = pixels[::step, ::step]
    around = some[alpha[::step, ::step] < SURROUNDINGS_ALPHA]
    return around if len(around) else some.reshape(-1, 3)


def _median(some: Pixels) -> Singles:
    """Give the median of each colour of pixels (n, 3), n > 0."""
    middle = len(some) // 2
    return np.asarray(np.partition(some, middle, axis=0)[middle], np.float32)


def unlikeness(picture: Pixels, boxes_px: Floats, grounds: Sequence[Ground]) -> Floats:
    """Say how far a picture looks in each box (n, 4) inside it from some ground, one each: 0 for the same, (n,)."""
    x, y = (boxes_px[:, n, None] * (1 - STEPS) + boxes_px[:, n + 2, None] * STEPS for n in (0, 1))
    some = picture[y.astype(np.intp)[:, :, None], x.astype(np.intp)[:, None]].reshape(len(boxes_px), -1, 3)
    colour = some.mean(axis=1, dtype=np.float32)
    rough = np.abs(some - colour[:, None]).reshape(len(boxes_px), -1).mean(axis=1)
    change = colour - np.array([ground.colour for ground in grounds])
    grey = change.sum(axis=1) / 3
    hue = np.sqrt(np.square(change - grey[:, None]).sum(axis=1))
    return np.asarray(GREY_WEIGHT * np.abs(grey) + hue + np.abs(rough - [ground.roughness for ground in grounds]))


def soften(bgra: Pixels, *, own_px: float, photo_px: float) -> Pixels:
    """Blur an object that is sharper than the photo it goes into; a blurred one cannot be sharpened."""
    missing_px = math.sqrt(max(photo_px**2 - own_px**2, 0.0))
    if missing_px < MIN_BLUR_PX:
        return bgra
    return np.asarray(cv2.GaussianBlur(bgra, (0, 0), min(missing_px, MAX_BLUR_PX)), np.uint8)


def edge_blur_px(pixels: Pixels) -> float:
    """Give the standard deviation of the blur of a picture's sharpest edges, from two strips of a large one.

    A step of contrast c, blurred by s, has a steepest slope of c / (s √(2π)) and a largest second derivative of
    c / (s² √(2πe)): c cancels out of their ratio.
    """
    height, width = pixels.shape[:2]
    strips = [pixels]
    if height > 8 * STRIP_PX:
        rows, columns = (height // 3, height * 2 // 3), slice(width // 4, width - width // 4)
        strips = [pixels[row : row + STRIP_PX, columns] for row in rows]
    greys = [cv2.cvtColor(strip, cv2.COLOR_BGR2GRAY) for strip in strips]
    slopes = [cv2.magnitude(cv2.Scharr(g, cv2.CV_32F, 1, 0), cv2.Scharr(g, cv2.CV_32F, 0, 1)) for g in greys]
    bends = [np.abs(cv2.Laplacian(grey, cv2.CV_32F)) for grey in greys]
    return _high(slopes) / 32 / max(_high(bends), 1.0) / math.sqrt(math.e)


def _high(parts: list[Singles]) -> float:
    """Give about the 98th percentile, from every other row and column."""
    some = np.concatenate([part[::2, ::2].ravel() for part in parts])
    rank = len(some) * 98 // 100
    return float(np.partition(some, rank)[rank])


def _on_colours(weights: Singles) -> Singles:
    """Repeat weights (h, w) for each colour, (h, w, 3): numpy is ten times slower where it has to do so itself."""
    return np.asarray(cv2.cvtColor(weights, cv2.COLOR_GRAY2BGR), np.float32)


def _row(colour: Singles, pixels: Pixels) -> Singles:
    """Repeat a colour's three factors for a row of pixels, (w, 3), for the same reason."""
    return colour[None].repeat(pixels.shape[1], axis=0)


def _add_grain(mixed: Singles, grain: Singles) -> None:
    """Add the grain all over a region."""
    height, width = mixed.shape[:2]
    below, beside = max(height - GRAIN_SIDE, 0), max(width - GRAIN_SIDE, 0)
    mixed += cv2.copyMakeBorder(grain, 0, below, 0, beside, cv2.BORDER_WRAP)[:height, :width]
