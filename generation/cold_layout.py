"""Decide what a generator draws where there is no photo to learn from: layouts come from the words of the classes.

* A class that stands on its own has a height and a width within the bounds of its words. What belongs to it (a hard hat
  on a person) lies at its place on it, by chance; in each picture the first one has the wanted object.
* What is higher up is further away and smaller: the foot of an object of height h, of at most m, stands at
  `HORIZON + (1 - HORIZON) * h / m` of the picture, as seen by a level camera above flat ground.
* A model draws nothing below 1 % of a picture. What stands on its own is at least so tall that it, and the wanted one
  on it, cover that much; where even the largest does not, the box is grown about its middle. All else that is smaller
  is left out.
* Objects that do not belong together overlap by little. One that finds no room is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from generation.grounding import MIN_BOX_SHARE, SLOTS
from generation.prompts import cover, factors_of, phrase, prompt
from generation.records import Corners, DrawObject, DrawRequest, identified
from generation.vocabulary import ClassWords, Vocabulary
from training.boxes import Bools, Floats, Ints
from training.files import digest_of
from training.records import Record

CHUNK = 512  # pictures laid out at once
PLACES_TRIED = 6  # for one object
HORIZON = 0.4  # share of the picture's height, from the top
FOOT_JITTER = 0.02  # standard deviation, as a share of the picture's height
LEAST_SHARE = 1.02 * MIN_BOX_SHARE  # of the picture, a little inside what the model draws
WHOLE = (0.0, 0.0, 1.0, 1.0)


class ColdSettings(Record):
    """How pictures without photos are laid out."""

    max_objects: int = Field(4, ge=1, le=SLOTS)
    """Objects that stand on their own in one picture; their number is drawn evenly from 1 to this."""
    own_share: float = Field(0.7, ge=0, le=1)
    """Chance that one after the first is of the wanted class, or of the one that this belongs to."""
    max_cover: float = Field(0.1, ge=0, lt=1)
    """Share of the smaller box that objects which do not belong together may have in common."""


def plan_cold(
    vocabulary: Vocabulary,
    *,
    label: str,
    brief_id: str,
    generator: str,
    count: int,
    seed: int,
    settings: ColdSettings | None = None,
) -> Iterator[DrawRequest]:
    """Lay out pictures about a class, one after another; `generator` is what will draw them, as requests say it."""
    rng = np.random.default_rng(int(digest_of([brief_id, label, seed])[:13], 16))
    rows = cover(factors_of(vocabulary, label), count, rng=rng)
    layouts = _Layouts(_kinds(vocabulary, label), label, settings or ColdSettings())
    for start in range(0, count, CHUNK):
        chunk = rows[start : start + CHUNK]
        seeds = rng.integers(2**52, size=len(chunk)).tolist()  # 52 bits: exact in every reader of JSON
        for attributes, own_seed, (labels, corners) in zip(chunk, seeds, layouts.drawn(len(chunk), rng), strict=True):
            phrases = [phrase(one, attributes, vocabulary, rng=rng) for one in labels]
            request = DrawRequest(
                request_id="",
                brief_id=brief_id,
                backend="gligen",
                generator=generator,
                seed=own_seed,
                prompt=prompt(phrases, attributes, vocabulary),
                negative_prompt=vocabulary.negative_prompt,
                objects=tuple(
                    DrawObject(label=one, phrase=said, xyxy=box)
                    for one, said, box in zip(labels, phrases, corners, strict=True)
                ),
                attributes=attributes,
            )
            yield identified(request)


@dataclass(frozen=True)
class _Kind:
    """A class that stands on its own, and all that may belong to it; the class itself comes first."""

    words: ClassWords
    labels: tuple[str, ...]
    boxes: tuple[Corners, ...]
    """Corners as shares of the first one's box."""
    parents: tuple[int, ...]
    chances: tuple[float, ...]


def _kinds(vocabulary: Vocabulary, label: str) -> tuple[_Kind, ...]:
    """Give the kinds of a vocabulary, that of the wanted class first."""
    classes = dict.fromkeys([label, *vocabulary.classes])
    found = [_kind(vocabulary, one) for one in classes if vocabulary.words_of(one).placing is None]
    return tuple(sorted(found, key=lambda kind: label not in kind.labels))


