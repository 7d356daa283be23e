"""One writer a workspace: a lock that the kernel releases, and a note of who holds it."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training.errors import WorkspaceBusy
from training.files import sweep, sweep_old, write_json

SWEPT = ("rounds", "models", "data", "pictures", "cutouts")
SHARED = (".", "db")
"""Here commands without the lock write, too, such as `report`, so only what is old is left over."""
OLD_S = 3600.0


@contextmanager
def holding(root: Path, command: str, clock: Callable[[], float]) -> Iterator[None]:
    """Hold a workspace as its one writer; raises `WorkspaceBusy`, naming the holder, at once."""
    lock = FileLock(root / "lock", fallback_to_soft=False)  # a soft lock would outlive a killed holder
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WorkspaceBusy(
            f"{root} is in use by {_holder_of(root)}",
            hint="wait until it ends; reading commands (status, report) work meanwhile",
        ) from error
    except OSError as error:
        raise WorkspaceBusy(f"{root} cannot be locked: {error.strerror}", hint="is it writable?") from error
    note = root / "holder.json"
    try:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "started_at": clock()}
        write_json(note, holder)
        for folder in SWEPT:
            sweep(root / folder)
        for folder in SHARED:
            sweep_old(root / folder, before_s=clock() - OLD_S)
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder_of(root: Path) -> str:
    try:
        note = json.loads((root / "holder.json").read_text(encoding="utf-8"))
        return f"'{note['command']}' (process {note['pid']} on {note['host']})"
    except (OSError, ValueError, KeyError):
        return "another command"
