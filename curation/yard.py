"""A drawn work yard under one camera and one light: the canvas, what stands and lies on it, and its labels.

Everything is drawn larger than the picture and reduced at the end, which smooths the edges. The canvas knows which
object owns each pixel, so a label is the extent of what can be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.figures import CLOTH, Array, Colour, Figure, blob, oval, pick

RARE = "spill"
MIN_VISIBLE_SHARE = 0.25
MIN_SIDE_PX = 3.0
OVERSIZE = 2
MARGIN_PX = 32  # drawn around the picture, so that what the frame cuts off counts as not visible
NOBODY = -1  # owner of what has no label; 0 is the floor

LIQUIDS: tuple[Colour, ...] = ((30, 26, 28), (30, 46, 66), (120, 92, 50), (66, 128, 72))  # oil, sludge, coolants
SHADE: Colour = (18, 16, 14)
TAR: Colour = (52, 52, 54)
COVER: tuple[Colour, Colour] = ((60, 64, 68), (92, 96, 98))

Box = tuple[float, float, float, float]
Place = tuple[float, float]  # metres to the right of the camera, metres away from it


class Light(NamedTuple):
    """What a time of day does to a picture."""

    sky: tuple[Colour, Colour]
    """At the top and at the horizon."""
    gain: Colour
    shadow: float
    """How much of the light a shadow takes, 0–1."""
    softness_px: float
    noise: float
    """Greatest standard deviation of the grain, grey levels."""


LIGHTS = (
    Light(sky=((226, 178, 128), (236, 226, 212)), gain=(1.02, 1.06, 1.1), shadow=0.5, softness_px=1.5, noise=4),
    Light(sky=((205, 200, 196), (222, 220, 218)), gain=(1.04, 1.02, 1.0), shadow=0.22, softness_px=9, noise=6),
    Light(sky=((120, 84, 62), (120, 150, 226)), gain=(0.78, 0.74, 0.84), shadow=0.42, softness_px=3, noise=10),
    Light(sky=((120, 124, 124), (150, 154, 154)), gain=(0.86, 0.94, 0.98), shadow=0.3, softness_px=6, noise=8),
)  # sun, cloud, evening, hall lamps


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks straight ahead, in pixels of the canvas."""

    centre_px: float
    horizon_px: float
    focal_px: float
    height_m: float

    def floor_at(self, column_px: float, row_px: float) -> Place:
        """Give the place on the floor that a pixel below the horizon shows."""
        away = self.focal_px * self.height_m / (row_px - self.horizon_px)
        return (column_px - self.centre_px) * away / self.focal_px, away

    def project(self, right_m: Array, up_m: Array | float, away_m: Array | float) -> Array:
        """Give the (n, 2) canvas pixels of points."""
        scale = self.focal_px / np.maximum(away_m, 0.3)  # nothing is behind the camera
        return np.stack([self.centre_px + right_m * scale, self.horizon_px + (self.height_m - up_m) * scale], axis=1)


