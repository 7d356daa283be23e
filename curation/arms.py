"""From accepted pictures to trained arms: what each learns from, and the training of each."""

from collections.abc import Mapping, Sequence

import numpy as np

from curation.desk import Desk, Frozen
from curation.ledger import RoundFolder
from curation.records import Batch, Briefs, Findings, Pool, Review, TrainedArms
from curation.reviewing import pictures_as_left
from curation.step_settings import FineTuning, FromScratch
from generation.records import SyntheticImage, Verdict
from training import mix
from training.errors import DataError
from training.records import Arm, ArmName, FitSettings, ImageSet, ModelVersion, Record, TrainingFile, TrainingMix
from training.retrain import Job, Start, train_alike
from training.suspects import SuspectTable
from training.tables import load_table


def start(desk: Desk, frozen: Frozen, base: ModelVersion | None) -> ModelVersion:
    """Give the model that the round starts from.

    That is the champion so far, or the model that was brought, if it knows exactly the classes of the data. Otherwise a
    first model is trained on the train photos: from those weights where there are any, else from scratch.
    """
    classes = frozen.image_set.classes
    if base is not None and _knows_exactly(base, classes):
        return base
    real = real_pictures(frozen)
    files = [mix.shown(picture, times=1) for picture in real]
    arm = keep_arm(frozen, "first", "champion", files, {picture.picture_id: picture for picture in real})
    if base is None:
        begin, settings = Start(desk.network, None), first_fit(desk.from_scratch, len(files))
    else:
        begin, settings = _from(desk, base), _fit(desk.fine_tuning, len(files))
    lessons = lessons_of(frozen, files, (), classes)
    notes = frozen.folder.path / "champion.fits"
    return desk.train(arm, lessons, settings, begin, classes=classes, number=frozen.folder.number, notes=notes)


def settings_of_start(desk: Desk, images: ImageSet, base: ModelVersion | None) -> dict[str, Record]:
    """Give the settings that `start` goes by, by section; none where it trains nothing."""
    if base is None:
        return {"training": desk.from_scratch}
    return {} if _knows_exactly(base, images.classes) else {"training": desk.fine_tuning}


def make_mix(
    desk: Desk, frozen: Frozen, found: Findings, briefs: Briefs, pool: Pool, batch: Batch, reviewed: Review
) -> TrainingMix:
    """Make the two arms, equal in length, epochs and updates.

    New pictures come first where `mix.max_synthetic_share` is short of room, then those of earlier rounds, the newest
    first; these are in both arms.
    """
    skipped = _suspected(frozen, found) if desk.config.training.skip_suspect else frozenset()
    real = [picture for picture in real_pictures(frozen) if picture.picture_id not in skipped]
    if not real:
        raise DataError("every train photo has a suspected label", hint="set training.skip_suspect: false")
    new = [taught_picture(picture) for picture in accepted_pictures(frozen.folder, batch, reviewed)]
    old = [taught_picture(picture) for picture in frozen.folder.load_lines(pool.pictures, SyntheticImage)]
    targets = {brief.label for brief in briefs.briefs if brief.action == "generate"}
    limit = desk.config.mix.max_synthetic_share
    control, candidate = mix.both_lists(real, old, new, max_synthetic_share=limit, targets=targets)
    by_id = {picture.picture_id: picture for picture in [*real, *old, *new]}
    new_ids = {picture.picture_id for picture in new}
    return TrainingMix(
        control=keep_arm(frozen, "control", "mix", control, by_id),
        candidate=keep_arm(frozen, "candidate", "mix", candidate, by_id),
        settings=_fit(desk.fine_tuning, len(candidate)),
        seeds=tuple(desk.config.training.seed + number for number in range(desk.profile.seeds)),
        new_count=sum(file.picture_id in new_ids for file in candidate),
        left_out=len(skipped),
    )


def _suspected(frozen: Frozen, found: Findings) -> frozenset[str]:
    """Give the ids of the train photos with a suspected label.

    The whole photo goes: an object without its label would be taught as background.
    """
    if found.suspects is None:
        return frozenset()
    ref = found.suspects.table
    rows = np.unique(load_table(frozen.folder.path / ref.name, SuspectTable, ref).image)
    return frozenset(frozen.images.id[rows[frozen.images.split[rows] == "train"]].tolist())


def train_arms(
    desk: Desk,
    frozen: Frozen,
    pool: Pool,
    batch: Batch,
    reviewed: Review,
    mixed: TrainingMix,
    champion: ModelVersion,
) -> TrainedArms:
    """Train both arms from the champion's weights, with each seed."""
    folder = frozen.folder
    made = [*pictures_as_left(folder, batch, reviewed), *folder.load_lines(pool.pictures, SyntheticImage)]
    settings, (control, candidate) = train_lists(
        desk, frozen, made, [mixed.control, mixed.candidate], mixed.settings, mixed.seeds, champion
    )
    return TrainedArms(control=tuple(control), candidate=tuple(candidate), settings=settings)


