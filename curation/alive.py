"""Which process wrote a note: its number, and when it was born, since numbers are given again."""

import os
from pathlib import Path
from typing import Any


def identity() -> dict[str, Any]:
    """Give this process as JSON values: `pid`, and `born`, None where the system does not tell it."""
    return {"pid": os.getpid(), "born": _born(os.getpid())}


def is_alive(note: dict[str, Any]) -> bool:
    """Say whether the process that a note names by `identity` still runs."""
    pid, born = int(note["pid"]), note.get("born")
    if not _is_taken(pid):
        return False
    return born is None or _born(pid) == born


def _is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _born(pid: int) -> str | None:
    """Give when a process started, as Linux counts it: ticks since this start of the system, and which start."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[19]
        return f"{started} {Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()}"
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
