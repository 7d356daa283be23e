"""From lists of pictures to models: lay out, fit in a child, register. The same way for every arm.

What was asked of a fit has a digest, its question: the arm, the settings, what it starts from, the order of the
classes. By it a fit that was interrupted is taken up again, one that ended before anybody noted it is only registered,
and one that is noted is not done again.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from training.dataset import YoloPicture
from training.errors import DamagedFile, Diverged, OutOfMemory
from training.files import digest_of, digest_of_file, refuse_changed, write_json
from training.mix import Lesson
from training.records import Arm, ClassMapping, FitSettings, ModelVersion, Record
from training.registry import Registry


class RunJob(Protocol):
    """Run a job of the detector's door in a child process."""

    def __call__(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        """Give the job's result, which it also leaves in the folder as `result.json`."""


class LayOut(Protocol):
    """Write a folder that ultralytics trains on, and give its data YAML."""

    def __call__(self, folder: Path, pictures: Sequence[YoloPicture], classes: Sequence[str]) -> Path:
        """Give the path of the data YAML."""


@dataclass(frozen=True)
class Start:
    """What training starts from: weights of a registered model, or a network's YAML."""

    weights: str
    parent: ModelVersion | None


@dataclass(frozen=True)
class Job:
    """An arm to train, and what it teaches."""

    arm: Arm
    lessons: Sequence[Lesson]


TrainOne = Callable[[Job, FitSettings], ModelVersion]


class Fitted(Record):
    """What the job `fit` says of its `weights.pt`."""

    question: str
    digest: str
    """Of the tensors."""
    weights_digest: str
    """Of the file's bytes."""
    history: str


def train(
    arm: Arm,
    lessons: Sequence[Lesson],
    settings: FitSettings,
    start: Start,
    *,
    classes: Sequence[str],
    number: int,
    notes: Path,
    workspace: Path,
    lay_out: LayOut,
    run: RunJob,
    registry: Registry,
) -> ModelVersion:
    """Train one arm of round `number` and register what comes out; `classes` are in the order of their numbers.

    The folder `notes` says what was trained: what it holds is not trained again while its weights are whole. A fit that
    was killed goes on from its last seal, or starts again where it has none: on a CPU it then ends in the same weights.
    Raises `DamagedFile` where a picture is not the one that its labels were made for, `OutOfMemory` and `Diverged`.
    """
    question = question_of(arm, settings, start, classes)
    scratch = workspace / "scratch"
    note = notes / f"{question}.json"
    version = _noted(note, registry)
    if version is None:
        folder = scratch / f"{number:03d}-{arm.name}-{question[:8]}"
        fitted = _finished(folder, question)
        if fitted is None:
            data = lay_out(folder / "data", [_whole(workspace, lesson) for lesson in lessons], classes)
            fitted = _fit(folder, question, data, settings, start, run)
        version = _version_of(fitted, arm, settings, start, classes, number)
        registry.add(folder / "weights.pt", version)
        write_json(note, version.plain())
    for done in scratch.glob(f"{number:03d}-{arm.name}-*"):  # also what was tried with other settings
        shutil.rmtree(done, ignore_errors=True)
    return version


def train_alike(
    jobs: Sequence[Job], settings: FitSettings, seeds: Sequence[int], train_one: TrainOne, tell: Callable[[str], None]
) -> tuple[FitSettings, list[list[ModelVersion]]]:
    """Train every job with every seed, all with the same settings; gives those, with the first seed, and the models.

    Models are listed by job, then by seed. They are trained seed by seed, so that all jobs of the first seed are done
    first. Where memory does not suffice for one, all are trained anew with fewer pictures at once; where one diverges,
    all are trained anew with a tenth of the learning rate, once. `tell` is told in a sentence.
    """
    slowed = False
    while True:
        try:
            models = [[train_one(job, _seeded(settings, seed)) for job in jobs] for seed in seeds]
            return _seeded(settings, seeds[0]), [list(of_job) for of_job in zip(*models, strict=True)]
        except OutOfMemory as error:
            settings = _with_less_memory(settings, error)
            tell(f"too little memory: every arm is trained anew with {settings.at_once} pictures at once")
        except Diverged:
            if slowed:
                raise
            slowed, settings = True, settings.model_copy(update={"lr0": settings.lr0 / 10})
            tell(f"training diverged: every arm is trained anew with a learning rate of {settings.lr0:g}")


def question_of(arm: Arm, settings: FitSettings, start: Start, classes: Sequence[str]) -> str:
    """Give the digest of what is asked of a fit, without the names of folders."""
    return digest_of([arm.fingerprint(), settings.plain(), _origin(start), list(classes)])


def mapping_between(known: Sequence[str], wanted: Sequence[str]) -> ClassMapping:
    """Give which classes of a model stay, which come and which go, by name; in the order of the data, then its own."""
    return ClassMapping(
        kept=tuple(name for name in wanted if name in known),
        new=tuple(name for name in wanted if name not in known),
        dropped=tuple(name for name in known if name not in wanted),
    )


def _origin(start: Start) -> str:
    if start.parent:
        return start.parent.model_id
    network = Path(start.weights)  # a network of ultralytics is a bare name, one of our own a file
    return digest_of_file(network) if network.is_file() else network.name


def _noted(note: Path, registry: Registry) -> ModelVersion | None:
    """Give the model of a note, None where there is no note or the model's weights are not whole any more."""
    try:
        version = ModelVersion.model_validate_json(note.read_bytes())
        registry.weights(version.model_id)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DamagedFile(f"{note} cannot be read", hint="remove it: the model is trained again") from error
    except DamagedFile:
        return None
    return version


def _finished(folder: Path, question: str) -> Fitted | None:
    """Give what a child left that ended after its parent: the answer to this very question, with whole weights."""
    try:
        fitted = Fitted.model_validate_json((folder / "result.json").read_bytes())
        whole = digest_of_file(folder / "weights.pt") == fitted.weights_digest
    except (FileNotFoundError, ValidationError):
        return None
    return fitted if whole and fitted.question == question else None


def _fit(folder: Path, question: str, data: Path, settings: FitSettings, start: Start, run: RunJob) -> Fitted:
    request = {"question": question, "weights": start.weights, "data": str(data), "settings": settings.plain()}
    return Fitted.model_validate(run("fit", request, folder, trusted=bool(start.parent and start.parent.trusted)))


def _version_of(
    fitted: Fitted, arm: Arm, settings: FitSettings, start: Start, classes: Sequence[str], number: int
) -> ModelVersion:
    parent = start.parent
    return ModelVersion(
        model_id=fitted.digest,
        classes=tuple(classes),
        origin=arm.name,
        parent=parent.model_id if parent else None,
        round=number,
        trained_on=arm.fingerprint(),
        history=fitted.history,
        settings=settings,
        mapping=mapping_between(parent.classes, classes) if parent else None,
        trusted=False,
    )


def _whole(workspace: Path, lesson: Lesson) -> YoloPicture:
    """Give a picture to lay out, after its bytes were checked."""
    file = lesson.file
    path = workspace / file.path
    again = "make it again with --redo generate" if file.synthetic else "it is a copy of a photo that was brought"
    refuse_changed(path, lesson.digest, hint=f"restore it from a backup; {again}")
    return YoloPicture(
        picture_id=file.picture_id, source=path, labels=lesson.labels, xyxy=lesson.xyxy, times=file.times
    )


def _seeded(settings: FitSettings, seed: int) -> FitSettings:
    return settings.model_copy(update={"seed": seed})


def _with_less_memory(settings: FitSettings, error: OutOfMemory) -> FitSettings:
    """Give settings with at most half as many pictures at once, a divisor of the batch: then steps stay whole."""
    most = (settings.at_once or settings.batch) // 2
    if most < 1:
        raise OutOfMemory(
            f"one picture at a time is too much: {error.message}", hint="try a smaller training.imgsz"
        ) from error
    at_once = next(number for number in range(most, 0, -1) if settings.batch % number == 0)
    return settings.model_copy(update={"at_once": at_once})
