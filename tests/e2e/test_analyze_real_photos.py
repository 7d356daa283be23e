"""`curate analyze` on real photos: a detector that learned from few of them, what it is weak at, and who says so."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import curate
from tests.llm_server import LlmServer, fills

TRAIN_PHOTOS = 60
SETTINGS = """
training: {{imgsz: 160, max_updates: 60, batch: 16}}
evaluate: {{replicates: 200}}
{llm}
"""
LLM = 'llm: {{model: seer, base_url: "{base_url}"}}'
KEY = {"OPENAI_API_KEY": "sk-of-the-test"}


def hypothesis(label: str, claim: str) -> dict[str, object]:
    return {
        "kind": "slice", "conditions": [{"column": "class", "value": label}], "attribute": "", "attribute_values": [],
        "weak_value": "", "claim": claim, "evidence": [], "varies": [], "missing": [],
        "phrases": [f"one {label}"], "scene_words": ["smear"],
    }  # fmt: skip


REPLY = {"hypotheses": [hypothesis("Platelets", "they are tiny"), hypothesis("WBC", "they are rare")]}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Give the blood cell photos with 60 of train, and all of val and test, in their VOC layout."""
    if "CURATE_DATA" not in os.environ:
        pytest.skip("CURATE_DATA names no folder with real photos")
    source, folder = Path(os.environ["CURATE_DATA"]) / "data" / "bccd", tmp_path / "cells"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split in ("train", "val", "test"):
        names = (source / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
        names = names[:TRAIN_PHOTOS] if split == "train" else names
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            shutil.copy(source / "Annotations" / f"{name}.xml", folder / "Annotations")
            shutil.copy(source / "JPEGImages" / f"{name}.jpg", folder / "JPEGImages")
    return folder


def named(found: dict[str, Any], label: str) -> set[str]:
    """Give how a class is named on its own: the status of its finding, and `rare` where it is a shortage."""
    alone = [{"column": "class", "value": label}]
    statuses = {each["status"] for each in found["findings"] if each["conditions"] == alone}
    return statuses | {"rare" for each in found["shortages"] if each["conditions"] == alone}


def test_platelets_are_named_and_the_language_model_is_confirmed_once_and_refuted_once(
    photos: Path, tmp_path: Path, llm_server: LlmServer
) -> None:
    workspace = tmp_path / "ws"
    weights = Path(os.environ["CURATE_DATA"]) / "weights" / "yolov8n.pt"
    brought = json.loads(curate("init", workspace, "--from", photos, "--format", "voc", "--model", weights, "--json"))
    assert brought["photos"]["train"] == TRAIN_PHOTOS
    (workspace / "curate.yaml").write_text(SETTINGS.format(llm=""))
    without = json.loads(curate("analyze", "--json", "-C", workspace))
    assert {"confirmed", "rare"} & named(without, "Platelets")

    llm_server.always(fills(REPLY))
    (workspace / "curate.yaml").write_text(SETTINGS.format(llm=LLM.format(base_url=llm_server.base_url)))
    curate("analyze", "--redo", "brief", "--yes", "-C", workspace, **KEY)
    found = json.loads(curate("analyze", "--json", "-C", workspace, **KEY))
    claimed = {each["words"]: each["status"] for each in found["findings"] if each["claim"]}
    assert claimed == {"Platelets": "confirmed", "WBC": "refuted"}
