"""What tests of fits share: a folder to train on, and a request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.dataset import YoloPicture, write_yolo_folder
from training.records import FitSettings

TINY = Path(__file__).parents[2] / "curation" / "tiny.yaml"


def pictures(root: Path, *, count: int, labels: Sequence[int] = (0, 1)) -> list[YoloPicture]:
    """Draw noise with an object of every label."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        path = root / f"p{number}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        xyxy = np.array([[0.1, 0.1 + 0.4 * place, 0.5, 0.4 + 0.4 * place] for place in range(len(labels))])
        made.append(YoloPicture(f"p{number}", path, np.array(labels, np.int64), xyxy.reshape(-1, 4), 1))
    return made


def request(folder: Path, *, count: int = 4, labels: Sequence[int] = (0, 1), **changes: Any) -> dict[str, Any]:
    """Lay out a folder to train on and give the request of a fit that seals every epoch; settings can be changed."""
    usual = {"imgsz": 32, "epochs": 4, "batch": 4, "lr0": 0.001, "seed": 0, "device": "cpu"}
    settings = FitSettings.model_validate(usual | changes)
    data = write_yolo_folder(folder / "data", pictures(folder / "source", count=count, labels=labels), ["disc", "ring"])
    return {
        "question": "q", "weights": str(TINY), "data": str(data), "settings": settings.plain(), "seal_every_s": 0,
    }  # fmt: skip
