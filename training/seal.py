"""Memory of a fit under way: checkpoints that may be continued from, each whole and of exactly this fit.

A checkpoint is copied to a name of its own, then `sealed.json` names it and its digest; what was sealed before goes
last. So whenever a fit is killed, the seal that is there fits its file.
"""

import json
import shutil
from pathlib import Path

from pydantic import Field, ValidationError

from training.files import TEMPORARY_PREFIX, digest_of_file, write_json, write_with
from training.records import Record

_NOTE = "sealed.json"


class Seal(Record):
    """A checkpoint after some epochs, and what it belongs to."""

    file: str
    """Its name, beside the seal."""
    digest: str
    """Of its bytes."""
    asked: str
    """Digest of what the fit was asked, without the names of folders."""
    epochs_done: int = Field(ge=1)
    continued: tuple[int, ...]
    """The epochs, counted from 1, at which the fit was taken up again before."""


def seal(folder: Path, checkpoint: Path, *, asked: str, epochs_done: int, continued: tuple[int, ...]) -> None:
    """Keep a copy of a checkpoint to continue from; raises `CurateError` where the disk takes no more."""
    name = f"sealed-{epochs_done}.pt"
    with checkpoint.open("rb") as file_in:
        write_with(folder / name, lambda file: shutil.copyfileobj(file_in, file))
    made = Seal(
        file=name,
        digest=digest_of_file(folder / name),
        asked=asked,
        epochs_done=epochs_done,
        continued=continued,
    )
    write_json(folder / _NOTE, made.plain())
    for stale in folder.glob("sealed-*.pt"):
        if stale.name != name:
            stale.unlink()


def unbroken_seal(folder: Path, *, asked: str) -> Seal | None:
    """Give the seal of a fit if it is of this very fit and its checkpoint is whole, else None.

    What cannot be used is removed, so that nothing is continued from it later.
    """
    try:
        found = Seal.model_validate(json.loads((folder / _NOTE).read_bytes()))
        if found.asked == asked and digest_of_file(folder / Path(found.file).name) == found.digest:
            return found
    except (FileNotFoundError, ValueError, ValidationError):
        pass
    for stale in (*folder.glob("sealed*"), *folder.glob(f"{TEMPORARY_PREFIX}*")):
        stale.unlink()
    return None
