"""Door to ultralytics: inspect weights, predict, embed. Runs as a child: `python -m training.yolo JOB FOLDER`.

Fitting is a job, too, behind a door of its own: `training.fit`.

ultralytics writes settings, fonts and caches into `YOLO_CONFIG_DIR`, rewrites damaged JPEGs in place (so it only ever
sees our links), and executes what a data YAML says under `download:` (so it only ever sees our YAML of four keys).
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.boxes import Floats, RawBoxes
from training.checkpoint import load, state_digest, wants_memory
from training.child import INTEGRATIONS, die_with_parent, told
from training.crops import Pixels, square_crops
from training.errors import CurateError, ModelError, OutOfMemory
from training.files import write_json, write_with, writing_failed
from training.fit import Say, fit
from training.pixels import read_pixels

MIN_PREDICTED_SCORE = 0.001  # the usual floor for AP: below it nothing changes a curve
MAX_PREDICTIONS = 300
PREDICT_BATCH = 16
EMBED_BATCH = 64
MAX_THREADS = 8  # as ultralytics has it: a container may own few of the cores that it sees


def inspect(request: dict[str, Any], _folder: Path, _say: Say) -> dict[str, Any]:
    """Load weights and give their class names in order, and the digest of their tensors."""
    model = load(request["weights"])
    names = [str(name) for _, name in sorted(model.names.items())]
    return {"names": names, "digest": state_digest(model)}


def predict(request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Predict with several models on the same photos; the boxes of the k-th are left in `boxes-k.npz`.

    Where the request says `flipped`, the models see every photo mirrored left to right, and their boxes are mirrored
    back, so that they lie where the objects are.
    """
    names = []
    total = len(request["weights"]) * len(request["images"])
    for number, weights in enumerate(request["weights"]):
        model = load(weights)
        names.append([str(name) for _, name in sorted(model.names.items())])
        columns: dict[str, list[Any]] = {"image": [np.zeros(0, np.int64)], "label": [np.zeros(0, np.int64)]}
        columns |= {"xyxy": [np.zeros((0, 4))], "score": [np.zeros(0)]}
        for row, result in enumerate(_results(model, request["images"], request)):
            boxes = result.boxes.cpu().numpy()
            columns["image"].append(np.full(len(boxes), row, np.int64))
            columns["label"].append(boxes.cls.astype(np.int64))
            xyxy = np.clip(boxes.xyxyn.astype(np.float64).reshape(-1, 4), 0, 1)
            columns["xyxy"].append(_mirrored(xyxy) if request.get("flipped") else xyxy)
            columns["score"].append(boxes.conf.astype(np.float64))
            say(number * len(request["images"]) + row + 1, total, "photos")
        _save_columns(folder / f"boxes-{number}.npz", columns)
    return {"names": names}


def _mirrored(xyxy: Floats) -> Floats:
    """Give boxes as they lie in the mirror image; (n, 4) → (n, 4)."""
    x1, y1, x2, y2 = xyxy.T
    return np.stack([1 - x2, y1, 1 - x1, y2], axis=1)


def _save_columns(path: Path, columns: dict[str, list[Any]]) -> None:
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    write_with(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]  # the stub misses **kwds


def read_raw(path: Path) -> RawBoxes:
    """Read the boxes that `predict` left."""
    with np.load(path, allow_pickle=False) as stored:
        return RawBoxes(**{name: stored[name] for name in ("image", "label", "xyxy", "score")})


