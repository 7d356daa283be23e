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

from generation.blend import (
    OBJECT_ALPHA,
    Ground,
    Singles,
    Tone,
    blend,
    cast_of,
    edge_blur_px,
    make_grain,
    sampled_around,
    soften,
    surroundings,
    unlikeness,
)
from generation.records import PasteObject, PictureLabel
from training.boxes import Bools

Pixels = NDArray[np.uint8]
Size = TypeVar("Size", float, NDArray[np.float64])

MARGIN_PX = 8  # surroundings kept around an object: room for its soft edge, and the light it was seen in
MAX_RECOLOURED = 0.5  # change of colour, as a share of what an object differs from its surroundings
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
    def bgra(self) -> Pixels:
        """Both in one array, (h, w, 4): they are scaled and turned together."""
        return np.dstack([self.pixels, self.alpha])

    @cached_property
    def surroundings(self) -> Singles:
        """Blue, green and red of what was around the object."""
        return surroundings(self.pixels, self.alpha)

    @cached_property
    def ground(self) -> Ground:
        """How what was around it looks."""
        return Ground.of(sampled_around(self.pixels, self.alpha))

    @cached_property
    def contrast(self) -> float:
        """How much it differs from its surroundings: the largest relative change of a colour."""
        own = np.median(self.pixels[self.alpha > OBJECT_ALPHA], axis=0)
        return float(np.abs((own + 1) / (self.surroundings + 1) - 1).max())

    @cached_property
    def cast(self) -> Singles:
        """What it casts on its surroundings, as `blend` takes it."""
        return cast_of(self.surroundings)

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
        return _extent(self.alpha > OBJECT_ALPHA)

    @cached_property
    def painted(self) -> tuple[float, float, float, float]:
        """Corners, from the canvas's middle, of the mask with its margin: the rest need not be painted."""
        height, width = self.alpha.shape
        x1, y1, x2, y2 = self.extent
        left, top = max(x1 - MARGIN_PX, 0) - width / 2, max(y1 - MARGIN_PX, 0) - height / 2
        return left, top, min(x2 + MARGIN_PX, width) - width / 2, min(y2 + MARGIN_PX, height) - height / 2

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
    bgra: Pixels
    air: list[float]
    """How far its label's box goes beyond its mask: left, top, right, bottom in px of the picture."""

    @property
    def alpha(self) -> Pixels:
        """How opaque it is, (h, w)."""
        return self.bgra[:, :, 3]


def turned_size(width: Size, height: Size, angle_deg: Size) -> tuple[Size, Size]:
    """Give width and height of the upright box around a rectangle turned by an angle; numbers, or columns of them."""
    cosine, sine = np.abs(np.cos(np.radians(angle_deg))), np.abs(np.sin(np.radians(angle_deg)))
    return width * cosine + height * sine, width * sine + height * cosine


def paste(
    picture: Pixels,
    objects: Sequence[tuple[Cutout, PasteObject]],
    background_labels: Sequence[PictureLabel],
    rng: np.random.Generator,
) -> Painted:
    """Paste objects into an upright BGR photo (h, w, 3), in place, later ones over earlier ones.

    A pasted label is the extent of the pixels that are more than half opaque and that nothing covers, plus the air that
    people left around the object when they labelled it: on photos of blood, boxes are half as wide again as the
    platelets in them, and tight labels would contradict all real ones. An object that is wholly hidden has no label.
    An object that may go to several places goes where the ground suits it. Chance only rounds.
    """
    if any(wish.spare for _, wish in objects):
        objects = settled(picture, objects)
    photo_blur_px, grain = edge_blur_px(picture), make_grain(rng)
    placed = [_place(cutout, wish, picture.shape) for cutout, wish in objects]
    for (cutout, wish), place in zip(objects, placed, strict=True):
        _composite(picture, cutout, wish, place, photo_blur_px=photo_blur_px, grain=grain)
    pasted = [
        _label(place, placed[number + 1 :], wish, picture.shape)
        for number, (place, (_, wish)) in enumerate(zip(placed, objects, strict=True))
    ]
    return Painted(pixels=picture, labels=(*background_labels, *(label for label in pasted if label)))


def settled(picture: Pixels, objects: Sequence[tuple[Cutout, PasteObject]]) -> list[tuple[Cutout, PasteObject]]:
    """Choose for each object that has spare places the one whose ground is most like what was around it."""
    places = [(wish.xyxy, *wish.spare) if wish.spare else () for _, wish in objects]
    grounds = [cutout.ground for (cutout, _), each in zip(objects, places, strict=True) for _ in each]
    boxes_px = np.array([place for each in places for place in each]) * (picture.shape[1::-1] * 2)
    parts = np.split(unlikeness(picture, boxes_px, grounds), np.cumsum([len(each) for each in places])[:-1])
    chosen = []
    for (cutout, wish), each, unlike in zip(objects, places, parts, strict=True):
        best = each[int(unlike.argmin())] if each else wish.xyxy
        chosen.append((cutout, wish.model_copy(update={"xyxy": best, "spare": ()})))
    return chosen


