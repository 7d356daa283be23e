"""What belongs together: labels of a photo that overlap strongly move and scale as one, a hard hat with its person."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from generation.priors import Priors, covers, pairs
from training.boxes import Bools, Floats, Ints

JOINED_SHARE = 0.5  # of the smaller box: a hard hat lies in the person who wears it
MAX_TOGETHER = 4  # labels of a group that comes along with one of them; more are a crowd


def groups_of(priors: Priors) -> Ints:
    """Give the number of each label's group: labels that overlap strongly, directly or through others."""
    count = len(priors.labels)
    first, second = pairs(priors.labels.image)
    joined = covers(priors.labels.xyxy[first], priors.labels.xyxy[second], JOINED_SHARE)
    edges = np.ones(int(joined.sum()), np.int8), (first[joined], second[joined])
    return np.asarray(connected_components(coo_array(edges, shape=(count, count)), directed=False)[1], np.int64)


def company_of(groups: Ints) -> Ints:
    """Give the rows of each label's group, (n,) → (n, 4), itself first; -1 for none, and for the others of a crowd."""
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    seats, size = np.arange(MAX_TOGETHER), sizes[groups][:, None]
    order = np.append(np.argsort(groups, kind="stable"), np.full(MAX_TOGETHER, -1))
    rows = np.where((seats < size) & (size <= MAX_TOGETHER), order[starts[groups][:, None] + seats], -1)
    own = np.arange(len(groups))[:, None]
    others = np.where(rows == own, -1, rows)
    others = np.take_along_axis(others, np.argsort(others < 0, axis=1, kind="stable"), axis=1)
    return np.concatenate([own, others[:, : MAX_TOGETHER - 1]], axis=1)


def frames(boxes: Floats, group: Ints, count: int) -> Floats:
    """Give the smallest box around each group of boxes; (n, 4), (n,) → (count, 4)."""
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, group, boxes[:, :2])
    np.maximum.at(high, group, boxes[:, 2:])
    return np.concatenate([low, high], axis=1)


def carried(
    boxes_px: Floats, group: Ints, *, anchor_px: Floats, scale: Floats, target: Floats, canvas_px: Floats
) -> tuple[Floats, Bools]:
    """Scale groups of boxes (n, 4) about their anchors (g, 2) and bring these to targets (g, 2), as shares of a canvas.

    Gives corners as fractions of the canvas (2,), (n, 4), and whether each group fits, (g,). A group that fits is moved
    inside as a whole.
    """
    offsets = (boxes_px - np.tile(anchor_px, 2)[group]) * scale[group, None]
    boxes = offsets / np.tile(canvas_px, 2) + np.tile(target, 2)[group]
    frame = frames(boxes, group, len(scale))
    inwards = np.clip(-frame[:, :2], 0, None) - np.clip(frame[:, 2:] - 1, 0, None)
    fits = (frame[:, 2:] - frame[:, :2] <= 1 + 1e-9).all(axis=1)
    return np.clip(np.round(boxes + np.tile(inwards, 2)[group], 6), 0, 1), np.asarray(fits)