def embed(request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Embed the objects of photos, photo by photo, as crops of `imgsz` px; they are left in `vectors.npz`.

    A vector is the mean over the crop of the network's last layer before its head.
    """
    model = load(request["weights"])
    crops, parts = _crops(request, say), [np.zeros((0, 0), np.float32)]
    while batch := list(islice(crops, EMBED_BATCH)):
        # All crops are squares of one size: ultralytics pads a mixed list otherwise than a uniform one, and then a
        # vector would depend on its neighbours in the batch.
        found = model.embed(batch, imgsz=request["imgsz"], device=request["device"], save=False, verbose=False)
        parts.append(np.stack([vector.float().cpu().numpy() for vector in found]))
    vectors = np.concatenate(parts[1:] or parts).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ModelError(f"{request['weights']} gives embeddings that are not numbers", hint="is the model damaged?")
    write_with(folder / "vectors.npz", lambda file: np.savez(file, vectors=vectors))
    return {"count": len(vectors)}


def _crops(request: dict[str, Any], say: Say) -> Iterator[Pixels]:
    """Cut the crops of each photo in turn; `request` has a list of boxes for every image."""
    total = len(request["images"])
    for number, (path, boxes) in enumerate(zip(request["images"], request["boxes"], strict=True)):
        yield from square_crops(
            read_pixels(Path(path)), np.array(boxes, np.float64).reshape(-1, 4), side_px=request["imgsz"]
        )
        say(number + 1, total, "photos")


def read_vectors(path: Path) -> NDArray[np.float32]:
    """Read the vectors (n, d) that `embed` left."""
    with np.load(path, allow_pickle=False) as stored:
        return np.asarray(stored["vectors"], np.float32)


JOBS = {"inspect": inspect, "fit": fit, "predict": predict, "embed": embed}


def main(job: str, folder: Path) -> None:
    """Do one job for the parent: read `request.json`, report progress, write `result.json` last."""
    die_with_parent()
    say = _take_standard_output()
    _settle(Path(os.environ["YOLO_CONFIG_DIR"]))
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    write_json(folder / "result.json", attempt(job, request, folder, say))


def attempt(job: str, request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Do a job and give its result, or what the parent is told where it fails in a way that we know."""
    try:
        return JOBS[job](request, folder, say)
    except CurateError as error:
        return told(error)
    except Exception as error:
        known = _in_words(error, folder)
        if known is None:
            raise
        return told(known)


def _in_words(error: Exception, folder: Path) -> CurateError | None:
    """Give the failure of the machine that an exception of a library means, None where it means a bug."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return writing_failed(folder, error)
    if wants_memory(error):
        return OutOfMemory("there is too little memory", hint="try a smaller training.imgsz, or close other programs")
    return None


def _results(model: Any, paths: list[str], request: dict[str, Any]) -> Iterator[Any]:
    for start in range(0, len(paths), PREDICT_BATCH):
        batch = paths[start : start + PREDICT_BATCH]
        yield from model.predict(
            _mirror_images(batch) if request.get("flipped") else batch,
            stream=True,
            batch=PREDICT_BATCH,
            imgsz=request["imgsz"],
            device=request["device"],
            conf=MIN_PREDICTED_SCORE,
            max_det=MAX_PREDICTIONS,
            save=False,
            verbose=False,
        )


def _mirror_images(paths: list[str]) -> list[Pixels]:
    return [np.ascontiguousarray(read_pixels(Path(path))[:, ::-1]) for path in paths]


def _take_standard_output() -> Say:
    """Keep standard output for progress; what libraries print goes to standard error, the log."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(done: int, total: int, note: str) -> None:
        channel.write(json.dumps({"done": done, "total": total, "note": note}) + "\n")

    return say


def _settle(home: Path) -> None:
    """Give ultralytics fonts, so that it fetches none, switch its integrations off, and let it use every core."""
    import matplotlib  # noqa: PLC0415
    import torch

    fonts = home / "Ultralytics"
    fonts.mkdir(parents=True, exist_ok=True)
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        if not (fonts / name).exists():
            shutil.copyfile(font, fonts / name)
    threads = torch.get_num_threads()  # as many as there are cores, or as OMP_NUM_THREADS says
    from ultralytics.utils import SETTINGS, torch_utils

    torch_utils.NUM_THREADS = min(threads, MAX_THREADS)  # what it sets on a CPU, else one core less
    SETTINGS.update({name: False for name in INTEGRATIONS if name in SETTINGS})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
