"""Bringing photos, command by command: what is added later, and what is refused."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from tests.e2e.conftest import curate, draw
from training.files import write_bytes, write_text


def test_photos_that_are_added_join_the_splits_and_the_same_ones_do_not_come_twice(
    workspace: Path, tmp_path: Path
) -> None:
    rng, more = np.random.default_rng(9), tmp_path / "more"
    for number in range(40):
        picture, rows = draw(rng)
        write_bytes(more / "images" / f"new{number}.png", cv2.imencode(".png", picture)[1].tobytes())
        write_text(more / "labels" / f"new{number}.txt", "".join(" ".join(map(str, row)) + "\n" for row in rows))
    write_text(more / "classes.txt", "disc\nsquare\n")
    brought = json.loads(curate("add", more, "-C", workspace, "--json"))
    assert sum(brought["photos"].values()) == 40
    assert brought["photos"]["train"] > brought["photos"]["val"] > 0
    assert brought["classes"] == ["disc", "square"]
    assert "no photo that the workspace does not have" in curate("add", more, "-C", workspace, expect=2)


def test_a_source_with_too_much_that_is_bad_is_refused_unless_allowed(drawn: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(drawn, broken)
    for number in range(8):
        (broken / "images" / "train" / f"{number}.png").write_bytes(b"no picture")
    said = curate("init", tmp_path / "ws", "--from", broken, expect=2)
    assert "8 of 48 photos cannot be used" in said
    assert "--allow-bad" in said
    assert not (tmp_path / "ws").exists()
    brought = json.loads(curate("init", tmp_path / "ws", "--from", broken, "--allow-bad", "--json"))
    assert sum(brought["photos"].values()) == 40
    assert len([item for item in brought["refused"] if item["lost"] == "photo"]) == 8


def test_a_config_with_five_mistakes_names_all_five(workspace: Path) -> None:
    (workspace / "curate.yaml").write_text(
        "trainning: {}\ntraining: {imgzs: 64, batch: 0}\nmix: {max_synthetic_share: 2}\ndecide: {margin: much}\n"
    )
    said = curate("evaluate", "-C", workspace, expect=2)
    assert "5 problems" in said
    for words in (
        "did you mean 'training'",
        "did you mean 'imgsz'",
        "training.batch",
        "mix.max_synthetic_share",
        "decide.margin",
    ):
        assert words in said
