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
    assert decision["outcome"] == "inconclusive", "no class is on fifty test photos here"
    champion = json.loads((workspace / "models" / decision["champion"] / "model.json").read_text())
    assert champion["origin"] == "first"
    assert champion["parent"] == brought["model_id"]
    assert (workspace / "report.html").stat().st_size > 10_000
