"""Bind what makes pictures to a workspace; the heavy ones are loaded when a picture of theirs is first needed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from curation.config import Config
from curation.progress import progress_of, waiting
from generation import cutout
from generation.artist import GligenArtist, Photo
from generation.card import CapabilityCard, card_lines
from generation.draw import DrawPainter, Verification
from generation.painter import PastePainter, PixelDoors
from generation.priors import Priors
from generation.produce import Painter
from generation.records import Backend
from generation.trial import calibration_lines, read_record, try_generator, try_judge
from training import dataset
from training.files import digest_of, write_text

if TYPE_CHECKING:
    from generation.gligen import GligenDoor
    from generation.judge import ZeroShotJudge


@dataclass(frozen=True)
class Permissions:
    """What a command may do besides: nothing is fetched and no CPU is blocked for hours unless somebody said so."""

    download: bool = False
    full_size_on_cpu: bool = False


@dataclass(frozen=True)
class Weights:
    """What draws and what judges, each loaded when it is first needed."""

    config: Config
    device: str
    allowed: Permissions

    @cached_property
    def gligen(self) -> "GligenDoor":
        """Give the generator."""
        from generation.gligen import GligenDoor

        with waiting("loading GLIGEN"):
            return GligenDoor.load(
                self.config.generator.model,
                self.config.generator,
                device=self.device,
                allow_download=self.allowed.download,
                allow_cpu=self.allowed.full_size_on_cpu,
            )

    @cached_property
    def judge(self) -> "ZeroShotJudge | None":
        """Give the judge, None where nobody looks."""
        if self.config.verify.backend == "none":
            return None
        from generation.judge import ZeroShotJudge

        with waiting("loading the judge"):
            return ZeroShotJudge.load(
                self.config.verify.model, device=self.device, allow_download=self.allowed.download
            )


def painter_without_photos(weights: Weights, classes: Sequence[str]) -> Callable[[Backend], Painter]:
    """Give what draws whole pictures where there is no photo to paint into, nor any to calibrate the judge on."""

    @cache  # weights are loaded when the first picture is to be drawn
    def drawing() -> Painter:
        verification = None
        if weights.judge:
            config = weights.config
            verification = Verification(weights.judge, None, config.vocabulary, tuple(classes), config.verify)
        return _draws(GligenArtist(weights.gligen, _no_photo), verification)

    return lambda _: drawing()


def _no_photo(photo_id: str) -> Photo:
    raise AssertionError(f"no request may name a photo here, one names {photo_id}")


def _draws(artist: GligenArtist, verification: Verification | None) -> DrawPainter:
    return DrawPainter(artist, verification, dataset.encode_jpeg, dataset.difference_hash)


@dataclass(frozen=True)
class Painters:
    """The painters of a workspace."""

    root: Path
    priors: Priors
    weights: Weights
    tell: Callable[[str], None]

    @property
    def config(self) -> Config:
        """Give what is configured."""
        return self.weights.config

    def __call__(self, backend: Backend) -> Painter:
        """Give the painter of a backend."""
        return self._pasting if backend == "paste" else self._drawing

    @cached_property
    def _pasting(self) -> Painter:
        doors = PixelDoors(
            read_pixels=dataset.read_pixels,
            encode_jpeg=dataset.encode_jpeg,
            difference_hash=dataset.difference_hash,
            cut=cutout.cut,
            store_cutout=cutout.store,
            load_cutout=cutout.load,
        )
        return PastePainter(self.priors, self.root, doors)

    @cached_property
    def _drawing(self) -> Painter:
        return _draws(self._artist, self._verification)

    def card(self, drawing: str) -> CapabilityCard:
        """Give what the generator can draw, found out once; `drawing` is the digest of what draws and judges."""
        words = digest_of([self.config.vocabulary.plain(), self.priors.classes])
        path = self.root / "models" / "cards" / f"{digest_of([drawing, words])}.json"
        if known := read_record(path, CapabilityCard):
            return known
        assert self._verification is not None  # a card is asked for only where a judge looks
        with progress_of("trying the generator", clock=time.monotonic) as progress:
            card = try_generator(self._artist, self._verification, generator=drawing, progress=progress)
        write_text(path, card.model_dump_json(indent=2) + "\n")
        for line in card_lines(card):
            self.tell(line)
        return card

    @cached_property
    def _artist(self) -> GligenArtist:
        return GligenArtist(self.weights.gligen, self._photo)

    def _photo(self, photo_id: str) -> Photo:
        row = self.priors.photo_rows[photo_id]
        return Photo(self._pixels(row), self.priors.known_on(row))

    def _pixels(self, row: int) -> dataset.Pixels:
        return dataset.read_pixels(self.root / str(self.priors.images.path[row]))

    @cached_property
    def _verification(self) -> Verification | None:
        judge = self.weights.judge
        if judge is None:
            return None
        with progress_of("trying the judge", clock=time.monotonic) as progress:
            calibration = try_judge(
                judge,
                self.priors,
                vocabulary=self.config.vocabulary,
                read_photo=self._pixels,
                folder=self.root / "models" / "judges",
                progress=progress,
            )
        for line in calibration_lines(calibration):
            self.tell(line)
        return Verification(judge, calibration, self.config.vocabulary, self.priors.classes, self.config.verify)
