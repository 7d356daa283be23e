"""From lessons to models: what is laid out and asked of the child, what is not done twice, and that arms are alike."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.photo_folders import photo
from training.dataset import write_yolo_folder
from training.errors import ChildError, CurateError, DamagedFile, DataError, Diverged, OutOfMemory
from training.files import digest_of, write_json
from training.mix import Lesson
from training.records import Arm, FileRef, FitSettings, ModelVersion, TrainingFile
from training.registry import Registry
from training.retrain import Job, Start, mapping_between, question_of, train, train_alike

ARM = Arm(
    name="candidate", files=FileRef(name="f", digest="d"), length=3, real_count=2, synthetic_count=1, seen={"cat": 3}
)
SETTINGS = FitSettings(imgsz=32, epochs=1, batch=2, lr0=0.001, seed=0, device="cpu")
FROM_NOTHING = Start("tiny.yaml", None)


class Child:
    """Stands for ultralytics: remembers what it saw, and leaves weights and a result as the real one does."""

    def __init__(self, *, answers: bool = True) -> None:
        self.fits: list[tuple[Mapping[str, Any], Path, bool]] = []
        self.saw: dict[str, str] = {}
        self.answers = answers
        """Whether its parent lives to hear the answer."""

    def __call__(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        data = Path(request["data"]).parent
        self.fits.append((dict(request), folder, trusted))
        self.saw = {path.name: path.read_text() for path in (data / "labels").iterdir()} | {"job": job}
        (folder / "weights.pt").write_bytes(b"weights")
        result = {
            "question": request["question"],
            "digest": "a" * 24,
            "weights_digest": digest_of(b"weights"),
            "history": "in one go",
        }
        write_json(folder / "result.json", result)
        if not self.answers:
            raise KeyboardInterrupt
        return result


def dies(job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
    (folder / "sealed.json").write_text("of the first try")
    raise ChildError("killed")


def lesson(workspace: Path, name: str, *, synthetic: bool) -> Lesson:
    data = photo(len(name))
    path = workspace / f"{name}.jpg"
    path.write_bytes(data)
    file = TrainingFile(picture_id=name, path=path.name, synthetic=synthetic, times=1 + (not synthetic))
    return Lesson(file, digest_of(data), np.array([1]), np.array([[0.1, 0.2, 0.5, 0.6]]))


def fit(
    workspace: Path, child: Any, lessons: list[Lesson] | None = None, settings: FitSettings = SETTINGS,
    start: Start = FROM_NOTHING,
) -> ModelVersion:  # fmt: skip
    if lessons is None:
        lessons = [lesson(workspace, "p", synthetic=False)]
    return train(
        ARM, lessons, settings, start, classes=("dog", "cat"), number=2, notes=workspace / "notes",
        workspace=workspace, lay_out=write_yolo_folder, run=child, registry=Registry(workspace / "models"),
    )  # fmt: skip


def scratch(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / "scratch").iterdir())


def test_an_arm_is_laid_out_fitted_registered_and_noted(tmp_path: Path) -> None:
    child = Child()
    version = fit(tmp_path, child, [lesson(tmp_path, "p", synthetic=False), lesson(tmp_path, "drawn", synthetic=True)])
    row = "1 0.30000000 0.40000000 0.40000000 0.40000000\n"
    assert child.saw == {"p.txt": row, "drawn.txt": row, "job": "fit"}
    assert (version.model_id, version.classes, version.origin, version.round, version.history) == (
        "a" * 24, ("dog", "cat"), "candidate", 2, "in one go",
    )  # fmt: skip
    assert (version.settings, version.mapping, version.trained_on) == (SETTINGS, None, ARM.fingerprint())
    assert Registry(tmp_path / "models").get(version.model_id) == version
    (note,) = (tmp_path / "notes").iterdir()
    assert ModelVersion.model_validate_json(note.read_bytes()) == version
    assert scratch(tmp_path) == []


def test_a_version_says_where_it_came_from_and_what_became_of_the_classes(tmp_path: Path) -> None:
    parent = ModelVersion(
        model_id="e" * 24, classes=("cat", "bird"), origin="given", parent=None, round=0, trained_on=None, history="",
        trusted=True,
    )  # fmt: skip
    child = Child()
    made = fit(tmp_path, child, start=Start("weights.pt", parent))
    assert made.parent == "e" * 24
    assert made.mapping == mapping_between(("cat", "bird"), ("dog", "cat"))
    assert made.mapping.plain() == {"kept": ["cat"], "new": ["dog"], "dropped": ["bird"]}
    assert child.fits[0][2] is True, "weights that were trusted once are loaded in the same way"
    assert made.trusted is False, "what we saved ourselves loads safely"


def test_what_is_noted_is_not_trained_again(tmp_path: Path) -> None:
    first, second = Child(), Child()
    assert fit(tmp_path, first) == fit(tmp_path, second)
    assert second.fits == []


def spoil_weights(workspace: Path) -> None:
    (workspace / "models" / ("a" * 24) / "weights.pt").write_bytes(b"spoilt")


def lose_note(workspace: Path) -> None:
    (next((workspace / "notes").iterdir())).unlink()


def lose_model(workspace: Path) -> None:
    (workspace / "models" / ("a" * 24) / "weights.pt").unlink()


@pytest.mark.parametrize("damage", [spoil_weights, lose_note, lose_model])
def test_a_note_counts_only_while_it_is_there_with_whole_weights(tmp_path: Path, damage: Any) -> None:
    fit(tmp_path, Child())
    damage(tmp_path)
    again = Child()
    made = fit(tmp_path, again)
    assert len(again.fits) == 1
    assert Registry(tmp_path / "models").weights(made.model_id).read_bytes() == b"weights"


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    fit(tmp_path, Child())
    note = next((tmp_path / "notes").iterdir())
    note.write_text("{")
    with pytest.raises(DamagedFile, match="cannot be read") as caught:
        fit(tmp_path, Child())
    assert "remove it" in caught.value.hint


def test_a_fit_that_ended_after_its_parent_is_registered_and_not_done_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Child(answers=False))
    assert not (tmp_path / "notes").exists()
    again = Child()
    version = fit(tmp_path, again)
    assert again.fits == []
    assert Registry(tmp_path / "models").weights(version.model_id).read_bytes() == b"weights"
    assert scratch(tmp_path) == []


def cut_weights(folder: Path) -> None:
    (folder / "weights.pt").write_bytes(b"wei")


def foreign_result(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    write_json(folder / "result.json", result | {"question": "another"})


def failed_result(folder: Path) -> None:
    write_json(folder / "result.json", {"error": "no", "hint": ""})


def no_weights(folder: Path) -> None:
    (folder / "weights.pt").unlink()


@pytest.mark.parametrize("damage", [cut_weights, foreign_result, failed_result, no_weights])
def test_what_lies_in_scratch_counts_only_as_the_whole_answer_to_this_question(tmp_path: Path, damage: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, Child(answers=False))
    damage(next((tmp_path / "scratch").iterdir()))
    again = Child()
    fit(tmp_path, again)
    assert len(again.fits) == 1


def test_a_fit_that_died_finds_what_it_left_and_other_settings_find_nothing_of_it(tmp_path: Path) -> None:
    with pytest.raises(ChildError):
        fit(tmp_path, dies)
    (name,) = scratch(tmp_path)
    assert name.startswith("002-candidate-")
    other = Child()
    with pytest.raises(ChildError):
        fit(tmp_path, dies, settings=SETTINGS.model_copy(update={"seed": 7}))
    assert len(scratch(tmp_path)) == 2
    fit(tmp_path, other)
    assert other.fits[0][1] == tmp_path / "scratch" / name
    assert scratch(tmp_path) == [], "what was tried with other settings goes, too"


def test_every_part_of_the_question_counts_and_no_folder_does(tmp_path: Path) -> None:
    network = tmp_path / "network.yaml"
    network.write_text("nc: 1")
    parent = ModelVersion.model_construct(model_id="m")
    asked = {
        "plain": question_of(ARM, SETTINGS, FROM_NOTHING, ["a", "b"]),
        "arm": question_of(ARM.model_copy(update={"length": 4}), SETTINGS, FROM_NOTHING, ["a", "b"]),
        "settings": question_of(ARM, SETTINGS.model_copy(update={"at_once": 1}), FROM_NOTHING, ["a", "b"]),
        "network": question_of(ARM, SETTINGS, Start("other.yaml", None), ["a", "b"]),
        "network's file": question_of(ARM, SETTINGS, Start(str(network), None), ["a", "b"]),
        "parent": question_of(ARM, SETTINGS, Start("x.pt", parent), ["a", "b"]),
        "order of classes": question_of(ARM, SETTINGS, FROM_NOTHING, ["b", "a"]),
    }
    assert len(set(asked.values())) == len(asked)
    assert asked["plain"] == question_of(ARM, SETTINGS, Start("/elsewhere/tiny.yaml", None), ["a", "b"])
    assert asked["parent"] == question_of(ARM, SETTINGS, Start("/elsewhere/y.pt", parent), ["a", "b"])
    network.write_text("nc: 2")
    assert asked["network's file"] != question_of(ARM, SETTINGS, Start(str(network), None), ["a", "b"])


def test_nothing_to_train_on_is_a_sentence(tmp_path: Path) -> None:
    child = Child()
    with pytest.raises(DataError, match="no pictures to train on"):
        fit(tmp_path, child, [])
    assert child.fits == []


@pytest.mark.parametrize("damage", ["changed", "gone"])
@pytest.mark.parametrize(("synthetic", "remedy"), [(True, "--redo generate"), (False, "a photo that was brought")])
def test_a_picture_that_is_not_the_labelled_one_is_refused_before_training(
    tmp_path: Path, damage: str, synthetic: bool, remedy: str
) -> None:
    lessons, child = [lesson(tmp_path, "p", synthetic=synthetic)], Child()
    path = tmp_path / "p.jpg"
    path.unlink()
    if damage == "changed":
        path.write_bytes(photo(99))
    with pytest.raises(DamagedFile, match=r"p\.jpg is missing or has changed") as caught:
        fit(tmp_path, child, lessons)
    assert remedy in caught.value.hint
    assert child.fits == []


class Machine:
    """Trains in no time, remembers how, and fails at given calls, or where too many pictures are shown at once."""

    def __init__(self, faults: Mapping[int, type[CurateError]], *, room: int = 1000) -> None:
        self.faults, self.room = dict(faults), room
        self.calls: list[tuple[int, FitSettings]] = []

    def __call__(self, job: Job, settings: FitSettings) -> ModelVersion:
        self.calls.append((job.arm.length, settings))
        if fault := self.faults.get(len(self.calls) - 1):
            raise fault("fails")
        if (settings.at_once or settings.batch) > self.room:
            raise OutOfMemory("too little memory")
        name = f"{job.arm.length}-{settings.fingerprint()}"
        return ModelVersion.model_construct(model_id=name, settings=settings)


JOBS = [Job(ARM.model_copy(update={"length": length}), []) for length in (10, 20)]
WIDE = SETTINGS.model_copy(update={"batch": 12})


def test_models_are_trained_seed_by_seed_and_listed_job_by_job() -> None:
    machine, told = Machine({}), []
    settings, models = train_alike(JOBS, WIDE, (5, 3), machine, told.append)
    assert [(length, used.seed) for length, used in machine.calls] == [(10, 5), (20, 5), (10, 3), (20, 3)]
    assert [[model.settings.seed for model in of_job] for of_job in models] == [[5, 3], [5, 3]]
    assert [model.model_id.split("-")[0] for of_job in models for model in of_job] == ["10", "10", "20", "20"]
    assert settings == WIDE.model_copy(update={"seed": 5})
    assert told == []


def test_want_of_memory_takes_fewer_at_once_from_all_and_steps_stay_whole() -> None:
    machine, told = Machine({}, room=5), []
    settings, _ = train_alike(JOBS, WIDE.model_copy(update={"batch": 18}), (0,), machine, told.append)
    assert [used.at_once for _, used in machine.calls] == [None, 9, 3, 3]
    assert (settings.at_once, settings.batch) == (3, 18)
    assert len(told) == 2
    assert "with 3 pictures at once" in told[1]


def test_one_picture_at_once_is_the_end() -> None:
    with pytest.raises(OutOfMemory, match="one picture at a time") as caught:
        train_alike(JOBS, WIDE, (0,), Machine({}, room=0), lambda _: None)
    assert "training.imgsz" in caught.value.hint


def test_divergence_lowers_the_rate_of_all_once() -> None:
    machine, told = Machine({1: Diverged}), []
    settings, _ = train_alike(JOBS, WIDE, (0,), machine, told.append)
    assert [used.lr0 for _, used in machine.calls] == pytest.approx([0.001, 0.001, 0.0001, 0.0001])
    assert settings.lr0 == pytest.approx(0.0001)
    assert "learning rate of 0.0001" in told[0]
    with pytest.raises(Diverged):
        train_alike(JOBS, WIDE, (0,), Machine({1: Diverged, 3: Diverged}), told.append)


FAULTS = st.dictionaries(st.integers(0, 14), st.sampled_from([OutOfMemory, Diverged, ChildError]), max_size=5)


@given(
    faults=FAULTS,
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    batch=st.integers(1, 24),
    room=st.integers(0, 24),
)
def test_whatever_fails_and_when_all_models_are_trained_alike_or_none_is_given(
    faults: dict[int, type[CurateError]], seeds: list[int], batch: int, room: int
) -> None:
    machine, told = Machine(faults, room=room), []
    asked = SETTINGS.model_copy(update={"batch": batch})
    try:
        settings, models = train_alike(JOBS, asked, seeds, machine, told.append)
    except CurateError:
        settings, models = asked, []
    for of_job in models:
        assert [model.settings for model in of_job] == [settings.model_copy(update={"seed": seed}) for seed in seeds]
    assert not models or len(models) == len(JOBS)
    assert batch % (settings.at_once or batch) == 0
    changes = {"at_once": settings.at_once, "lr0": settings.lr0}
    assert settings == asked.model_copy(update=changes | {"seed": settings.seed})
    assert len(told) <= batch.bit_length() + 1, "it comes to an end"
    times_slowed = sum("diverged" in sentence for sentence in told)
    assert times_slowed <= 1
    assert not models or settings.lr0 == pytest.approx(asked.lr0 / 10**times_slowed)
