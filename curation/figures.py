"""What stands and lies in the drawn yard: people, cones and clutter as coloured polygons.

Points are metres: x to the right and y up from the foot point; for flat things, x to the right and y away from the
camera.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Colour = tuple[float, float, float]  # blue, green, red, 0–255

SKIN: tuple[Colour, ...] = ((140, 172, 220), (98, 134, 190), (62, 92, 140), (44, 62, 96))
HAIR: tuple[Colour, ...] = ((24, 28, 34), (40, 66, 104), (90, 120, 150))
CLOTH: tuple[Colour, ...] = ((92, 62, 40), (70, 70, 72), (40, 58, 78), (56, 74, 62), (120, 118, 112), (48, 44, 110))
LOUD: tuple[Colour, ...] = ((30, 120, 235), (50, 205, 225), (48, 60, 190), (60, 170, 90))  # jackets, but no vests
HI_VIS: tuple[Colour, ...] = ((52, 240, 206), (24, 118, 250))
HATS: tuple[Colour, ...] = ((30, 205, 245), (238, 240, 240), (26, 110, 240), (40, 40, 205), (190, 100, 30))
STEEL: tuple[Colour, ...] = (
    (150, 92, 40),
    (58, 64, 150),
    (74, 110, 60),
    (96, 100, 104),
    (60, 120, 170),
    (128, 124, 70),
)
WOOD: tuple[Colour, ...] = ((92, 140, 178), (70, 112, 150), (120, 124, 128))
ORANGE: Colour = (22, 92, 240)
RED: Colour = (40, 44, 205)
YELLOW: Colour = (40, 195, 232)
WHITE: Colour = (236, 238, 240)
GREY: Colour = (112, 114, 118)
DARK: Colour = (36, 36, 40)


class Shape(NamedTuple):
    """A filled polygon of a figure."""

    points: Array
    """(n, 2) metres."""
    colour: Colour
    part: str = ""
    """The class that it belongs to where that is not the figure's own, as a hat on a person."""


Figure = list[Shape]


def tint(colour: Colour, factor: float) -> Colour:
    """Give a lighter or darker colour."""
    blue, green, red = colour
    return (min(blue * factor, 255), min(green * factor, 255), min(red * factor, 255))


def pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    """Choose a colour and vary its brightness a little."""
    return tint(colours[int(rng.integers(len(colours)))], rng.uniform(0.82, 1.12))


