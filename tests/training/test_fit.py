"""One fit by the real ultralytics: what it is told, what it may continue from, and how it ends where it goes astray."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.fits import TINY, request
from training.child import SWITCHES
from training.errors import CurateError, Diverged, ModelError, OutOfMemory
from training.files import digest_of_file
from training.fit import fit
from training.retrain import Fitted

UNDISTURBED = "in one go"


@pytest.fixture(scope="module", autouse=True)
def ultralytics_keeps_its_files_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        home = {"YOLO_CONFIG_DIR": str(tmp_path_factory.mktemp("home")), "ULTRALYTICS_SAFE_LOAD": "1"}
        for name, value in (SWITCHES | home).items():
            patch.setenv(name, value)
        import ultralytics  # noqa: F401

        yield


class Killed(BaseException):
    """Stands for a kill: nothing in the fit catches it."""


class Teller:
    """Remembers what a fit says, and kills it at an epoch."""

    def __init__(self, dies_in_epoch: int | None = None) -> None:
        self.said: list[tuple[int, int, str]] = []
        self.dies_in = f"epoch {dies_in_epoch}/"

    def __call__(self, done: int, total: int, note: str) -> None:
        self.said.append((done, total, note))
        if note.startswith(self.dies_in):
            raise Killed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    said = Teller()
    result = fit(request(folder), folder, said)
    fitted = Fitted.model_validate(result)
    assert (fitted.question, fitted.history) == ("q", UNDISTURBED)
    assert fitted.weights_digest == digest_of_file(folder / "weights.pt")
    assert [note[:2] for note in said.said] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert said.said[2][2].startswith("epoch 3/4, loss ")
    return result


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which a fit was killed in its third epoch of four."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(Killed):
        fit(request(folder), folder, Teller(dies_in_epoch=3))
    assert [path.name for path in folder.glob("sealed-*.pt")] == ["sealed-2.pt"]
    return folder


def again(killed: Path, folder: Path) -> Path:
    """Copy what a killed fit left, as if the workspace had been moved: no path inside may matter."""
    shutil.copytree(killed, folder, dirs_exist_ok=True)
    return folder


def test_a_killed_fit_continues_from_its_seal_with_our_data_epochs_and_settings(killed: Path, tmp_path: Path) -> None:
    folder, said = again(killed, tmp_path / "moved"), Teller()
    asked = request(folder)
    result = fit(asked, folder, said)
    assert result["history"] == "continued from epoch 3 of 4"
    assert [note[:2] for note in said.said] == [(3, 4), (4, 4)]
    told = yaml.safe_load((folder / "run" / "args.yaml").read_text())
    assert told["data"] == asked["data"]
    assert (told["epochs"], told["lr0"], told["optimizer"], told["nbs"]) == (4, 0.001, "AdamW", 4)
    assert told["save_dir"] == str(folder / "run")


def test_a_fit_that_is_killed_twice_names_both_epochs(killed: Path, tmp_path: Path) -> None:
    folder = again(killed, tmp_path)
    with pytest.raises(Killed):
        fit(request(folder), folder, Teller(dies_in_epoch=4))
    assert fit(request(folder), folder, Teller())["history"] == "continued from epoch 3 and 4 of 4"


def cut(folder: Path, asked: dict[str, Any]) -> None:
    path = folder / "sealed-2.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unseal(folder: Path, asked: dict[str, Any]) -> None:
    (folder / "sealed.json").unlink()
    assert (folder / "run" / "weights" / "last.pt").is_file()


def spoil_note(folder: Path, asked: dict[str, Any]) -> None:
    (folder / "sealed.json").write_text('{"file": "../weights.pt"')


def other_question(folder: Path, asked: dict[str, Any]) -> None:
    asked["question"] = "another"


@pytest.mark.parametrize("change", [cut, unseal, spoil_note, other_question])
def test_anything_but_the_seal_of_this_very_fit_starts_again_and_ends_in_the_same_weights(
    killed: Path, undisturbed: dict[str, Any], tmp_path: Path, change: Any
) -> None:
    folder = again(killed, tmp_path)
    asked = request(folder)
    change(folder, asked)
    result = fit(asked, folder, Teller())
    assert result["history"] == UNDISTURBED
    assert result["digest"] == undisturbed["digest"]


def test_a_seal_of_other_settings_is_not_continued(killed: Path, tmp_path: Path) -> None:
    folder = again(killed, tmp_path)
    assert fit(request(folder, lr0=0.002, epochs=3), folder, Teller())["history"] == UNDISTURBED


def test_a_short_fit_is_not_sealed(tmp_path: Path) -> None:
    asked = request(tmp_path, epochs=2)
    del asked["seal_every_s"]
    with pytest.raises(Killed):
        fit(asked, tmp_path, Teller(dies_in_epoch=2))
    assert not list(tmp_path.glob("sealed*"))


def test_fewer_pictures_at_once_make_a_step_together_and_overrides_go_before_defaults(tmp_path: Path) -> None:
    said = Teller()
    asked = request(tmp_path, epochs=1, imgsz=64, at_once=2, overrides={"mosaic": 0.25, "cos_lr": False})
    fit(asked, tmp_path, said)
    told = yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())
    assert (told["batch"], told["nbs"], told["mosaic"], told["cos_lr"]) == (2, 4, 0.25, False)
    assert said.said[-1][:2] == (2, 2)


DIVERGE = {
    "a rate beyond all measure": (
        {"lr0": 1.0, "epochs": 8, "batch": 2, "imgsz": 64, "overrides": {"optimizer": "RMSProp", "warmup_epochs": 0}},
        "finds nothing any more",
    ),
    "weights that overflow": ({"weights": 1e38}, "the loss is no number any more, in epoch 1"),
    "a weight that the loss does not see": ({"weights": "hidden"}, "a weight is no number any more, in epoch 1"),
}


@pytest.mark.parametrize("name", DIVERGE)
def test_a_fit_that_diverges_ends_at_once_and_is_never_taken_up_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    changes, said = DIVERGE[name]
    changes = dict(changes)
    spoiled = changes.pop("weights", None)
    asked = request(tmp_path, **changes)
    if spoiled:
        asked["weights"] = str(spoilt(tmp_path / "spoilt.pt", spoiled))
    with pytest.raises(Diverged, match=said) as caught:
        fit(asked, tmp_path, Teller())
    assert "lr0" in caught.value.hint
    assert not (tmp_path / "weights.pt").exists()
    assert "recovering" not in caught.value.message


def spoilt(path: Path, how: Any) -> Path:
    """Save a network with a weight that overflows, or with a statistic that no training step looks at."""
    from ultralytics import YOLO

    model = YOLO(str(TINY), task="detect")
    first = model.model.model[0]
    if how == "hidden":
        first.bn.running_mean.fill_(float("nan"))
    else:
        first.bn.weight.data.fill_(how)
    model.save(path)
    return path


def test_where_ultralytics_would_halve_the_batch_by_itself_the_fit_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from ultralytics.nn.tasks import DetectionModel

    real, fails = DetectionModel.loss, iter([True])

    def loss(self: Any, *given: Any, **named: Any) -> Any:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, *given, **named)

    monkeypatch.setattr(DetectionModel, "loss", loss)
    said = Teller()
    with pytest.raises(OutOfMemory, match="pictures of a batch"):
        fit(request(tmp_path), tmp_path, said)
    assert said.said == [], "not one batch was shown with fewer pictures"


SETTINGS_THAT_CANNOT_WORK = {
    "a photo alone in a batch of one pixel": ({"count": 1}, "a single picture", "imgsz"),
    "every layer frozen": ({"overrides": {"freeze": 1000}}, "leaves nothing to train", "fewer layers"),
    "a setting that names a place": ({"overrides": {"project": "elsewhere"}}, "overrides.project", "mend"),
}


@pytest.mark.parametrize("name", SETTINGS_THAT_CANNOT_WORK)
def test_settings_that_cannot_work_are_a_sentence(name: str, tmp_path: Path) -> None:
    changes, said, hint = SETTINGS_THAT_CANNOT_WORK[name]
    with pytest.raises(CurateError, match=said) as caught:
        fit(request(tmp_path, epochs=1, **changes), tmp_path, Teller())
    assert hint in caught.value.hint


LITTLE = {
    "one photo": {"count": 1, "imgsz": 64},
    "a class that no photo holds": {"labels": (1,)},
    "no object at all": {"labels": ()},
}


@pytest.mark.parametrize("name", LITTLE)
def test_little_data_trains(name: str, tmp_path: Path) -> None:
    assert fit(request(tmp_path, epochs=1, **LITTLE[name]), tmp_path, Teller())["history"] == UNDISTURBED
    assert names_in(tmp_path / "weights.pt") == {0: "disc", 1: "ring"}


def names_in(weights: Path) -> dict[int, str]:
    from ultralytics import YOLO

    return dict(YOLO(str(weights)).names)


def test_settings_that_foreign_weights_bring_along_do_not_count(tmp_path: Path) -> None:
    import torch
    from ultralytics import YOLO

    path = tmp_path / "foreign.pt"
    YOLO(str(TINY), task="detect").save(path)
    stored = torch.load(path, weights_only=False)
    stored["train_args"] = {"single_cls": True, "data": "elsewhere.yaml", "epochs": 77}
    torch.save(stored, path)
    asked = request(tmp_path, epochs=1) | {"weights": str(path)}
    fit(asked, tmp_path, Teller())
    assert names_in(tmp_path / "weights.pt") == {0: "disc", 1: "ring"}
    assert yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())["data"] == asked["data"]


def evil(marker: Path) -> str:
    return yaml.safe_dump(
        {"path": ".", "train": "gone", "val": "gone", "names": ["a"], "download": f"open({str(marker)!r}, 'w')"}
    )


def test_a_data_yaml_that_lies_about_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(tmp_path / "job", epochs=1)
    for place in (tmp_path, tmp_path / "job", tmp_path / "job" / "data" / "images"):
        for name in ("data.yaml", "coco8.yaml"):
            (place / name).write_text(evil(tmp_path / "marker"))
    monkeypatch.chdir(tmp_path)
    fit(asked, tmp_path / "job", Teller())
    assert not (tmp_path / "marker").exists()


def test_a_data_yaml_that_is_not_ours_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    asked = request(tmp_path)
    Path(asked["data"]).write_text(evil(tmp_path / "marker"))
    with pytest.raises(CurateError, match="not a data YAML of ours"):
        fit(asked, tmp_path, Teller())
    assert not (tmp_path / "marker").exists()


def test_a_fit_that_ultralytics_would_run_otherwise_ends_before_it_reads_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.engine import trainer

    real = trainer.get_cfg

    def other(*given: Any, **named: Any) -> Any:
        made = real(*given, **named)
        made.data = "coco8.yaml"
        return made

    monkeypatch.setattr(trainer, "get_cfg", other)
    with pytest.raises(ModelError, match="other settings: data"):
        fit(request(tmp_path), tmp_path, Teller())
