"""Paste cut-out objects into a photo so that the seam teaches nothing, and say what is visible of each.

The copy-and-paste idea: Dwibedi, Misra and Hebert, "Cut, Paste and Learn" (2017). Here the light and the sharpness of
an object are fitted to its place, because a detector that learns the seam learns nothing about the object.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from generation.blend import OBJECT_ALPHA, Singles, Tone, blend, edge_blur_px, make_grain, soften, surroundings
from generation.records import Corners, PasteObject, PictureLabel
from training.boxes import Bools, Floats, Ints

Pixels = NDArray[np.uint8]
Size = TypeVar("Size", float, NDArray[np.float64])

MARGIN_PX = 8  # surroundings kept around an object: room for its soft edge, and the light it was seen in
PENUMBRA_SHARE = 0.08  # of the object's side
MIN_SAMPLED_SCALE = 0.75  # down to this, sampling skips too little to show


@dataclass(frozen=True)
class Cutout:
    """One object of a photo with its mask, on a canvas `MARGIN_PX` larger on every side than its label's box."""

    pixels: Pixels
    """(h, w, 3) blue, green, red: the object and what was around it."""
    alpha: Pixels
    """(h, w), 255 where the object is, 0 where it is not."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.pixels.shape != (*self.alpha.shape, 3) or min(self.alpha.shape) <= 2 * MARGIN_PX:
            raise ValueError(f"pixels {self.pixels.shape} and alpha {self.alpha.shape} are no cut-out")

    @cached_property
    def surroundings(self) -> Singles:
        """Blue, green and red of what was around the object."""
        return surroundings(self.pixels, self.alpha)

    @cached_property
    def blur_px(self) -> float:
        """Standard deviation of the blur of its sharpest edges."""
        return edge_blur_px(self.pixels)

    @cached_property
    def penumbra_px(self) -> float:
        """How far it casts on its surroundings; that ends before the canvas does."""
        return min(PENUMBRA_SHARE * math.sqrt(np.count_nonzero(self.alpha > OBJECT_ALPHA)), MARGIN_PX / 2.5)

    @cached_property
    def extent(self) -> tuple[int, int, int, int]:
        """Tight box of the mask on the canvas, right and bottom exclusive."""
        x1, y1, x2, y2 = _extent(self.alpha > OBJECT_ALPHA).tolist()
        return x1, y1, x2, y2

    @cached_property
    def air_px(self) -> tuple[int, int, int, int]:
        """How far its label's box goes beyond its mask: left, top, right, bottom."""
        height, width = self.alpha.shape
        x1, y1, x2, y2 = self.extent
        left, top = max(x1 - MARGIN_PX, 0), max(y1 - MARGIN_PX, 0)
        return left, top, max(width - MARGIN_PX - x2, 0), max(height - MARGIN_PX - y2, 0)


@dataclass(frozen=True)
class Painted:
    """A finished picture and all of its labels."""

    pixels: Pixels
    labels: tuple[PictureLabel, ...]


@dataclass(frozen=True)
class _Placed:
    """A cut-out at its size and angle, and the picture's column and row that it starts at (they may be negative)."""

    left: int
    top: int
    scale: float
    pixels: Pixels
    alpha: Pixels
    air: Floats
    """How far its label's box goes beyond its mask: left, top, right, bottom in px of the picture."""


def turned_size(width: Size, height: Size, angle_deg: Size) -> tuple[Size, Size]:
    """Give width and height of the upright box around a rectangle turned by an angle; numbers, or columns of them."""
    cosine, sine = np.abs(np.cos(np.radians(angle_deg))), np.abs(np.sin(np.radians(angle_deg)))
    return width * cosine + height * sine, width * sine + height * cosine


