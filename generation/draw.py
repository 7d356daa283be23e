"""Draw pictures, have a judge look at them, and mend what can be mended.

* An object is missing, or another class stands in its place: the picture is drawn again, `max_tries` times in all.
* It still is: its place is painted over with plain background, and the judge looks again.
* The picture shows something that cannot be labelled, or nothing is left of what it was asked for: refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from generation.artist import Artist, Drawing
from generation.calibration import Calibration
from generation.grounding import PaintFailure, Pixels
from generation.produce import Picture
from generation.records import DrawRequest, Failure, GenerationRequest, PictureLabel
from generation.sighting import Judge, Sighting
from generation.verify import Checked, VerifySettings, check
from generation.vocabulary import Vocabulary
from training.boxes import Floats


@dataclass(frozen=True)
class Verification:
    """Who looks at the pictures, and by which rules."""

    judge: Judge
    calibration: Calibration | None
    """What the judge sees of real photos, None where there are none."""
    vocabulary: Vocabulary
    classes: tuple[str, ...]
    settings: VerifySettings

    def look(self, pictures: Sequence[Pixels]) -> list[Sighting]:
        """Give what the judge sees in each picture."""
        return self.judge.look(pictures, [self.vocabulary.judged_as(label) for label in self.classes])

    def check(self, request: DrawRequest, drawing: Drawing, sighting: Sighting) -> Checked:
        """Compare what was asked for with what is seen."""
        return check(
            request.objects,
            sighting,
            classes=self.classes,
            known=drawing.known,
            painted=drawing.painted,
            calibration=self.calibration,
            settings=self.settings,
        )


@dataclass(frozen=True, eq=False)
class _Work:
    """A request with what has become of it so far."""

    request: DrawRequest
    drawing: Drawing | PaintFailure
    checked: Checked | None = None
    attempts: int = 1
    painted_over: tuple[str, ...] = ()
    """Classes of the objects whose places were painted over."""

    @property
    def rank(self) -> int:
        """Say how good it is: 2 for a picture to be kept, 1 for one that can be mended, 0 for none."""
        if isinstance(self.drawing, PaintFailure) or self.checked is None or self.checked.flaw:
            return 0
        return 2 if not self.checked.missing else int(_can_be_mended(self.request, self.checked))


@dataclass(frozen=True)
class DrawPainter:
    """Makes pictures with a generator; without a verification they are marked unverified."""

    artist: Artist
    verification: Verification | None
    encode_jpeg: Callable[[Pixels], bytes]
    difference_hash: Callable[[Pixels], int]

    @property
    def batch_count(self) -> int:
        """Draw as many as the generator takes at once."""
        return self.artist.batch_count

    def paint(self, requests: Sequence[GenerationRequest]) -> Sequence[Picture | Failure]:
        """Give a picture, or why there is none, for each request."""
        wanted = [request for request in requests if isinstance(request, DrawRequest)]
        assert len(wanted) == len(requests)  # others go to another painter
        work = self._drawn(wanted, attempt=1)
        if self.verification:
            for attempt in range(2, self.verification.settings.max_tries + 1):
                again = [one.request for one in work if one.rank < 2]
                work = _better(work, self._drawn(again, attempt=attempt))
            work = _better(work, self._painted_over([one for one in work if one.rank == 1]))
        return [self._finished(one) for one in work]

    def _drawn(self, requests: Sequence[DrawRequest], *, attempt: int) -> list[_Work]:
        drawings = self.artist.draw(requests, attempt=attempt) if requests else []
        work = [_Work(*pair, attempts=attempt) for pair in zip(requests, drawings, strict=True)]
        return self._looked_at(work)

    def _looked_at(self, work: Sequence[_Work]) -> list[_Work]:
        """Have the judge look at what was drawn."""
        if self.verification is None:
            return list(work)
        shown = [one.drawing.pixels for one in work if isinstance(one.drawing, Drawing)]
        seen = iter(self.verification.look(shown) if shown else ())
        return [
            replace(one, checked=self.verification.check(one.request, one.drawing, next(seen)))
            if isinstance(one.drawing, Drawing)
            else one
            for one in work
        ]

    def _painted_over(self, work: Sequence[_Work]) -> list[_Work]:
        """Paint over the places of what is missing, and look again at what is left of the request."""
        drawings = [one.drawing for one in work if isinstance(one.drawing, Drawing)]
        missing = [list(one.checked.missing) for one in work if one.checked]
        regions = [_places(one.checked) for one in work if one.checked]
        made = self.artist.paint_over([drawing.pixels for drawing in drawings], regions) if work else []
        mended = [
            replace(
                one,
                request=_without(one.request, rows),
                drawing=picture if isinstance(picture, PaintFailure) else _changed(drawing, picture, region),
                painted_over=tuple(one.request.objects[row].label for row in rows),
                checked=None,
            )
            for one, drawing, rows, region, picture in zip(work, drawings, missing, regions, made, strict=True)
        ]
        return self._looked_at(mended)

    def _finished(self, work: _Work) -> Picture | Failure:
        request, drawing = work.request, work.drawing
        if isinstance(drawing, PaintFailure):
            return Failure(request_id=request.request_id, reason=drawing.reason)
        if work.checked and (flaw := _flaw(work.checked)):
            return Failure(request_id=request.request_id, reason=flaw, refused=True)
        checked = work.checked
        return Picture(
            data=self.encode_jpeg(drawing.pixels),
            width_px=drawing.pixels.shape[1],
            height_px=drawing.pixels.shape[0],
            labels=checked.labels if checked else (*drawing.known, *_as_requested(request)),
            source_ids=(request.background_id,) if request.background_id else (),
            look=self.difference_hash(drawing.pixels),
            verified="judged" if checked and not checked.unjudged else "unverified",
            checks=checked.checks if checked else (),
            repairs=(*(f"{label} painted over" for label in work.painted_over), *(checked.repairs if checked else ())),
            attempts=work.attempts,
        )


def _better(before: Sequence[_Work], after: Sequence[_Work]) -> list[_Work]:
    """Put later work in the place of earlier work on the same request, unless it is worse."""
    later = {one.request.request_id: one for one in after}
    paired = [(one, later.get(one.request.request_id, one)) for one in before]
    return [second if second.rank >= first.rank else first for first, second in paired]


def _can_be_mended(request: DrawRequest, checked: Checked) -> bool:
    """Say whether the first object, which the picture is made for, or another of its class is there.

    An object that the judge cannot see might be painted over together with what is missing, and nobody would know.
    """
    if checked.unjudged:
        return False
    wanted = request.objects[0].label
    return any(wish.label == wanted for row, wish in enumerate(request.objects) if row not in checked.missing)


def _changed(drawing: Drawing, pixels: Pixels, region: Floats) -> Drawing:
    """Give a drawing of which a region was painted once more."""
    painted = None if drawing.painted is None else np.concatenate([drawing.painted, region])
    return replace(drawing, pixels=pixels, painted=painted)


def _places(checked: Checked) -> Floats:
    """Give what is to be painted over, (r, 4): where each missing object should be, and what stands there instead."""
    absent = [checked.checks[row] for row in checked.missing]
    return np.array([*(each.xyxy for each in absent), *(each.seen for each in absent if each.seen)])


def _without(request: DrawRequest, rows: Sequence[int]) -> DrawRequest:
    kept = tuple(wish for row, wish in enumerate(request.objects) if row not in rows)
    return request.model_copy(update={"objects": kept})


def _flaw(checked: Checked) -> str:
    """Say why a picture cannot be kept, empty where it can."""
    absent = [checked.checks[row] for row in checked.missing]
    return checked.flaw or (f"{absent[0].label} {absent[0].verdict}" if absent else "")


def _as_requested(request: DrawRequest) -> tuple[PictureLabel, ...]:
    return tuple(
        PictureLabel(label=wish.label, xyxy=wish.xyxy, visible_share=1, source_id="", added=True)
        for wish in request.objects
    )