def _kind(vocabulary: Vocabulary, root: str) -> _Kind:
    labels, boxes, parents, chances = [root], [WHOLE], [0], [1.0]
    for parent, on in enumerate(labels):  # which grows while it is read: what lies on a vest comes after the vest
        x1, y1, x2, y2 = boxes[parent]
        width, height = x2 - x1, y2 - y1
        for label, words in vocabulary.classes.items():
            if words.placing and words.placing.belongs_to == on:
                left, top, right, bottom = words.placing.xyxy
                boxes.append((x1 + left * width, y1 + top * height, x1 + right * width, y1 + bottom * height))
                labels.append(label)
                parents.append(parent)
                chances.append(words.placing.chance)
    return _Kind(vocabulary.words_of(root), tuple(labels), tuple(boxes), tuple(parents), tuple(chances))


class _Layouts:
    """Lays out many pictures at once: c pictures, p places tried, k kinds of at most t members."""

    def __init__(self, kinds: Sequence[_Kind], label: str, settings: ColdSettings) -> None:
        shape = len(kinds), max(len(kind.labels) for kind in kinds)
        self.settings, self.wanted = settings, kinds[0].labels.index(label)
        self.heights = np.array([kind.words.height for kind in kinds])
        self.aspects = np.array([kind.words.aspect for kind in kinds])
        self.names = np.full(shape, "", object)
        self.boxes = np.tile(np.array(WHOLE), (*shape, 1))  # (k, t, 4)
        self.parents = np.zeros(shape, np.int64)
        self.chances = np.zeros(shape)  # so members that a kind does not have are never there
        for row, kind in enumerate(kinds):
            size = len(kind.labels)
            self.names[row, :size], self.boxes[row, :size] = kind.labels, kind.boxes
            self.parents[row, :size], self.chances[row, :size] = kind.parents, kind.chances
        self.must = np.isin(np.arange(shape[1]), _ancestry(kinds[0], self.wanted))

    def drawn(self, count: int, rng: np.random.Generator) -> Iterator[tuple[list[str], list[Corners]]]:
        """Give the classes and corners of each of some pictures, the wanted object first."""
        wanted_count = rng.integers(1, self.settings.max_objects + 1, count)
        boxes, there = np.zeros((count, 0, 4)), np.zeros((count, 0), bool)
        names = np.zeros((count, 0), object)
        for turn in range(self.settings.max_objects):
            kind = self._kind_of_turn(turn, count, rng)
            places, present = self._places(kind, turn == 0, rng)
            free = ~self._covers(places, present, boxes, there)
            pick = np.arange(count), np.argmax(free, axis=1)
            room = free.any(axis=1) & (turn < wanted_count)
            boxes = np.concatenate([boxes, places[pick]], axis=1)
            there = np.concatenate([there, present[pick] & room[:, None]], axis=1)
            names = np.concatenate([names, self.names[kind]], axis=1)
        order = np.argsort(np.arange(boxes.shape[1]) != self.wanted, kind="stable")
        return _rows(boxes[:, order], there[:, order], names[:, order])

    def _kind_of_turn(self, turn: int, count: int, rng: np.random.Generator) -> Ints:
        if turn == 0 or len(self.names) == 1:
            return np.zeros(count, np.int64)
        is_own = rng.random(count) < self.settings.own_share
        return np.where(is_own, 0, rng.integers(1, len(self.names), count))

    def _places(self, kind: Ints, is_first: bool, rng: np.random.Generator) -> tuple[Floats, Bools]:
        """Give places tried for one object a picture with all its members (c, p, t, 4), and which are there."""
        boxes, wanted = self.boxes[kind], self.wanted if is_first else 0
        sides = self._sides(kind, wanted, rng)  # (c, p, 2)
        low, high = boxes[:, None, :, :2].min(axis=2) * sides, boxes[:, None, :, 2:].max(axis=2) * sides
        depth = HORIZON + (1 - HORIZON) * sides[..., 1] / self.heights[kind, 1, None]
        top = depth + FOOT_JITTER * rng.normal(size=depth.shape) - sides[..., 1]
        left = rng.uniform(size=top.shape) * (1 - high[..., 0] + low[..., 0]) - low[..., 0]
        corner = np.clip(np.stack([left, top], axis=2), -low, 1 - high)  # inside with all members
        placed = np.tile(corner, 2)[:, :, None] + boxes[:, None] * np.tile(sides, 2)[:, :, None]
        for member in {0, wanted}:
            placed[:, :, member] = _grown(placed[:, :, member])
        placed = np.clip(np.round(placed, 6), 0, 1)
        return placed, self._present(kind, is_first, rng) & (_areas(placed) >= MIN_BOX_SHARE)

    def _sides(self, kind: Ints, wanted: int, rng: np.random.Generator) -> Floats:
        """Draw widths and heights (c, p, 2) at which the wanted member is large enough and all members fit."""
        boxes = self.boxes[kind]
        extent = (boxes[..., 2:].max(axis=1) - boxes[..., :2].min(axis=1))[:, None]  # (c, 1, 2)
        share = np.minimum(_areas(boxes[:, wanted]), 1)[:, None]
        smallest, largest = self.heights[kind, :1], self.heights[kind, 1:]
        aspect = rng.uniform(self.aspects[kind, :1], self.aspects[kind, 1:], (len(kind), PLACES_TRIED))
        largest = np.minimum(largest, 1 / np.maximum(extent[..., 1], aspect * extent[..., 0]))
        smallest = np.minimum(np.maximum(smallest, np.sqrt(LEAST_SHARE / (aspect * share))), largest)
        height = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
        return np.stack([aspect * height, height], axis=2)

    def _present(self, kind: Ints, is_first: bool, rng: np.random.Generator) -> Bools:
        """Draw which members are there (c, p, t): none without the one that it belongs to."""
        chances, parents = self.chances[kind][:, None], self.parents[kind]
        present = rng.random((len(kind), PLACES_TRIED, chances.shape[2])) < chances
        present |= self.must & is_first
        for member in range(1, present.shape[2]):
            present[:, :, member] &= np.take_along_axis(present, parents[:, None, member : member + 1], axis=2)[..., 0]
        return present

    def _covers(self, places: Floats, present: Bools, taken: Floats, there: Bools) -> Bools:
        """Say of each place (c, p) whether one of its members covers too much of one of the boxes there (c, s, 4)."""
        first, second = places[:, :, :, None], taken[:, None, None]
        corner = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
        shared = np.clip(corner, 0, None).prod(axis=-1)
        over = shared > self.settings.max_cover * np.minimum(_areas(first), _areas(second))
        return np.asarray((over & present[:, :, :, None] & there[:, None, None]).any(axis=(2, 3)))


