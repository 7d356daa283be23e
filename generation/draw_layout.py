"""Decide what a generator draws and where: layouts come from real photos of train, chance from the brief and the seed.

* What moves, moves as a group: labels that overlap strongly (a hard hat on a person) keep their places to each other.
* A wanted object has the place, size and shape of a real label of its class, changed a little, and brings along what
  that label overlaps with in its photo, unless that is a crowd or nowhere fits into the picture.
* Whole pictures are square and photos are not. A photo's layout is put onto a square of equal area: the middles of its
  groups at the same shares of both sides, the groups themselves neither stretched nor scaled. So a box keeps its shape,
  and a size in pixels of the photo stays the same share of the picture; a centre crop would lose what stands aside.
  Where groups now lie over each other, only the larger stays: the picture is drawn anew, so nothing goes unlabelled.
* Into photos, objects are painted where they cover nothing that is labelled.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from generation.candidates import MAX_WANTED_SHARE, Candidates, models_for, photos_for, photos_px2
from generation.grounding import SLOTS
from generation.groups import JOINED_SHARE, MAX_TOGETHER, carried, frames
from generation.priors import MIN_SIDE_PX, SIZE_JITTER, Priors, backgrounds, covers_pairwise, size_bounds_px2
from generation.prompts import cover, factors_of, phrase, prompt
from generation.records import Brief, DrawBackend, DrawObject, DrawRequest, identified
from generation.vocabulary import Vocabulary
from generation.windows import MAX_FEATHER_PX
from training.boxes import Floats, Ints, area
from training.errors import DataError
from training.files import digest_of
from training.records import Record

PHOTOS_TRIED = 8  # photos tried for one request
LIKE_AREA, LIKE_ASPECT = 1.5, 1.25  # factors between objects that may stand in each other's place


class DrawSettings(Record):
    """How drawn pictures are laid out."""

    max_objects: int = Field(3, ge=1, le=SLOTS // MAX_TOGETHER)
    """Objects painted into one photo, each with what it brings along; their number is drawn evenly from 1 to this."""
    own_share: float = Field(0.8, ge=0, le=1)
    """Chance that an object after the first has the brief's class, where photos are painted into."""
    max_cover: float = Field(0.1, ge=0, lt=1)
    """Share of the smaller box that a wanted object and another labelled object may have in common."""
    bare_share: float = Field(0.3, ge=0, le=1)
    """Share of the photos painted into that also get a region of plain background, so that a seam is no sign."""
    swap_share: float = Field(0.05, ge=0, le=1)
    """Chance that an object of a whole picture that stands alone becomes one of another class in a box much like it."""
    max_shift_share: float = Field(0.1, ge=0, le=0.5)
    """Largest shift of a whole layout, as a share of the picture's sides."""
    max_zoom: float = Field(0.15, ge=0, le=1)
    """Largest change of scale of a whole layout, as a logarithm."""
    jitter_share: float = Field(0.04, ge=0)
    """Standard deviation of a group's place around a real one, as a share of the picture's sides."""


def cannot_draw(brief: Brief, priors: Priors, backend: DrawBackend) -> str | None:
    """Say why layouts for what the brief asks for cannot be made from train, None where they can."""
    number = priors.number_of(brief.label)
    if number is None:
        return f"the dataset has no class {brief.label}"
    if not (priors.labels.label == number).any():
        return f"train holds no {brief.label}"
    if not len(models_for(brief, priors)):
        return f"train holds no {brief.label} that looks as wanted"
    rows = backgrounds(brief, priors)
    if not len(rows):
        return "train has no photo like those that are wanted"
    return None if len(photos_for(brief, priors, backend)) else _out_of_reach(brief, photos_px2(priors)[rows], backend)


def _out_of_reach(brief: Brief, photos_px2: Floats, backend: DrawBackend) -> str:
    if brief.size and (size_bounds_px2(brief.size)[0] >= MAX_WANTED_SHARE * photos_px2).all():
        return f"every photo in train is too small for an object of the size {brief.size}"
    if backend == "gligen":
        return "objects of this size cover less than 1 % of a picture: paint into photos instead"
    return f"a {brief.label} of this size has a side of less than {MIN_SIDE_PX} px"


def plan(
    brief: Brief,
    priors: Priors,
    *,
    backend: DrawBackend,
    vocabulary: Vocabulary,
    generator: str,
    count: int,
    seed: int,
    settings: DrawSettings | None = None,
) -> tuple[DrawRequest, ...]:
    """Lay out pictures for a brief; `generator` is what will draw them, as requests say it.

    Photos are used in turn. A request that finds no photo with room is left out, so there may be fewer than asked for.
    Raises `DataError` where the brief cannot be drawn.
    """
    if reason := cannot_draw(brief, priors, backend):
        raise DataError(f"brief {brief.brief_id} cannot be drawn: {reason}", hint="label more real photos instead")
    rng = np.random.default_rng(int(digest_of([brief.brief_id, backend, seed])[:13], 16))
    turns = rng.permutation(photos_for(brief, priors, backend))
    seeds = rng.integers(2**52, size=count).tolist()  # 52 bits: exact in every reader of JSON
    rows = cover(_factors(brief.label, vocabulary, backend), count, rng=rng)
    scenes = _Scenes(brief, priors, backend, settings or DrawSettings())
    words = _Words(brief, vocabulary, generator)
    made = (
        _request(scenes, words, turns[(index + np.arange(PHOTOS_TRIED)) % len(turns)], attributes, own_seed)
        for index, (attributes, own_seed) in enumerate(zip(rows, seeds, strict=True))
    )
    return tuple(request for request in made if request)


