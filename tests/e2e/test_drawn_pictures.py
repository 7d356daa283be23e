"""Pictures drawn by GLIGEN, command by command; weights and judge are tiny and random, so this is plumbing."""

import json
from pathlib import Path

from tests.e2e.conftest import SMALL, curate
from tests.generation import tiny_judge, tiny_pipeline

WORDS = "vocabulary: {scene: {light: [at dusk, at noon]}}"


def configure(workspace: Path, backend: str, verify: str) -> None:
    weights = workspace.parent / "gligen"
    generator = f"generator: {{backend: {backend}, model: {weights}, steps: 2, batch_count: 4}}"
    (workspace / "curate.yaml").write_text(f"{SMALL}{generator}\nverify: {{{verify}}}\n{WORDS}\n")


def test_pictures_are_drawn_marked_and_left_to_people_where_nobody_can_judge_them(workspace: Path) -> None:
    tiny_pipeline.save(workspace.parent / "gligen")
    configure(workspace, "gligen-inpaint", "backend: none")
    batch = json.loads(curate("generate", "-C", workspace, "--json"))
    assert (batch["made"], batch["failed"], batch["verified"]) == (8, 0, {"unverified": 8})
    assert {one["backend"] for one in _lines(workspace, "plan.requests.jsonl")} == {"gligen-inpaint"}
    review = json.loads(curate("review", "--auto", "-C", workspace, "--json"))
    assert review["accepted"], "without a judge the rule decides, and the mark stays"

    judge = tiny_judge.save_judge(workspace.parent / "judge")
    configure(workspace, "gligen", f"model: {judge}, max_tries: 1")
    said = curate("generate", "-C", workspace, expect=4)
    assert "generator.backend: gligen-inpaint → gligen" in said
    said = curate("generate", "--redo", "brief", "--yes", "-C", workspace)
    assert "8 pictures unverified" in said
    assert {one["backend"] for one in _lines(workspace, "plan.requests.jsonl")} <= {"gligen", "gligen-inpaint"}
    assert len(list((workspace / "models" / "judges").glob("*.json"))) == 1
    assert len(list((workspace / "models" / "cards").glob("*.json"))) == 1
    review = json.loads(curate("review", "--auto", "-C", workspace, "--json"))
    assert review["accepted"] == 0
    assert all(reason.startswith("left to people: the judge cannot see") for reason in review["reasons"])

    settings = f"{SMALL}generator: {{backend: gligen}}\nverify: {{backend: none}}\n"
    (workspace / "curate.yaml").write_text(settings)
    said = curate("generate", "--redo", "brief", "--yes", "-C", workspace, expect=4)
    assert "masterful/gligen-1-4-generation-text-box" in said
    assert "--allow-download" in said


def _lines(workspace: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (workspace / "rounds" / "001" / name).read_text().splitlines()]
