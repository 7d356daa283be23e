"""Memory of models: whole or absent, never overwritten, damage noticed; and training through to it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from training.dataset import YoloPicture
from training.errors import DamagedFile, ModelError
from training.files import write_text
from training.records import Arm, FileRef, FitSettings, ModelVersion
from training.registry import Registry
from training.retrain import Start, train


def version(model_id: str = "a" * 24, **changes: Any) -> ModelVersion:
    given = {
        "model_id": model_id, "classes": ("cone", "Straße"), "origin": "given", "parent": None, "round": 0,
        "trained_on": None, "history": "",
    }  # fmt: skip
    return ModelVersion.model_validate(given | changes)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "best.pt"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def test_a_model_comes_back_as_it_was_added(registry: Registry, weights: Path) -> None:
    registry.add(weights, version())
    weights.unlink()
    assert registry.get("a" * 24) == version()
    assert registry.weights("a" * 24).read_bytes() == b"weights"


def test_a_model_is_never_overwritten(registry: Registry, weights: Path) -> None:
    registry.add(weights, version())
    weights.write_bytes(b"the same tensors, another date in the file")
    registry.add(weights, version(round=3))
    assert registry.get("a" * 24).round == 0
    assert registry.weights("a" * 24).read_bytes() == b"weights"


def test_an_unknown_model_is_an_error_with_a_hint(registry: Registry) -> None:
    with pytest.raises(ModelError, match="there is no model bbb") as caught:
        registry.get("bbb")
    assert caught.value.hint
    with pytest.raises(DamagedFile):
        registry.weights("bbb")


def test_a_model_whose_adding_was_killed_is_not_there_and_can_be_added(registry: Registry, weights: Path) -> None:
    registry.add(weights, version())
    (registry.folder / ("a" * 24) / "model.json").unlink()  # it is written last
    with pytest.raises(ModelError):
        registry.get("a" * 24)
    registry.add(weights, version())
    assert registry.get("a" * 24) == version()


DAMAGE = {"changed": b"weighty", "cut": b"wei", "empty": b"", "gone": None}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["weights.pt", "weights.digest"])
def test_damaged_weights_are_noticed_and_adding_them_again_mends_them(
    registry: Registry, weights: Path, name: str, damage: str
) -> None:
    registry.add(weights, version())
    path, data = registry.folder / ("a" * 24) / name, DAMAGE[damage]
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"weights\.pt is missing or has changed") as caught:
        registry.weights("a" * 24)
    assert "redo" in caught.value.hint
    registry.add(weights, version())
    assert registry.weights("a" * 24).read_bytes() == b"weights"


@pytest.mark.parametrize("text", ["", "{", "{}", '{"model_id": 5}', "\udcff"])
def test_a_damaged_note_is_an_error_with_a_hint(registry: Registry, weights: Path, text: str) -> None:
    registry.add(weights, version())
    (registry.folder / ("a" * 24) / "model.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DamagedFile, match=r"model\.json cannot be read") as caught:
        registry.get("a" * 24)
    assert "redo" in caught.value.hint


class FakeFit:
    """A door that remembers what it was asked, and can die half-way."""

    def __init__(self) -> None:
        self.requests: list[tuple[Mapping[str, Any], bool]] = []
        self.dies = False

    def __call__(self, job: str, request: Mapping[str, Any], folder: Path, *, trusted: bool) -> dict[str, Any]:
        assert job == "fit"
        assert Path(request["data"]).is_file()
        assert not (folder / "run").exists(), "it would go on from a checkpoint that nobody sealed"
        (folder / "run").mkdir()
        self.requests.append((request, trusted))
        if self.dies:
            raise KeyboardInterrupt
        (folder / "weights.pt").write_bytes(b"trained")
        return {"digest": "b" * 24}


def lay_out(folder: Path, _pictures: Sequence[YoloPicture], classes: Sequence[str]) -> Path:
    write_text(folder / "data.yaml", "\n".join(classes))
    return folder / "data.yaml"


ARM = Arm(
    name="candidate", files=FileRef(name="mix.candidate.jsonl", digest="c" * 24),
    length=1, real_count=1, synthetic_count=0, seen={"cone": 1},
)  # fmt: skip
SETTINGS = FitSettings(imgsz=64, epochs=2, batch=4, lr0=0.001, seed=0, device="cpu")


def fit(registry: Registry, run: FakeFit, parent: ModelVersion | None) -> ModelVersion:
    return train(
        ARM,
        [],
        SETTINGS,
        Start("weights.pt", parent),
        classes=("cone",),
        number=3,
        workspace=registry.folder.parent,
        lay_out=lay_out,
        run=run,
        registry=registry,
    )


def test_a_fit_that_was_interrupted_starts_again_from_its_beginning(registry: Registry) -> None:
    run = FakeFit()
    run.dies = True
    with pytest.raises(KeyboardInterrupt):
        fit(registry, run, None)
    assert not registry.folder.exists()
    run.dies = False
    made = fit(registry, run, None)
    assert run.requests[0] == run.requests[1]
    assert registry.get(made.model_id) == made
    assert registry.weights(made.model_id).read_bytes() == b"trained"
    assert list((registry.folder.parent / "scratch").iterdir()) == []


def test_a_version_says_where_it_came_from(registry: Registry) -> None:
    parent = version("e" * 24, trusted=True)
    run = FakeFit()
    made = fit(registry, run, parent)
    assert (made.model_id, made.parent, made.origin, made.round) == ("b" * 24, "e" * 24, "candidate", 3)
    assert made.trained_on == ARM.fingerprint()
    assert made.classes == ("cone",)
    assert run.requests[0][1] is True, "weights that were trusted once are loaded in the same way"
    assert made.trusted is False, "what we saved ourselves loads safely"
