"""The door to ultralytics: foreign weights run no code, and what cannot be loaded is a sentence."""

import pickle  # noqa: TID251  # to attack with
import zipfile
from pathlib import Path

import pytest

from training.child import run_child
from training.errors import ChildError


class Evil:
    """Leaves a marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.marker), "w")


def inspect(weights: Path, folder: Path, *, trusted: bool) -> None:
    folder.mkdir()
    run_child(
        "inspect",
        {"weights": str(weights)},
        folder,
        home=folder / "home",
        trusted=trusted,
        progress=lambda done, total, note: None,
        max_silence_s=300,
    )


def test_weights_that_want_to_run_code_are_refused_and_run_none(tmp_path: Path) -> None:
    marker, weights = tmp_path / "marker", tmp_path / "evil.pt"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"model": Evil(marker)}))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(ChildError, match="cannot be loaded") as caught:
        inspect(weights, tmp_path / "safe", trusted=False)
    assert not marker.exists()
    assert "--trust" in caught.value.hint
    with pytest.raises(ChildError, match="cannot be loaded"):
        inspect(weights, tmp_path / "trusted", trusted=True)
    assert marker.exists(), "the same file does run code where it is trusted, so the first check could fail"


def test_a_checkpoint_cut_in_half_is_a_sentence(tmp_path: Path) -> None:
    weights = tmp_path / "half.pt"
    weights.write_bytes(b"PK\x03\x04 not much of a checkpoint")
    with pytest.raises(ChildError, match=r"half\.pt cannot be loaded") as caught:
        inspect(weights, tmp_path / "job", trusted=False)
    assert "complete YOLO checkpoint" in caught.value.hint
