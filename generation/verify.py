"""Compare what a picture was to show with what a judge sees in it, and repair the labels by rules.

A sighting is *sure* where its score reaches the bound of its class: the calibrated one, else `min_score`. It is
*doubtful* from `doubtful_share` of the bound on, and below that it is nothing. Of several sightings of one object the
surest stays: within a class from an IoU of 0.5 on; between classes, by score as a share of the bound, from 0.7 on.

Each sighting serves once. Round after round, what is still free is paired one to one, so that the sum of IoUs is
largest (in the third round, of nearness). A requested object is

* found: a sure sighting of its class has an IoU of `min_iou` or more. The label stays as requested from `tight_iou` on;
  below, it follows the object, for GLIGEN draws where it is told but loosely (AP50 76, AP75 39 on COCO-Position).
* moved: the centre of a sure sighting of its class lies at most `max_shift` widths and heights away, and the areas
  differ at most fourfold. The label follows the object.
* wrong class: a sure sighting of another class has an IoU of `min_iou` or more. It is to be drawn again.
* missing: nothing of this. It is to be drawn again. A doubtful sighting of its class there is noted in the check.
* unjudged: the judge cannot see its class. The label stays as requested, and people decide.

A label of the photo that was painted into

* stays, where less than half of it was painted anew. It takes its sighting in the first round.
* stays, where more was and it is still seen as in the first round; it chooses after the requested objects.
* goes, where it is not seen any more. If the judge cannot see its class, the picture is flawed.

What is left over, and does not overlap a label of the photo that stays, or a requested object that is unjudged or to be
drawn again, with `min_iou` or more, is

* extra: a sure sighting. It is labelled.
* doubtful: there may be an object without a label, which would teach a detector to miss it. The picture is flawed,
  unless four fifths of the sighting lie within a label of its class: then it is a part of that object.

Where only regions were painted, sightings with less than half of their area in one of them are disregarded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from generation.calibration import SAME_OBJECT_IOU, Calibration, distinct, table_of
from generation.pairing import TO_DRAW_AGAIN, Expected, Paired, Seen, left_over, pair, share_inside
from generation.records import Corners, DrawObject, ObjectCheck, PictureLabel
from generation.sighting import Sighting
from training.boxes import Floats, Ints, iou
from training.records import Record

RIVAL_IOU = 0.7
"""Of two sightings of different classes that overlap so much, one is a wrong name for the same object."""
PAINTED_SHARE = 0.5
PART_SHARE = 0.8


class VerifySettings(Record):
    """By which rules pictures are verified, and how often they are drawn."""

    min_iou: float = Field(0.5, gt=0, le=1)
    """From this IoU with the request on, an object is where it was asked for."""
    tight_iou: float = Field(0.75, gt=0, le=1)
    """Below this IoU, the label follows what the judge sees."""
    max_shift: float = Field(1.0, ge=0)
    """How far the centre of a moved object may lie from the requested one, in widths and heights of the request."""
    min_score: float = Field(0.2, gt=0, le=1)
    """From this score of the judge on, an object is seen, where there are no photos to calibrate it on."""
    doubtful_share: float = Field(0.7, gt=0, le=1)
    """From this share of the bound on, a sighting may be an object: one that has no label costs the picture."""
    max_tries: int = Field(3, ge=1)
    """How often a picture is drawn, each time with another seed, before missing objects are painted over."""


@dataclass(frozen=True)
class Checked:
    """What was found out about one picture."""

    checks: tuple[ObjectCheck, ...]
    """One a requested object, in order."""
    labels: tuple[PictureLabel, ...]
    """After repairs: those of the photo that still hold, requested objects that are there or unjudged, extras."""
    repairs: tuple[str, ...]
    """What was changed about the labels, in words."""
    missing: tuple[int, ...]
    """Numbers of the requested objects that are not there, or are of another class."""
    flaw: str
    """Why the picture cannot be kept, whatever is repainted; empty where it can."""

    @property
    def unjudged(self) -> bool:
        """Say whether some requested object is of a class that the judge cannot see."""
        return any(check.verdict == "unjudged" for check in self.checks)


def check(
    objects: Sequence[DrawObject],
    sighting: Sighting,
    *,
    classes: Sequence[str],
    known: Sequence[PictureLabel] = (),
    painted: Floats | None = None,
    calibration: Calibration | None,
    settings: VerifySettings,
) -> Checked:
    """Compare what was requested with what a judge sees, by the rules above.

    `classes` are in the order of the judge's numbers. `known` are the labels of the photo that was painted into, and
    `painted` (r, 4) is what was painted anew, None for the whole picture.
    """
    bounds = np.array([_bound(label, calibration, settings) for label in classes], np.float64)
    seen = _seen(sighting, bounds, painted, settings)
    expected = _expected(objects, known, classes=classes, bounds=bounds, painted=painted)
    paired = pair(expected, seen, min_iou=settings.min_iou, max_shift=settings.max_shift)
    checks = tuple(_check(wish, row, paired, seen, classes) for row, wish in enumerate(objects))
    left = seen.take(left_over(expected, seen, paired, min_iou=settings.min_iou))
    gone = (expected.covered & (paired.sighting < 0))[len(objects) :].tolist()
    stays, lost = (
        [label for label, is_gone in zip(known, gone, strict=True) if is_gone is side] for side in (False, True)
    )
    drawn = [_label_of(each, settings) for each in checks if each.verdict not in TO_DRAW_AGAIN]
    extras = _extras(left.take(left.sure), classes)
    labels = (*stays, *drawn, *extras)
    return Checked(
        checks=checks,
        labels=labels,
        repairs=(
            *(change for each in checks if (change := _change(each, settings))),
            *(f"{label.label} of the photo was painted over" for label in lost),
            *(f"{label.label} that nobody asked for was labelled" for label in extras),
        ),
        missing=tuple(row for row, each in enumerate(checks) if each.verdict in TO_DRAW_AGAIN),
        flaw=_blind_spot(expected, classes) or _doubt(left.take(~left.sure), labels, classes),
    )


def _bound(label: str, calibration: Calibration | None, settings: VerifySettings) -> float:
    """Give the score from which on a class is seen, infinite where the judge cannot see it."""
    if calibration is None:
        return settings.min_score
    sight = calibration.sight_of(label)
    return sight.min_score if sight and sight.sees else np.inf


def _seen(sighting: Sighting, bounds: Floats, painted: Floats | None, settings: VerifySettings) -> Seen:
    """Keep of what the judge sees what counts, each object once."""
    table = table_of([sighting])
    table = table.take(distinct(table, min_iou=SAME_OBJECT_IOU))
    strength = table.score / bounds[table.label]
    order = np.argsort(-strength, kind="stable")
    order = order[strength[order] >= settings.doubtful_share]
    whatever = replace(table.take(order), label=np.zeros(len(order), np.int64))
    order = order[distinct(whatever, min_iou=RIVAL_IOU)]
    if painted is not None:
        inside = share_inside(table.xyxy[order], painted).max(axis=1, initial=0)
        order = order[inside >= PAINTED_SHARE]
    return Seen(label=table.label[order], xyxy=table.xyxy[order], score=table.score[order], strength=strength[order])


def _expected(
    objects: Sequence[DrawObject],
    known: Sequence[PictureLabel],
    *,
    classes: Sequence[str],
    bounds: Floats,
    painted: Floats | None,
) -> Expected:
    things: list[DrawObject | PictureLabel] = [*objects, *known]
    label = np.array([classes.index(each.label) for each in things], np.int64)
    xyxy = np.array([each.xyxy for each in things], np.float64).reshape(-1, 4)
    requested = np.arange(len(label)) < len(objects)
    anew = np.ones(len(label)) if painted is None else share_inside(xyxy, painted).max(axis=1, initial=0)
    covered = ~requested & (anew >= PAINTED_SHARE)
    return Expected(label=label, xyxy=xyxy, requested=requested, judged=np.isfinite(bounds[label]), covered=covered)


def _check(wish: DrawObject, row: int, paired: Paired, seen: Seen, classes: Sequence[str]) -> ObjectCheck:
    sighting = int(paired.sighting[row])
    nothing = sighting < 0
    return ObjectCheck(
        label=wish.label,
        xyxy=wish.xyxy,
        verdict=paired.verdict[row],
        score=None if nothing else float(seen.score[sighting]),
        seen=None if nothing else _corners(seen, sighting),
        seen_label="" if nothing else classes[seen.label[sighting]],
    )


def _corners(seen: Seen, row: int) -> Corners:
    x1, y1, x2, y2 = seen.xyxy[row].tolist()
    return x1, y1, x2, y2


def _follows(check: ObjectCheck, settings: VerifySettings) -> bool:
    """Say whether the label goes where the judge sees the object."""
    if check.seen is None:
        return False
    requested, seen = np.array([check.xyxy]), np.array([check.seen])
    return check.verdict == "moved" or bool(iou(requested, seen)[0] < settings.tight_iou)


def _label_of(check: ObjectCheck, settings: VerifySettings) -> PictureLabel:
    xyxy = check.seen if check.seen and _follows(check, settings) else check.xyxy
    return PictureLabel(label=check.label, xyxy=xyxy, visible_share=1, source_id="", added=True, score=check.score)


def _extras(seen: Seen, classes: Sequence[str]) -> list[PictureLabel]:
    return [
        PictureLabel(
            label=classes[seen.label[row]],
            xyxy=_corners(seen, row),
            visible_share=1,
            source_id="",
            added=True,
            score=float(seen.score[row]),
        )
        for row in range(len(seen))
    ]


def _change(check: ObjectCheck, settings: VerifySettings) -> str:
    """Say what was changed about the label of a requested object, empty for nothing."""
    if check.verdict == "moved":
        return f"{check.label} moved, and its label with it"
    if check.verdict == "found" and _follows(check, settings):
        return f"the label of {check.label} was fitted to what is seen"
    return ""


def _blind_spot(expected: Expected, classes: Sequence[str]) -> str:
    """Say what was painted over that the judge cannot see, empty for nothing."""
    hidden = expected.label[expected.covered & ~expected.judged]
    return (
        f"{classes[hidden[0]]} of the photo was painted over, and the judge cannot see the class" if len(hidden) else ""
    )


def _doubt(seen: Seen, labels: Sequence[PictureLabel], classes: Sequence[str]) -> str:
    """Say which doubtful sighting, the most likely first, is no part of a labelled object; empty for none."""
    corners = np.array([label.xyxy for label in labels], np.float64).reshape(-1, 4)
    number: Ints = np.array([classes.index(label.label) for label in labels], np.int64)
    is_part = (share_inside(seen.xyxy, corners) >= PART_SHARE) & (seen.label[:, None] == number)
    alone = np.flatnonzero(~is_part.any(axis=1))
    if not len(alone):
        return ""
    first = alone[0]
    return f"there may be a {classes[seen.label[first]]} without a label (score {seen.score[first]:.2f})"
