"""Pictures in which the judge sees what the champion misses: the ones worth having, if the judge is right.

How right it is shows when people have reviewed some of them, so these are counted on their own.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from curation.records import Disputed
from generation.records import SyntheticImage
from training.boxes import Bools, BoxTable, ImageTable
from training.files import digest_of
from training.matching import error_kinds, match


def tables_of(pictures: Sequence[SyntheticImage], classes: Sequence[str]) -> tuple[ImageTable, BoxTable]:
    """Give pictures and the objects that were added to them as tables, a row of the first a picture."""
    images = ImageTable(
        id=np.array([picture.request_id for picture in pictures], np.str_),
        path=np.array([picture.path for picture in pictures], np.str_),
        width_px=np.array([picture.width_px for picture in pictures], np.int64),
        height_px=np.array([picture.height_px for picture in pictures], np.int64),
        split=np.full(len(pictures), "train"),
    )
    added = [(row, label) for row, picture in enumerate(pictures) for label in picture.labels if label.added]
    labels = BoxTable(
        id=np.array([digest_of([pictures[row].request_id, place]) for place, (row, _) in enumerate(added)], "<U24"),
        image=np.array([row for row, _ in added], np.int64),
        label=np.array([classes.index(label.label) for _, label in added], np.int64),
        xyxy=np.array([label.xyxy for _, label in added], np.float64).reshape(-1, 4),
        score=np.ones(len(added)),
    )
    return images, labels


def holds_missed(labels: BoxTable, predictions: BoxTable, *, image_count: int, min_score: float) -> Bools:
    """Say of each picture (n,) whether it holds an object that the predictions do not find at an IoU of 0.5."""
    errors = error_kinds(predictions, labels, match(predictions, labels), min_score=min_score)
    held = np.zeros(image_count, np.bool_)
    held[labels.image[~errors.label_found]] = True
    return held


def count_disputed(request_ids: Collection[str], by_hand: Mapping[str, bool]) -> Disputed:
    """Count the pictures that people reviewed, and those that they accepted."""
    reviewed = [by_hand[request_id] for request_id in request_ids if request_id in by_hand]
    return Disputed(pictures=len(request_ids), reviewed=len(reviewed), right=sum(reviewed))
