"""Run the program as people do: `curate …` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tests.e2e.browser import new_page
from training.files import write_bytes, write_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

CURATE = [str(Path(sys.executable).with_name("curate"))]
CLASSES = ("disc", "square")
PHOTOS = {"train": 20, "val": 20, "test": 8}  # squares on ten val photos and more, else nothing is made for them
SIZE_PX = (128, 96)
SMALL = """
training: {model: tiny, imgsz: 96, max_updates: 20, scratch_updates: 60, batch: 4, scratch_lr0: 0.005}
generate: {pictures: 8, min_pictures: 4}
evaluate: {replicates: 100, min_score: 0.05}
analyze: {max_q: 0.5}
decide: {min_photos: 2}
"""
"""A minute of training is enough to find the discs, and not the squares; test is too small for any real verdict."""


def own_environment(**more: str) -> dict[str, str]:
    """The environment of a user: without what tests of FiftyOne in this process have set for it, such as its server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
    return {**kept, "COLUMNS": "100", **more}


def curate(*arguments: object, expect: int = 0, **environment: str) -> str:
    """Run a command, check its exit code, and give what it printed."""
    done = subprocess.run(
        [*CURATE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=800,
        env=own_environment(**environment),
        check=False,
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == expect, said
    assert "Traceback" not in said
    return done.stdout if expect == 0 else said


def draw(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, float, float, float, float]]]:
    """Draw large discs, which are easy, and sometimes a small square, which is not; give the rows of a YOLO file."""
    width, height = SIZE_PX
    picture = rng.normal(120, 12, (height, width, 3))
    rows = []
    for left in (8, 72):
        radius = int(rng.integers(14, 22))
        x, y = left + radius + int(rng.integers(0, 10)), int(rng.integers(radius + 2, height - radius - 2))
        cv2.circle(picture, (x, y), radius, (40, 40, 230), -1)
        rows.append((0, x / width, y / height, 2 * radius / width, 2 * radius / height))
    if rng.random() < 0.6:
        x, y, side = 60, int(rng.integers(6, height - 20)), 11
        cv2.rectangle(picture, (x, y), (x + side, y + side), (150, 110, 90), -1)
        rows.append((1, (x + 6) / width, (y + 6) / height, 12 / width, 12 / height))
    return np.clip(picture, 0, 255).astype(np.uint8), rows


def draw_photos(folder: Path, counts: dict[str, int], *, seed: int) -> Path:
    """Fill a folder with drawn pictures in YOLO layout; they stand in for photos."""
    rng = np.random.default_rng(seed)
    for split, count in counts.items():
        for number in range(count):
            picture, rows = draw(rng)
            write_bytes(folder / "images" / split / f"{number}.png", cv2.imencode(".png", picture)[1].tobytes())
            lines = "".join(" ".join(map(str, row)) + "\n" for row in rows)
            write_text(folder / "labels" / split / f"{number}.txt", lines)
    splits = "".join(f"{split}: images/{split}\n" for split in counts)
    write_text(folder / "data.yaml", f"path: .\n{splits}names: [{', '.join(CLASSES)}]\n")
    return folder


@pytest.fixture
def page() -> Iterator["Page"]:
    """Give a tab of a real browser."""
    with new_page() as tab:
        yield tab


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with some dozens of drawn pictures."""
    return draw_photos(tmp_path_factory.mktemp("drawn"), PHOTOS, seed=0)


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Path:
    """Give a workspace of the drawn pictures with settings that make a round quick."""
    folder = tmp_path / "ws"
    curate("init", folder, "--from", drawn)
    (folder / "curate.yaml").write_text(SMALL)
    return folder
