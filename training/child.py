"""Door to processes: a heavy step runs in a child with a hardened environment, and dies with its parent.

The child gets a folder with `request.json`, reports progress as JSON lines on standard output, and moves `result.json`
into place last. What libraries print goes to `log.txt` beside them.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

from training.errors import ChildError, CurateError, Diverged, OutOfMemory
from training.files import write_json

Progress = Callable[[int, int, str], None]
"""Called with done, total and a note."""

_KINDS: dict[str, type[CurateError]] = {kind.__name__: kind for kind in (OutOfMemory, Diverged)}
_MEMORY_HINT = "try a smaller training.imgsz, or close other programs"
PR_SET_PDEATHSIG = 1
KERNEL_COUNTS = Path("/proc/vmstat")
"""Holds, since Linux 4.13, how many processes the kernel has killed for want of memory."""
SECRET_MARKS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL")
LOGIN_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]*@")  # a database's or proxy's address with its password
PARENT = "CURATE_PARENT"
"""Variable that tells a child the process id of the one that started it."""
SWITCHES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MPLBACKEND": "Agg",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
INTEGRATIONS = (
    "sync",
    "clearml",
    "comet",
    "dvc",
    "hub",
    "mlflow",
    "neptune",
    "raytune",
    "tensorboard",
    "wandb",
    "vscode_msg",
)


def hardened_environment(home: Path, *, trusted: bool, inherited: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a child: no secrets, no telemetry, no downloads, no installs, safe loading of weights."""
    kept = {name: value for name, value in inherited.items() if not _is_secret(name, value)}
    safe = {"ULTRALYTICS_SAFE_LOAD": "0" if trusted else "1", "YOLO_CONFIG_DIR": str(home), PARENT: str(os.getpid())}
    return kept | SWITCHES | safe


def _is_secret(name: str, value: str) -> bool:
    return any(mark in name.upper() for mark in SECRET_MARKS) or bool(LOGIN_IN_URL.search(value))


def run_child(
    job: str,
    request: Mapping[str, Any],
    folder: Path,
    *,
    home: Path,
    trusted: bool,
    progress: Progress,
    max_silence_s: float,
    module: str = "training.yolo",
) -> dict[str, Any]:
    """Run `python -m MODULE JOB FOLDER` to its result.

    Raises `ChildError` when the child fails, is killed, or says nothing for `max_silence_s`, with the child's own
    reason where it gave one; `OutOfMemory` and `Diverged` where it says that it was that, or the kernel does.
    """
    (folder / "result.json").unlink(missing_ok=True)
    write_json(folder / "request.json", dict(request))
    killed_before = killed_for_memory()
    environment = hardened_environment(home, trusted=trusted, inherited=os.environ)
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", module, job, str(folder)],  # -P: modules lying in the current folder stay out
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        try:
            _follow(child, job, folder, progress, max_silence_s)
        finally:
            _end(child)
    return _result(job, folder, child.returncode, killed_before=killed_before)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone (Linux), and end if it is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.environ.get(PARENT) not in (None, str(os.getppid())):
        sys.exit("the process that started this one is gone")


def _follow(child: subprocess.Popen[bytes], job: str, folder: Path, progress: Progress, max_silence_s: float) -> None:
    assert child.stdout is not None
    lines: Queue[bytes | None] = Queue()
    threading.Thread(target=_drain, args=(child, child.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max_silence_s)
        except Empty as error:
            raise ChildError(
                f"'{job}' made no progress for {max_silence_s:g} s and was stopped",
                hint=f"look at {folder / 'log.txt'} and run the command again",
            ) from error
        if line is None:
            return
        note = _note(line)
        if note is not None:
            progress(*note)


def _note(line: bytes) -> tuple[int, int, str] | None:
    """Give done, total and note of a line, None for a stray line of a library."""
    try:
        note = json.loads(line)
        return int(note["done"]), int(note["total"]), str(note["note"])
    except (ValueError, TypeError, KeyError):
        return None


def _drain(child: subprocess.Popen[bytes], stream: IO[bytes], lines: "Queue[bytes | None]") -> None:
    """Pass lines on, and None when the child has ended; its number stays taken until `_end` has used it."""
    with stream:
        for line in stream:
            lines.put(line)
    with contextlib.suppress(ChildProcessError):  # `_end` was faster
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    lines.put(None)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything that it started, also where the child itself has ended before."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def told(error: CurateError) -> dict[str, str]:
    """Give what a child writes as its result where it failed in a way that it knows."""
    return {"error": error.message, "hint": error.hint, "kind": type(error).__name__}


def killed_for_memory() -> int | None:
    """Give how many processes the kernel has killed for want of memory since it started; None where it does not say."""
    try:
        counts = dict(line.split() for line in KERNEL_COUNTS.read_text(encoding="utf-8").splitlines())
        return int(counts["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


def _result(job: str, folder: Path, code: int, *, killed_before: int | None) -> dict[str, Any]:
    """Give what the child left; raises the error that it wrote, or the one that its exit code means."""
    path = folder / "result.json"
    if path.is_file():
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if "error" not in result:
            return result
        kind = _KINDS.get(str(result.get("kind")), ChildError)
        raise kind(f"'{job}' failed: {result['error']}", hint=str(result.get("hint") or f"see {folder / 'log.txt'}"))
    if code == -signal.SIGKILL and killed_before is not None and (killed_for_memory() or 0) > killed_before:
        raise OutOfMemory(f"'{job}' was killed by the kernel for want of memory", hint=_MEMORY_HINT)
    ending = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    hint = f"it may have run out of memory: {_MEMORY_HINT}" if code == -signal.SIGKILL else ""
    raise ChildError(f"'{job}' {ending}", hint=hint or f"see {folder / 'log.txt'} and run the command again")
