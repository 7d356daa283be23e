"""The arms of a round: what each learns from, equal in length, epochs and updates by construction.

Both arms see every real train photo, and the accepted pictures of earlier rounds. The candidate sees this round's
pictures besides. The control sees as many entries, none of them new: photos that hold the target classes are repeated
until those are seen as often as in the candidate, then all photos in turn. So a gain of the candidate over the control
is not a gain of more updates, nor of seeing the rare objects more often, nor of what earlier rounds made.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from training.boxes import BoxTable, Floats, ImageTable, Ints
from training.records import TrainingFile


@dataclass(frozen=True)
class Picture:
    """A picture that an arm may show: its id, its place, and how many objects of each class it holds."""

    picture_id: str
    path: str
    synthetic: bool
    objects: Mapping[str, int]


@dataclass(frozen=True)
class Lesson:
    """An entry of a list with what it teaches."""

    file: TrainingFile
    digest: str
    """Of the picture's bytes, as they were when its labels were made or frozen."""
    labels: Ints
    """(n,) class numbers of the model that learns."""
    xyxy: Floats
    """(n, 4) corners as fractions 0–1."""


class Lists(NamedTuple):
    """What the two arms show, equal in length."""

    control: list[TrainingFile]
    candidate: list[TrainingFile]


def both_lists(
    real: Sequence[Picture],
    old: Sequence[Picture],
    new: Sequence[Picture],
    *,
    max_synthetic_share: float,
    targets: Container[str],
) -> Lists:
    """List what both arms show: `old` pictures are of earlier rounds, `new` ones of this, which the control never sees.

    The share is one of the candidate's whole list. Where it is short of room, new pictures come before old ones, each
    in their order. `targets` are the classes that the new pictures are about.
    """
    room = math.floor(len(real) * max_synthetic_share / (1 - max_synthetic_share) + 1e-9)
    new = new[:room]
    old = old[: room - len(new)]
    candidate = [shown(picture, times=1) for picture in [*real, *old, *new]]
    gained = seen_objects([shown(picture, times=1) for picture in new], {each.picture_id: each for each in new})
    wanted = {label: count for label, count in gained.items() if label in targets}
    return Lists(control=control_list(real, old, length=len(candidate), wanted=wanted), candidate=candidate)


def control_list(
    real: Sequence[Picture], pool: Sequence[Picture] = (), *, length: int, wanted: Mapping[str, int]
) -> list[TrainingFile]:
    """List `length` entries: real photos and pictures of earlier rounds, each once, then repetitions of real photos.

    `wanted` gives, by target class, how many objects the candidate sees beyond one pass over these. The rarest class
    comes first: photos that hold it are repeated in turn until its number is reached, then those of the next, as far as
    there is room. What is left is filled with all photos in turn.
    """
    times = {picture.picture_id: 1 for picture in [*real, *pool]}
    missing = dict(wanted)
    spare = length - len(times)
    for label in sorted(wanted, key=lambda label: (sum(picture.objects.get(label, 0) for picture in real), label)):
        holders = [picture for picture in real if picture.objects.get(label)]
        for picture in cycle(holders):
            if not spare or missing[label] <= 0:
                break
            times[picture.picture_id] += 1
            spare -= 1
            missing = {other: count - picture.objects.get(other, 0) for other, count in missing.items()}
    for picture in islice(cycle(real), spare):
        times[picture.picture_id] += 1
    return [shown(picture, times=times[picture.picture_id]) for picture in [*real, *pool]]


def seen_objects(files: Sequence[TrainingFile], pictures: Mapping[str, Picture]) -> dict[str, int]:
    """Count the objects by class that one pass over a list shows."""
    seen: dict[str, int] = {}
    for file in files:
        for label, count in pictures[file.picture_id].objects.items():
            seen[label] = seen.get(label, 0) + count * file.times
    return dict(sorted(seen.items()))


def epochs_for(length: int, *, batch: int, max_updates: int) -> int:
    """Give the whole epochs that keep the number of optimiser steps at or below the limit, at least one."""
    return max(1, max_updates // math.ceil(length / batch))


def shown(picture: Picture, *, times: int) -> TrainingFile:
    """Give the list entry of a picture that one pass shows so often."""
    return TrainingFile(picture_id=picture.picture_id, path=picture.path, synthetic=picture.synthetic, times=times)


def real_lessons(
    files: Sequence[TrainingFile], images: ImageTable, labels: BoxTable, *, number_of: Ints
) -> list[Lesson]:
    """Give the entries of real photos with their labels; `number_of` gives the learner's number of each class.

    A photo's id is the digest of its bytes. Raises `KeyError` for an entry that is none of `images`.
    """
    row_of = {picture_id: row for row, picture_id in enumerate(images.id.tolist())}
    order = np.argsort(labels.image, kind="stable")
    first, last = (np.searchsorted(labels.image[order], np.arange(len(images)), side) for side in ("left", "right"))
    lessons = []
    for file in files:
        row = row_of[file.picture_id]
        held = order[first[row] : last[row]]
        lessons.append(Lesson(file, file.picture_id, number_of[labels.label[held]], labels.xyxy[held]))
    return lessons
