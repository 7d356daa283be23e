"""Draw what requests say with GLIGEN: whole pictures, and objects into photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from generation.gligen import GligenDoor
from generation.gligen_inpaint import inpaint
from generation.grounding import Layout, PaintFailure, Pixels, Repaint
from generation.records import DrawRequest, PictureLabel
from training.boxes import Floats
from training.files import digest_of

BARE_PROMPT = "plain background, empty, nothing there"


@dataclass(frozen=True, eq=False)
class Drawing:
    """What was drawn for a request, before anybody has looked at it."""

    pixels: Pixels
    """(h, w, 3) blue, green, red."""
    known: tuple[PictureLabel, ...] = ()
    """The labels of the photo that was painted into."""
    painted: Floats | None = None
    """(r, 4) what was painted anew, None for the whole picture."""


class Artist(Protocol):
    """Draws, and paints over what went wrong."""

    @property
    def batch_count(self) -> int:
        """Give how many pictures are best drawn at once."""

    def draw(self, requests: Sequence[DrawRequest], *, attempt: int) -> list[Drawing | PaintFailure]:
        """Give a drawing or a failure for each request; every attempt, from 1, has seeds of its own."""

    def paint_over(self, pictures: Sequence[Pixels], regions: Sequence[Floats]) -> list[Pixels | PaintFailure]:
        """Paint plain background into regions (r, 4) of each picture."""


@dataclass(frozen=True)
class Photo:
    """A train photo that is painted into."""

    pixels: Pixels
    labels: tuple[PictureLabel, ...]


@dataclass(frozen=True)
class GligenArtist:
    """Draws with GLIGEN's weights; `read_photo` gives the photo of an id."""

    door: GligenDoor
    read_photo: Callable[[str], Photo]

    @property
    def batch_count(self) -> int:
        """Draw as many at once as memory has allowed so far."""
        return self.door.batches.count

    def draw(self, requests: Sequence[DrawRequest], *, attempt: int) -> list[Drawing | PaintFailure]:
        """Draw requests that all go into photos, or none of them."""
        if requests and requests[0].backend == "gligen-inpaint":
            return self._into_photos(requests, attempt)
        made = self.door.paint([_layout(request, attempt) for request in requests])
        return [picture if isinstance(picture, PaintFailure) else Drawing(picture) for picture in made]

    def paint_over(self, pictures: Sequence[Pixels], regions: Sequence[Floats]) -> list[Pixels | PaintFailure]:
        """Paint plain background into regions (r, 4) of each picture; one without any stays as it is."""
        results: list[Pixels | PaintFailure] = list(pictures)
        rows = [row for row, boxes in enumerate(regions) if len(boxes)]
        empty = Layout(BARE_PROMPT, (), np.zeros((0, 4)), seed=0)
        made = inpaint(self.door, [Repaint(pictures[row], empty, regions=regions[row]) for row in rows])
        for row, picture in zip(rows, made, strict=True):
            results[row] = picture
        return results

    def _into_photos(self, requests: Sequence[DrawRequest], attempt: int) -> list[Drawing | PaintFailure]:
        photos = [self.read_photo(request.background_id) for request in requests]
        bare = [np.array(request.bare, np.float64).reshape(-1, 4) for request in requests]
        results = self.paint_over([photo.pixels for photo in photos], bare)
        fit = [(row, ground) for row, ground in enumerate(results) if not isinstance(ground, PaintFailure)]
        made = inpaint(self.door, [Repaint(ground, _layout(requests[row], attempt)) for row, ground in fit])
        for (row, _), picture in zip(fit, made, strict=True):
            results[row] = picture
        return [
            picture
            if isinstance(picture, PaintFailure)
            else Drawing(picture, photo.labels, np.concatenate([boxes, boxes_of(request)]))
            for picture, photo, boxes, request in zip(results, photos, bare, requests, strict=True)
        ]


def boxes_of(request: DrawRequest) -> Floats:
    """Give the corners of a request's objects, (k, 4)."""
    return np.array([wish.xyxy for wish in request.objects], np.float64).reshape(-1, 4)


def _layout(request: DrawRequest, attempt: int) -> Layout:
    again = int(digest_of([request.seed, attempt])[:13], 16)
    return Layout(
        prompt=request.prompt,
        phrases=tuple(wish.phrase for wish in request.objects),
        boxes=boxes_of(request),
        seed=request.seed if attempt == 1 else again,
        negative_prompt=request.negative_prompt,
    )