def train_lists(
    desk: Desk,
    frozen: Frozen,
    made: Sequence[SyntheticImage],
    lists: Sequence[Arm],
    settings: FitSettings,
    seeds: Sequence[int],
    champion: ModelVersion,
) -> tuple[FitSettings, list[list[ModelVersion]]]:
    """Train some lists alike, with each seed; gives the settings in the end, and the models by list, then by seed.

    A champion that knows the classes in an order of its own keeps it: its outputs stay what they are.
    """
    classes, folder = frozen.image_set.classes, frozen.folder
    order = champion.classes if _knows_exactly(champion, classes) else classes

    def train_one(job: Job, settings: FitSettings) -> ModelVersion:
        begin, notes = _from(desk, champion), folder.path / "train.fits"
        return desk.train(job.arm, job.lessons, settings, begin, classes=order, number=folder.number, notes=notes)

    jobs = [Job(arm, lessons_of(frozen, folder.load_lines(arm.files, TrainingFile), made, order)) for arm in lists]
    return train_alike(jobs, settings, seeds, train_one, desk.warn)


def lessons_of(
    frozen: Frozen, files: Sequence[TrainingFile], made: Sequence[SyntheticImage], order: Sequence[str]
) -> list[mix.Lesson]:
    """Give list entries with their labels, as frozen for photos and as made for pictures; classes numbered by `order`.

    The order of the entries is kept.
    """
    number_of = np.array([order.index(name) for name in frozen.image_set.classes], np.int64)
    photos = [file for file in files if not file.synthetic]
    real = iter(mix.real_lessons(photos, frozen.images, frozen.labels, number_of=number_of))
    picture_of = {picture.request_id: picture for picture in made}
    return [_taught(file, picture_of[file.picture_id], order) if file.synthetic else next(real) for file in files]


def accepted_pictures(folder: RoundFolder, batch: Batch, reviewed: Review) -> list[SyntheticImage]:
    """Give the accepted pictures, one finding after the other in turn, so that a cut by share takes from all."""
    accepted = {verdict.request_id for verdict in folder.load_lines(reviewed.verdicts, Verdict) if verdict.accepted}
    queues: dict[str, list[SyntheticImage]] = {}
    for picture in pictures_as_left(folder, batch, reviewed):
        if picture.request_id in accepted:
            queues.setdefault(picture.finding_id, []).append(picture)
    turns = [(turn, picture) for queue in queues.values() for turn, picture in enumerate(queue)]
    return [picture for _, picture in sorted(turns, key=lambda item: item[0])]


def real_pictures(frozen: Frozen) -> list[mix.Picture]:
    """Give the train photos with what they hold."""
    classes = frozen.image_set.classes
    counts: dict[int, dict[str, int]] = {int(row): {} for row in frozen.images.rows_of("train")}
    labels = frozen.labels_of("train")
    pairs, many = np.unique(np.stack([labels.image, labels.label], axis=1), axis=0, return_counts=True)
    for (row, label), count in zip(pairs.tolist(), many.tolist(), strict=True):
        counts[row][classes[label]] = count
    images = frozen.images
    return [mix.Picture(str(images.id[row]), str(images.path[row]), False, found) for row, found in counts.items()]


def _taught(file: TrainingFile, picture: SyntheticImage, order: Sequence[str]) -> mix.Lesson:
    return mix.Lesson(
        file=file,
        digest=picture.digest,
        labels=np.array([order.index(label.label) for label in picture.labels], np.int64),
        xyxy=np.array([label.xyxy for label in picture.labels], np.float64).reshape(-1, 4),
    )


def _knows_exactly(model: ModelVersion, classes: Sequence[str]) -> bool:
    """Say whether a model's classes are those of the data, in any order: predictions are told apart by name."""
    return sorted(model.classes) == sorted(classes)


def _from(desk: Desk, model: ModelVersion) -> Start:
    return Start(str(desk.registry.weights(model.model_id)), model)


def taught_picture(picture: SyntheticImage) -> mix.Picture:
    """Give a synthetic picture with what it holds."""
    names = [label.label for label in picture.labels]
    return mix.Picture(picture.request_id, picture.path, True, {name: names.count(name) for name in sorted(set(names))})


def keep_arm(
    frozen: Frozen, name: ArmName, step: str, files: Sequence[TrainingFile], pictures: Mapping[str, mix.Picture]
) -> Arm:
    """Write a list down, in a file whose name begins with the step's, and give what it is."""
    synthetic = sum(file.times for file in files if file.synthetic)
    length = sum(file.times for file in files)
    return Arm(
        name=name,
        files=frozen.folder.save_lines(f"{step}.{name}.jsonl", files),
        length=length,
        real_count=length - synthetic,
        synthetic_count=synthetic,
        seen=mix.seen_objects(files, pictures),
    )


def _fit(tuning: FineTuning, length: int) -> FitSettings:
    return FitSettings(
        imgsz=tuning.imgsz,
        epochs=mix.epochs_for(length, batch=tuning.batch, max_updates=tuning.max_updates),
        batch=tuning.batch,
        lr0=tuning.lr0,
        seed=tuning.seed,
        device=tuning.device,
        overrides=tuning.overrides,
    )


def first_fit(first: FromScratch, length: int) -> FitSettings:
    """Give how a first model is trained from nothing on a list of so many entries."""
    return FitSettings(
        imgsz=first.imgsz,
        epochs=mix.epochs_for(length, batch=first.batch, max_updates=first.scratch_updates),
        batch=first.batch,
        lr0=first.scratch_lr0,
        seed=first.seed,
        device=first.device,
        overrides=first.overrides,
    )
