"""From a vocabulary to a first model, without a photo: plan, count what was drawn, train. Doors are handed in."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from curation.arms import first_fit
from curation.cold import (
    ColdDrawn,
    ColdModel,
    ColdPlan,
    counts_of,
    equal_shares,
    plan_requests,
    refused_by_class,
)
from curation.cold_folder import ColdFolder
from curation.config import Config
from curation.desk import TrainArm
from curation.step_settings import Drawing, FromScratch
from generation.label_files import ErrorLine, PictureLine
from generation.records import DrawRequest, SyntheticImage, Verified
from training import mix
from training.errors import CurateError, DamagedFile, StepChanged
from training.files import canonical_json, digest_of, digest_of_file, write_json, write_text, write_with
from training.records import Arm, FileRef, Record, TrainingFile
from training.registry import Registry
from training.retrain import Start

R = TypeVar("R", bound=Record)
_LINE: TypeAdapter[PictureLine | ErrorLine] = TypeAdapter(PictureLine | ErrorLine)
ARM = "first.jsonl"
NUMBER = 0  # of the round: there is none


def read_record(cold: ColdFolder, name: str, kind: type[R]) -> R | None:
    """Give a record of a cold start, None where it is not there."""
    path = cold.record(name)
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DamagedFile(f"{path} does not hold a {kind.__name__}", hint="restore it from a backup") from error


def plan_pictures(
    cold: ColdFolder, config: Config, *, count: int, progress: Callable[[int], object] = lambda _: None
) -> ColdPlan:
    """Write the requests for so many pictures over the vocabulary's classes; what is planned already stays.

    `progress` is told 1 after each. Raises `StepChanged` where pictures of another plan were drawn.
    """
    words, generator, seed = config.vocabulary, Drawing.of(config).digest, config.generate.seed
    classes = tuple(words.classes)
    made_from = digest_of([words.plain(), classes, generator, seed, count])
    before = read_record(cold, "plan", ColdPlan)
    if before and before.made_from == made_from and _is_whole(cold.requests, before.requests):
        return before
    if before and before.made_from != made_from and (cold.path / "images").exists():
        raise StepChanged(
            f"{cold.path} holds pictures of another plan, of {before.count} pictures or with other settings",
            hint="put the settings and --images back, or use another folder: curate init DIR --cold-start FILE",
        )
    counts = counts_of(words)
    requests = counts.passing(plan_requests(words, generator=generator, count=count, seed=seed))
    _write_requests(cold.requests, requests, progress)
    for stale in (cold.record("drawn"), *cold.manifests):  # of a plan that gave no picture
        stale.unlink(missing_ok=True)
    plan = ColdPlan(
        made_from=made_from,
        count=count,
        classes=classes,
        pictures=equal_shares(count, classes),
        objects=counts.objects,
        values=counts.values,
        requests=FileRef(name=cold.requests.name, digest=digest_of_file(cold.requests)),
    )
    write_json(cold.record("plan"), plan.plain())
    return plan


def _write_requests(path: Path, requests: Iterator[DrawRequest], progress: Callable[[int], object]) -> None:
    def fill(file: BinaryIO) -> None:
        for request in requests:
            file.write(request.model_dump_json().encode() + b"\n")
            progress(1)

    write_with(path, fill)


def _is_whole(path: Path, ref: FileRef) -> bool:
    return path.is_file() and digest_of_file(path) == ref.digest


@dataclass
class _Read:
    """What the manifests say, line by line; a picture goes before an error that another run met on its line."""

    lines: dict[int, bool] = field(default_factory=dict)
    """By line, whether the judge refused its picture."""
    lessons: dict[int, mix.Lesson] = field(default_factory=dict)
    """By line, what its picture teaches."""
    how: dict[int, Verified] = field(default_factory=dict)


def count_drawn(cold: ColdFolder, plan: ColdPlan) -> tuple[ColdDrawn, list[mix.Lesson]]:
    """Give what came of the requests, and what the pictures teach; raises `CurateError` where some are still to come.

    Read are the manifests of the whole, or those of all its shards.
    """
    read = _read(cold, plan)
    if missing := plan.count - len(read.lines):
        raise CurateError(
            f"{missing:,} of {plan.count:,} requests of {cold.requests} have not been drawn",
            hint=f"finished pictures are kept: curate generate --images {plan.count}",
        )
    how = [read.how[line] for line in sorted(read.how)]
    drawn = ColdDrawn(
        plan=plan.fingerprint(),
        pictures=len(read.lessons),
        errors=plan.count - len(read.lessons),
        refused=refused_by_class(read.lines, plan.classes),
        verified={name: how.count(name) for name in sorted(set(how))},
    )
    write_json(cold.record("drawn"), drawn.plain())
    return drawn, [read.lessons[line] for line in sorted(read.lessons)]


def _read(cold: ColdFolder, plan: ColdPlan) -> _Read:
    read = _Read()
    for manifest in cold.manifests:
        for entry in _entries(manifest):
            if isinstance(entry, PictureLine):
                read.lines[entry.line] = False
                read.lessons[entry.line] = _lesson(cold, entry.picture, plan.classes)
                read.how[entry.line] = entry.picture.verified
            elif entry.line not in read.lessons:
                read.lines[entry.line] = entry.refused
    return read


def _entries(manifest: Path) -> Iterator[PictureLine | ErrorLine]:
    with manifest.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            try:
                yield _LINE.validate_json(text)
            except ValidationError as error:
                raise DamagedFile(
                    f"{manifest}:{number} is no line of a manifest", hint="run curate generate again: it writes it anew"
                ) from error


def _lesson(cold: ColdFolder, picture: SyntheticImage, classes: Sequence[str]) -> mix.Lesson:
    path = f"{cold.path.name}/{picture.path}"
    return mix.Lesson(
        file=TrainingFile(picture_id=picture.request_id, path=path, synthetic=True, times=1),
        digest=picture.digest,
        labels=np.array([classes.index(label.label) for label in picture.labels], np.int64),
        xyxy=np.array([label.xyxy for label in picture.labels], np.float64).reshape(-1, 4),
    )


def train_first(
    cold: ColdFolder,
    plan: ColdPlan,
    *,
    first: FromScratch,
    network: str,
    train: TrainArm,
    registry: Registry,
) -> ColdModel:
    """Train a first model on what was drawn, unless that is done; the copy of its weights and its record come last."""
    drawn, lessons = count_drawn(cold, plan)
    if not lessons:
        raise CurateError(f"{cold.path} holds no picture to learn from", hint="curate generate says why")
    arm, settings = _arm(cold, plan, lessons), first_fit(first, len(lessons))
    model = read_record(cold, "model", ColdModel)
    is_done = (
        model and (model.trained_on, model.settings) == (arm.fingerprint(), settings) and _is_kept(model, registry)
    )
    if model is None or not is_done:
        begin, notes = Start(network, None), cold.path / "fits"
        version = train(arm, lessons, settings, begin, classes=plan.classes, number=NUMBER, notes=notes)
        model = ColdModel(
            model_id=version.model_id,
            classes=plan.classes,
            pictures=drawn.pictures,
            verified=drawn.verified,
            trained_on=arm.fingerprint(),
            settings=settings,
        )
    _copy_weights(cold, registry.weights(model.model_id))
    write_json(cold.record("model"), model.plain())
    return model


def _arm(cold: ColdFolder, plan: ColdPlan, lessons: Sequence[mix.Lesson]) -> Arm:
    path = cold.path / ARM
    write_text(path, "".join(canonical_json(lesson.file.plain()) + "\n" for lesson in lessons))
    seen = np.bincount(np.concatenate([lesson.labels for lesson in lessons]), minlength=len(plan.classes))
    return Arm(
        name="first",
        files=FileRef(name=ARM, digest=digest_of_file(path)),
        length=len(lessons),
        real_count=0,
        synthetic_count=len(lessons),
        seen=dict(sorted(zip(plan.classes, seen.tolist(), strict=True))),
    )


def _is_kept(model: ColdModel, registry: Registry) -> bool:
    """Say whether the weights are as they were stored; where they are not, they are trained again."""
    try:
        registry.weights(model.model_id)
    except DamagedFile:
        return False
    return True


def _copy_weights(cold: ColdFolder, weights: Path) -> None:
    with weights.open("rb") as bytes_in:
        write_with(cold.weights, lambda file: shutil.copyfileobj(bytes_in, file))
