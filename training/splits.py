"""Which photo is learned from, analysed, or only judged: decided once, by content, and never moved again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from training.boxes import BoxTable, ImageTable
from training.bursts import burst_leaders, earlier_alike
from training.errors import DataError
from training.files import digest_of
from training.records import SPLITS, Split
from training.source import FoundPhoto
from training.split_notes import SplitNote, burst_notes, copy_notes, empty_notes, large_notes

Shares = tuple[float, float, float]
MAX_GROUP_SHARE = 0.05
MIN_LARGE_GROUP = 6  # below this a group is kept together however few photos there are


@dataclass(frozen=True)
class SplitPlan:
    """A split for every photo, in the order of the photos, and what there is to say about it."""

    splits: tuple[Split, ...]
    notes: tuple[SplitNote, ...]


@dataclass(frozen=True)
class VisibleChange:
    """How small a change of one class's recall could be seen on one split."""

    split: Split
    label: str
    objects: int
    photos: int
    """Photos that hold the class."""
    share: float
    """Smallest change of recall, 0–1."""


def assign_splits(
    photos: Sequence[FoundPhoto],
    *,
    placed: Sequence[FoundPhoto] = (),
    shares: Shares = (0.7, 0.15, 0.15),
    seed_text: str = "curate",
) -> SplitPlan:
    """Give every photo its split; `placed` are photos that were added before, with theirs, and never move.

    1. A copy of a placed photo goes where that one is.
    2. A split that the source gives stays. Exact duplicates that it puts into several go to the first of train, val and
       test: a model that was brought may have learned from them.
    3. Where a first source has splits but no val, val is cut from train by its share; no test: half of val becomes
       test; neither: both are cut from train.
    4. Any other photo follows its group where all photos of the group that have a split are in one.
    5. Else its group decides, by a hash of `seed_text` and what identifies the group: the `group` field, or else the
       first photo of its burst. A group of more than a twentieth of the photos is reported, not kept together.

    Of a burst the first photo stands for all, in the order given. `shares` are of train, val and test and sum to 1.
    Raises `DataError` where the source has splits but no train.
    """
    _check_shares(shares)
    everything = [*placed, *photos]
    first = _first_copies(everything)
    leaders = _leaders(everything, first)
    keys, large = _group_keys(everything, leaders)
    told, cut_notes = _told_splits(everything, first, placed_count=len(placed)), list[SplitNote]()
    if not placed:
        told, cut_notes = _cut(told, keys, shares, seed_text)
    home = _homes(told, keys)
    splits = tuple(
        split or home.get(key) or _drawn(_position(seed_text, key), shares)
        for split, key in zip(told, keys, strict=True)
    )
    notes = (
        *cut_notes,
        *copy_notes(everything, first),
        *burst_notes(everything, leaders, splits),
        *large_notes(large),
        *empty_notes(splits),
    )
    return SplitPlan(splits=splits[len(placed) :], notes=notes)


def free_splits(
    photos: Sequence[FoundPhoto], wanted: Sequence[Split], *, placed: Sequence[FoundPhoto]
) -> list[Split | None]:
    """Give each photo a split, so that none of val or test resembles one of train; None where that cannot be.

    1. A photo that resembles no other (`training.bursts.earlier_alike`) goes where it is wanted.
    2. One that is wanted in train goes nowhere else: it has no place if it resembles a photo of val or test.
    3. One that is wanted in val or test goes to the one split that holds photos like it. It goes where it is wanted if
       both val and test do, and has no place if train and another do.

    Photos that come earlier in the list count like those that are `placed`, among which none of `photos` may be.
    """
    splits: list[Split | None] = [photo.split for photo in placed]
    for own, rows in zip(wanted, earlier_alike([*placed, *photos], start=len(placed)), strict=True):
        splits.append(_beside(own, {split for split in (splits[row] for row in rows) if split}))
    return splits[len(placed) :]


def smallest_visible_change(photos: int) -> float:
    """Give the smallest change of recall, 0–1, that stands out on a class that `photos` photos hold.

    1.96 · √(2 p (1 − p) / n) at p = 0.5: the half-width of a 95 % interval of the difference of two shares, with the
    photo as the unit, since objects of one photo are not independent. A paired comparison may see smaller ones; 1 means
    that nothing can be seen.
    """
    return min(1.0, 1.96 * (2 * 0.5 * 0.5 / photos) ** 0.5) if photos > 0 else 1.0


def visible_changes(images: ImageTable, labels: BoxTable, classes: Sequence[str]) -> tuple[VisibleChange, ...]:
    """Give, for val and test and each class, the smallest change of recall that could be seen there."""
    found = []
    for split in SPLITS[1:]:
        rows = np.flatnonzero(images.split[labels.image] == split)
        objects = np.bincount(labels.label[rows], minlength=len(classes))
        pairs = np.unique(np.stack([labels.image[rows], labels.label[rows]], axis=1), axis=0)
        photos = np.bincount(pairs[:, 1], minlength=len(classes))
        found += [
            VisibleChange(split, name, int(objects[i]), int(photos[i]), smallest_visible_change(int(photos[i])))
            for i, name in enumerate(classes)
        ]
    return tuple(found)


