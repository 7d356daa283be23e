"""A train split with few rare objects, the pictures made from it, and what each arm of the efficacy benchmark shows."""

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from trials import Photos, read, tell

import generation
from generation import cutout
from generation.auto_review import judge_by_rule
from generation.layout import LayoutSettings, cannot_serve, plan
from generation.painter import PastePainter, PixelDoors
from generation.produce import produce
from generation.records import Brief, SyntheticImage
from training import dataset, mix
from training.boxes import Floats, Ints
from training.errors import DataError
from training.files import digest_of, digest_of_file, write_json, write_text
from training.records import Record, TrainingFile

ARMS = ("plain", "control", "uniform", "candidate", "ceiling")
SYNTHETIC_SHARE = 0.5
TRIES = 200
MORE = (1, 2, 4)  # times as many are laid out where too few are accepted
TARGETED = LayoutSettings()
SPREAD = LayoutSettings(own_share=1.0)  # a picture for a class holds that class alone, so shares of pictures are kept
DOORS = PixelDoors(
    read_pixels=dataset.read_pixels,
    encode_jpeg=dataset.encode_jpeg,
    difference_hash=dataset.difference_hash,
    cut=cutout.cut,
    store_cutout=cutout.store,
    load_cutout=cutout.load,
)


class Made(Record):
    """The accepted pictures of an arm."""

    pictures: tuple[SyntheticImage, ...]
    seconds: float


def choose_photos(rare: Ints, *, rare_count: int, photo_count: int, rng: np.random.Generator) -> Ints:
    """Choose photos that hold exactly so many rare objects together; the rest of them holds none.

    `rare` (n,) gives the rare objects on each photo. Where fewer photos without any are there, fewer are chosen. Raises
    `DataError` where no choice holds the wanted number.
    """
    holders, others = np.flatnonzero(rare), np.flatnonzero(rare == 0)
    for _ in range(TRIES):
        chosen = _fill(rng.permutation(holders), rare, rare_count)
        if rare[chosen].sum() == rare_count and len(chosen) <= photo_count:
            rest = rng.permutation(others)[: photo_count - len(chosen)]
            return np.sort(np.concatenate([chosen, rest]))
    raise DataError(
        f"no {photo_count} photos were found that hold exactly {rare_count} rare objects", hint="take another number"
    )


def _fill(order: Ints, rare: Ints, wanted: int) -> Ints:
    """Take photos in turn, leaving out those that would be too many."""
    taken: list[int] = []
    for row in order.tolist():
        if rare[row] <= wanted:
            taken.append(row)
            wanted -= int(rare[row])
    return np.array(taken, np.int64)


def allot(total: int, weights: Floats) -> Ints:
    """Share a number in proportion to weights (n,): whole parts first, what is left to the largest remainders."""
    exact = total * weights / weights.sum()
    parts = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: total - parts.sum()]] += 1
    return np.asarray(parts)


def low_data_split(train: Photos, rare: str, *, rare_count: int, photo_count: int, rng: np.random.Generator) -> Photos:
    """Choose the photos of a low-data split.

    A choice of which no rare object can be cut out is made again: there the product asks people for labels. Raises
    `DataError` where that happens too often.
    """
    counts = train.counts[:, train.classes.index(rare)]
    for _ in range(TRIES):
        few = train.take(choose_photos(counts, rare_count=rare_count, photo_count=photo_count, rng=rng))
        if cannot_serve(brief_for(rare, len(few.images)), few.priors) is None:
            return few
    raise DataError(f"no {rare} in train can be cut out", hint="name another --rare-class, or a larger --rare-count")


def brief_for(label: str, count: int) -> Brief:
    """Ask for pictures of a class."""
    return Brief(
        brief_id=digest_of(["efficacy", label]),
        finding_id="efficacy",
        action="generate",
        label=label,
        size=None,
        pictures=count,
        reason=f"the benchmark asks for {label}",
        backend="paste",
    )


def spread_wishes(few: Photos, total: int) -> dict[str, int]:
    """Share pictures among the classes that can be pasted, by how many objects of them are labelled."""
    can = [cannot_serve(brief_for(name, total), few.priors) is None for name in few.classes]
    shares = allot(total, np.where(can, few.counts.sum(axis=0), 0).astype(np.float64))
    return {name: int(count) for name, count in zip(few.classes, shares, strict=True) if count}


def _accepted(
    few: Photos, wishes: Mapping[str, int], *, workspace: Path, folder: Path, seed: int, layout: LayoutSettings
) -> list[SyntheticImage]:
    """Make pictures of few photos until the rule has accepted as many for each class as are wished."""
    painter = PastePainter(priors=few.priors, workspace=workspace, doors=DOORS)
    found: list[SyntheticImage] = []
    for label, count in wishes.items():
        kept: list[SyntheticImage] = []
        for times in MORE:
            requests = plan(brief_for(label, count), painter.priors, count=times * count, seed=seed, settings=layout)
            outcomes = produce(requests, painter_of=lambda _: painter, folder=folder, workspace=workspace)
            made = [one for one in outcomes if isinstance(one, SyntheticImage)]
            kept = [one for one, verdict in zip(made, judge_by_rule(made), strict=True) if verdict.accepted]
            if len(kept) >= count:
                break
        found += kept[:count]
    return found