def oval(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> Array:
    """Give an ellipse, or the part of one between two angles in degrees, as (25, 2) points."""
    turn = np.radians(np.linspace(start, end, 25))
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


def slab(y1: float, y2: float, half1: float, half2: float, *, x: float = 0) -> Array:
    """Give a trapezium about x: from height y1, where it is half1 wide to each side, to y2 and half2."""
    return np.array([[x - half1, y1], [x + half1, y1], [x + half2, y2], [x - half2, y2]])


def rod(a: tuple[float, float], b: tuple[float, float], wide: float, narrow: float) -> Array:
    """Give a limb from a to b with round ends, as (14, 2) points."""
    start, end = np.array(a), np.array(b)
    across, up = end - start
    turn = np.linspace(np.pi / 2, 3 * np.pi / 2, 7) + np.arctan2(up, across)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.concatenate([start + ring * wide / 2, end - ring * narrow / 2])


def blob(rng: np.random.Generator, radius_m: float, *, rough: float) -> Array:
    """Give the outline of a patch on the floor: a circle, a little wide, with a few random waves, as (48, 2) points."""
    turn, reach = np.linspace(0, 2 * np.pi, 48, endpoint=False), np.ones(48)
    for k in range(2, 8):
        reach += rng.normal(0, rough / k) * np.cos(k * turn + rng.uniform(0, 2 * np.pi))
    reach = radius_m * np.maximum(reach, 0.3)
    return np.stack([reach * np.cos(turn) * 1.25, reach * np.sin(turn)], axis=1)


def person(rng: np.random.Generator) -> Figure:
    """Draw somebody 1.6 to 1.9 m tall who stands, walks or stoops, with or without hat and vest."""
    skin, trousers = pick(rng, SKIN), pick(rng, CLOTH)
    jacket = pick(rng, LOUD if rng.random() < 0.25 else CLOTH)
    swing, turn, stoop = rng.uniform(-0.22, 0.22), rng.uniform(0.68, 1), max(rng.uniform(-0.5, 0.28), 0)
    legs = _legs(trousers, swing=swing, turn=turn, stoop=stoop)
    figure = _arm(jacket, skin, side=-turn, swing=rng.uniform(-0.12, 0.05) - swing, reach=rng.uniform(0, 0.3))
    trunk = np.concatenate([oval(0, 1.38, 0.23 * turn, 0.1, 0, 180), slab(0.86, 0.9, 0.16, 0.17)[:2]])
    figure += [Shape(trunk, jacket)]
    if rng.random() < 0.62:
        figure += _vest(pick(rng, HI_VIS), turn=turn, two=rng.random() < 0.6)
    figure += _arm(jacket, skin, side=turn, swing=swing, reach=rng.uniform(-0.05, 0.45))
    figure += _head(rng, skin, hat=rng.random() < 0.68)
    lean = rng.uniform(-0.06, 0.06) + stoop * rng.choice([-0.5, 0.5])
    lowered = [shape._replace(points=shape.points - (0, stoop)) for shape in figure]  # the legs are bent already
    slanted = np.array([[1, 0], [lean, 1]]) * rng.uniform(0.92, 1.08)
    return [shape._replace(points=shape.points @ slanted) for shape in legs + lowered]


def _legs(colour: Colour, *, swing: float, turn: float, stoop: float) -> Figure:
    figure: Figure = []
    for side, shade in ((-1, 0.82), (1, 1.0)):
        knee = (side * (0.1 * turn + 0.5 * swing + 0.4 * stoop), 0.48 - 0.3 * stoop)
        foot = (side * (0.11 * turn + swing), 0.07)
        figure += [
            Shape(oval(foot[0] + 0.03, 0.04, 0.1, 0.05), DARK),
            Shape(rod(knee, foot, 0.14, 0.1), tint(colour, shade)),
            Shape(rod((0.08 * side * turn, 0.9 - stoop), knee, 0.19, 0.14), tint(colour, shade)),
        ]
    return figure


def _arm(sleeve: Colour, skin: Colour, *, side: float, swing: float, reach: float) -> Figure:
    """Draw one arm; `reach` lifts the hand, in metres."""
    elbow = (0.27 * side + 0.5 * swing, 1.13 + 0.3 * max(reach, 0))
    hand = (0.25 * side + swing + 0.5 * reach * (1 if side > 0 else -1), 0.88 + 0.7 * reach)
    upper, lower = rod((0.2 * side, 1.38), elbow, 0.13, 0.1), rod(elbow, hand, 0.1, 0.075)
    return [Shape(oval(*hand, 0.045, 0.05), skin), Shape(lower, tint(sleeve, 0.92)), Shape(upper, sleeve)]


def _vest(colour: Colour, *, turn: float, two: bool) -> Figure:
    """Draw a vest with its reflecting stripes: two down from the shoulders, one or two around the waist."""
    half = np.array([[0.17, 0.86], [0.2, 1.25], [0.17, 1.45], [0.07, 1.47], [0, 1.3]])
    figure = [Shape(np.concatenate([half, half[-2::-1] * (-1, 1)]) * (turn, 1), colour, "vest")]
    figure += [Shape(slab(1.12, 1.42, 0.022, 0.022, x=x * turn), WHITE, "vest") for x in (-0.12, 0.12)]
    bands = (0.94, 1.08) if two else (1.0,)
    return figure + [Shape(slab(y, y + 0.055, 0.178 * turn, 0.182 * turn), WHITE, "vest") for y in bands]


def _head(rng: np.random.Generator, skin: Colour, *, hat: bool) -> Figure:
    looks = int(rng.choice([-1, 1]))
    figure = [Shape(slab(1.42, 1.54, 0.055, 0.05), tint(skin, 0.8)), Shape(oval(0, 1.61, 0.09, 0.125), skin)]
    figure += [Shape(oval(-0.025 * looks, 1.64, 0.09, 0.11, 10 + 20 * looks, 190 + 20 * looks), pick(rng, HAIR))]
    if hat:
        colour = pick(rng, HATS)
        dome, brim = oval(0, 1.65, 0.125, 0.145, 0, 180), oval(0.03 * looks, 1.655, 0.155, 0.026)
        figure += [Shape(dome, colour, "hard_hat"), Shape(brim, tint(colour, 0.86), "hard_hat")]
        figure += [Shape(oval(-0.03, 1.73, 0.03, 0.045), tint(colour, 1.25), "hard_hat")]
    elif rng.random() < 0.4:  # a cap or a hood is no hard hat
        figure += [Shape(oval(0, 1.66, 0.1, 0.085, 0, 180), pick(rng, (*LOUD, *CLOTH)))]
    return figure


def cone(rng: np.random.Generator) -> Figure:
    """Draw a traffic cone of 0.5 to 0.95 m, now and then knocked over."""
    height, colour = rng.uniform(0.5, 0.95), tint(ORANGE, rng.uniform(0.8, 1.05))
    figure = [Shape(slab(0, 0.05, 0.24, 0.22), tint(colour, 0.7)), Shape(slab(0.05, 1, 0.16, 0.035), colour)]
    bands = ((0.42, 0.62), (0.74, 0.86)) if rng.random() < 0.6 else ((0.4, 0.66),)
    figure += [Shape(slab(a, b, 0.16 - 0.132 * a, 0.16 - 0.132 * b), WHITE) for a, b in bands]
    fallen = rng.random() < 0.12
    upright = [shape._replace(points=shape.points * (1, height)) for shape in figure]
    return [s._replace(points=s.points[:, ::-1] * (1, -0.9) + (-0.4, 0.2)) for s in upright] if fallen else upright


def _barrel(rng: np.random.Generator) -> Figure:
    colour = pick(rng, (*STEEL, ORANGE))
    figure = [Shape(oval(0, 0.05, 0.29, 0.05), colour), Shape(slab(0.04, 0.9, 0.29, 0.29), colour)]
    figure += [Shape(slab(y, y + 0.03, 0.3, 0.3), tint(colour, 0.75)) for y in (0.3, 0.6)]
    return [*figure, Shape(oval(0, 0.9, 0.29, 0.07), tint(colour, 1.2))]


def _crates(rng: np.random.Generator) -> Figure:
    """Draw a stack of crates, sometimes with an upturned bucket on it that is round on top like a hat."""
    figure, half, levels = list[Shape](), rng.uniform(0.35, 0.6), int(rng.integers(1, 4))
    for y in 0.4 * np.arange(levels):
        wood, x = pick(rng, WOOD), rng.uniform(-0.08, 0.08)
        figure += [Shape(slab(y, y + 0.39, half, half, x=x), wood)]
        figure += [Shape(slab(y + gap, y + gap + 0.02, half, half, x=x), tint(wood, 0.6)) for gap in (0.12, 0.25)]
    bucket = [Shape(slab(0.4 * levels, 0.4 * levels + 0.22, 0.14, 0.1), pick(rng, HATS))]
    return figure + bucket if rng.random() < 0.4 else figure


def _post(rng: np.random.Generator) -> Figure:
    """Draw a bollard: slim, bright and banded like a cone."""
    figure = [Shape(oval(0, 0.03, 0.2, 0.05), DARK)]
    figure += [Shape(rod((0, 0.05), (0, 0.95), 0.13, 0.13), pick(rng, (ORANGE, RED, YELLOW)))]
    return figure + [Shape(slab(y, y + 0.1, 0.065, 0.065), WHITE) for y in (0.55, 0.78)]


def _barrier(rng: np.random.Generator) -> Figure:
    half, colour = rng.uniform(0.6, 1.1), pick(rng, (RED, ORANGE, YELLOW))
    figure = [Shape(slab(0, 1, 0.04, 0.04, x=x), GREY) for x in (-0.8 * half, 0.8 * half)]
    for y in (0.45, 0.8):
        figure += [Shape(slab(y, y + 0.2, half, half), WHITE)]
        figure += [Shape(slab(y, y + 0.2, half / 9, half / 9, x=x * half), colour) for x in (-0.8, -0.35, 0.1, 0.55)]
    return figure


def _bottle(rng: np.random.Generator) -> Figure:
    """Draw a gas bottle: as tall and slim as somebody, and nobody."""
    colour = pick(rng, (*STEEL, *LOUD))
    body, band = rod((0, 0.1), (0, 1.2), 0.32, 0.3), slab(0.5, 0.62, 0.16, 0.16)
    neck = rod((0, 1.3), (0, 1.5), 0.12, 0.12)
    return [Shape(body, colour), Shape(band, tint(colour, 1.3)), Shape(neck, GREY)]


CLUTTER: tuple[Callable[[np.random.Generator], Figure], ...] = (_barrel, _crates, _post, _barrier, _bottle)
