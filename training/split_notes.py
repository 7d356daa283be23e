"""What a person should know about splits: duplicates, leaks, groups that were too large, splits that were made here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.records import SPLITS, Split
from training.source import FoundPhoto

NoteKind = Literal[
    "duplicates",
    "other labels",
    "duplicates across splits",
    "bursts across splits",
    "large group",
    "cut",
    "empty split",
]

MAX_EXAMPLES = 5


@dataclass(frozen=True)
class SplitNote:
    """Something about the splits that a person should know."""

    kind: NoteKind
    count: int
    text: str
    """One sentence."""
    examples: tuple[tuple[str, ...], ...] = ()
    """At most five: the source files, or the group, that it is about."""


def copy_notes(photos: Sequence[FoundPhoto], first: Sequence[int]) -> list[SplitNote]:
    """Tell of exact duplicates; `first` gives each photo the position of the first with the same bytes."""
    groups = [members for members in _grouped(first) if len(members) > 1]
    relabelled = [members for members in groups if len({frozenset(photos[p].boxes) for p in members}) > 1]
    spread = [members for members in groups if len({photos[p].split for p in members} - {None}) > 1]
    extra = sum(len(members) - 1 for members in groups)
    relabelled_text = "{} photos come more than once with different labels: the first labels are kept"
    spread_text = "{} photos are in several splits of the source: each is kept in the first of train, val and test"
    return [
        *_note("duplicates", extra, "{} photos are exact duplicates of others: each is kept once", photos, groups),
        *_note("other labels", len(relabelled), relabelled_text, photos, relabelled),
        *_note("duplicates across splits", len(spread), spread_text, photos, spread),
    ]


def burst_notes(photos: Sequence[FoundPhoto], leaders: Sequence[int], splits: Sequence[Split]) -> list[SplitNote]:
    """Tell of bursts that lie in several splits; `leaders` gives each photo the first of its burst."""
    spread = [members for members in _grouped(leaders) if len({splits[p] for p in members}) > 1]
    text = "{} bursts of near-identical photos lie in several splits, which flatters scores"
    return _note("bursts across splits", len(spread), text, photos, spread)


def large_notes(sizes: dict[str, int]) -> list[SplitNote]:
    """Tell of groups, with their sizes, that were too large to keep together."""
    text = "{}: {} photos are too many to keep together, so they go one by one"
    return [SplitNote("large group", size, text.format(key, size), ((key,),)) for key, size in sorted(sizes.items())]


def empty_notes(splits: Sequence[Split]) -> list[SplitNote]:
    """Tell of splits without a photo."""
    return [SplitNote("empty split", 0, f"{split} has no photo") for split in SPLITS if split not in splits]


def _grouped(first: Sequence[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for position, leader in enumerate(first):
        groups[leader].append(position)
    return list(groups.values())


def _note(
    kind: NoteKind, count: int, text: str, photos: Sequence[FoundPhoto], groups: Sequence[list[int]]
) -> list[SplitNote]:
    if not count:
        return []
    examples = tuple(tuple(str(photos[p].path) for p in members[:MAX_EXAMPLES]) for members in groups[:MAX_EXAMPLES])
    return [SplitNote(kind, count, text.format(count), examples)]