def _factors(label: str, vocabulary: Vocabulary, backend: DrawBackend) -> dict[str, tuple[str, ...]]:
    """Give what is varied; a photo has its own light and floor, so only the class varies in it."""
    factors = factors_of(vocabulary, label)
    if backend == "gligen":
        return factors
    return {name: values for name, values in factors.items() if name.startswith(f"{label}.")}


@dataclass(frozen=True)
class _Words:
    """What is the same in all requests of a plan."""

    brief: Brief
    vocabulary: Vocabulary
    generator: str


@dataclass(frozen=True)
class _Scene:
    """What goes where in one picture."""

    number: Ints
    """(k,) of the classes; the wanted object comes first."""
    xyxy: Floats
    """(k, 4)"""
    bare: Floats
    """(r, 4)"""


class _Scenes:
    """Lays out scenes; keeps what is the same for all requests of a brief."""

    def __init__(self, brief: Brief, priors: Priors, backend: DrawBackend, settings: DrawSettings) -> None:
        self.priors, self.backend, self.settings = priors, backend, settings
        self.candidates = Candidates(brief, priors, backend, jitter_share=settings.jitter_share)
        self.boxes_px, self.groups, self.own = self.candidates.boxes_px, self.candidates.groups, self.candidates.own
        self.is_lone = np.bincount(self.groups)[self.groups] == 1
        self.lone = np.flatnonzero(self.is_lone)

    def photo_sides_px(self, photo: int) -> Floats:
        """Give a photo's width and height."""
        return np.array([self.priors.images.width_px[photo], self.priors.images.height_px[photo]], np.float64)

    def scene(self, photo: int, rng: np.random.Generator) -> _Scene | None:
        """Give what goes where, None where the wanted object finds no room."""
        return self._whole(photo, rng) if self.backend == "gligen" else self._into(photo, rng)

    def _whole(self, photo: int, rng: np.random.Generator) -> _Scene | None:
        """Place the wanted object where it costs the photo's layout least, and leave out what it would cover."""
        canvas_px = np.full(2, np.sqrt(self.photo_sides_px(photo).prod()))
        draws = self.candidates.draws(self.own, canvas_px, rng)
        if not len(draws.row):
            return None
        number, group, xyxy = self._varied(photo, canvas_px, rng)
        chosen = draws.best(covers_pairwise(draws.xyxy, xyxy, self.settings.max_cover).sum(axis=1))
        covered = covers_pairwise(chosen.xyxy, xyxy, self.settings.max_cover).any(axis=0)
        stays = ~np.isin(group, group[covered])
        number = np.concatenate([self.priors.labels.label[chosen.row], number[stays]])[:SLOTS]
        xyxy = np.concatenate([chosen.xyxy, xyxy[stays]])[:SLOTS]
        if rng.random() < 0.5:
            xyxy = np.round([1, 0, 1, 0] + [-1, 1, -1, 1] * xyxy[:, [2, 1, 0, 3]], 6)
        return _Scene(number, xyxy, bare=np.zeros((0, 4)))

    def _varied(self, photo: int, canvas_px: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Floats]:
        """Give a photo's layout with its groups moved and scaled: classes, groups and corners, the largest first."""
        rows = self.priors.rows_on[photo]
        _, group = np.unique(self.groups[rows], return_inverse=True)
        count = int(group.max(initial=-1)) + 1
        frame = frames(self.boxes_px[rows], group, count)
        order = np.argsort(-area(frame), kind="stable")
        frame, group = frame[order], np.argsort(order)[group]
        middle_px = (frame[:, :2] + frame[:, 2:]) / 2
        zoom = rng.uniform(-1, 1) * self.settings.max_zoom
        shift = rng.uniform(-1, 1, 2) * self.settings.max_shift_share
        jitter = rng.normal(size=(count, 2)) * self.settings.jitter_share
        middle = middle_px / self.photo_sides_px(photo)
        largest = (canvas_px / (frame[:, 2:] - frame[:, :2])).min(axis=1)
        xyxy, _ = carried(
            self.boxes_px[rows],
            group,
            anchor_px=middle_px,
            scale=np.minimum(np.exp(zoom + SIZE_JITTER * rng.normal(size=count)), largest),
            target=0.5 + (middle - 0.5) * np.exp(zoom) + shift + jitter,
            canvas_px=canvas_px,
        )
        number = self._swapped(rows, xyxy, rng)
        over = covers_pairwise(xyxy, xyxy, JOINED_SHARE) & (group[:, None] > group)
        stays = ~np.isin(group, group[over.any(axis=1)]) & self.candidates.drawable(xyxy, canvas_px)
        kept = np.flatnonzero(stays)[np.argsort(group[stays], kind="stable")]
        return number[kept], group[kept], xyxy[kept]

    def _swapped(self, rows: Ints, xyxy: Floats, rng: np.random.Generator) -> Ints:
        """Give the classes of a layout's boxes, now and then one that stands elsewhere alone in a box much like it."""
        number, sides = self.priors.labels.label[rows].copy(), xyxy[:, 2:] - xyxy[:, :2]
        may = self.is_lone[rows] & (number != self.own) & (rng.random(len(rows)) < self.settings.swap_share)
        lone, chosen = self.lone, np.flatnonzero(may)
        if not len(chosen):
            return number
        lone_px = self.boxes_px[lone, 2:] - self.boxes_px[lone, :2]
        aspect = np.log(sides[chosen, 0] / sides[chosen, 1])[:, None] - np.log(lone_px[:, 0] / lone_px[:, 1])
        size = np.log(sides[chosen].prod(axis=1))[:, None] - np.log(self.candidates.shares[lone])
        like = (np.abs(aspect) < np.log(LIKE_ASPECT)) & (np.abs(size) < np.log(LIKE_AREA))
        like &= number[chosen][:, None] != self.priors.labels.label[lone]
        found = like.any(axis=1)
        best = np.argmax(like[found] * rng.uniform(0.5, 1, like[found].shape), axis=1)
        number[chosen[found]] = self.priors.labels.label[lone[best]]
        return number

    def _into(self, photo: int, rng: np.random.Generator) -> _Scene | None:
        """Place objects one after another where a photo has room for them."""
        canvas_px, labels = self.photo_sides_px(photo), self.priors.labels
        taken = labels.xyxy[self.priors.rows_on[photo]]
        rows, known_count = np.zeros(0, np.int64), len(taken)
        for turn in range(int(rng.integers(1, self.settings.max_objects + 1))):
            is_own = turn == 0 or not self.candidates.others or rng.random() < self.settings.own_share
            number = self.own if is_own else int(rng.choice(self.candidates.others))
            draws = self.candidates.draws(number, canvas_px, rng)
            chosen = draws.first_free(covers_pairwise(draws.xyxy, taken, self.settings.max_cover))
            if turn == 0 and not len(chosen.row):
                return None
            taken, rows = np.concatenate([taken, chosen.xyxy]), np.concatenate([rows, chosen.row])
        bare = self._bare(canvas_px, taken, rng) if rng.random() < self.settings.bare_share else np.zeros((0, 4))
        return _Scene(labels.label[rows], taken[known_count:], bare)

    def _bare(self, canvas_px: Floats, taken: Floats, rng: np.random.Generator) -> Floats:
        """Give a region (1, 4) like a wanted object that covers nothing, nor does its soft edge; or (0, 4).

        It lies where such an object might, or anywhere where all of these places are taken.
        """
        draws = self.candidates.draws(self.own, canvas_px, rng)
        likely = draws.xyxy[draws.is_first]
        sides = likely[:, 2:] - likely[:, :2]
        corner = rng.uniform(size=sides.shape) * (1 - sides)
        anywhere = np.clip(np.round(np.concatenate([corner, corner + sides], axis=1), 6), 0, 1)
        regions = np.concatenate([likely, anywhere])
        edge = MAX_FEATHER_PX / np.tile(canvas_px, 2) * [-1, -1, 1, 1]
        free = ~covers_pairwise(regions + edge, taken, 0).any(axis=1)
        return regions[free][:1]


