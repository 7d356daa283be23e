"""Places and sizes for objects that are to be drawn: modelled on real labels, many candidates at once.

An object takes place, size and shape from a real label of its class, changed a little. It brings along what that label
overlaps with in its photo, unless that is a crowd or nowhere fits. Sizes are in px² of photos; the square of a whole
picture has a photo's area, so they mean the same share of both.
"""

from dataclasses import dataclass

import numpy as np

from generation.grounding import MIN_BOX_SHARE
from generation.groups import carried, company_of, groups_of
from generation.priors import MIN_PLACES, MIN_SIDE_PX, SIZE_JITTER, Priors, backgrounds, size_bounds_px2
from generation.records import Brief, DrawBackend, SizeBin
from generation.windows import is_too_thin
from training.boxes import Bools, Floats, Ints, area

CANDIDATES = 96  # drawn for one object on one photo, all at once
MIN_WANTED_SHARE = 1.02 * MIN_BOX_SHARE  # of the picture, a little inside what the model draws
MAX_WANTED_SHARE = 0.9
MAX_INVENTED_SHARE = 0.25  # of the picture, for an object of a size that train does not show


def models_for(brief: Brief, priors: Priors) -> Ints:
    """Give the rows of the labels that wanted objects take place, size and shape from."""
    rows = np.flatnonzero(priors.labels.label == priors.classes.index(brief.label))
    return rows[np.isin(priors.labels.id[rows], brief.source_ids)] if brief.source_ids else rows


def photos_for(brief: Brief, priors: Priors, backend: DrawBackend) -> Ints:
    """Give the rows of the photos on which an object of the wanted size can be drawn."""
    rows, models = backgrounds(brief, priors), models_for(brief, priors)
    photo_px2, least_px2 = photos_px2(priors)[rows], _least_px2(label_boxes_px(priors)[models])
    if brief.size:
        low_px2, high_px2 = _reach_px2(brief.size, photo_px2, least_px2.min(), backend)
        return rows[low_px2 < high_px2]
    shares = _shares(priors)[models]
    fit = shares >= (MIN_WANTED_SHARE if backend == "gligen" else 0)
    smallest_px2 = np.maximum(size_bounds_px2(None)[0], least_px2 if backend == "gligen-inpaint" else 0) / shares
    return np.asarray(rows[photo_px2 >= smallest_px2[fit].min(initial=np.inf)])


def photos_px2(priors: Priors) -> Floats:
    """Give the area of each photo."""
    return np.asarray(priors.images.width_px * priors.images.height_px, np.float64)


def label_boxes_px(priors: Priors) -> Floats:
    """Give the corners of each label in pixels of its photo, not rounded, (n, 4)."""
    sides_px = np.stack([priors.images.width_px, priors.images.height_px], axis=1)
    return np.asarray(priors.labels.xyxy * np.tile(sides_px, 2)[priors.labels.image])


def _shares(priors: Priors) -> Floats:
    return np.minimum(area(priors.labels.xyxy), 0.99 * MAX_WANTED_SHARE)


def _least_px2(boxes_px: Floats) -> Floats:
    """Give the area that each box has when it is scaled to the smallest side that is painted into photos."""
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    return np.asarray(MIN_SIDE_PX**2 * sides.max(axis=1) / sides.min(axis=1))


def _reach_px2(
    size: SizeBin | None, photo_px2: Floats | float, least_px2: Floats, backend: DrawBackend
) -> tuple[Floats, Floats]:
    """Give the areas between which an object of a size is drawn."""
    low_px2, high_px2 = size_bounds_px2(size)
    floor_px2 = MIN_WANTED_SHARE * photo_px2 if backend == "gligen" else least_px2
    return np.asarray(np.maximum(low_px2, floor_px2)), np.asarray(np.minimum(high_px2, MAX_WANTED_SHARE * photo_px2))


@dataclass(frozen=True)
class Draws:
    """Candidates for one object and what it brings along: n boxes."""

    row: Ints
    """(n,) of the label that a box is modelled on."""
    xyxy: Floats
    """(n, 4)"""
    candidate: Ints
    """(n,) ascending; the first box of each is the object itself."""

    @property
    def is_first(self) -> Bools:
        """Tell which boxes are those of the objects themselves."""
        return np.diff(self.candidate, prepend=-1) > 0

    def only(self, rows: Bools) -> "Draws":
        """Give some of the boxes."""
        return Draws(self.row[rows], self.xyxy[rows], self.candidate[rows])

    def best(self, cost: Ints) -> "Draws":
        """Give the first of the candidates whose boxes have the least cost (n,)."""
        costs = np.bincount(self.candidate, weights=cost)
        numbers = np.unique(self.candidate)
        return self.only(self.candidate == numbers[np.argmin(costs[numbers])])

    def first_free(self, covers: Bools) -> "Draws":
        """Give the first of the candidates of which no box covers anything (n, m); no boxes where there is none."""
        free = self.only(~np.isin(self.candidate, self.candidate[covers.any(axis=1)]))
        return free.only(free.candidate == free.candidate.min(initial=CANDIDATES))