def _ancestry(kind: _Kind, member: int) -> list[int]:
    """Give a member and all that it belongs to."""
    line = [member]
    while line[-1]:
        line.append(kind.parents[line[-1]])
    return line


def _areas(boxes: Floats) -> Floats:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def _grown(boxes: Floats) -> Floats:
    """Grow boxes (…, 4) about their middles to what a model draws, and keep them inside."""
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    factor = np.sqrt(np.maximum(LEAST_SHARE / sides.prod(axis=-1, keepdims=True), 1))
    sides = np.minimum(sides * factor, 1)
    sides = np.maximum(sides, LEAST_SHARE / sides[..., ::-1])  # of a line, one side can grow no further
    middle = np.clip(middle, sides / 2, 1 - sides / 2)
    return np.concatenate([middle - sides / 2, middle + sides / 2], axis=-1)


def _rows(boxes: Floats, there: Bools, names: NDArray[Any]) -> Iterator[tuple[list[str], list[Corners]]]:
    """Give the classes and corners of each picture, of the boxes that are there, as many as a model takes."""
    there = there & (there.cumsum(axis=1) <= SLOTS)
    ends = there.sum(axis=1).cumsum().tolist()
    labels, corners = names[there].tolist(), boxes[there].tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        yield labels[start:end], corners[start:end]
