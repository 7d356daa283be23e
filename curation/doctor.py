"""Check what the program stands on: one line each, with the fix."""

import ctypes
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from curation import mongod
from curation.config import load_config
from curation.ledger import CONFIG_NAME, Ledger
from curation.mongod import Check
from curation.status import status_of
from training.errors import ConfigError, CurateError
from training.registry import Registry

MIN_FREE_BYTES = 5 * 2**30  # a round on a few hundred photos takes about one


def check_all(folder: Path) -> tuple[Check, ...]:
    """Check the machine, and the workspace where `folder` is one."""
    return (*_database(folder), _torch(folder), *_weights(folder), _language_model(), _disk(folder))


def lines(checks: Sequence[Check]) -> list[str]:
    """Give a line a check: ok or not, what, what was found, and the fix."""
    width = max(len(check.what) for check in checks)
    return [
        f"{'ok ' if check.ok else 'NOT'}  {check.what:<{width}}  {check.detail}"
        + (f" – {check.hint}" if check.hint else "")
        for check in checks
    ]


def database_uri(folder: Path) -> str | None:
    """Give the server that the environment or the workspace names, None for the workspace's own mongod."""
    named = os.environ.get("FIFTYONE_DATABASE_URI")
    if named or not (folder / CONFIG_NAME).is_file():
        return named or None
    return load_config(folder / CONFIG_NAME).database.uri


def _database(folder: Path) -> Iterator[Check]:
    try:
        yield from mongod.check(database_uri(folder))
    except CurateError as error:
        yield Check("database", ok=False, detail=error.message, hint=error.hint)


def gpu_count() -> int:
    """Count CUDA devices by asking the driver, since importing torch takes seconds."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def torch_check(version: str, *, gpu: str | None, threads: int, gpus: int, device: str) -> Check:
    """Say what torch works on.

    `gpu` is the name of the one that it can use, None for none; `gpus` are those that the driver counts, by which
    `device: auto` goes.
    """
    if gpu is not None:
        return Check("torch", ok=True, detail=f"{version} on {gpu}")
    detail = f"{version} on the CPU, {threads} threads"
    if device == "cpu" or (device == "auto" and not gpus):
        return Check("torch", ok=True, detail=detail)
    wanted = f"the driver shows {gpus} that `auto` would take" if device == "auto" else f"training.device is {device}"
    hint = "install a torch with CUDA that fits the driver, or set training.device to cpu"
    return Check("torch", ok=False, detail=f"{detail}, though {wanted}", hint=hint)


def _torch(folder: Path) -> Check:
    import torch

    return torch_check(
        torch.__version__,
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        threads=torch.get_num_threads(),
        gpus=gpu_count(),
        device=_device(folder),
    )


def _device(folder: Path) -> str:
    try:
        return load_config(folder / CONFIG_NAME).training.device
    except ConfigError:  # no workspace, or told of by the line on the database
        return "auto"


def _weights(folder: Path) -> Iterator[Check]:
    if not (folder / CONFIG_NAME).is_file():
        return
    try:
        champion = status_of(Ledger(folder.resolve(), lambda: 0.0))["champion"]
        if champion is None:
            yield Check("champion", ok=True, detail="none yet: the first round trains one")
            return
        Registry(folder / "models").weights(champion)
        yield Check("champion", ok=True, detail=f"{champion[:8]}, weights as stored")
    except CurateError as error:
        yield Check("champion", ok=False, detail=error.message, hint=error.hint)


def _language_model() -> Check:
    return Check("language model", ok=True, detail="not used: findings come from statistics alone")


def _disk(folder: Path) -> Check:
    place = next(parent for parent in [folder.resolve(), *folder.resolve().parents] if parent.exists())
    free = shutil.disk_usage(place).free
    hint = "" if free >= MIN_FREE_BYTES else "free some space: a round takes about 1 GB"
    return Check("disk", ok=free >= MIN_FREE_BYTES, detail=f"{free / 2**30:.0f} GB free at {place}", hint=hint)
