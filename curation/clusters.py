"""Groups of objects that look alike to the detector, and labels that the look of their neighbours contradicts.

Both work on the detector's own embeddings of crops (`training.detector`), so they show what it can tell apart.

At most 20,000 crops are embedded. Where there are more objects, these are a sample that was drawn without a look at
what was found, and beside it the errors that are not in it: errors are what clusters should tell apart, and what
suspected labels are found among. But recall within a cluster, and its share of train or of val, can only be measured
on the sample: among all errors and a few of the others every cluster would look missed, and the weak ones would look
larger on val than they are. So an object beside the sample has no value; clusters are made from it all the same, unless
it is of the confirm half, of which nothing that is tested may know the errors.
"""

import numpy as np
from numpy.typing import NDArray

from curation.diagnose import Column
from training.boxes import Bools, Floats, Ints

Vectors = NDArray[np.float32]
MAX_CROPS = 20_000
MIN_CROPS = 60
"""On fewer there are no clusters: twelve of them would hold five crops each."""
CLUSTER_COUNTS = (2, 3, 4, 6, 8, 12)
MAX_COMPONENTS = 32
JUDGED_CROPS = 2_000
"""Crops that the choice of a number of clusters is judged on: its cost grows with their square."""
NEIGHBOURS = 10
MIN_SPREAD = 1e-6
"""A channel that varies less is the same everywhere."""
ROWS_AT_ONCE = 512  # 40 MB of similarities to 20,000 crops


def crops_to_embed(
    is_error: Bools, is_val: Bools, *, rng: np.random.Generator, max_count: int = MAX_CROPS
) -> tuple[Ints, Bools]:
    """Give the rows worth embedding, ascending, at most `max_count`, and which of them are of the sample; both (m,).

    All, where that is no more. Else the sample has as many places as all errors would leave, but at least half, and its
    half is of val as far as it goes. The other places are for errors; where they are too few, for a sample of these.
    """
    if len(is_error) <= max_count:
        return np.arange(len(is_error)), np.ones(len(is_error), np.bool_)
    size = max(max_count - int(np.count_nonzero(is_error)), max_count // 2)  # how many errors, not which
    val, train = np.flatnonzero(is_val), np.flatnonzero(~is_val)
    of_val = min(len(val), max(size // 2, size - len(train)))
    sampled = np.zeros(len(is_error), np.bool_)
    sampled[rng.choice(val, of_val, replace=False)] = True
    sampled[rng.choice(train, size - of_val, replace=False)] = True
    errors = np.flatnonzero(is_error & ~sampled)
    beside = rng.choice(errors, min(len(errors), max_count - size), replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(sampled), beside]))
    return rows, sampled[rows]


def cluster_column(
    vectors: Vectors, rows: Ints, labels: Ints, *, sampled: Bools, count: int, rng: np.random.Generator
) -> Column | None:
    """Give the column `look` with the values `cluster 1` (the largest) and on, −1 where not of the sample.

    None on fewer than 60 crops, and where all are one to the detector.

    `vectors` (m, d), `labels` (m,) and `sampled` (m,) are of the table's `rows` (m,); the table has `count` rows. Every
    class is moved to the same mean first: a detector tells classes apart best, and what is asked for is how objects of
    one class differ. Then each channel is scaled to unit variance, the first 32 principal components are kept, and
    k-means is run for 2, 3, 4, 6, 8 and 12 clusters; the number with the largest mean silhouette (Rousseeuw 1987) on at
    most 2,000 crops is taken, the smaller one where two are equal.
    """
    if len(rows) < MIN_CROPS:
        return None
    scaled = _scaled(_without_class(vectors, labels))
    if not scaled.any():
        return None
    member = _by_size(_best_clusters(_components(scaled, rng), rng), sampled)
    codes = np.full(count, -1, np.int16)
    codes[rows[sampled]] = member[sampled]
    return Column("look", tuple(f"cluster {number + 1}" for number in range(member.max() + 1)), codes, "cluster")


def neighbour_labels(vectors: Vectors, labels: Ints, photo: Ints, *, k: int = NEIGHBOURS) -> tuple[Ints, Floats]:
    """Give the class that most of a crop's `k` nearest crops of other photos carry, and their share of the k, 0–1.

    All are (n,); near is the cosine of embeddings with each channel scaled to unit variance. Ties: the smaller class
    number. Where fewer than k crops lie in other photos, the missing ones vote for nobody; −1 where there are none.
    """
    found, share = np.full(len(labels), -1), np.zeros(len(labels))
    if not len(labels):
        return found, share
    unit = _unit(_scaled(vectors))
    for start in range(0, len(labels), ROWS_AT_ONCE):
        here = slice(start, start + ROWS_AT_ONCE)
        likeness = unit[here] @ unit.T
        likeness[photo[here, None] == photo] = -np.inf
        found[here], share[here] = _vote(likeness, labels, k)
    return found, share


def nearest_values(queries: Vectors, vectors: Vectors, codes: Ints, *, k: int = NEIGHBOURS) -> Ints:
    """Give the code that most of the `k` nearest of some vectors (m, d) with `codes` (m,) carry, for queries (n, d).

    Near is as in `neighbour_labels`; −1 where there are no vectors.
    """
    found = np.full(len(queries), -1)
    if not len(vectors):
        return found
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
    usual = np.where(spread > MIN_SPREAD, spread, np.inf)
    unit, asked = _unit((vectors - mean) / usual), _unit((queries - mean) / usual)
    for start in range(0, len(queries), ROWS_AT_ONCE):
        here = slice(start, start + ROWS_AT_ONCE)
        found[here], _ = _vote(asked[here] @ unit.T, codes, k)
    return found


def _vote(likeness: Vectors, codes: Ints, k: int) -> tuple[Ints, Floats]:
    """Give for each row the code that most of its `k` nearest columns carry, and their share of the k."""
    nearest = np.argpartition(-likeness, min(k, len(codes)) - 1, axis=1)[:, :k]
    row, place = np.nonzero(np.isfinite(np.take_along_axis(likeness, nearest, axis=1)))
    kinds = int(codes.max()) + 1
    voted = row * kinds + codes[nearest[row, place]]
    votes = np.bincount(voted, minlength=len(likeness) * kinds).reshape(len(likeness), kinds)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1), votes.max(axis=1) / k


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def _without_class(vectors: Vectors, labels: Ints) -> Vectors:
    """Move every class to the mean 0."""
    counts = np.bincount(labels)
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, labels, vectors)
    return np.asarray(vectors - (sums / np.maximum(counts, 1)[:, None])[labels], np.float32)


