"""One round from end to end with the real mongod, FiftyOne and ultralytics, command by command."""

import json
import shutil
from pathlib import Path

from curation.ledger import Ledger
from curation.lineage import lineage_of
from curation.traces import history_of
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
    _every_picture_says_where_it_came_from_and_what_it_led_to(workspace, decision)
    _models_are_listed_and_exported(workspace, decision)
    _a_candidate_without_a_findings_pictures_is_judged_on_val(workspace)
    _redo_asks_first_and_refuses_other_settings(workspace, decision)
    told = json.loads(curate("report", "-C", workspace, "--json"))
    assert told == {"report": str(workspace / "report.html")}
    assert decision["sentence"].split(":")[0] in (workspace / "report.html").read_text()
    _a_verdict_that_is_known_beforehand_needs_no_training(workspace)


def _every_picture_says_where_it_came_from_and_what_it_led_to(workspace: Path, decision: dict) -> None:
    pictures = _lines(workspace, "generate.pictures.jsonl")
    history = history_of(Ledger(workspace, lambda: 0.0))
    for picture in pictures:
        told = lineage_of(history, "picture", picture["request_id"])
        came_from = {part for link in told.came_from for part in link.ids}
        assert {picture["finding_id"], picture["brief_id"]} <= came_from
        assert decision["models"]["candidate"] in json.dumps([link.plain() for link in told.led_to])
    path = workspace / pictures[0]["path"]
    assert (
        json.loads(curate("why", path, "-C", workspace, "--json"))
        == lineage_of(history, "picture", pictures[0]["request_id"]).plain()
    )
    back = json.loads(curate("why", pictures[0]["finding_id"][:8], "-C", workspace, "--json"))
    assert pictures[0]["request_id"] in json.dumps(back["led_to"])
    text = curate("why", pictures[0]["request_id"], "-C", workspace)
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 100


def _models_are_listed_and_exported(workspace: Path, decision: dict) -> None:
    listed = curate("models", "-C", workspace)
    for model_id in decision["models"].values():
        assert model_id[:8] in listed
    out = workspace / "exported"
    curate("models", "--export", decision["models"]["candidate"], "--out", out, "-C", workspace)
    assert {path.name for path in out.iterdir()} == {"weights.pt", "data.yaml", "README.md"}
    assert str(workspace) not in (out / "README.md").read_text() + (out / "data.yaml").read_text()
    shutil.rmtree(out)


def _a_candidate_without_a_findings_pictures_is_judged_on_val(workspace: Path) -> None:
    finding = _lines(workspace, "generate.pictures.jsonl")[0]["finding_id"]
    looked = (workspace / "rounds" / "001" / "compare.json").read_bytes()
    found = json.loads(curate("retrain", "--without", finding[:8], "-C", workspace, "--json"))
    assert found["finding_id"] == finding
    assert found["mean_ap"]["photos"] == 20, "val, not test"
    assert (workspace / "rounds" / "001" / "compare.json").read_bytes() == looked


def _lines(workspace: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (workspace / "rounds" / "001" / name).read_text().splitlines()]


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
    assert _not_done(workspace) == {"card", "consult", "mix", "train", "payoff", "compare"}


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
