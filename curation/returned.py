"""Labels that come back for selected photos: which they are, what people changed, and where the photos go.

Nothing but arguments. The rules, in their order:

1. A photo is of a selection by the digest of its bytes, wherever it lies and whatever it is called.
2. Two label sets for one photo: the photo is refused.
3. A label of a class that the workspace does not know: the photo is refused, since the rest of its labels alone would
   teach that the object is background. The same holds for a label whose class its file does not name: a number of
   YOLO, a category of COCO, an empty name.
4. Where more than half of the photos are of selections, a photo that is of none and new to the workspace is refused.
   Else the folder is an ordinary import that holds some selected photos, too.
5. Nobody changed a single pre-label, or no label came back at all: an error, unless that is allowed.
6. Photos that were picked at random go half to val and half to test, by a hash of their id; all others go to train.
7. No photo of val or test may be nearly the same as one of train (`training.splits.free_splits`): a photo that was
   picked at random goes where those like it are; one that was picked for a reason is refused where val or test holds
   one like it.
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.imports import Returned
from curation.selection import Pick, Selection
from training.boxes import BoxTable, Floats, ImageTable, Ints
from training.errors import DataError
from training.files import digest_of
from training.records import SPLITS, Split
from training.source import FoundBox, FoundPhoto, Refusal, Source, printable
from training.splits import free_splits

MAX_CORNER_SHIFT = 1e-4
"""Fraction of the picture: tools round corners; people move them further."""
MAX_LISTED = 5
CLASSLESS = ("unknown class", "not a class name")
"""Kinds of refusals, as readers give them, of labels without a class."""
TORN = "copy across splits: train and val or test would hold nearly the same"


@dataclass(frozen=True)
class Selected:
    """A selection with all that it refers to."""

    selection: Selection
    picks: tuple[Pick, ...]
    images: ImageTable
    """In the order of the picks."""
    prelabels: BoxTable


@dataclass(frozen=True)
class _Out:
    """One photo as it went out."""

    number: int
    pick: Pick
    label: Ints
    """Class numbers of the workspace."""
    xyxy: Floats


def settle(
    source: Source,
    selected: Sequence[Selected],
    *,
    classes: Sequence[str],
    placed: Sequence[FoundPhoto],
    by: str,
    at: str,
    allow_untouched: bool = False,
) -> tuple[Source, Returned | None]:
    """Give the source with each selected photo in its split and without what is refused, and what came back.

    To be called before splits are assigned: a split that a photo has stays. `classes` are those of the workspace,
    `placed` its photos, which an import skips. A source without a photo of a selection is given as it is, with None.
    Raises `DataError` where no photo is left, and where nobody changed a pre-label and that is not allowed.
    """
    out = _handed_out(selected, classes)
    if not any(photo.photo_id in out for photo in source.photos):
        return source, None
    known_ids = {photo.photo_id for photo in placed}
    refused, notes = _objections(source, out, classes, known_ids)
    splits = _splits(source, out, placed, skipped=refused.keys() | known_ids)
    torn = dict.fromkeys((photo_id for photo_id, split in splits.items() if split is None), TORN)
    notes += _sentence("photos left out, since train and val or test would hold nearly the same", torn, source)
    lost = refused | torn
    kept = tuple(
        replace(photo, split=splits.get(photo.photo_id, photo.split))
        for photo in source.photos
        if photo.photo_id not in lost
    )
    if not kept:
        raise DataError(f"no photo of the source can be taken: {'; '.join(notes)}", hint="correct the labels")
    new = {photo.photo_id: photo for photo in kept if photo.photo_id in out and photo.photo_id not in known_ids}
    notes += _emptied_sentence(new.values(), out)
    returned = _counted(new, out, classes, by=by, at=at, notes=notes) if new else None
    left_out = [photo for photo in source.photos if photo.photo_id in torn]
    is_work_lost = any(not _is_untouched(photo, out[photo.photo_id], classes) for photo in left_out)
    if returned and not allow_untouched and not is_work_lost and not refused.keys() & out.keys():
        _check_labelled(returned, source)
    used = {box.label for photo in kept for box in photo.boxes}
    return replace(
        source,
        photos=kept,
        classes=tuple(name for name in source.classes if name in used or name in classes),
        refusals=(
            *source.refusals,
            *(_refusal(photo, lost[photo.photo_id]) for photo in source.photos if photo.photo_id in lost),
        ),
    ), returned


def _check_labelled(returned: Returned, source: Source) -> None:
    """Raise `DataError` where people seem not to have labelled at all, or to have given their labels elsewhere."""
    if returned.untouched_photos == returned.photos:
        raise DataError(
            f"nobody changed a pre-label of the {returned.photos} photos that came back: all are the champion's",
            hint="if they are right as they are, take them with --allow-bad; else give what people saved",
        )
    if not any(photo.boxes for photo in source.photos):
        raise DataError(
            f"the {returned.photos} photos of selections came back without a single label",
            hint="if they show no object, take them with --allow-bad; else give what people saved",
        )


def _handed_out(selected: Sequence[Selected], classes: Sequence[str]) -> dict[str, _Out]:
    """Give each selected photo as it went out; one that two selections hold is of the first."""
    numbers = {name: number for number, name in enumerate(classes)}
    found: dict[str, _Out] = {}
    for each in selected:
        own = np.array([numbers.get(name, -1) for name in each.selection.classes], np.int64)
        label = own[each.prelabels.label]
        for row, pick in enumerate(each.picks):
            here = each.prelabels.image == row
            one = _Out(each.selection.number, pick, label[here], each.prelabels.xyxy[here])
            found.setdefault(pick.photo_id, one)
    return found


def _objections(
    source: Source, out: Mapping[str, _Out], classes: Sequence[str], known_ids: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Give why photos are refused, by id, and a sentence for each reason."""
    back = [photo for photo in source.photos if photo.photo_id in out]
    twice, unknown, rows = _labelled_twice(back), _unknown(back, classes), _bad_rows(source, back)
    strangers = _strangers(source, out, known_ids)
    sentences = [
        *_sentence("photos refused because they were labelled twice, differently", twice, source),
        *_class_sentences(back, classes),
        *_sentence("photos refused because the file of a label does not name its class", rows, source),
        *_sentence("photos refused because they are not of a selection", strangers, source),
    ]
    return strangers | rows | unknown | twice, sentences