class Candidates:
    """Draws objects for photos and squares; keeps what is the same for all requests of a brief.

    `jitter_share` is the standard deviation of a place around a real one, as a share of the picture's sides.
    """

    def __init__(self, brief: Brief, priors: Priors, backend: DrawBackend, *, jitter_share: float) -> None:
        labels = priors.labels
        self.backend, self.size, self.jitter_share = backend, brief.size, jitter_share
        self.own = priors.classes.index(brief.label)
        self.boxes_px = label_boxes_px(priors)
        self.least_px2, self.shares = _least_px2(self.boxes_px), _shares(priors)
        self.middles = (labels.xyxy[:, :2] + labels.xyxy[:, 2:]) / 2
        self.models = {number: np.flatnonzero(labels.label == number) for number in np.unique(labels.label).tolist()}
        self.models[self.own] = models_for(brief, priors)
        self.has_places = {number: len(rows) >= MIN_PLACES for number, rows in self.models.items()}
        self.has_places[self.own] |= bool(brief.source_ids)
        self.groups = groups_of(priors)
        self.company = company_of(self.groups)

    @property
    def others(self) -> list[int]:
        """Give the numbers of the classes beside the brief's."""
        return [number for number in self.models if number != self.own]

    def draws(self, number: int, canvas_px: Floats, rng: np.random.Generator) -> Draws:
        """Draw models, places and sizes; what cannot be drawn there, or does not fit, is left out."""
        model, area_px2 = self._sized(number, float(canvas_px.prod()), rng)
        place = model if self.has_places[number] else rng.choice(len(self.shares), len(model))
        target = self.middles[place] + rng.normal(size=(len(model), 2)) * self.jitter_share
        scale = np.sqrt(area_px2 / area(self.boxes_px[model]))
        company = self.company[model]
        draws, fits = self._carried(company, scale, target, canvas_px)
        if not fits.any():
            company[:, 1:] = -1  # a close-up shows the object alone
            draws, fits = self._carried(company, scale, target, canvas_px)
        drawable = self.drawable(draws.xyxy, canvas_px)
        fits[draws.candidate[draws.is_first & ~drawable]] = False
        return draws.only(drawable & fits[draws.candidate])

    def _carried(self, company: Ints, scale: Floats, target: Floats, canvas_px: Floats) -> tuple[Draws, Bools]:
        candidate, seat = np.nonzero(company >= 0)
        rows, model_px = company[candidate, seat], self.boxes_px[company[:, 0]]
        xyxy, fits = carried(
            self.boxes_px[rows],
            candidate,
            anchor_px=(model_px[:, :2] + model_px[:, 2:]) / 2,
            scale=scale,
            target=target,
            canvas_px=canvas_px,
        )
        return Draws(rows, xyxy, candidate), fits

    def _sized(self, number: int, photo_px2: float, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Draw real labels and areas near theirs; of a size that train does not show, any label of the class."""
        size, rows = self.size if number == self.own else None, self.models[number]
        low_px2, high_px2 = _reach_px2(size, photo_px2, self.least_px2[rows], self.backend)
        low_px2 = np.broadcast_to(low_px2, rows.shape)
        own_px2 = self.shares[rows] * photo_px2
        shown = np.flatnonzero((own_px2 >= low_px2) & (own_px2 < high_px2))
        if len(shown):
            pick = rng.choice(shown, CANDIDATES)
            jitter = np.exp(2 * SIZE_JITTER * rng.normal(size=CANDIDATES))
            return rows[pick], np.clip(own_px2[pick] * jitter, low_px2[pick], high_px2)
        possible = np.flatnonzero(low_px2 < high_px2) if size else shown
        if not len(possible):
            return rows[:0], own_px2[:0]
        pick = rng.choice(possible, CANDIDATES)
        low_px2 = low_px2[pick]
        top_px2 = np.maximum(low_px2, min(float(high_px2), MAX_INVENTED_SHARE * photo_px2))
        return rows[pick], np.exp(rng.uniform(np.log(low_px2), np.log(top_px2)))

    def drawable(self, xyxy: Floats, canvas_px: Floats) -> Bools:
        """Say of each box whether it is large enough for the model; into photos it paints through windows."""
        if self.backend == "gligen":
            return np.asarray(area(xyxy) >= MIN_BOX_SHARE)
        boxes_px = xyxy * np.tile(canvas_px, 2)
        large = (boxes_px[:, 2:] - boxes_px[:, :2] >= MIN_SIDE_PX).all(axis=1)
        return large & ~is_too_thin(boxes_px, width_px=int(canvas_px[0]), height_px=int(canvas_px[1]))
