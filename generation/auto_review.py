"""Judge pictures by rule: is enough of each object there, is it large enough, and is the picture a new one."""

from collections.abc import Sequence

import numpy as np

from generation.pairing import ious
from generation.records import PictureLabel, ReviewSettings, SyntheticImage, Verdict
from training.boxes import Floats, Ints

REVIEWER = "rule"
MIN_SAME_PLACE = 0.8  # IoU from which on two objects of a class lie in the same place


def judge_by_rule(pictures: Sequence[SyntheticImage], *, settings: ReviewSettings | None = None) -> tuple[Verdict, ...]:
    """Give a verdict a picture, in order; of near-duplicates the first that is accepted wins.

    Near-duplicates look alike and show the same classes in the same places. Looks alone are not enough: a small object
    on a photo that was used before does not change the look.
    """
    settings = settings or ReviewSettings()
    looks = np.array([int(picture.look, 16) for picture in pictures], np.uint64)
    accepted: list[int] = []
    kept = np.empty(len(looks), np.uint64)  # the looks of the accepted ones
    verdicts = []
    for number, picture in enumerate(pictures):
        reason = _flaw(picture, settings)
        if not reason:
            alike = _alike(looks[number], kept[: len(accepted)], settings.max_look_bits)
            reason = _twin(picture, [pictures[accepted[row]] for row in alike])
        if not reason:
            kept[len(accepted)] = looks[number]
            accepted.append(number)
        verdicts.append(Verdict(request_id=picture.request_id, accepted=not reason, reason=reason, reviewer=REVIEWER))
    return tuple(verdicts)


def _flaw(picture: SyntheticImage, settings: ReviewSettings) -> str:
    """Give what is wrong with a picture by itself, empty where nothing is."""
    if unjudged := [check.label for check in picture.checks if check.verdict == "unjudged"]:
        return f"left to people: the judge cannot see {unjudged[0]}"
    added = _added(picture)
    if not added:
        return "no added object is visible"
    if min(label.visible_share for label in added) < settings.min_visible_share:
        return "too little of the object is visible"
    if min(_shorter_side_px(label, picture) for label in added) < settings.min_side_px:
        return "object too small"
    return ""


def _shorter_side_px(label: PictureLabel, picture: SyntheticImage) -> float:
    x1, y1, x2, y2 = label.xyxy
    return min((x2 - x1) * picture.width_px, (y2 - y1) * picture.height_px) + 1e-6  # fractions round down


def _alike(look: np.uint64, others: np.ndarray[tuple[int], np.dtype[np.uint64]], max_bits: int) -> Ints:
    """Give the rows of the looks that differ in at most so many bits."""
    return np.flatnonzero(np.bitwise_count(others ^ look) <= max_bits)


def _twin(picture: SyntheticImage, others: Sequence[SyntheticImage]) -> str:
    """Give whose near-duplicate a picture is, empty where it is nobody's."""
    twins = (other.request_id for other in others if _same_places(_added(picture), _added(other)))
    first = next(twins, None)
    return f"near-duplicate of {first}" if first else ""


def _same_places(first: Sequence[PictureLabel], second: Sequence[PictureLabel]) -> bool:
    """Say whether each object of either picture has one of its class in its place in the other."""
    if sorted(label.label for label in first) != sorted(label.label for label in second):
        return False
    same_class = np.array([[one.label == other.label for other in second] for one in first])
    close = same_class & (ious(_corners(first), _corners(second)) >= MIN_SAME_PLACE)
    return bool(close.any(axis=0).all() and close.any(axis=1).all())


def _corners(labels: Sequence[PictureLabel]) -> Floats:
    return np.array([label.xyxy for label in labels])


def _added(picture: SyntheticImage) -> tuple[PictureLabel, ...]:
    return tuple(label for label in picture.labels if label.added)
