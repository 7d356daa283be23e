"""One round from end to end with the real mongod, FiftyOne and ultralytics, command by command."""

import json
from pathlib import Path

from tests.e2e.conftest import curate


def test_a_round_goes_from_photos_to_a_verdict_command_by_command(workspace: Path) -> None:
    evaluation = json.loads(curate("evaluate", "-C", workspace, "--json"))
    assert evaluation["split"] == "val"
    assert {score["label"] for score in evaluation["classes"]} == {"disc", "square"}

    findings = json.loads(curate("analyze", "-C", workspace, "--json"))
    assert any(finding["status"] == "confirmed" for finding in findings["findings"])

    batch = json.loads(curate("generate", "-C", workspace, "--json"))
    assert batch["made"] == 8
    said = curate("retrain", "-C", workspace, expect=3)
    assert "wait for a review" in said
    assert f"curate review -C {workspace} --auto" in said
    assert _status(workspace)["waiting_for"] == "review"

    review = json.loads(curate("review", "--auto", "-C", workspace, "--json"))
    assert review["accepted"] + review["rejected"] == 8
    decision = json.loads(curate("retrain", "-C", workspace, "--json"))
    assert decision["outcome"] in {"promoted", "rejected", "inconclusive"}

    status = _status(workspace)
    assert status["rounds"][0]["decision"] == decision["outcome"]
    assert _not_done(workspace) == {"card", "consult"}, "nothing was drawn, and no language model was asked"
    assert status["champion"] == decision["champion"]

    _arms_are_equal(workspace)
    _pictures_come_from_train_alone(workspace)
    _redo_asks_first_and_refuses_other_settings(workspace, decision)
    told = json.loads(curate("report", "-C", workspace, "--json"))
    assert told == {"report": str(workspace / "report.html")}
    assert decision["sentence"].split(":")[0] in (workspace / "report.html").read_text()
    _a_verdict_that_is_known_beforehand_needs_no_training(workspace)


def _redo_asks_first_and_refuses_other_settings(workspace: Path, decision: dict) -> None:
    assert "add --yes" in curate("retrain", "--redo", "decide", "-C", workspace, expect=2)
    again = json.loads(curate("retrain", "--redo", "decide", "--yes", "-C", workspace, "--json"))
    assert again == decision
    settings = (workspace / "curate.yaml").read_text()
    (workspace / "curate.yaml").write_text(settings.replace("batch: 4", "batch: 5"))
    said = curate("retrain", "--redo", "decide", "--yes", "-C", workspace, expect=4)
    assert "training.batch: 4 → 5" in said
    assert "--redo champion" in said
    (workspace / "curate.yaml").write_text(settings)
    curate("retrain", "-C", workspace)


def _a_verdict_that_is_known_beforehand_needs_no_training(workspace: Path) -> None:
    settings = (workspace / "curate.yaml").read_text()
    (workspace / "curate.yaml").write_text(settings.replace("min_photos: 2", "min_photos: 9"))
    decision = json.loads(curate("retrain", "--redo", "mix", "--yes", "-C", workspace, "--json"))
    assert "no class is on 9 of them" in decision["sentence"]
    assert _not_done(workspace) == {"card", "consult", "mix", "control", "candidate", "compare"}


def _not_done(workspace: Path) -> set[str]:
    return {step for step, state in _status(workspace)["rounds"][0]["steps"].items() if state != "done"}


def _status(workspace: Path) -> dict:
    return json.loads(curate("status", "-C", workspace, "--json"))


def _record(workspace: Path, step: str) -> dict:
    return json.loads((workspace / "rounds" / "001" / f"{step}.json").read_text())["record"]


def _arms_are_equal(workspace: Path) -> None:
    mixed = _record(workspace, "mix")
    control, candidate = mixed["control"], mixed["candidate"]
    assert control["length"] == candidate["length"]
    assert control["synthetic_count"] == 0
    assert candidate["synthetic_count"] == _record(workspace, "review")["accepted"]


def _pictures_come_from_train_alone(workspace: Path) -> None:
    import numpy as np

    with np.load(workspace / "rounds" / "001" / "freeze.images.npz") as images:
        train = set(images["id"][images["split"] == "train"].tolist())
    lines = (workspace / "rounds" / "001" / "generate.pictures.jsonl").read_text().splitlines()
    for picture in map(json.loads, lines):
        assert set(picture["source_ids"]) <= train
