"""`curate retrain --without FINDING`: what one finding's pictures did among those of the others, judged on val.

The candidate is trained once more without them. In their place real photos are repeated as in the control, so both
lists are equally long and show the finding's class equally often as far as there is room. Test stays closed.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from curation import arms
from curation.compare import change_of_mean_ap
from curation.credit import tested_objects
from curation.desk import Desk, Frozen, findings_of
from curation.judging import Studied, detected_by
from curation.ledger import RoundFolder
from curation.payoff import Found, payoff_of
from curation.records import Ablation, Batch, Briefs, Finding, Measured, Pool, Review, Shortage, TrainedArms
from curation.reviewing import pictures_as_left
from curation.shortage import mask_of
from curation.study import Detected
from generation.records import SyntheticImage
from training import mix
from training.errors import UsageError
from training.metrics import Curves, prepare
from training.records import Arm, Evaluation, ImageSet, ModelVersion, Record, TrainingFile, TrainingMix

R = TypeVar("R", bound=Record)


def leave_out(desk: Desk, finding: str) -> Ablation:
    """Train and judge a candidate without the pictures of a finding, given by the beginning of its id.

    It belongs to the last round that has trained arms. Raises `UsageError` where there is none, or the candidate shows
    no picture of the finding.
    """
    folder = next((each for each in reversed(desk.ledger.rounds()) if each.finished("train")), None)
    if folder is None:
        raise UsageError("no round has trained a candidate yet", hint="curate retrain")
    frozen = Frozen(_of(folder, "freeze", ImageSet), folder)
    mixed, trained = _of(folder, "mix", TrainingMix), _of(folder, "train", TrainedArms)
    champion = _of(folder, "champion", ModelVersion)
    pool, batch = _of(folder, "pool", Pool), _of(folder, "generate", Batch)
    reviewed = _of(folder, "review", Review)
    made = (*pictures_as_left(folder, batch, reviewed), *folder.load_lines(pool.pictures, SyntheticImage))
    want = _find(folder, finding)
    left_out = {picture.request_id for picture in made if picture.finding_id == want.finding_id}
    arm = _list_without(frozen, mixed, made, left_out, want)
    settings, ((model,),) = arms.train_lists(
        desk, frozen, made, [arm], trained.settings, [trained.settings.seed], champion
    )
    if settings != trained.settings:
        desk.warn("the candidate was trained with other settings, so the difference holds them, too")
    return _judge(
        desk, frozen, want, trained.candidate[0], model, pictures=mixed.candidate.synthetic_count - arm.synthetic_count
    )


def _find(folder: RoundFolder, finding: str) -> Finding | Shortage:
    found = findings_of(folder)
    wants: list[Finding | Shortage] = [*found.findings, *found.shortages] if found else []
    begun = [each for each in wants if each.finding_id.startswith(finding.lower())]
    if len(begun) != 1:
        raise UsageError(
            f"ids of {len(begun) or 'no'} findings of round {folder.number} begin with '{finding}'",
            hint="curate analyze --json gives their ids",
        )
    return begun[0]


def _list_without(
    frozen: Frozen, mixed: TrainingMix, made: Sequence[SyntheticImage], left_out: set[str], want: Finding | Shortage
) -> Arm:
    """Give the candidate's list with real photos in the place of a finding's pictures."""
    files = frozen.folder.load_lines(mixed.candidate.files, TrainingFile)
    gone = [file for file in files if file.picture_id in left_out]
    if not gone:
        raise UsageError(f"the candidate shows no picture for {want.words}", hint="name a finding that got some")
    pictures = {
        picture.picture_id: picture for picture in [*arms.real_pictures(frozen), *map(arms.taught_picture, made)]
    }
    shown = [pictures[file.picture_id] for file in files if file.picture_id not in left_out]
    real, others = ([each for each in shown if each.synthetic is is_synthetic] for is_synthetic in (False, True))
    briefs = _of(frozen.folder, "brief", Briefs).briefs
    label = next(brief.label for brief in briefs if brief.finding_id == want.finding_id)
    wanted = {label: mix.seen_objects(gone, pictures).get(label, 0)}
    listed = mix.control_list(real, others, length=mixed.candidate.length, wanted=wanted)
    return arms.keep_arm(frozen, "without", f"train.{want.finding_id[:8]}", listed, pictures)


def _judge(
    desk: Desk, frozen: Frozen, want: Finding | Shortage, whole: ModelVersion, without: ModelVersion, *, pictures: int
) -> Ablation:
    evaluation, measured = _of(frozen.folder, "evaluate", Evaluation), _of(frozen.folder, "measure", Measured)
    studied = Studied(frozen, evaluation, measured, desk.config.analyze.expected_columns)
    table, kept = tested_objects(studied), studied.study.kept
    after, before = detected_by(desk, frozen, [whole, without], split="val")
    models = Found(table.photo, table.found, [before.errors.label_found[kept]], [after.errors.label_found[kept]])
    mean_ap = change_of_mean_ap(
        _curves(frozen, after),
        _curves(frozen, before),
        replicates=desk.config.decide.replicates,
        rng=np.random.default_rng(0),
    )
    inside = models.take(mask_of(table, want.conditions))
    return Ablation(
        finding_id=want.finding_id,
        words=want.words,
        pictures=pictures,
        mean_ap=mean_ap,
        payoff=payoff_of(want, inside, pictures=pictures, min_effect=desk.config.analyze.min_effect),
        model_id=without.model_id,
    )


def _curves(frozen: Frozen, seen: Detected) -> Curves:
    rows, classes = frozen.images.rows_of("val"), len(frozen.image_set.classes)
    return prepare(seen.predictions, seen.labels, seen.matches, image_rows=rows, class_count=classes)


def _of(folder: RoundFolder, step: str, kind: type[R]) -> R:
    record = folder.read(step, kind)
    assert record is not None  # a round that has trained has all that comes before
    return record