def _beside(wanted: Split, there: set[Split]) -> Split | None:
    """Give the split of one photo that resembles photos of `there`."""
    if wanted == "train":
        return None if there - {"train"} else wanted
    if len(there) == 1:
        return next(iter(there))
    return None if "train" in there else wanted


def _check_shares(shares: Shares) -> None:
    if min(shares) < 0 or shares[0] <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares of train, val and test must sum to 1, with some train, got {shares}")


def _first_copies(photos: Sequence[FoundPhoto]) -> list[int]:
    """Give for each photo the position of the first with the same bytes."""
    seen: dict[str, int] = {}
    return [seen.setdefault(photo.photo_id, position) for position, photo in enumerate(photos)]


def _leaders(photos: Sequence[FoundPhoto], first: list[int]) -> list[int]:
    """Give for each photo the position of the first of its burst, exact duplicates included."""
    unique = sorted(set(first))
    among = burst_leaders([photos[position] for position in unique])
    leader = {position: unique[int(found)] for position, found in zip(unique, among, strict=True)}
    return [leader[position] for position in first]


def _group_keys(photos: Sequence[FoundPhoto], leaders: list[int]) -> tuple[list[str], dict[str, int]]:
    """Give what decides for each photo, and the groups that are too large to decide, with their sizes."""
    by_field = [f"group {photos[leader].group}" if photos[leader].group else "" for leader in leaders]
    by_burst = [f"burst of {photos[leader].photo_id}" for leader in leaders]
    counts = Counter(key for key in by_field if key) + Counter(by_burst)
    limit = max(MAX_GROUP_SHARE * len(photos), MIN_LARGE_GROUP - 1)
    large = {key: count for key, count in counts.items() if count > limit}
    keys = []
    for photo, field_key, burst_key in zip(photos, by_field, by_burst, strict=True):
        alone = f"photo {photo.photo_id}"
        fitting = [key for key in (field_key, burst_key) if key and key not in large]
        keys.append(fitting[0] if fitting else alone)
    return keys, large


def _told_splits(photos: Sequence[FoundPhoto], first: list[int], *, placed_count: int) -> list[Split | None]:
    """Give the split that each photo comes with: a placed copy's, else the first that a copy of it has."""
    told: dict[int, list[Split]] = defaultdict(list)
    for position, photo in zip(first, photos, strict=True):
        if photo.split is not None:
            told[position].append(photo.split)
    own = {
        position: splits[0] if position < placed_count else min(splits, key=SPLITS.index)
        for position, splits in told.items()
    }
    return [own.get(position) for position in first]


def _cut(
    declared: list[Split | None], keys: list[str], shares: Shares, seed_text: str
) -> tuple[list[Split | None], list[SplitNote]]:
    """Make the splits that the source lacks out of those that it has."""
    have = {split for split in declared if split}
    if not have or have == set(SPLITS):
        return declared, []
    if "train" not in have:
        raise DataError(
            f"the source has photos for {' and '.join(sorted(have))} but none for train",
            hint="give it a train split, or none at all: then the splits are made here",
        )
    giver, draw, sentence = _way_to_cut(have, shares)
    splits = [
        draw(_position(seed_text, key)) if split == giver else split for split, key in zip(declared, keys, strict=True)
    ]
    moved = sum(new != old for new, old in zip(splits, declared, strict=True))
    return splits, [SplitNote("cut", moved, f"{sentence}: {moved} photos")]


def _way_to_cut(have: set[Split], shares: Shares) -> tuple[Split, Callable[[float], Split], str]:
    """Give the split to cut from, how a position 0–1 falls, and the sentence that says so."""
    train, val, _ = shares
    if have == {"train"}:
        return "train", lambda at: _drawn(at, shares), "the source has only train, so val and test are cut from it"
    if have == {"train", "test"}:
        keep = train / (train + val)
        return "train", lambda at: "train" if at < keep else "val", "the source has no val, so it is cut from train"
    return "val", lambda at: "val" if at < 0.5 else "test", "the source has no test, so half of val becomes test"


def _homes(splits: Iterable[Split | None], keys: Iterable[str]) -> dict[str, Split]:
    """Give the split of each group whose placed photos are all in one."""
    found: dict[str, set[Split]] = defaultdict(set)
    for split, key in zip(splits, keys, strict=True):
        if split is not None:
            found[key].add(split)
    return {key: next(iter(splits)) for key, splits in found.items() if len(splits) == 1}


def _position(seed_text: str, key: str) -> float:
    """Give a number 0–1 that depends on nothing but the two texts."""
    return int(digest_of([seed_text, key])[:13], 16) / 16**13


def _drawn(position: float, shares: Shares) -> Split:
    train, val, test = shares
    if position < train or (val == 0 and test == 0):
        return "train"
    return "val" if position < train + val or test == 0 else "test"
