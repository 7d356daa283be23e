"""How much a person's look at an unlabelled photo would teach: acquisition scores from what the champion predicts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curation.clusters import Vectors
from training.boxes import BoxTable, Floats, Ints, Table, Texts, iou
from training.matching import match, same_class_pairs

MIN_FAINT_SCORE = 0.05
"""Predictions below it are noise: they tell nothing of a photo."""
MIN_SAME_IOU = 0.5
"""Boxes that overlap so much are in the same place."""


@dataclass(frozen=True)
class PoolTable(Table):
    """The photos of a pool, a row each, as the champion sees them."""

    id: Texts
    """24 hex digits: the digest of the file's bytes."""
    name: Texts
    """What it is called in the pool."""
    width_px: Ints
    height_px: Ints
    look: NDArray[np.uint64]
    """64-bit difference hash."""
    entropy: Floats
    margin: Floats
    disagreement: Floats
    faint: Floats
    firm: Ints
    """Predictions at the operating point or above."""
    vector: Vectors
    """(n, d) the champion's own view of the whole photo."""
    match: Floats
    """(n, f) how many objects of each finding's slice are expected, by the scores of predictions; f may be 0."""


@dataclass(frozen=True)
class Scores(Table):
    """The score columns of a `PoolTable`, before they are joined to it."""

    entropy: Floats
    margin: Floats
    disagreement: Floats
    faint: Floats
    firm: Ints


@dataclass(frozen=True)
class Target:
    """A confirmed finding, or a shortage, that labelled photos would help."""

    finding_id: str
    words: str
    """The slice, in words."""
    weight: float
    """What mending it would gain, in mean AP; above 0. Shares follow it."""


def score_photos(predictions: BoxTable, flipped: BoxTable, *, image_count: int, min_score: float) -> Scores:
    """Score the photos 0 to `image_count` − 1 by what the champion predicts on them, a row each, in their order.

    `predictions` are of the photos as they are, `flipped` of the same photos mirrored, with corners mirrored back.
    `min_score` is the operating point. Boxes below `MIN_FAINT_SCORE` count nowhere. A photo without boxes scores 0.
    """
    seen, seen_flipped = (boxes.take(boxes.score >= MIN_FAINT_SCORE) for boxes in (predictions, flipped))
    return Scores(
        entropy=entropy(seen, image_count=image_count),
        margin=margin(seen, image_count=image_count),
        disagreement=disagreement(seen, seen_flipped, image_count=image_count),
        faint=faint(seen, image_count=image_count, min_score=min_score),
        firm=np.bincount(seen.image[seen.score >= min_score], minlength=image_count),
    )


def entropy(boxes: BoxTable, *, image_count: int) -> Floats:
    """Give how unsure the champion is that its boxes hold objects, 0–1 a photo (image_count,).

    The binary entropy of each score in bits (Roy, Unmesh and Namboodiri, Deep active learning for object detection,
    BMVC 2018), joined by `by_photo`. Scores must lie above 0.
    """
    score = boxes.score
    rest = np.maximum(1 - score, np.finfo(np.float64).tiny)  # a score of 1 is sure: 0 bits
    return by_photo(-score * np.log2(score) - rest * np.log2(rest), boxes.image, image_count=image_count)


def margin(boxes: BoxTable, *, image_count: int) -> Floats:
    """Give how narrowly one class won over another in the same place, 0–1 a photo (image_count,); more is narrower.

    The margin of the best two classes (1-vs-2 in Brust, Käding and Denzler, Active Learning for Deep Object Detection,
    VISAPP 2019). A detector with a score of its own for each class shows the second as a box in the same place (IoU 0.5
    or more), so the margin is (s − o) / (s + o), and 1 − margin is weighted by the surer score s: noise over noise is
    a narrow margin, too, and tells nothing. Boxes without a rival score 0. Joined by `by_photo`.
    """
    first, second = _same_place(boxes)
    rivals = boxes.label[first] != boxes.label[second]
    surer, other = first[rivals], second[rivals]
    s, o = boxes.score[surer], boxes.score[other]
    narrow = np.zeros(len(boxes))
    np.maximum.at(narrow, surer, s * (1 - (s - o) / (s + o)))
    return by_photo(narrow, boxes.image, image_count=image_count)


def disagreement(boxes: BoxTable, flipped: BoxTable, *, image_count: int) -> Floats:
    """Give how far the champion takes back what it saw when the photo is mirrored, 0–1 a photo (image_count,).

    Boxes of both views are matched within a class at an IoU of 0.5 or more; a pair agrees to IoU × the smaller score,
    and what the larger score has beyond that is disagreement; a box without a partner disagrees with all its score.
    Joined by `by_photo`. After Yu et al., Consistency-based Active Learning for Object Detection (arXiv 2103.10374),
    and Elezi et al., Not All Labels Are Equal (CVPR 2022), who find it to serve weak classes better than entropy.
    """
    partner = match(flipped, boxes, max_detections=len(flipped)).label_row[:, 0]
    paired = partner >= 0
    ours = partner[paired]
    agreed = iou(flipped.xyxy[paired], boxes.xyxy[ours]) * np.minimum(flipped.score[paired], boxes.score[ours])
    lost = boxes.score.copy()
    lost[ours] = np.maximum(flipped.score[paired], boxes.score[ours]) - agreed
    return by_photo(
        np.concatenate([lost, flipped.score[~paired]]),
        np.concatenate([boxes.image, flipped.image[~paired]]),
        image_count=image_count,
    )


def faint(boxes: BoxTable, *, image_count: int, min_score: float) -> Floats:
    """Give how many objects the champion probably sees and does not report, 0 or more a photo (image_count,).

    The sum of the scores below `min_score`, each place once: a box that a surer one of any class overlaps (IoU 0.5 or
    more) is explained by it. Boxes of low scores are often real, hidden objects (Zhang et al., ByteTrack, ECCV 2022);
    the sum is the number expected if scores are probabilities, and is meant for ranks alone.
    """
    _, explained = _same_place(boxes)
    counted = boxes.score < min_score
    counted[explained] = False
    return np.asarray(np.bincount(boxes.image[counted], boxes.score[counted], minlength=image_count), np.float64)


def by_photo(value: Floats, image: Ints, *, image_count: int) -> Floats:
    """Join the values (n,) of boxes into one a photo (image_count,): half the largest, a quarter of the next, and on.

    Brust et al. (2019) compare sum, mean and maximum. The sum was best but seeks crowds, which cost people most; the
    mean drowns one telling box in a crowd; the maximum hangs on a single box. Halving lies between: values 0–1 give
    0–1, several telling boxes count more than one, and a crowd of background boxes never counts more than the largest
    of them.
    """
    order = np.lexsort((-value, image))
    place = np.arange(len(value))
    is_first = np.diff(image[order], prepend=-1) != 0
    rank = place - np.maximum.accumulate(np.where(is_first, place, 0))
    joined = np.bincount(image[order], value[order] * 0.5 ** (rank + 1.0), minlength=image_count)
    return np.asarray(joined, np.float64)


def _same_place(boxes: BoxTable) -> tuple[Ints, Ints]:
    """Give the rows of all pairs of boxes, of any class, that overlap with an IoU of 0.5 or more: surer, less sure."""
    anyhow = replace(boxes, label=np.zeros_like(boxes.label))
    pairs = same_class_pairs(anyhow, min_iou=MIN_SAME_IOU)
    turned = boxes.score[pairs.prediction] < boxes.score[pairs.label]
    return np.where(turned, pairs.label, pairs.prediction), np.where(turned, pairs.prediction, pairs.label)
