"""Run the program as people do: `curate …` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.demo import demo_files
from training.files import write_bytes

CURATE = [str(Path(sys.executable).with_name("curate"))]
PHOTOS = {"train": 20, "val": 12, "test": 8}
SMALL = """
training: {model: tiny, imgsz: 96, max_updates: 90, batch: 4, lr0: 0.005}
generate: {pictures: 8, min_pictures: 4}
evaluate: {replicates: 100, min_score: 0.005}
analyze: {max_q: 0.9}
"""


def curate(*arguments: object, expect: int = 0, **environment: str) -> str:
    """Run a command, check its exit code, and give what it printed."""
    done = subprocess.run(
        [*CURATE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=800,
        env={**os.environ, "COLUMNS": "100", **environment},
        check=False,
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == expect, said
    assert "Traceback" not in said
    return done.stdout if expect == 0 else said


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the first forty drawn pictures in YOLO layout; they stand in for photos."""
    folder = tmp_path_factory.mktemp("drawn")
    for name, data in demo_files(seed=1):
        parts = Path(name).stem.split("-")
        if len(parts) < 3 or int(parts[2]) < PHOTOS[parts[1]]:
            write_bytes(folder / name, data)
    return folder


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Path:
    """Give a workspace of the drawn pictures with settings that make a round quick."""
    folder = tmp_path / "ws"
    curate("init", folder, "--from", drawn)
    (folder / "curate.yaml").write_text(SMALL)
    return folder
