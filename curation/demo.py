"""The built-in dataset: pictures of a work yard that the project draws itself. They stand in for photos and say so.

A camera looks over a yard at people, hard hats, vests and cones, among things that look a bit like them. Few train
pictures show spills; val and test hold more of them, so that what is missing can be measured. Every picture has a
generator of its own, so the same seed gives the same pixels in whatever order pictures are drawn.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.figures import CLUTTER, DARK, STEEL, WHITE, YELLOW, Array, Colour, Figure, cone, person, pick, tint
from curation.yard import LIGHTS, MARGIN_PX, OVERSIZE, RARE, Box, Camera, Light, Place, Yard
from training.records import SPLITS, Split

CLASSES = ("person", "hard_hat", "vest", "cone", RARE)
SIZE_PX = (256, 192)
MARK = "Drawn by `curate demo`; not a photo."
PHOTOS: dict[Split, int] = {"train": 280, "val": 180, "test": 200}
FILE_COUNT = 1 + 2 * sum(PHOTOS.values())
RARE_PHOTOS: dict[Split, int] = {"train": 20, "val": 60, "test": 64}
"""Pictures with spills; the rest have none."""
SPILLS: dict[Split, tuple[int, ...]] = {"train": (2, 3), "val": (1, 1, 2), "test": (1, 1, 2)}
"""How many spills a picture with any holds, in turn."""

FLOORS: tuple[Colour, ...] = ((158, 164, 168), (92, 92, 94), (104, 128, 150), (128, 136, 118))
"""Concrete, asphalt, sand and a coated hall floor."""
FLOOR_WEAR = (0.056, 0.081, 0.106, 0.038)
SLABBED = (0, 3)
WALLS: tuple[Colour, ...] = (*STEEL, (150, 154, 158), (110, 126, 148))
WINDOWS: tuple[Colour, ...] = ((90, 80, 70), (160, 200, 220))


@dataclass(frozen=True)
class Scene:
    """A drawn picture with its labels."""

    pixels: NDArray[np.uint8]
    """(h, w, 3), blue, green, red."""
    boxes: tuple[tuple[str, Box], ...]
    """Class and visible extent of every object that is a quarter or more visible: x1, y1, x2, y2 as fractions 0–1."""


def demo_files(seed: int) -> Iterator[tuple[str, bytes]]:
    """Give the dataset in YOLO layout, file by file: a path relative to its folder, and the bytes."""
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    folders = "".join(f"{split}: images/{split}\n" for split in SPLITS)
    yield "data.yaml", f"# {MARK} Seed {seed}.\npath: .\n{folders}names:\n{names}".encode()
    for split in SPLITS:
        for name, scene in scenes(seed, split):
            yield f"images/{split}/{name}.jpg", _jpeg(scene.pixels)
            yield f"labels/{split}/{name}.txt", "".join(map(_yolo_line, scene.boxes)).encode()


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., ::-1]).save(file, "JPEG", quality=92, comment=MARK)
    return file.getvalue()


def _yolo_line(labelled: tuple[str, Box]) -> str:
    name, (x1, y1, x2, y2) = labelled
    return f"{CLASSES.index(name)} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"


def scenes(seed: int, split: Split) -> Iterator[tuple[str, Scene]]:
    """Draw the pictures of a split in order, each with its name."""
    spills = np.zeros(PHOTOS[split], np.int64)
    chosen = np.random.default_rng([seed, SPLITS.index(split)]).permutation(PHOTOS[split])[: RARE_PHOTOS[split]]
    spills[chosen] = np.resize(SPILLS[split], len(chosen))
    for number, rare in enumerate(spills):
        rng = np.random.default_rng([seed, SPLITS.index(split), number])
        yield (
            f"drawn-{split}-{number:04d}",
            draw_scene(rng, rare=int(rare)),
        )


def draw_scene(rng: np.random.Generator, *, size_px: tuple[int, int] = SIZE_PX, rare: int = 0) -> Scene:
    """Draw one scene of `size_px` (width, height) with `rare` spills on its floor."""
    yard = _empty_yard(rng, size_px)
    places = _places(rng, yard.camera, size_px)
    for _ in range(rng.integers(0, 4)):
        yard.stain(rng, next(places))
    for _ in range(rare):
        yard.spill(rng, next(places))
    cast = [(name, draw, next(places)) for name, draw in _cast(rng)]
    for name, draw, place in sorted(cast, key=lambda one: -one[2][1]):  # the farthest first
        yard.stand(draw(rng), place, name=name)
    pixels, boxes = yard.reduced(size_px)
    return Scene(pixels=_exposed(rng, pixels, yard.light), boxes=boxes)


def _cast(rng: np.random.Generator) -> list[tuple[str, Callable[[np.random.Generator], Figure]]]:
    """Choose who and what stands in a scene: class, empty for clutter, and what draws it."""
    people = int(rng.choice(5, p=(0.1, 0.3, 0.3, 0.2, 0.1)))
    clutter = [("", CLUTTER[number]) for number in rng.integers(len(CLUTTER), size=rng.integers(1, 5))]
    return [("person", person)] * people + [("cone", cone)] * int(rng.integers(0, 4)) + clutter


def _empty_yard(rng: np.random.Generator, size_px: tuple[int, int]) -> Yard:
    width, height = ((side + 2 * MARGIN_PX) * OVERSIZE for side in size_px)
    camera = Camera(
        centre_px=width / 2,
        horizon_px=OVERSIZE * (MARGIN_PX + rng.uniform(0.14, 0.34) * size_px[1]),
        focal_px=OVERSIZE * rng.uniform(0.85, 1.1) * size_px[0],
        height_m=rng.uniform(1.8, 3.0),
    )
    light = LIGHTS[int(rng.choice(len(LIGHTS), p=(0.4, 0.25, 0.2, 0.15)))]
    sun = (rng.choice([-1, 1]) * rng.uniform(0.3, 1.1), rng.uniform(-0.25, 0.7))
    yard = Yard(_floor(rng, camera, (width, height)), camera, light, sun)
    _backdrop(rng, yard)
    return yard


def _floor(rng: np.random.Generator, camera: Camera, size_px: tuple[int, int]) -> Array:
    """Paint a floor in perspective on a canvas that is black above the horizon; at picture size, which is enough."""
    kind, (width, height), top = int(rng.integers(len(FLOORS))), size_px, int(camera.horizon_px)
    column = np.arange(0, width, OVERSIZE, dtype=np.float32)
    row = np.arange(top, height, OVERSIZE, dtype=np.float32)[:, None]
    z = camera.focal_px * camera.height_m / np.maximum(row - camera.horizon_px, 2) + rng.uniform(0, 9)
    x = (column - camera.centre_px) * z / camera.focal_px + rng.uniform(0, 9)
    skew, scale = rng.uniform(-0.6, 0.6), camera.focal_px / np.maximum(z, 0.3)
    x, z = x + skew * z, z - skew * x
    wear, tile = np.zeros_like(x), _clouds(rng)
    for grains_per_m in (5, 24):
        wear += cv2.remap(tile, x * grains_per_m, z * grains_per_m, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    floor = (1 + wear * FLOOR_WEAR[kind])[..., None] * np.array(pick(rng, FLOORS[kind : kind + 1]), np.float32)
    if kind in SLABBED:
        for across in (x, z):  # joints 2.6 m apart that fade with distance, where they would be a flicker
            from_joint_m = 1.3 - np.abs((across / 2.6) % 1 - 0.5) * 2.6
            joint = np.clip(1.2 - from_joint_m * scale * 0.5, 0, 1) * np.clip(scale / 60, 0, 1)
            floor *= (1 - 0.35 * joint)[..., None]
    if rng.random() < 0.45:  # a painted line, worn
        beside_m = np.abs((x if rng.random() < 0.6 else z) - rng.uniform(0, 20)) - 0.07
        paint = np.clip(0.5 - beside_m * scale, 0, 1) * np.clip(0.85 - 0.5 * wear, 0, 1)
        floor += paint[..., None] * (np.array(pick(rng, (YELLOW, WHITE)), np.float32) - floor)
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[top:] = cv2.resize(floor, (width, height - top))
    return canvas


def _clouds(rng: np.random.Generator) -> Array:
    """Give 256 × 256 of noise about 0, of coarse and fine grains."""
    grains = ((8, 0.5), (32, 0.35), (128, 0.3))
    layers = [cv2.resize(rng.standard_normal((n, n)).astype(np.float32), (256, 256)) * share for n, share in grains]
    return np.asarray(sum(layers), np.float32)


def _backdrop(rng: np.random.Generator, yard: Yard) -> None:
    """Paint the sky, and the containers and sheds that stand at the far end."""
    horizon, width = int(yard.camera.horizon_px), yard.owner.shape[1]
    fade = np.linspace(0, 1, horizon + 1, dtype=np.float32)[:, None, None]
    top, low = np.array(yard.light.sky, np.float32)
    yard.pixels[: horizon + 1] = top * (1 - fade) + low * fade
    x = -rng.uniform(0, 100)
    while x < width:
        wide, tall = rng.uniform(90, 300), rng.uniform(40, 150)
        _shed(rng, yard, corner=np.array((x, horizon + rng.uniform(8, 26))), size=np.array((wide, -tall)))
        x += wide + max(rng.uniform(-60, 90), 0)


def _shed(rng: np.random.Generator, yard: Yard, *, corner: Array, size: Array) -> None:
    """Paint one container or shed on its lower left corner: ribs, windows or a gate, and a dark base."""

    def face(x1: float, x2: float, y1: float, y2: float, colour: Colour) -> None:
        yard.paint([np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) * size + corner], colour)

    colour, kind, left = pick(rng, WALLS), rng.integers(3), rng.uniform(0.1, 0.6)
    face(0, 1, 0, 1, colour)
    for x in np.arange(0.03, 0.96, rng.uniform(0.03, 0.09)):
        if kind == 0:
            face(x, x + 0.012, 0, 1, tint(colour, 0.72))
        elif kind == 1 and rng.random() < 0.5:
            face(x, x + 0.03, 0.45, 0.75, pick(rng, WINDOWS))
    if kind == 2:
        face(left, left + 0.25, 0, 0.7, tint(colour, 0.6))
    face(0, 1, 0, 0.05, DARK)


def _places(rng: np.random.Generator, camera: Camera, size_px: tuple[int, int]) -> Iterator[Place]:
    """Give places on the floor without end, far and near: each the farthest from the others of a dozen tries."""
    edge, (width, height) = MARGIN_PX * OVERSIZE, (side * OVERSIZE for side in size_px)
    top = camera.horizon_px + 0.16 * height * camera.height_m  # where a metre is 0.16 of the height: hats are no specks
    taken: list[Array] = []
    while True:
        tries = rng.uniform((edge + 0.04 * width, top), (edge + 0.96 * width, edge + 1.02 * height), (12, 2))
        gaps = [min((np.hypot(*((one - other) / (1, 1.5))) for other in taken), default=1.0) for one in tries]
        taken.append(tries[int(np.argmax(gaps))])
        yield camera.floor_at(*taken[-1])


def _exposed(rng: np.random.Generator, pixels: Array, light: Light) -> NDArray[np.uint8]:
    """Photograph the drawing: colour of the light, darker edges, soft focus, grain."""
    height, width = pixels.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    away = (x - rng.uniform(-0.6, 0.6)) ** 2 + (y - rng.uniform(-0.6, 0.6)) ** 2
    glow = rng.uniform(0.88, 1.12) * (1 - rng.uniform(0.03, 0.16) * away)
    lit = cv2.GaussianBlur(pixels * np.array(light.gain, np.float32) * glow[..., None], (0, 0), rng.uniform(0.25, 0.85))
    grey, hue = rng.standard_normal((2, height, width), np.float32) * light.noise * rng.uniform(0.2, 0.9)
    lit += np.stack([grey + 0.35 * hue, grey - 0.35 * hue, grey + 0.35 * hue], axis=2)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)
