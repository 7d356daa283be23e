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


def blend(ground: Pixels, pixels: Pixels, alpha: Pixels, tone: Tone, *, penumbra_px: float, grain: Singles) -> None:
    """Mix an object into a region of a photo, in place; `ground` and `pixels` (h, w, 3), `alpha` (h, w).

    At its edge the object gets the light of the place. Inwards it keeps half of the difference, which may as well be
    one of surface, and takes on the wanted factors: a change of colour at the edge would be a ring. What it casts on
    its surroundings, shadow or blur, goes along as a factor within about `penumbra_px`: a cut alone has a hard outline.
    """
    light = np.clip((surroundings(ground, alpha) + 1) / (tone.surroundings + 1), MIN_LIGHT, MAX_LIGHT)
    share = alpha * np.float32(1 / 255)
    near = 2 * cv2.GaussianBlur(share, (0, 0), penumbra_px)
    at_edge = _looked_up(pixels, LEVELS * light)
    inside = _looked_up(pixels, LEVELS * (np.sqrt(light) * tone.factors))
    lit = _mix(at_edge, inside, np.minimum(np.maximum(near - 1, 0), 1))
    under = ground.astype(np.float32)
    cast = _looked_up(pixels, np.minimum(np.maximum(LEVELS / (tone.surroundings + 1), MIN_CAST), MAX_CAST))
    cast *= under
    mixed = _mix(_mix(under, cast, np.minimum(near, 1)), lit, share)
    _add_grain(mixed, grain)
    ground[:] = cv2.convertScaleAbs(mixed)  # rounds and saturates


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


def soften(pixels: Pixels, alpha: Pixels, *, own_px: float, photo_px: float) -> tuple[Pixels, Pixels]:
    """Blur an object that is sharper than the photo it goes into; a blurred one cannot be sharpened."""
    missing_px = math.sqrt(max(photo_px**2 - own_px**2, 0.0))
    if missing_px < MIN_BLUR_PX:
        return pixels, alpha
    blur_px = min(missing_px, MAX_BLUR_PX)
    return cv2.GaussianBlur(pixels, (0, 0), blur_px), cv2.GaussianBlur(alpha, (0, 0), blur_px)


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


def _looked_up(pixels: Pixels, table: Singles) -> Singles:
    """Give each colour's entry in a table (256, 3): the fast way to change three colours differently."""
    return np.asarray(cv2.LUT(pixels, table.astype(np.float32)[None]), np.float32)


def _mix(first: Singles, second: Singles, weights: Singles) -> Singles:
    """Mix a second picture into the first, in place, by weights (h, w), 0–1: numpy is ten times slower over colours."""
    return np.asarray(cv2.blendLinear(first, second, 1 - weights, weights, first), np.float32)


def _add_grain(mixed: Singles, grain: Singles) -> None:
    """Add the grain all over a region."""
    for top in range(0, mixed.shape[0], GRAIN_SIDE):
        for left in range(0, mixed.shape[1], GRAIN_SIDE):
            part = mixed[top : top + GRAIN_SIDE, left : left + GRAIN_SIDE]
            part += grain[: part.shape[0], : part.shape[1]]
