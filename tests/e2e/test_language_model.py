"""`curate analyze` with a language model: a real server on the loopback that speaks its protocol."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import curate, draw_photos
from tests.llm_server import LlmServer, fills, pictures, status, texts

PHOTOS = {"train": 24, "val": 64, "test": 8}
SETTINGS = """
training: {{model: tiny, imgsz: 96, scratch_updates: 60, batch: 4, scratch_lr0: 0.005}}
evaluate: {{replicates: 100, min_score: 0.05}}
generate: {{pictures: 8, min_pictures: 4}}
llm: {{model: seer, base_url: "{base_url}", input_price: 2, output_price: 8, blur_classes: [disc]}}
"""
KEY = {"OPENAI_API_KEY": "sk-of-the-test"}


def hypothesis(label: str, claim: str) -> dict[str, object]:
    return {
        "kind": "slice", "conditions": [{"column": "class", "value": label}], "attribute": "", "attribute_values": [],
        "weak_value": "", "claim": claim, "evidence": [], "varies": [], "missing": [],
        "phrases": [f"a {label} on grey ground"], "scene_words": ["grey"],
    }  # fmt: skip


REPLY = {"hypotheses": [hypothesis("square", "squares are small"), hypothesis("disc", "discs are round")]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a workspace whose champion finds discs and no squares, judged on enough photos to halve."""
    folder = draw_photos(tmp_path_factory.mktemp("llm"), PHOTOS, seed=1)
    curate("init", folder / "ws", "--from", folder)
    return folder / "ws"


def configure(workspace: Path, base_url: str) -> None:
    (workspace / "curate.yaml").write_text(SETTINGS.format(base_url=base_url))


def test_proposals_are_tested_like_everybody_elses(base: Path, llm_server: LlmServer) -> None:
    """One workspace from the dry run to the last word: each command stands on what the one before left."""
    configure(base, llm_server.base_url)
    llm_server.always(fills(REPLY))

    said = curate("analyze", "--dry-run", "-C", base, **KEY)
    assert "nothing was sent" in said
    assert llm_server.bodies == []
    assert list((base / "scratch" / "llm").glob("*.json"))

    without = json.loads(curate("analyze", "--json", "-C", base))
    assert llm_server.bodies == [], "without a key nothing is asked"
    assert without["llm"] is None
    assert {f["status"] for f in without["findings"] if f["words"] == "square"} == {"confirmed"}

    curate("analyze", "--redo", "brief", "--yes", "--no-llm", "--json", "-C", base, **KEY)
    assert llm_server.bodies == [], "--no-llm leaves it out, key or not"

    curate("analyze", "--redo", "brief", "--yes", "-C", base, expect=0, **KEY)
    found = json.loads(curate("analyze", "--json", "-C", base, **KEY))
    claimed = {finding["words"]: finding["status"] for finding in found["findings"] if finding["claim"]}
    assert claimed == {"square": "confirmed", "disc": "refuted"}
    assert len(llm_server.bodies) == 1, "the second run is free"
    assert found["llm"]["spending"]["calls"] == 1
    _nothing_leaves_that_must_not(llm_server)
    shown = curate("analyze", "-C", base, **KEY)
    assert "LLM: disc" in shown
    assert "language model: 2 proposals, 1 confirmed, 1 refuted; 1 call" in shown

    (base / "curate.yaml").write_text(SETTINGS.format(base_url="").split("llm:")[0])
    again = json.loads(curate("analyze", "--json", "-C", base))
    assert again["findings"] == found["findings"], "what was found stays when llm is deleted from the configuration"


def _nothing_leaves_that_must_not(server: LlmServer) -> None:
    (body,) = server.bodies
    assert pictures(body)
    sent = "".join(texts(body))
    assert ".png" not in sent
    assert ".jpg" not in sent


def test_findings_survive_a_model_that_refuses_the_key(base: Path, llm_server: LlmServer) -> None:
    configure(base, llm_server.base_url)
    llm_server.always(status(401))
    curate("analyze", "--no-llm", "-C", base)
    curate("analyze", "--redo", "analyze", "--yes", "--no-llm", "-C", base)  # other tests may have asked a model
    shutil.rmtree(base / "llm", ignore_errors=True)  # or the stored reply would do
    before = json.loads((base / "rounds" / "001" / "analyze.json").read_text())
    said = curate("analyze", "--redo", "brief", "--yes", "-C", base, expect=4, **KEY)
    assert "confirmed" in said, "the statistical findings are shown before the error"
    assert "OPENAI_API_KEY" in said
    assert KEY["OPENAI_API_KEY"] not in said
    assert json.loads((base / "rounds" / "001" / "analyze.json").read_text())["record"] == before["record"]
    curate("generate", "-C", base)