def paste(
    background: Pixels,
    objects: Sequence[tuple[Cutout, PasteObject]],
    background_labels: Sequence[PictureLabel],
    rng: np.random.Generator,
) -> Painted:
    """Paste objects into an upright BGR photo (h, w, 3), later ones over earlier ones; the photo itself is not changed.

    A pasted label is the extent of the pixels that are more than half opaque and that nothing covers, plus the air that
    people left around the object when they labelled it: on photos of blood, boxes are half as wide again as the
    platelets in them, and tight labels would contradict all real ones. An object that is wholly hidden has no label.
    Chance only rounds.
    """
    picture = background.copy()
    photo_blur_px, grain = edge_blur_px(background), make_grain(rng)
    placed = [_place(cutout, wish, background.shape) for cutout, wish in objects]
    for (cutout, wish), place in zip(objects, placed, strict=True):
        _composite(picture, cutout, wish, place, photo_blur_px=photo_blur_px, grain=grain)
    pasted = [
        _label(place, placed[number + 1 :], wish, background.shape)
        for number, (place, (_, wish)) in enumerate(zip(placed, objects, strict=True))
    ]
    return Painted(pixels=picture, labels=(*background_labels, *(label for label in pasted if label)))


def _place(cutout: Cutout, wish: PasteObject, shape: tuple[int, ...]) -> _Placed:
    """Scale, flip and turn a cut-out so that its label's box just fits into the wished corners."""
    x1, y1, x2, y2 = (corner * side for corner, side in zip(wish.xyxy, (shape[1], shape[0]) * 2, strict=True))
    height, width = cutout.alpha.shape
    natural = turned_size(width - 2.0 * MARGIN_PX, height - 2.0 * MARGIN_PX, wish.angle_deg)
    scale = math.sqrt((x2 - x1) * (y2 - y1) / (natural[0] * natural[1]))
    cosine, sine = math.cos(math.radians(wish.angle_deg)) * scale, math.sin(math.radians(wish.angle_deg)) * scale
    across = -cosine if wish.flip else cosine, -sine if wish.flip else sine
    reach = [(across[0] * x - sine * y, across[1] * x + cosine * y) for x, y in _corners_around_mask(cutout)]
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    left, top = (math.floor(middle[axis] + min(corner[axis] for corner in reach)) for axis in (0, 1))
    right, bottom = (math.ceil(middle[axis] + max(corner[axis] for corner in reach)) for axis in (0, 1))
    pixels, alpha = _shrunk(cutout, scale)
    rows, columns = alpha.shape
    turn = np.array([[across[0], -sine], [across[1], cosine]]) * [width / columns, height / rows]
    offset = [middle[0] - left - 0.5, middle[1] - top - 0.5] - turn @ [(columns - 1) / 2, (rows - 1) / 2]
    matrix, sides = np.column_stack([turn, offset]), (right - left, bottom - top)
    return _Placed(
        left=left,
        top=top,
        scale=scale,
        pixels=cv2.warpAffine(pixels, matrix, sides, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        alpha=cv2.warpAffine(alpha, matrix, sides, flags=cv2.INTER_LINEAR),
        air=_air(cutout, wish) * scale,
    )


def _corners_around_mask(cutout: Cutout) -> list[tuple[float, float]]:
    """Give the corners, from the canvas's middle, of the mask with its margin: the rest need not be painted."""
    height, width = cutout.alpha.shape
    x1, y1, x2, y2 = cutout.extent
    left, right = max(x1 - MARGIN_PX, 0) - width / 2, min(x2 + MARGIN_PX, width) - width / 2
    top, bottom = max(y1 - MARGIN_PX, 0) - height / 2, min(y2 + MARGIN_PX, height) - height / 2
    return [(left, top), (right, top), (left, bottom), (right, bottom)]


def _shrunk(cutout: Cutout, scale: float) -> tuple[Pixels, Pixels]:
    """Average pixels where the object gets smaller: turning alone would skip some and leave it too sharp."""
    if scale >= MIN_SAMPLED_SCALE:
        return cutout.pixels, cutout.alpha
    height, width = cutout.alpha.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    pixels = cv2.resize(cutout.pixels, size, interpolation=cv2.INTER_AREA)
    return pixels, cv2.resize(cutout.alpha, size, interpolation=cv2.INTER_AREA)


def _air(cutout: Cutout, wish: PasteObject) -> Floats:
    """Give how far the label's box goes beyond the mask on each side after flip and turn, in px of the cut-out.

    A side that is turned gets the air of the two sides that it came from, by the squares of cosine and sine.
    """
    left, top, right, bottom = cutout.air_px
    air = [right, top, left, bottom] if wish.flip else [left, top, right, bottom]
    quarter = round(wish.angle_deg / 90)  # a quarter turn brings left to top, top to right, and so on
    rest = math.radians(wish.angle_deg - 90 * quarter)
    step = 1 if rest > 0 else -1
    own, neighbour = math.cos(rest) ** 2, math.sin(rest) ** 2
    return np.array([own * air[(n - quarter) % 4] + neighbour * air[(n - quarter - step) % 4] for n in range(4)])


def _composite(
    picture: Pixels, cutout: Cutout, wish: PasteObject, place: _Placed, *, photo_blur_px: float, grain: Singles
) -> None:
    """Mix one object into the picture."""
    own_px = cutout.blur_px * place.scale
    pixels, alpha = soften(place.pixels, place.alpha, own_px=own_px, photo_px=photo_blur_px)
    rows, columns = _inside(place, picture.shape)
    pixels, alpha = np.ascontiguousarray(pixels[rows, columns]), np.ascontiguousarray(alpha[rows, columns])
    if not alpha.size:
        return
    ground = picture[max(place.top, 0) :, max(place.left, 0) :][: alpha.shape[0], : alpha.shape[1]]
    tone = Tone(surroundings=cutout.surroundings, factors=np.array(wish.tint, np.float32) * np.float32(wish.gain))
    blend(ground, pixels, alpha, tone, penumbra_px=cutout.penumbra_px * place.scale, grain=grain)


def _inside(place: _Placed, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Give the rows and columns of a placed canvas that lie inside the picture."""
    rows = slice(max(-place.top, 0), max(shape[0] - place.top, 0))
    return rows, slice(max(-place.left, 0), max(shape[1] - place.left, 0))


def _label(place: _Placed, later: Sequence[_Placed], wish: PasteObject, shape: tuple[int, ...]) -> PictureLabel | None:
    """Give the label of what is visible, None where nothing is."""
    whole = place.alpha > OBJECT_ALPHA
    full = _extent(whole)
    visible = _visible(whole, place, later, shape)
    seen = full if visible is whole else _extent(visible)
    if seen[0] == seen[2]:
        return None
    air = np.where(seen == full, place.air, 0) * [-1, -1, 1, 1]  # a side that is covered ends where the cover begins
    sides = np.array([shape[1], shape[0]] * 2)
    x1, y1, x2, y2 = np.clip((seen + air + [place.left, place.top] * 2) / sides, 0, 1).tolist()
    corners: Corners = (x1, y1, x2, y2)
    visible_share = 1.0 if visible is whole else float(np.count_nonzero(visible) / np.count_nonzero(whole))
    return PictureLabel(
        label=wish.label, xyxy=corners, visible_share=visible_share, source_id=wish.source_id, pasted=True
    )


def _visible(whole: Bools, place: _Placed, later: Sequence[_Placed], shape: tuple[int, ...]) -> Bools:
    """Give what of a mask lies in the picture and under no later object; the mask itself where that is all of it."""
    bottom, right = place.top + whole.shape[0], place.left + whole.shape[1]
    is_inside = place.left >= 0 and place.top >= 0 and right <= shape[1] and bottom <= shape[0]
    covers = [
        cover
        for cover in later
        if cover.left < right
        and cover.top < bottom
        and place.left < cover.left + cover.alpha.shape[1]
        and place.top < cover.top + cover.alpha.shape[0]
    ]
    if is_inside and not covers:
        return whole
    visible = np.zeros_like(whole)
    inside = _inside(place, shape)
    visible[inside] = whole[inside]
    for cover in covers:
        _hide(visible, place, cover)
    return visible


def _hide(visible: Bools, place: _Placed, cover: _Placed) -> None:
    """Remove from an object's visible pixels those that a later object covers."""
    left, top = cover.left - place.left, cover.top - place.top
    opaque = cover.alpha > OBJECT_ALPHA
    rows = slice(max(top, 0), max(top + opaque.shape[0], 0))
    columns = slice(max(left, 0), max(left + opaque.shape[1], 0))
    part = visible[rows, columns]
    y, x = max(-top, 0), max(-left, 0)
    part &= ~opaque[y : y + part.shape[0], x : x + part.shape[1]]


def _extent(mask: Bools) -> Ints:
    """Give the tight box of a mask in pixels, right and bottom exclusive."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.array([left, top, left + width, top + height])