@dataclass
class Yard:
    """A scene while it is drawn. Pixels are blue, green, red and may exceed 255 until the picture is exposed."""

    pixels: Array
    """(h, w, 3) float32 of the canvas."""
    camera: Camera
    light: Light
    sun: Place
    """Where a shadow falls: metres to the right and away for every metre of height."""
    owner: NDArray[np.int16] = field(init=False)
    labels: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    """Class of an object and the numbers of its parts in `owner`: a person's hat is a part and an object."""
    drawn_px: list[int] = field(default_factory=lambda: [0])
    """Canvas pixels of each part, by number, before anything stood in front of it."""

    def __post_init__(self) -> None:
        """Start with nothing but the floor."""
        self.owner = np.zeros(self.pixels.shape[:2], np.int16)

    def paint(
        self, outlines: Sequence[Array], colour: Colour, *, alpha: float = 1, blur_px: float = 0, owner: int = 0
    ) -> None:
        """Paint the union of (n, 2) outlines in canvas pixels; what it covers by half belongs to `owner`, unless 0."""
        corners, pad = np.concatenate(outlines), int(3 * blur_px) + 2
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - pad, 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + pad, self.owner.shape[::-1])
        if (high <= low).any():
            return
        mask = np.zeros((high - low)[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round((o - low) * 16).astype(np.int32) for o in outlines], 255, cv2.LINE_AA, 4)
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        if owner:
            self.owner[window][mask > 127] = owner
        cover = mask.astype(np.float32) * np.float32(alpha / 255)
        if blur_px:
            cover = cv2.GaussianBlur(cover, (0, 0), blur_px)
        sunny = 0.16 if self.sun[0] < 0 else -0.16  # shadows fall to the left: light comes from the right
        shaded = np.linspace(1 - sunny, 1 + sunny, mask.shape[1], dtype=np.float32)[:, None] * np.array(
            colour, np.float32
        )
        self.pixels[window] += cover[..., None] * (shaded - self.pixels[window])

    def stand(self, figure: Figure, place: Place, *, name: str) -> None:
        """Draw an upright figure and its shadow; with a class name it is labelled, and so are its parts."""
        shadows = [self._shadow(shape.points, place) for shape in figure]
        self.paint(shadows, SHADE, alpha=self.light.shadow, blur_px=self.light.softness_px)
        numbers: dict[str, int] = {}
        for shape in figure:
            owner = numbers.setdefault(shape.part or name, len(self.drawn_px) + len(numbers)) if name else NOBODY
            right, up = shape.points.T
            self.paint([self.camera.project(right + place[0], up, place[1])], shape.colour, owner=owner)
        self.labels += [(part, tuple(numbers.values()) if part == name else (n,)) for part, n in numbers.items()]
        self._count(len(numbers))

    def _shadow(self, points: Array, place: Place) -> Array:
        height = np.maximum(points[:, 1], 0)
        return self.camera.project(points[:, 0] + place[0] + self.sun[0] * height, 0, place[1] + self.sun[1] * height)

    def _count(self, parts: int) -> None:
        """Note how many pixels each of the parts drawn last has."""
        first = len(self.drawn_px)
        self.drawn_px += [int((self.owner == number).sum()) for number in range(first, first + parts)]

    def lie(
        self, outline: Array, colour: Colour, place: Place, *, alpha: float, blur_px: float = 0, owner: int = 0
    ) -> None:
        """Draw a flat patch on the floor."""
        flat = self.camera.project(outline[:, 0] + place[0], 0, outline[:, 1] + place[1])
        self.paint([flat], colour, alpha=alpha, blur_px=blur_px, owner=owner)

    def spill(self, rng: np.random.Generator, place: Place) -> None:
        """Draw a puddle of oil or coolant with a few drops around it, and the sky mirrored in it."""
        colour, number, radius_m = pick(rng, LIQUIDS), len(self.drawn_px), rng.uniform(0.4, 0.8)
        drops = [blob(rng, 0.12, rough=0.2) + rng.uniform(-1.2, 1.2, 2) * radius_m for _ in range(rng.integers(1, 4))]
        for outline in (blob(rng, radius_m, rough=0.16), *drops):
            self.lie(outline, colour, place, alpha=0.9, blur_px=0.7, owner=number)
        for share in (0.42, 0.2):
            mirror = (blob(rng, share * radius_m, rough=0.2) + rng.uniform(-0.3, 0.3, 2) * radius_m) * (1.2, 0.7)
            self.lie(mirror, self.light.sky[1], place, alpha=rng.uniform(0.25, 0.75), blur_px=1.5)
        self.labels.append((RARE, (number,)))
        self._count(1)

    def stain(self, rng: np.random.Generator, place: Place) -> None:
        """Draw what looks a bit like a spill: a damp patch, a repair in tar, a manhole cover."""
        kind = rng.integers(3)
        if kind == 0:
            damp = blob(rng, rng.uniform(0.3, 0.9), rough=0.14)
            self.lie(damp, pick(rng, CLOTH), place, alpha=rng.uniform(0.25, 0.6), blur_px=3)
        elif kind == 1:
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.3, 0.9, 2)
            self.lie(corners + rng.uniform(-0.1, 0.1, (4, 2)), TAR, place, alpha=0.75, blur_px=0.7)
        else:
            for radius_m, colour in zip((0.42, 0.34), COVER, strict=True):
                self.lie(oval(0, 0, radius_m, radius_m), colour, place, alpha=0.95)

    def reduced(self, size_px: tuple[int, int]) -> tuple[Array, tuple[tuple[str, Box], ...]]:
        """Cut the margin off and reduce to (width, height); give the pixels, and the labels that can be seen."""
        edge, (width, height) = MARGIN_PX * OVERSIZE, size_px
        window = (slice(edge, edge + height * OVERSIZE), slice(edge, edge + width * OVERSIZE))
        pixels = cv2.resize(self.pixels[window], size_px, interpolation=cv2.INTER_AREA)
        boxes = [(name, self._visible(self.owner[window], numbers)) for name, numbers in self.labels]
        return pixels, tuple((name, box) for name, box in boxes if box is not None)

    def _visible(self, owner: NDArray[np.int16], numbers: tuple[int, ...]) -> Box | None:
        """Give the extent of an object as fractions of the picture, None if too little of it is seen."""
        seen = np.isin(owner, numbers, kind="table")
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if not seen.any() or seen.sum() < MIN_VISIBLE_SHARE * sum(self.drawn_px[n] for n in numbers):
            return None
        if min(np.ptp(rows), np.ptp(columns)) + 1 < MIN_SIDE_PX * OVERSIZE:
            return None
        tall, wide = owner.shape
        x1, x2, y1, y2 = columns[0] / wide, (columns[-1] + 1) / wide, rows[0] / tall, (rows[-1] + 1) / tall
        return (float(x1), float(y1), float(x2), float(y2))
