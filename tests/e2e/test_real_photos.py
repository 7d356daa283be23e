"""The README's session on real photos, on a subset so that it is quick."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import curate

SIZES = {"train": 24, "val": 20, "test": 20}
SMALL = """
training: {imgsz: 96, max_updates: 6, batch: 8}
generate: {pictures: 8, min_pictures: 4}
evaluate: {replicates: 100}
decide: {min_photos: 5}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Give some of the blood cell photos in their VOC layout."""
    if "CURATE_DATA" not in os.environ:
        pytest.skip("CURATE_DATA names no folder with real photos")
    source, folder = Path(os.environ["CURATE_DATA"]) / "data" / "bccd", tmp_path / "cells"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split, count in SIZES.items():
        names = (source / "ImageSets" / "Main" / f"{split}.txt").read_text().split()[:count]
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            shutil.copy(source / "Annotations" / f"{name}.xml", folder / "Annotations")
            shutil.copy(source / "JPEGImages" / f"{name}.jpg", folder / "JPEGImages")
    return folder


def test_a_detector_of_other_classes_is_fine_tuned_and_a_round_ends_in_a_verdict(photos: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    weights = Path(os.environ["CURATE_DATA"]) / "weights" / "yolov8n.pt"
    brought = json.loads(curate("init", workspace, "--from", photos, "--format", "voc", "--model", weights, "--json"))
    assert brought["photos"] == SIZES
    (workspace / "curate.yaml").write_text(SMALL)
    decision = json.loads(curate("run", "--rounds", "1", "-C", workspace, "--json"))
    assert decision["outcome"] in {"promoted", "rejected", "inconclusive"}
    models = {role: _model(workspace, model_id) for role, model_id in decision["models"].items()}
    assert {role: model["origin"] for role, model in models.items()} == {
        "champion": "first", "control": "control", "candidate": "candidate",
    }  # fmt: skip
    assert models["champion"]["parent"] == brought["model_id"]
    assert models["candidate"]["parent"] == models["control"]["parent"] == decision["models"]["champion"]
    assert (workspace / "report.html").stat().st_size > 10_000


def _model(workspace: Path, model_id: str) -> dict:
    return json.loads((workspace / "models" / model_id / "model.json").read_text())
