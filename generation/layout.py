"""Decide what is pasted where: places and sizes come from real labels of train, chance from the brief and the seed.

An object of a scarce class may go to several places: the painter, who sees the photo, takes the one whose ground is
most like that around the object where it was cut out. Where labels are too few to tell where the class is found, it may
go anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from generation.paste import turned_size
from generation.priors import MIN_PLACES, SIZE_JITTER, Priors, backgrounds, covers_pairwise, size_bounds_px2
from generation.records import Brief, Corners, PasteObject, PasteRequest, identified
from training.boxes import Bools, Floats, Ints, area
from training.errors import DataError
from training.files import digest_of
from training.records import Record

CANDIDATES = 96  # places tried for one object on one photo, all at once
PHOTOS_TRIED = 8  # photos tried for one request
MAX_SPARE = 7  # other places of one object
SPARE_TRIES = 24
MAX_SCARCE = 50  # labels; to look for the ground takes a tenth of the time of painting: not for all that is pasted
SAME_SIZE = 0.5  # difference of the logarithms of two areas: one is at most 1.6 times the other
MAX_SPARE_SHARE = 0.5  # of a photo: all places of all its objects
OWN_JITTER = 0.2  # standard deviation of the logarithm of a side around a source's own; what real classes have


class LayoutSettings(Record):
    """How pictures are laid out."""

    max_objects: int = Field(4, ge=1)
    """Objects pasted into one picture; their number is drawn evenly from 1 to this."""
    own_share: float = Field(0.8, ge=0, le=1)
    """Chance that an object after the first has the brief's class."""
    max_cover: float = Field(0.2, ge=0, lt=1)
    """Share of either box that a pasted object and another labelled object may have in common."""
    min_scale: float = Field(0.4, gt=0)
    max_scale: float = Field(1.6, gt=0)
    """Factor on the cut-out's own size in pixels."""
    max_angle_deg: float = Field(15.0, ge=0, le=180)
    max_gain: float = Field(0.15, ge=0, lt=1)
    """Largest change of brightness, up or down."""
    max_tint: float = Field(0.04, ge=0, lt=1)
    """Largest change of a single colour, up or down."""
    jitter_share: float = Field(0.06, ge=0)
    """Standard deviation of a place around a real one, as a share of the picture's sides."""


def cannot_serve(brief: Brief, priors: Priors, settings: LayoutSettings | None = None) -> str | None:
    """Say why pasting cannot make what the brief asks for, None where it can."""
    number = priors.number_of(brief.label)
    if number is None:
        return f"the dataset has no class {brief.label}"
    of_class = priors.labels.label == number
    if not (of_class & priors.usable).any():
        unusable = f"every {brief.label} in train is cut off, overlaps another object or is too small to be cut out"
        return unusable if of_class.any() else f"train holds no {brief.label}"
    settings = settings or LayoutSettings()
    if not len(_sources(priors, number, size_bounds_px2(brief.size), settings)):
        return f"no {brief.label} in train can be scaled to the size {brief.size} without spoiling it"
    if not len(_own_sources(brief, priors, settings)):
        return f"no {brief.label} in train that looks as wanted can be cut out"
    return None if len(backgrounds(brief, priors)) else "train has no photo like those that are wanted"


def plan(
    brief: Brief, priors: Priors, *, count: int, seed: int, settings: LayoutSettings | None = None
) -> tuple[PasteRequest, ...]:
    """Lay out pictures for a brief; a shorter plan of the same seed is the beginning of a longer one.

    Photos are used in turn. A request that finds no photo with room is left out, so there may be fewer than asked for.
    Raises `DataError` where pasting cannot serve the brief.
    """
    settings = settings or LayoutSettings()
    if reason := cannot_serve(brief, priors, settings):
        raise DataError(f"brief {brief.brief_id} cannot be served: {reason}", hint="label more real photos instead")
    sampler = _Sampler(brief, priors, settings)
    turns = np.random.default_rng(_seed(brief, -1, seed)).permutation(backgrounds(brief, priors))
    made = (_request(brief, sampler, turns, index, _seed(brief, index, seed)) for index in range(count))
    return tuple(request for request in made if request)


@dataclass(frozen=True)
class _Draws:
    """Candidates for one object on one photo, in the order of preference; a row each."""

    source: Ints
    """Row of the label that is cut out."""
    xyxy: Floats
    angle_deg: Floats


