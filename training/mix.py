"""The arms of a round: what each learns from, equal in length, epochs and updates by construction.

The candidate sees every real train photo and the accepted pictures. The control sees the same number of entries, all
real: photos that hold the target classes are repeated until those are seen as often as in the candidate, then all
photos in turn. So a gain of the candidate over the control is not a gain of more updates, nor of seeing the rare
objects more often.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

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


def candidate_list(
    real: Sequence[Picture], accepted: Sequence[Picture], *, max_synthetic_share: float
) -> list[TrainingFile]:
    """List every real photo once and as many accepted pictures, in their order, as the share of the whole allows."""
    limit = math.floor(len(real) * max_synthetic_share / (1 - max_synthetic_share) + 1e-9)  # share of the final list
    return [shown(picture, times=1) for picture in [*real, *accepted[:limit]]]


def control_list(real: Sequence[Picture], *, length: int, wanted: Mapping[str, int]) -> list[TrainingFile]:
    """List real photos only, `length` entries: each once, then repetitions.

    `wanted` gives, by target class, how many objects the candidate sees beyond one pass over the real photos. The
    rarest class comes first: photos that hold it are repeated in turn until its number is reached, then those of the
    next, as far as there is room. What is left is filled with all photos in turn.
    """
    times = {picture.picture_id: 1 for picture in real}
    missing = dict(wanted)
    spare = length - len(real)
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
    return [shown(picture, times=times[picture.picture_id]) for picture in real]


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
