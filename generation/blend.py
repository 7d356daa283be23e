"""Mix a cut-out into a photo: its light, its soft edge, its sharpness. Arithmetic on arrays of pixels, nothing else."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Singles = NDArray[np.float32]

OBJECT_ALPHA = 127  # above this, of 255, a pixel is the object's
SURROUNDINGS_ALPHA = 8  # below this, it shows surroundings
SAMPLED_SIDE = 24  # about this many pixels a side are enough to tell the light
MIN_LIGHT, MAX_LIGHT = 0.75, 1.33  # beyond this, the place is another surface rather than another light
MIN_CAST, MAX_CAST = 0.6, 1.1  # shadows and blur go along; a bright neighbour does not
MIN_BLUR_PX, MAX_BLUR_PX = 0.5, 2.0
STRIP_PX = 12
GRAIN_SIDE = 48
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


def blend(ground: Pixels, bgra: Pixels, tone: Tone, *, penumbra_px: float, grain: Singles) -> None:
    """Mix an object into a region of a photo, in place; `ground` (h, w, 3), `bgra` (h, w, 4).

    At its edge the object gets the light of the place. Inwards it keeps half of the difference, which may as well be
    one of surface, and takes on the wanted factors: a change of colour at the edge would be a ring. What it casts on
    its surroundings, shadow or blur, goes along as a factor within about `penumbra_px`: a cut alone has a hard outline.
    """
    pixels, share = cv2.cvtColor(bgra, cv2.COLOR_BGRA2BGR), bgra[:, :, 3] * np.float32(1 / 255)
    light = (surroundings(ground, bgra[:, :, 3]) + 1) / (tone.surroundings + 1)
    light = np.minimum(np.maximum(light, MIN_LIGHT), MAX_LIGHT)
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
    step = max(round(math.sqrt(alpha.size) / SAMPLED_SIDE), 1)
    some = pixels[::step, ::step]
    around = some[alpha[::step, ::step] < SURROUNDINGS_ALPHA]
    if not len(around):
        around = some.reshape(-1, 3)
    middle = len(around) // 2
    return np.asarray(np.partition(around, middle, axis=0)[middle], np.float32)


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