def _labelled_twice(back: Sequence[FoundPhoto]) -> dict[str, str]:
    sets: dict[str, set[frozenset[FoundBox]]] = defaultdict(set)
    for photo in back:
        sets[photo.photo_id].add(frozenset(photo.boxes))
    reason = "labelled twice: the photo comes with {} different label sets"
    return {photo_id: reason.format(len(found)) for photo_id, found in sets.items() if len(found) > 1}


def _unknown(back: Sequence[FoundPhoto], classes: Sequence[str]) -> dict[str, str]:
    names = {photo.photo_id: sorted({box.label for box in photo.boxes} - set(classes)) for photo in back}
    return {photo_id: f"unknown class: {', '.join(found)}" for photo_id, found in names.items() if found}


def _bad_rows(source: Source, back: Sequence[FoundPhoto]) -> dict[str, str]:
    """Find photos of which the reader left out a label because it is of no class."""
    lost = {each.photo_id for each in source.refusals if each.kind in CLASSLESS and each.lost == "label"}
    reason = "unknown class: the file of a label does not name it"
    return {photo.photo_id: reason for photo in back if photo.photo_id in lost}


def _strangers(source: Source, out: Mapping[str, _Out], known_ids: Collection[str]) -> dict[str, str]:
    """Find the photos that are of no selection and new, where most of the source is of selections."""
    ids = {photo.photo_id for photo in source.photos}
    if 2 * len(ids & out.keys()) <= len(ids):
        return {}
    return dict.fromkeys(ids - out.keys() - set(known_ids), "not of a selection: it was not handed out for labelling")


def _refusal(photo: FoundPhoto, reason: str) -> Refusal:
    return Refusal(file=printable(photo.path.name), line=None, reason=reason, lost="photo")