def _request(
    scenes: _Scenes, words: _Words, photos: Ints, attributes: Mapping[str, str], seed: int
) -> DrawRequest | None:
    rng = np.random.default_rng(seed)
    for photo in photos.tolist():
        if scene := scenes.scene(photo, rng):
            return _identified(scenes, words, photo, scene, attributes, seed)
    return None


def _identified(
    scenes: _Scenes, words: _Words, photo: int, scene: _Scene, attributes: Mapping[str, str], seed: int
) -> DrawRequest:
    rng, priors = np.random.default_rng([seed, 1]), scenes.priors
    labels = [priors.classes[number] for number in scene.number.tolist()]
    objects = tuple(
        DrawObject(label=label, phrase=phrase(label, attributes, words.vocabulary, rng=rng), xyxy=corners)
        for label, corners in zip(labels, scene.xyxy.tolist(), strict=True)
    )
    request = DrawRequest(
        request_id="",
        brief_id=words.brief.brief_id,
        finding_id=words.brief.finding_id,
        backend=scenes.backend,
        generator=words.generator,
        seed=seed,
        prompt=prompt([one.phrase for one in objects], attributes, words.vocabulary),
        negative_prompt=words.vocabulary.negative_prompt,
        background_id=str(priors.images.id[photo]),
        labels_digest=priors.labels_digest([photo]),
        objects=objects,
        bare=scene.bare.tolist(),
        attributes=dict(attributes),
    )
    return identified(request)
