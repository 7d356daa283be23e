"""Door to ultralytics: inspect weights, fit, predict, embed. Runs as a child: `python -m training.yolo JOB FOLDER`.

ultralytics writes settings, fonts and caches into `YOLO_CONFIG_DIR`, rewrites damaged JPEGs in place (so it only ever
sees our links), and executes what a data YAML says under `download:` (so it only ever sees our YAML of four keys).
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.boxes import RawBoxes
from training.child import INTEGRATIONS, die_with_parent
from training.crops import Pixels, square_crops
from training.errors import CurateError, ModelError
from training.files import digest_of, write_json, write_with
from training.pixels import read_pixels
from training.records import FitSettings

Say = Callable[[int, int, str], None]
MIN_PREDICTED_SCORE = 0.001  # the usual floor for AP: below it nothing changes a curve
MAX_PREDICTIONS = 300
PREDICT_BATCH = 16
EMBED_BATCH = 64


def inspect(request: dict[str, Any], _folder: Path, _say: Say) -> dict[str, Any]:
    """Load weights and give their class names in order, and the digest of their tensors."""
    model = _load(request["weights"])
    names = [str(name) for _, name in sorted(model.names.items())]
    return {"names": names, "digest": _state_digest(model)}


def fit(request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Train to the last epoch and leave its averaged weights in `weights.pt`; no checkpoint is chosen."""
    settings = FitSettings.model_validate(request["settings"])
    model = _load(request["weights"])
    _report_epochs(model, settings, say)
    shutil.rmtree(folder / "run", ignore_errors=True)
    model.train(
        data=request["data"],
        epochs=settings.epochs,
        imgsz=settings.imgsz,
        batch=settings.batch,
        nbs=settings.batch,  # else gradients of 64 pictures are gathered before a step
        seed=settings.seed,
        device=settings.device,
        optimizer="AdamW",
        lr0=settings.lr0,
        cos_lr=True,
        warmup_epochs=1,
        warmup_bias_lr=0.0,  # the default of 0.1 is meant for SGD
        close_mosaic=max(1, settings.epochs // 4),
        deterministic=True,
        amp=settings.device != "cpu",
        workers=0 if settings.device == "cpu" else 4,
        val=False,
        plots=False,
        patience=0,
        project=str(folder),
        name="run",
        exist_ok=True,
    )
    last = folder / "run" / "weights" / "last.pt"
    with last.open("rb") as weights:
        write_with(folder / "weights.pt", lambda file: shutil.copyfileobj(weights, file))
    trained = _load(str(last))
    if not _is_finite(trained):
        raise ModelError("training ended in weights that are not numbers", hint="try a smaller training.lr0")
    return {"digest": _state_digest(trained)}


def predict(request: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """Predict with several models on the same photos; the boxes of the k-th are left in `boxes-k.npz`."""
    names = []
    total = len(request["weights"]) * len(request["images"])
    for number, weights in enumerate(request["weights"]):
        model = _load(weights)
        names.append([str(name) for _, name in sorted(model.names.items())])
        columns: dict[str, list[Any]] = {"image": [np.zeros(0, np.int64)], "label": [np.zeros(0, np.int64)]}
        columns |= {"xyxy": [np.zeros((0, 4))], "score": [np.zeros(0)]}
        for row, result in enumerate(_results(model, request["images"], request)):
            boxes = result.boxes.cpu().numpy()
            columns["image"].append(np.full(len(boxes), row, np.int64))
            columns["label"].append(boxes.cls.astype(np.int64))
            columns["xyxy"].append(np.clip(boxes.xyxyn.astype(np.float64).reshape(-1, 4), 0, 1))
            columns["score"].append(boxes.conf.astype(np.float64))
            say(number * len(request["images"]) + row + 1, total, "photos")
        _save_columns(folder / f"boxes-{number}.npz", columns)
    return {"names": names}


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
    model = _load(request["weights"])
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
    _settle_home(Path(os.environ["YOLO_CONFIG_DIR"]))
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        result = JOBS[job](request, folder, say)
    except CurateError as error:
        result = {"error": error.message, "hint": error.hint}
    write_json(folder / "result.json", result)


def _load(weights: str) -> Any:
    """Load weights or a network's YAML; a name that is no file would be downloaded, so it is refused."""
    from ultralytics import YOLO

    is_network = weights.endswith((".yaml", ".yml"))
    if not is_network and not Path(weights).is_file():
        raise ModelError(f"{weights} is no file", hint="give the path of a .pt file")
    try:
        model = YOLO(weights, task="detect" if is_network else None)
    except Exception as error:  # a foreign file can fail in any way while it is unpickled
        raise ModelError(f"{weights} cannot be loaded: {_first_line(error)}", hint=_loading_hint(error)) from error
    if model.task != "detect":
        raise ModelError(f"{weights} is a model for '{model.task}', not for detection", hint="bring a detection model")
    return model


def _loading_hint(error: Exception) -> str:
    if "outside the supported" in str(error):  # ultralytics' words where safe loading refuses a type
        return "it wants to run code while it is loaded; if you trust where it comes from, add --trust"
    return "is it a complete YOLO checkpoint of ultralytics?"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _results(model: Any, paths: list[str], request: dict[str, Any]) -> Iterator[Any]:
    for start in range(0, len(paths), PREDICT_BATCH):
        yield from model.predict(
            paths[start : start + PREDICT_BATCH],
            stream=True,
            batch=PREDICT_BATCH,
            imgsz=request["imgsz"],
            device=request["device"],
            conf=MIN_PREDICTED_SCORE,
            max_det=MAX_PREDICTIONS,
            save=False,
            verbose=False,
        )


def _state_digest(model: Any) -> str:
    """Give the digest of all tensors by name; the file also holds dates and paths, which are no part of a model."""
    parts = []
    for name, tensor in sorted(model.model.state_dict().items()):
        parts.append([name, digest_of(tensor.detach().cpu().half().contiguous().numpy().tobytes())])
    return digest_of(parts)


def _is_finite(model: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in model.model.state_dict().values())


def _report_epochs(model: Any, settings: FitSettings, say: Say) -> None:
    updates = 0

    def after_batch(trainer: Any) -> None:
        nonlocal updates
        updates += 1
        batches = max(1, len(trainer.train_loader))
        loss = sum(float(part) for part in trainer.label_loss_items(trainer.tloss).values())
        say(updates, batches * settings.epochs, f"epoch {trainer.epoch + 1}/{settings.epochs}, loss {loss:.2f}")

    model.add_callback("on_train_batch_end", after_batch)


def _take_standard_output() -> Say:
    """Keep standard output for progress; what libraries print goes to standard error, the log."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(done: int, total: int, note: str) -> None:
        channel.write(json.dumps({"done": done, "total": total, "note": note}) + "\n")

    return say


def _settle_home(home: Path) -> None:
    """Give ultralytics fonts, so that it fetches none, and switch its integrations off."""
    import matplotlib  # noqa: PLC0415

    fonts = home / "Ultralytics"
    fonts.mkdir(parents=True, exist_ok=True)
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):
        if not (fonts / name).exists():
            shutil.copyfile(font, fonts / name)
    from ultralytics.utils import SETTINGS

    SETTINGS.update({name: False for name in INTEGRATIONS if name in SETTINGS})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
