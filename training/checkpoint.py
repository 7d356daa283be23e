"""Door to ultralytics' checkpoints: load a detector from weights or a network's YAML, and name what is in it."""

import errno
from pathlib import Path
from typing import Any

from training.errors import ModelError
from training.files import digest_of

_MEMORY_MARKS = (
    "out of memory",  # CUDA
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # the system
    "not enough memory",
    "insufficient memory",  # OpenCV
    "bad_alloc",  # C++
    "cublas_status_alloc_failed",
)


def load(weights: str) -> Any:
    """Load weights or a network's YAML; a name that is no file would be downloaded, so it is refused."""
    from ultralytics import YOLO

    is_network = weights.endswith((".yaml", ".yml"))
    if not is_network and not Path(weights).is_file():
        raise ModelError(f"{weights} is no file", hint="give the path of a .pt file")
    try:
        model = YOLO(weights, task="detect" if is_network else None)
    except Exception as error:  # a foreign file can fail in any way while it is unpickled
        if wants_memory(error):
            raise
        raise ModelError(f"{weights} cannot be loaded: {_first_line(error)}", hint=_loading_hint(error)) from error
    if model.task != "detect":
        raise ModelError(f"{weights} is a model for '{model.task}', not for detection", hint="bring a detection model")
    return model


def state_digest(model: Any) -> str:
    """Give the digest of all tensors by name; the file also holds dates and paths, which are no part of a model."""
    parts = []
    for name, tensor in sorted(model.model.state_dict().items()):
        parts.append([name, digest_of(tensor.detach().cpu().half().contiguous().numpy().tobytes())])
    return digest_of(parts)


def is_finite(network: Any) -> bool:
    """Say whether all tensors of a network hold numbers."""
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


def wants_memory(error: BaseException) -> bool:
    """Say whether an exception means that there is too little memory; libraries say so in words of their own."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(mark in str(error).lower() for mark in _MEMORY_MARKS)


def version() -> str:
    """Give ultralytics' version: another one may continue a fit in another way."""
    import ultralytics

    return str(ultralytics.__version__)


def _loading_hint(error: Exception) -> str:
    if "outside the supported" in str(error):  # ultralytics' words where safe loading refuses a type
        return "it wants to run code while it is loaded; if you trust where it comes from, add --trust"
    return "is it a complete YOLO checkpoint of ultralytics?"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
