"""Paint a request by pasting: background and cut-outs in, an encoded picture and its labels out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from generation.paste import Cutout, Pixels, paste
from generation.priors import Priors, refuse_unless_train
from generation.produce import Picture
from generation.records import Failure, GenerationRequest, PasteRequest
from training.boxes import Floats
from training.errors import CurateError
from training.files import digest_of

KEPT_CUTOUTS = 512  # in memory; at 100 × 100 px, 40 MB


@dataclass(frozen=True)
class PixelDoors:
    """How pictures and cut-outs come from disk and go there."""

    read_pixels: Callable[[Path], Pixels]
    encode_jpeg: Callable[[Pixels], bytes]
    difference_hash: Callable[[Pixels], int]
    cut: Callable[..., Cutout | None]
    store_cutout: Callable[[Path, Cutout], None]
    load_cutout: Callable[[Path], Cutout]


@dataclass(frozen=True)
class PastePainter:
    """Makes pictures from train photos; cut-outs are made once each and kept under the id of their label."""

    priors: Priors
    workspace: Path
    doors: PixelDoors

    @cached_property
    def _kept(self) -> Callable[[str], Cutout]:
        return lru_cache(maxsize=KEPT_CUTOUTS)(self._cutout)

    @property
    def batch_count(self) -> int:
        """Paste one picture at a time."""
        return 1

    def paint(self, requests: Sequence[GenerationRequest]) -> Sequence[Picture | Failure]:
        """Give a picture, or why there is none, for each request."""
        return [self._attempt(request) for request in requests]

    def _attempt(self, request: GenerationRequest) -> Picture | Failure:
        assert isinstance(request, PasteRequest)  # others go to another painter
        try:
            return self.picture(request)
        except CurateError as error:
            return Failure(request_id=request.request_id, reason=error.message)

    def picture(self, request: PasteRequest) -> Picture:
        """Give the picture of a request; the same request gives the same bytes. Raises `CurateError`."""
        refuse_unless_train(request, self.priors)
        row = self.priors.photo_rows[request.background_id]
        background = self.doors.read_pixels(self.workspace / str(self.priors.images.path[row]))
        objects = [(self._kept(wish.source_id), wish) for wish in request.objects]
        painted = paste(background, objects, self.priors.known_on(row), np.random.default_rng(request.seed))
        return Picture(
            data=self.doors.encode_jpeg(painted.pixels),
            width_px=painted.pixels.shape[1],
            height_px=painted.pixels.shape[0],
            labels=painted.labels,
            source_ids=self._sources(request),
            look=self.doors.difference_hash(painted.pixels),
        )

    def _cutout(self, source_id: str) -> Cutout:
        label = self.priors.label_rows[source_id]
        photo = int(self.priors.labels.image[label])
        name = digest_of([source_id, self.priors.labels_digest([photo])])  # an edited box is another cut-out
        path = self.workspace / "cutouts" / name[:2] / f"{name}.png"
        if path.is_file():
            return self.doors.load_cutout(path)
        made = self.doors.cut(
            self.doors.read_pixels(self.workspace / str(self.priors.images.path[photo])),
            self.priors.labels.xyxy[label],
            seed=int(digest_of(source_id)[:8], 16),
            others=self._others(photo, label),
        )
        if made is None:
            raise CurateError(f"no cut-out can be made of label {source_id}")
        self.doors.store_cutout(path, made)
        return made

    def _others(self, photo: int, label: int) -> Floats:
        rows = self.priors.rows_on[photo]
        xyxy: Floats = self.priors.labels.xyxy[rows[rows != label]]
        return xyxy

    def _sources(self, request: PasteRequest) -> tuple[str, ...]:
        labels = [self.priors.label_rows[wish.source_id] for wish in request.objects]
        photos = self.priors.images.id[self.priors.labels.image[labels]]
        return tuple(sorted({request.background_id, *photos.tolist()}))