def _place(cutout: Cutout, wish: PasteObject, shape: tuple[int, ...]) -> _Placed:
    """Scale, flip and turn a cut-out so that its label's box just fits into the wished corners."""
    x1, y1, x2, y2 = (corner * side for corner, side in zip(wish.xyxy, (shape[1], shape[0]) * 2, strict=True))
    height, width = cutout.alpha.shape
    natural = turned_size(width - 2.0 * MARGIN_PX, height - 2.0 * MARGIN_PX, wish.angle_deg)
    scale = math.sqrt((x2 - x1) * (y2 - y1) / (natural[0] * natural[1]))
    cosine, sine = math.cos(math.radians(wish.angle_deg)) * scale, math.sin(math.radians(wish.angle_deg)) * scale
    bgra = _shrunk(cutout.bgra, scale)
    across, down = (-cosine if wish.flip else cosine, -sine), (-sine if wish.flip else sine, cosine)
    left, right, x_row = _along(across, (x1 + x2) / 2, cutout, bgra.shape)
    top, bottom, y_row = _along(down, (y1 + y2) / 2, cutout, bgra.shape)
    size = right - left, bottom - top
    return _Placed(
        left=left,
        top=top,
        scale=scale,
        bgra=cv2.warpAffine(bgra, np.array([x_row, y_row]), size, borderMode=cv2.BORDER_REPLICATE),
        air=[side * scale for side in _air(cutout, wish)],
    )


def _along(
    factors: tuple[float, float], middle: float, cutout: Cutout, shape: tuple[int, ...]
) -> tuple[int, int, tuple[float, float, float]]:
    """Give, along one axis of the picture, where a turned cut-out starts, where it ends, and its row of the turn.

    `factors` say how far a step to the right and a step down on the canvas go along this axis; `shape` is that of the
    canvas after shrinking.
    """
    x1, y1, x2, y2 = cutout.painted
    ends = (factors[0] * x1, factors[0] * x2), (factors[1] * y1, factors[1] * y2)
    start, end = math.floor(middle + min(ends[0]) + min(ends[1])), math.ceil(middle + max(ends[0]) + max(ends[1]))
    rows, columns = shape[:2]
    x, y = factors[0] * cutout.alpha.shape[1] / columns, factors[1] * cutout.alpha.shape[0] / rows
    return start, end, (x, y, middle - start - 0.5 - (x * (columns - 1) + y * (rows - 1)) / 2)


def _shrunk(bgra: Pixels, scale: float) -> Pixels:
    """Average pixels where the object gets smaller: turning alone would skip some and leave it too sharp."""
    if scale >= MIN_SAMPLED_SCALE:
        return bgra
    height, width = bgra.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(bgra, size, interpolation=cv2.INTER_AREA), np.uint8)


def _air(cutout: Cutout, wish: PasteObject) -> list[float]:
    """Give how far the label's box goes beyond the mask on each side after flip and turn, in px of the cut-out.

    A side that is turned gets the air of the two sides that it came from, by the squares of cosine and sine.
    """
    left, top, right, bottom = cutout.air_px
    air = [right, top, left, bottom] if wish.flip else [left, top, right, bottom]
    quarter = round(wish.angle_deg / 90)  # a quarter turn brings left to top, top to right, and so on
    rest = math.radians(wish.angle_deg - 90 * quarter)
    step = 1 if rest > 0 else -1
    own, neighbour = math.cos(rest) ** 2, math.sin(rest) ** 2
    return [own * air[(n - quarter) % 4] + neighbour * air[(n - quarter - step) % 4] for n in range(4)]


def _composite(
    picture: Pixels, cutout: Cutout, wish: PasteObject, place: _Placed, *, photo_blur_px: float, grain: Singles
) -> None:
    """Mix one object into the picture."""
    own_px = cutout.blur_px * place.scale
    bgra = soften(place.bgra, own_px=own_px, photo_px=photo_blur_px)[_inside(place, picture.shape)]
    if not bgra.size:
        return
    ground = picture[max(place.top, 0) :, max(place.left, 0) :][: bgra.shape[0], : bgra.shape[1]]
    # what hardly differs from its ground would differ by the change of colour alone
    most = MAX_RECOLOURED * cutout.contrast
    factors = np.array([min(max(wish.gain * tint, 1 - most), 1 + most) for tint in wish.tint], np.float32)
    tone = Tone(surroundings=cutout.surroundings, factors=factors, cast=cutout.cast)
    blend(ground, bgra, tone, penumbra_px=cutout.penumbra_px * place.scale, grain=grain)


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
    # a side that is covered ends where the cover begins
    air = [out if side == end else 0.0 for out, side, end in zip(place.air, seen, full, strict=True)]
    x1, y1 = seen[0] - air[0] + place.left, seen[1] - air[1] + place.top
    x2, y2 = seen[2] + air[2] + place.left, seen[3] + air[3] + place.top
    corners = _share(x1, shape[1]), _share(y1, shape[0]), _share(x2, shape[1]), _share(y2, shape[0])
    visible_share = 1.0 if visible is whole else float(np.count_nonzero(visible) / np.count_nonzero(whole))
    return PictureLabel(
        label=wish.label, xyxy=corners, visible_share=visible_share, source_id=wish.source_id, added=True
    )


def _share(px: float, side_px: int) -> float:
    """Give a place along a side of the picture as a fraction 0–1, the border for one beyond it."""
    return min(max(px / side_px, 0.0), 1.0)


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


def _extent(mask: Bools) -> tuple[int, int, int, int]:
    """Give the tight box of a mask in pixels, right and bottom exclusive."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return left, top, left + width, top + height