class _Sampler:
    """Draws objects for photos; keeps what is the same for all requests of a brief."""

    def __init__(self, brief: Brief, priors: Priors, settings: LayoutSettings) -> None:
        xyxy = priors.labels.xyxy
        own = priors.classes.index(brief.label)
        self.priors, self.settings, self.own = priors, settings, own
        self.sizes_px = priors.sizes_px()
        self.shares = area(xyxy)
        self.middles = (xyxy[:, :2] + xyxy[:, 2:]) / 2
        self.bounds = {
            number: size_bounds_px2(brief.size if number == own else None) for number in range(len(priors.classes))
        }
        self.sources = {number: _sources(priors, number, self.bounds[number], settings) for number in self.bounds}
        self.sources[own] = _own_sources(brief, priors, settings)
        self.others = [number for number, rows in self.sources.items() if number != own and len(rows)]
        self.places = {number: _places(priors, number) for number in self.bounds}
        self.is_scarce = np.bincount(priors.labels.label, minlength=len(priors.classes)) < MAX_SCARCE

    def objects(self, photo: int, count: int, rng: np.random.Generator) -> Iterator[PasteObject]:
        """Give up to `count` objects for a photo, the first of the brief's class; none where that finds no room."""
        taken = self.priors.labels.xyxy[self.priors.rows_on[photo]]
        for turn in range(count):
            is_own = turn == 0 or not self.others or rng.random() < self.settings.own_share
            number = self.own if is_own else int(rng.choice(self.others))
            draws = self._draws(photo, number, rng)
            free = np.flatnonzero(~covers_pairwise(draws.xyxy, taken, self.settings.max_cover).any(axis=1))
            if len(free):
                taken = np.concatenate([taken, draws.xyxy[free[:1]]])
                spare = self._spare(draws.xyxy[free[0]], number, taken, rng)
                taken = np.concatenate([taken, spare])
                yield self._object(draws, int(free[0]), number, spare, rng)
            elif turn == 0:
                return

    def _draws(self, photo: int, number: int, rng: np.random.Generator) -> _Draws:
        """Draw cut-outs, places and sizes; candidates that do not fit into the photo are left out."""
        width, height = int(self.priors.images.width_px[photo]), int(self.priors.images.height_px[photo])
        source = rng.choice(self.sources[number], CANDIDATES)
        place, wanted_px2 = self._places_and_areas(number, source, width * height, rng)
        scale, fits = self._scales(source, wanted_px2, self.bounds[number])
        angle_deg: Floats = np.round(rng.uniform(-1, 1, CANDIDATES) * self.settings.max_angle_deg, 2)
        natural = self.sizes_px[source] * scale[:, None]
        sides = np.stack(turned_size(natural[:, 0], natural[:, 1], angle_deg), axis=1) / [width, height]
        middle = self._middles(place, sides, rng)
        xyxy = np.round(np.concatenate([middle - sides / 2, middle + sides / 2], axis=1), 6)
        inside: Bools = np.asarray((xyxy >= 0).all(axis=1) & (xyxy <= 1).all(axis=1))
        order = np.argsort(~fits, kind="stable")
        order = order[inside[order]]
        return _Draws(source=source[order], xyxy=xyxy[order], angle_deg=angle_deg[order])

    def _places_and_areas(
        self, number: int, source: Ints, photo_px2: int, rng: np.random.Generator
    ) -> tuple[Ints, Floats]:
        """Draw real labels for their places and sizes together: what is far away is small.

        A class with few labels has no such places, and the sizes of what is cut out where those are in the bin.
        """
        low, high = self.bounds[number]
        rows = self.places[number]
        if not len(rows):
            areas_px2 = self.sizes_px[source].prod(axis=1) * np.exp(2 * OWN_JITTER * rng.normal(size=CANDIDATES))
            fits = (areas_px2 >= low) & (areas_px2 < high)
            return rows, areas_px2 if fits.all() else np.where(fits, areas_px2, self._any_area(number, photo_px2, rng))
        areas_px2 = self.shares[rows] * photo_px2
        in_bin = rows[(areas_px2 >= low) & (areas_px2 < high)]
        if len(in_bin):
            place = rng.choice(in_bin, CANDIDATES)
            jitter = np.exp(2 * SIZE_JITTER * rng.normal(size=CANDIDATES))
            return place, np.clip(self.shares[place] * photo_px2 * jitter, low, high)
        wanted_px2 = self._any_area(number, photo_px2, rng)
        return rng.choice(rows, CANDIDATES), wanted_px2

    def _any_area(self, number: int, photo_px2: int, rng: np.random.Generator) -> Floats:
        """Draw areas evenly, by their logarithm, from all that are allowed."""
        low, high = self.bounds[number]
        top = min(high, photo_px2 / 4)
        return np.exp(rng.uniform(np.log(min(low, top)), np.log(top), CANDIDATES))

    def _middles(self, place: Ints, sides: Floats, rng: np.random.Generator) -> Floats:
        """Give the middles of objects around their places, anywhere where there are none."""
        if not len(place):
            return np.asarray(sides / 2 + rng.random(sides.shape) * (1 - sides))
        jitter = rng.normal(size=sides.shape) * self.settings.jitter_share
        return np.clip(self.middles[place] + jitter, sides / 2, np.maximum(1 - sides / 2, sides / 2))

    def _spare(self, xyxy: Floats, number: int, taken: Floats, rng: np.random.Generator) -> Floats:
        """Give other free places of the same size, (n, 4), for a scarce class."""
        if not self.is_scarce[number]:
            return taken[:0]
        sides = xyxy[2:] - xyxy[:2]
        most = min(MAX_SPARE, int(MAX_SPARE_SHARE / self.settings.max_objects / sides.prod()) - 1)
        middle = self._middles(self._places_of_size(number, sides.prod(), rng), np.tile(sides, (SPARE_TRIES, 1)), rng)
        places = np.round(np.concatenate([middle - sides / 2, middle + sides / 2], axis=1), 6)
        return places[~covers_pairwise(places, taken, self.settings.max_cover).any(axis=1)][: max(most, 0)]

    def _places_of_size(self, number: int, share: float, rng: np.random.Generator) -> Ints:
        """Draw real labels of about a size for their places, none where the class has too few."""
        rows = self.places[number]
        if not len(rows):
            return rows
        unlike = np.abs(np.log(self.shares[rows] / share))
        return rng.choice(rows[unlike <= max(SAME_SIZE, unlike.min())], SPARE_TRIES)

    def _scales(self, source: Ints, wanted_px2: Floats, bounds: tuple[float, float]) -> tuple[Floats, Bools]:
        """Give the factor on each cut-out, and whether it gives the wanted size.

        The factor is bounded by the settings first, then by the size bin, which every source can reach.
        """
        own_px2 = self.sizes_px[source].prod(axis=1)
        wanted = np.sqrt(wanted_px2 / own_px2)
        low = np.maximum(self.settings.min_scale, np.sqrt(bounds[0] / own_px2))
        high = np.minimum(self.settings.max_scale, np.sqrt(bounds[1] / own_px2))
        scale = np.clip(wanted, low, high)
        same: Bools = scale == wanted
        return scale, same

    def _object(self, draws: _Draws, row: int, number: int, spare: Floats, rng: np.random.Generator) -> PasteObject:
        tint = 1 + rng.uniform(-1, 1, 3) * self.settings.max_tint
        return PasteObject(
            label=self.priors.classes[number],
            source_id=str(self.priors.labels.id[draws.source[row]]),
            xyxy=_corners(draws.xyxy[row]),
            spare=tuple(_corners(place) for place in spare),
            angle_deg=float(draws.angle_deg[row]),
            flip=bool(rng.random() < 0.5),
            gain=round(1 + rng.uniform(-1, 1) * self.settings.max_gain, 3),
            tint=(round(float(tint[0]), 3), round(float(tint[1]), 3), round(float(tint[2]), 3)),
        )


