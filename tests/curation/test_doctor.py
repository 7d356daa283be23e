"""The doctor's checks: what is not well is said with its fix, and never a traceback."""

import json
from pathlib import Path

import pytest

from curation import doctor
from curation.doctor import torch_check

TORCH = {
    # name: torch's GPU, GPUs of the driver, training.device, well, words
    "no GPU": (None, 0, "auto", True, "on the CPU, 2 threads"),
    "a GPU": ("H100", 1, "auto", True, "2.6 on H100"),
    "a GPU, but a torch without CUDA": (None, 1, "auto", False, "though the driver shows 1 that `auto` would take"),
    "a GPU that is not wanted": (None, 1, "cpu", True, "on the CPU"),
    "a GPU that is wanted and not there": (None, 0, "0", False, "though training.device is 0"),
}


@pytest.mark.parametrize("name", TORCH)
def test_a_device_that_training_would_fail_on_is_said(name: str) -> None:
    gpu, gpus, device, well, words = TORCH[name]
    check = torch_check("2.6", gpu=gpu, threads=2, gpus=gpus, device=device)
    assert (check.ok, bool(check.hint)) == (well, not well)
    assert words in check.detail
    assert well or "training.device" in check.hint


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(doctor, "_database", lambda _: iter(()))
    (tmp_path / "curate.yaml").touch()
    return tmp_path


def checks(workspace: Path) -> dict[str, doctor.Check]:
    return {check.what: check for check in doctor.check_all(workspace)}


def test_the_device_of_the_workspace_is_the_one_that_is_checked(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "gpu_count", lambda: 1)
    assert not checks(workspace)["torch"].ok
    (workspace / "curate.yaml").write_text("training: {device: cpu}\n")
    assert checks(workspace)["torch"].ok


def test_a_damaged_round_is_a_line_and_the_other_checks_go_on(workspace: Path) -> None:
    assert checks(workspace)["champion"].detail.startswith("none yet")
    (workspace / "rounds" / "001").mkdir(parents=True)
    (workspace / "rounds" / "001" / "champion.json").write_text(json.dumps({"record": {"model_id": "m"}}))
    found = checks(workspace)
    assert not found["champion"].ok
    assert "--redo champion" in found["champion"].hint
    assert found["disk"].detail
