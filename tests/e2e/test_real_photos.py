"""The README's session on real photos, on a subset so that it is quick."""

import csv
import json
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.conftest import curate

SIZES = {"train": 24, "val": 20, "test": 20}
POOL = 40
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
    twenty_are_selected_labelled_and_learned_from(workspace, tmp_path / "pool", tmp_path / "to-label")


def twenty_are_selected_labelled_and_learned_from(workspace: Path, pool: Path, out: Path) -> None:
    """Select from photos whose labels are held back, label them as the data does, and begin the next round."""
    source = Path(os.environ["CURATE_DATA"]) / "data" / "bccd"
    names = (source / "ImageSets" / "Main" / "train.txt").read_text().split()[SIZES["train"] :][:POOL]
    pool.mkdir()
    for name in names:
        shutil.copy(source / "JPEGImages" / f"{name}.jpg", pool)
    selection = json.loads(curate("select", "--pool", pool, "--n", 20, "--to", out, "-C", workspace, "--json"))
    reasons = [row["reason"] for row in csv.DictReader((out / "reasons.csv").open(encoding="utf-8-sig"))]
    assert sum(selection["shares"].values()) == len(reasons) == 20
    assert all(reasons)
    assert "nobody changed a pre-label" in curate("add", out, "-C", workspace, expect=2)

    for image in (out / "images").iterdir():
        told = source / "Annotations" / f"{image.stem.partition('-')[2]}.xml"
        (out / "labels" / f"{image.stem}.txt").write_text(yolo_rows(told, [*selection["classes"]]))
    brought = json.loads(curate("add", out, "--by", "ann", "-C", workspace, "--json"))
    returned = brought["returned"]
    assert (returned["photos"], returned["by"], returned["into"]["train"]) == (20, "ann", 18)
    assert returned["untouched"] < returned["prelabels"]

    curate("evaluate", "-C", workspace)
    frozen = json.loads((workspace / "rounds" / "002" / "freeze.json").read_text())["record"]
    held_out = returned["into"]["val"] + returned["into"]["test"]
    assert frozen["photos"]["train"] == SIZES["train"] + 18
    assert frozen["photos"]["val"] + frozen["photos"]["test"] == SIZES["val"] + SIZES["test"] + held_out


def yolo_rows(told: Path, classes: list[str]) -> str:
    """Give what an annotation in VOC says as the rows of a YOLO file."""
    root = ElementTree.parse(told).getroot()
    width, height = (float(root.findtext(f"size/{name}", "0")) for name in ("width", "height"))
    rows = []
    for item in root.iter("object"):
        x1, y1, x2, y2 = (float(item.findtext(f"bndbox/{name}", "0")) for name in ("xmin", "ymin", "xmax", "ymax"))
        place = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        rows.append(" ".join(map(str, (classes.index(item.findtext("name", "")), *place))) + "\n")
    return "".join(rows)


def _model(workspace: Path, model_id: str) -> dict:
    return json.loads((workspace / "models" / model_id / "model.json").read_text())
