"""From accepted pictures to trained arms: what each learns from, and the training of each."""

from collections.abc import Mapping, Sequence

import numpy as np

from curation.desk import Desk, Frozen
from curation.ledger import RoundFolder
from curation.records import Batch, Briefs, Review
from generation.records import SyntheticImage, Verdict
from training import mix
from training.records import Arm, ArmName, FitSettings, ModelVersion, TrainingFile, TrainingMix
from training.retrain import Start


def start(desk: Desk, frozen: Frozen, base: ModelVersion | None) -> ModelVersion:
    """Give the model that the round starts from.

    That is the champion so far, or the model that was brought, if it knows exactly the classes of the data. Otherwise a
    first model is trained on the train photos: from those weights where there are any, else from scratch.
    """
    if base is not None and set(base.classes) == set(frozen.image_set.classes):
        return base
    files = [mix.shown(picture, times=1) for picture in _real_pictures(frozen)]
    arm = _keep_arm(frozen, "first", "champion", files, {p.picture_id: p for p in _real_pictures(frozen)})
    begin = Start(str(desk.registry.weights(base.model_id)), base) if base else Start(desk.network, None)
    return desk.train(arm, files, _fit_settings(desk, len(files), from_scratch=base is None), begin, frozen)


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
        settings=_fit_settings(desk, len(candidate)),
    )


def train_arm(desk: Desk, frozen: Frozen, mixed: TrainingMix, champion: ModelVersion, name: ArmName) -> ModelVersion:
    """Train one arm from the champion's weights."""
    arm = mixed.control if name == "control" else mixed.candidate
    files = frozen.folder.load_lines(arm.files, TrainingFile)
    begin = Start(str(desk.registry.weights(champion.model_id)), champion)
    return desk.train(arm, files, mixed.settings, begin, frozen)


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


def _fit_settings(desk: Desk, length: int, *, from_scratch: bool = False) -> FitSettings:
    settings, profile = desk.config.training, desk.profile
    max_updates = profile.scratch_updates if from_scratch else profile.max_updates
    return FitSettings(
        imgsz=profile.imgsz,
        epochs=mix.epochs_for(length, batch=settings.batch, max_updates=max_updates),
        batch=settings.batch,
        lr0=settings.scratch_lr0 if from_scratch else settings.lr0,
        seed=settings.seed,
        device=profile.device,
    )