def _request(brief: Brief, sampler: _Sampler, turns: Ints, index: int, seed: int) -> PasteRequest | None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, sampler.settings.max_objects + 1))
    for photo in [turns[index % len(turns)], *rng.choice(turns, PHOTOS_TRIED - 1)]:
        objects = tuple(sampler.objects(int(photo), count, rng))
        if objects:
            return _identified(brief, seed, sampler.priors, int(photo), objects)
    return None


def _identified(
    brief: Brief, seed: int, priors: Priors, background: int, objects: tuple[PasteObject, ...]
) -> PasteRequest:
    cut_from = [int(priors.labels.image[priors.label_rows[wish.source_id]]) for wish in objects]
    request = PasteRequest(
        request_id="",
        brief_id=brief.brief_id,
        finding_id=brief.finding_id,
        backend="paste",
        seed=seed,
        background_id=str(priors.images.id[background]),
        labels_digest=priors.labels_digest([background, *cut_from]),
        objects=objects,
    )
    return identified(request)


def _seed(brief: Brief, index: int, seed: int) -> int:
    return int(digest_of([brief.brief_id, index, seed])[:13], 16)  # 52 bits: exact in every reader of JSON


def _sources(priors: Priors, number: int, bounds: tuple[float, float], settings: LayoutSettings) -> Ints:
    """Give the rows of the labels of a class that can be cut out and scaled to within the bounds."""
    own_px2 = priors.sizes_px().prod(axis=1)
    reaches = (own_px2 * settings.max_scale**2 >= bounds[0]) & (own_px2 * settings.min_scale**2 <= bounds[1])
    return np.flatnonzero(reaches & priors.usable & (priors.labels.label == number))


def _own_sources(brief: Brief, priors: Priors, settings: LayoutSettings) -> Ints:
    """Give the rows of the labels of the brief's class that can be shown and look as it wants."""
    rows = _sources(priors, priors.classes.index(brief.label), size_bounds_px2(brief.size), settings)
    return rows[np.isin(priors.labels.id[rows], brief.source_ids)] if brief.source_ids else rows


def _places(priors: Priors, number: int) -> Ints:
    """Give the rows of the labels of a class, none where they are too few to tell where it is found."""
    rows = np.flatnonzero(priors.labels.label == number)
    return rows if len(rows) >= MIN_PLACES else rows[:0]


def _corners(xyxy: Floats) -> Corners:
    x1, y1, x2, y2 = xyxy.tolist()
    return x1, y1, x2, y2