def make(few: Photos, wishes: Mapping[str, int], layout: LayoutSettings, *, out: Path, seed: int, arm: str) -> Made:
    """Make the accepted pictures of an arm, unless that is done; `wishes` gives how many for each class."""
    key = digest_of([few.priors.labels_digest(range(len(few.images))), few.images.id.tolist(), dict(wishes), seed])
    folder = out / "pictures" / f"{seed}-{arm}-{key}"
    if known := read(folder / "made.json", Made):
        return known
    shutil.rmtree(folder, ignore_errors=True)  # made in one go, so that the time is that of all
    started = time.perf_counter()
    pictures = _accepted(few, wishes, workspace=out, folder=folder, seed=seed, layout=layout)
    made = Made(pictures=tuple(pictures), seconds=time.perf_counter() - started)
    write_json(folder / "made.json", made.plain())
    tell(f"seed {seed} {arm}: {len(pictures)} of {sum(wishes.values())} pictures in {made.seconds:.0f} s")
    return made


def forget_old_pictures(out: Path) -> None:
    """Remove pictures and cut-outs that other code of `generation` has made."""
    sources = sorted(Path(str(generation.__file__)).parent.glob("*.py"))
    recipe = digest_of([digest_of_file(source) for source in sources])
    note = out / "recipe.txt"
    if not note.is_file() or note.read_text() != recipe:
        for name in ("pictures", "cutouts"):
            shutil.rmtree(out / name, ignore_errors=True)
        write_text(note, recipe)


def lists_of(
    few: Sequence[mix.Picture],
    everything: Sequence[mix.Picture],
    candidate: Sequence[mix.Picture],
    uniform: Sequence[mix.Picture],
    *,
    rare: str,
    max_length: int,
    rng: np.random.Generator,
) -> dict[str, list[TrainingFile]]:
    """List what each arm shows in one pass, all lists equally long.

    `few` are the photos of the low-data split, `everything` those of train, of which the ceiling shows as many as
    `max_length` allows. The lists of the arms with few photos are repeated whole until the ceiling has room.
    """
    count = min(len(candidate), len(uniform))
    made = mix.both_lists(few, (), candidate[:count], max_synthetic_share=SYNTHETIC_SHARE, targets={rare})
    spread = mix.both_lists(few, (), uniform[:count], max_synthetic_share=SYNTHETIC_SHARE, targets=())
    once = sum(file.times for file in made.candidate)
    times = max(1, min(math.ceil(len(everything) / once), max_length // once))
    chosen = np.sort(rng.permutation(len(everything))[: once * times])
    lists = {
        "plain": _repeated(mix.control_list(few, length=once, wanted={}), times),
        "control": _repeated(made.control, times),
        "uniform": _repeated(spread.candidate, times),
        "candidate": _repeated(made.candidate, times),
        "ceiling": mix.control_list([everything[row] for row in chosen], length=once * times, wanted={}),
    }
    assert {sum(file.times for file in files) for files in lists.values()} == {once * times}
    return lists


def _repeated(files: Sequence[TrainingFile], times: int) -> list[TrainingFile]:
    return [file.model_copy(update={"times": file.times * times}) for file in files]


def lessons_of(files: Sequence[TrainingFile], photos: Photos, made: Sequence[SyntheticImage]) -> list[mix.Lesson]:
    """Give the entries of a list with their labels, real photos first."""
    own_numbers = np.arange(len(photos.classes))
    picture_of: Mapping[str, SyntheticImage] = {picture.request_id: picture for picture in made}
    real = [file for file in files if not file.synthetic]
    drawn = [file for file in files if file.synthetic]
    return [
        *mix.real_lessons(real, photos.images, photos.labels, number_of=own_numbers),
        *(_taught(file, picture_of[file.picture_id], photos.classes) for file in drawn),
    ]


def _taught(file: TrainingFile, picture: SyntheticImage, classes: Sequence[str]) -> mix.Lesson:
    return mix.Lesson(
        file=file,
        digest=picture.digest,
        labels=np.array([classes.index(label.label) for label in picture.labels], np.int64),
        xyxy=np.array([label.xyxy for label in picture.labels], np.float64).reshape(-1, 4),
    )


def as_picture(made: SyntheticImage) -> mix.Picture:
    """Give a picture as an arm may show it."""
    names = [label.label for label in made.labels]
    return mix.Picture(made.request_id, made.path, True, {name: names.count(name) for name in sorted(set(names))})