def _scaled(vectors: Vectors) -> Vectors:
    """Give channels with mean 0 and variance 1; a channel that is the same everywhere becomes 0."""
    spread = vectors.std(axis=0)
    usual = np.where(spread > MIN_SPREAD, spread, np.inf)
    return np.asarray((vectors - vectors.mean(axis=0)) / usual, np.float32)


def _components(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    from sklearn.decomposition import PCA  # noqa: PLC0415

    wanted = min(MAX_COMPONENTS, *vectors.shape)
    pca = PCA(wanted, svd_solver="randomized", random_state=int(rng.integers(2**31)))
    return np.asarray(pca.fit_transform(vectors), np.float32)


def _best_clusters(points: Vectors, rng: np.random.Generator) -> Ints:
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    judged = rng.choice(len(points), min(JUDGED_CROPS, len(points)), replace=False)
    different = len(np.unique(points.round(4), axis=0))
    best, member = -np.inf, np.zeros(len(points), np.int64)
    for count in (count for count in CLUSTER_COUNTS if count <= different):
        tried = KMeans(count, n_init=3, random_state=int(rng.integers(2**31))).fit_predict(points)
        if len(np.unique(tried[judged])) < 2:  # all points are one, or the sample missed the small cluster
            continue
        score = float(silhouette_score(points[judged], tried[judged]))
        if score > best:
            best, member = score, np.asarray(tried, np.int64)
    return member


def _by_size(member: Ints, sampled: Bools) -> Ints:
    """Number clusters by their falling share of the sample, so that their names do not hang on chance."""
    sizes = np.bincount(member[sampled], minlength=member.max() + 1)
    place = np.empty(len(sizes), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.asarray(place[member], np.int64)
