"""Memory of models: whole or absent, never overwritten, damage noticed."""

from pathlib import Path
from typing import Any

import pytest

from training.errors import DamagedFile, ModelError
from training.records import ModelVersion
from training.registry import Registry


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
