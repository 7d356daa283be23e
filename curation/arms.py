"""From accepted pictures to trained arms: what each learns from, and the training of each."""

from collections.abc import Mapping, Sequence

import numpy as np

from curation.desk import Desk, FineTuning, FromScratch, Frozen
from curation.ledger import RoundFolder
from curation.records import Batch, Briefs, Review
from generation.records import SyntheticImage, Verdict
from training import mix
from training.records import Arm, ArmName, FitSettings, ImageSet, ModelVersion, Record, TrainingFile, TrainingMix
from training.retrain import Start


def start(desk: Desk, frozen: Frozen, base: ModelVersion | None) -> ModelVersion:
    """Give the model that the round starts from.

    That is the champion so far, or the model that was brought, if it knows exactly the classes of the data. Otherwise a
    first model is trained on the train photos: from those weights where there are any, else from scratch.
    """
    classes = frozen.image_set.classes
    if base is not None and _knows_exactly(base, classes):
        return base
    real = _real_pictures(frozen)
    files = [mix.shown(picture, times=1) for picture in real]
    arm = _keep_arm(frozen, "first", "champion", files, {picture.picture_id: picture for picture in real})
    if base is None:
        begin, settings = Start(desk.network, None), first_fit(desk.from_scratch, len(files))
    else:
        begin, settings = _from(desk, base), _fit(desk.fine_tuning, len(files))
    lessons = lessons_of(frozen, files, (), classes)
    return desk.train(arm, lessons, settings, begin, classes=classes, number=frozen.folder.number)


def settings_of_start(desk: Desk, images: ImageSet, base: ModelVersion | None) -> dict[str, Record]:
    """Give the settings that `start` goes by, by section; none where it trains nothing."""
    if base is None:
        return {"training": desk.from_scratch}
    return {} if _knows_exactly(base, images.classes) else {"training": desk.fine_tuning}


def make_mix(desk: Desk, frozen: Frozen, briefs: Briefs, batch: Batch, reviewed: Review) -> TrainingMix:
    """Make the two arms, equal in length, epochs and updates."""
    real = _real_pictures(frozen)
    accepted = [_synthetic_picture(picture) for picture in accepted_pictures(frozen.folder, batch, reviewed)]
    candidate = mix.candidate_list(real, accepted, max_synthetic_share=desk.config.mix.max_synthetic_share)
    by_id = {picture.picture_id: picture for picture in [*real, *accepted]}
    once = mix.seen_objects([mix.shown(picture, times=1) for picture in real], by_id)
    seen = mix.seen_objects(candidate, by_id)
    targets = {brief.label for brief in briefs.briefs if brief.action == "generate"}
    wanted = {label: seen[label] - once.get(label, 0) for label in targets if label in seen}
    control = mix.control_list(real, length=len(candidate), wanted=wanted)
    return TrainingMix(
        control=_keep_arm(frozen, "control", "mix", control, by_id),
        candidate=_keep_arm(frozen, "candidate", "mix", candidate, by_id),
        settings=_fit(desk.fine_tuning, len(candidate)),
    )


def train_arm(
    desk: Desk, frozen: Frozen, batch: Batch, mixed: TrainingMix, champion: ModelVersion, name: ArmName
) -> ModelVersion:
    """Train one arm from the champion's weights.

    A champion that knows the classes in an order of its own keeps it: its outputs stay what they are.
    """
    arm = mixed.control if name == "control" else mixed.candidate
    classes = frozen.image_set.classes
    order = champion.classes if _knows_exactly(champion, classes) else classes
    made = frozen.folder.load_lines(batch.pictures, SyntheticImage)
    lessons = lessons_of(frozen, frozen.folder.load_lines(arm.files, TrainingFile), made, order)
    begin = _from(desk, champion)
    return desk.train(arm, lessons, mixed.settings, begin, classes=order, number=frozen.folder.number)


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
    for picture in folder.load_lines(batch.pictures, SyntheticImage):
        if picture.request_id in accepted:
            queues.setdefault(picture.finding_id, []).append(picture)
    turns = [(turn, picture) for queue in queues.values() for turn, picture in enumerate(queue)]
    return [picture for _, picture in sorted(turns, key=lambda item: item[0])]


def _real_pictures(frozen: Frozen) -> list[mix.Picture]:
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


def _synthetic_picture(picture: SyntheticImage) -> mix.Picture:
    names = [label.label for label in picture.labels]
    return mix.Picture(picture.request_id, picture.path, True, {name: names.count(name) for name in sorted(set(names))})


def _keep_arm(
    frozen: Frozen, name: ArmName, step: str, files: Sequence[TrainingFile], pictures: Mapping[str, mix.Picture]
) -> Arm:
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
    )