def _splits(
    source: Source, out: Mapping[str, _Out], placed: Sequence[FoundPhoto], *, skipped: Collection[str]
) -> dict[str, Split | None]:
    """Give where new photos of selections go, by id, None for nowhere: first those that were picked for a reason.

    Photos of none whose split the source gives keep it, so they count like those that are placed.
    """
    came = {photo.photo_id: photo for photo in source.photos if photo.photo_id not in skipped}
    told = [photo for photo_id, photo in came.items() if photo_id not in out and photo.split]
    wanted = {photo_id: split_of_pick(out[photo_id].pick) for photo_id in came.keys() & out.keys()}
    ids = sorted(wanted, key=lambda photo_id: (wanted[photo_id] != "train", photo_id))
    found = free_splits([came[each] for each in ids], [wanted[each] for each in ids], placed=[*placed, *told])
    return dict(zip(ids, found, strict=True))


def split_of_pick(pick: Pick) -> Split:
    """Give where a photo goes that is like no other: one that was chosen for a reason would bias val and test."""
    if pick.kind != "random":
        return "train"
    return "val" if int(digest_of(["val or test", pick.photo_id])[:8], 16) % 2 else "test"


def _counted(
    new: Mapping[str, FoundPhoto],
    out: Mapping[str, _Out],
    classes: Sequence[str],
    *,
    by: str,
    at: str,
    notes: list[str],
) -> Returned:
    counts = {photo_id: _untouched(photo, out[photo_id], classes) for photo_id, photo in new.items()}
    splits = Counter(photo.split for photo in new.values())
    numbers = Counter(out[photo_id].number for photo_id in new)
    return Returned(
        selections=tuple(sorted(numbers)),
        photos=len(new),
        photos_of=tuple(numbers[number] for number in sorted(numbers)),
        into={split: splits[split] for split in SPLITS},
        prelabels=sum(len(out[photo_id].label) for photo_id in new),
        untouched=sum(counts.values()),
        untouched_photos=sum(
            count == len(photo.boxes) == len(out[photo_id].label)
            for (photo_id, photo), count in zip(new.items(), counts.values(), strict=True)
        ),
        by=by,
        at=at,
        notes=tuple(notes),
    )


def _is_untouched(photo: FoundPhoto, out: _Out, classes: Sequence[str]) -> bool:
    return _untouched(photo, out, classes) == len(photo.boxes) == len(out.label)


def _untouched(photo: FoundPhoto, out: _Out, classes: Sequence[str]) -> int:
    """Count the pre-labels of a photo that came back with the same class and corners."""
    numbers = {name: number for number, name in enumerate(classes)}
    label = np.array([numbers[box.label] for box in photo.boxes], np.int64)
    xyxy = np.array([box.xyxy for box in photo.boxes], np.float64).reshape(-1, 4)
    near = (np.abs(out.xyxy[:, None] - xyxy[None]) <= MAX_CORNER_SHIFT).all(axis=2)
    return int((near & (out.label[:, None] == label[None])).any(axis=1).sum())


def _sentence(what: str, refused: Collection[str], source: Source) -> list[str]:
    """Say what was refused, with the first few files."""
    names = sorted({printable(photo.path.name) for photo in source.photos if photo.photo_id in refused})
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return [f"{what}: {', '.join(names[:MAX_LISTED])}{more}"] if names else []


def _class_sentences(photos: Sequence[FoundPhoto], classes: Sequence[str]) -> list[str]:
    """Name each class that the workspace does not know, how often it came, and what may be meant."""
    counts = Counter(box.label for photo in photos for box in photo.boxes if box.label not in classes)
    held = Counter(name for photo in photos for name in {box.label for box in photo.boxes} - set(classes))
    sentences = []
    for name, count in sorted(counts.items()):
        close = difflib.get_close_matches(name, classes, n=1)
        meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(classes)}"
        sentences.append(
            f"labels of the class {name!r}, which the workspace does not know: {count}, so photos refused: "
            f"{held[name]}; {meant}"
        )
    return sentences


def _emptied_sentence(new: Iterable[FoundPhoto], out: Mapping[str, _Out]) -> list[str]:
    """Say how many photos lost all boxes: an export of unfinished work looks the same as people who deleted them."""
    count = sum(not photo.boxes and len(out[photo.photo_id].label) > 0 for photo in new)
    return [f"photos that came back without a label, but went out with pre-labels: {count}"] if count else []
