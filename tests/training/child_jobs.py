"""Jobs for the tests of `run_child`: `python -m child_jobs JOB FOLDER` behaves well, badly, or not at all."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.child import die_with_parent, told
from training.errors import CurateError, Diverged, ModelError, OutOfMemory
from training.files import write_json


def say(done: int, total: int, note: str) -> None:
    print(json.dumps({"done": done, "total": total, "note": note}), flush=True)


def works(folder: Path) -> dict[str, object]:
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    for done in range(3):
        say(done + 1, 3, "Straße")
    return {"sum": sum(request["numbers"])}


def chatters(folder: Path) -> dict[str, object]:
    strays = [
        "loading weights…",
        "5",
        "null",
        "[1, 2]",
        "{}",
        '{"done": 1}',
        '"text"',
        "{",
        "",
        '{"done": "x", "total": 1}',
    ]
    print("\n".join(strays), flush=True)
    sys.stdout.buffer.write(b"\xff\xfe not UTF-8\n")
    say(1, 1, "done")
    print("no newline at the end", end="", flush=True)
    return {"fine": True}


def wants_memory(folder: Path) -> dict[str, object]:
    raise OutOfMemory("there is too little memory", hint="take less")


def diverges(folder: Path) -> dict[str, object]:
    raise Diverged("the loss is no number any more", hint="learn more slowly")


def is_killed_by_the_kernel(folder: Path) -> dict[str, object]:
    """Be killed while the kernel counts one more; `counts` stands for the kernel's file."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    Path(request["counts"]).write_text("pgfault 7\noom_kill 4\n")
    return kills_itself(folder)


def fits_until_killed(folder: Path) -> dict[str, object]:
    """Train by the real ultralytics, and be killed in the epoch `dies_in`."""
    dies_in = json.loads((folder / "request.json").read_text(encoding="utf-8"))["dies_in"]

    def die(note: str) -> None:
        if note.startswith(f"epoch {dies_in}/"):
            os.kill(os.getpid(), signal.SIGKILL)

    return fits(folder, die)


def fits_in_little_memory(folder: Path) -> dict[str, object]:
    """Train by the real ultralytics, which gets 100 MB more address space after its first batch."""
    import resource

    def take_memory(note: str) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 100 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

    return fits(folder, take_memory)


def fits(folder: Path, after_batch: Callable[[str], None]) -> dict[str, object]:
    from training import yolo

    real = yolo.fit

    def fit(request: dict[str, Any], place: Path, say: Callable[[int, int, str], None]) -> dict[str, Any]:
        def say_and_do(done: int, total: int, note: str) -> None:
            say(done, total, note)
            after_batch(note)

        return real(request, place, say_and_do)

    yolo.JOBS["fit"] = fit
    yolo.main("fit", folder)
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def refuses(folder: Path) -> dict[str, object]:
    raise ModelError("best.pt cannot be loaded", hint="bring another one")


def raises(folder: Path) -> dict[str, object]:
    raise RuntimeError("a bug inside a library")


def kills_itself(folder: Path) -> dict[str, object]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def crashes(folder: Path) -> dict[str, object]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def hangs(folder: Path) -> dict[str, object]:
    say(1, 2, "then nothing")
    leave_helper(folder)
    time.sleep(600)
    return {}


def hangs_after_closing_its_output(folder: Path) -> dict[str, object]:
    os.close(1)
    time.sleep(600)
    return {}


def dies_and_leaves_a_helper(folder: Path) -> dict[str, object]:
    leave_helper(folder)
    return kills_itself(folder)


def tells_its_environment(folder: Path) -> dict[str, object]:
    return {"environment": dict(os.environ), "path": sys.path, "session": os.getsid(0), "pid": os.getpid()}


def waits_for_ever(folder: Path) -> dict[str, object]:
    (folder / "pid").write_text(str(os.getpid()))
    time.sleep(600)
    return {}


def late_to_ask(folder: Path) -> dict[str, object]:
    """Lose its parent before it has asked the kernel to die with it."""
    ctypes.CDLL(None).prctl(1, 0)
    (folder / "pid").write_text(str(os.getpid()))
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.01)
    die_with_parent()
    time.sleep(600)
    return {}


def leave_helper(folder: Path) -> None:
    helper = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    (folder / "helper").write_text(str(helper.pid))


if __name__ == "__main__":
    die_with_parent()
    job, place = globals()[sys.argv[1]], Path(sys.argv[2])
    try:
        result = job(place)
    except CurateError as error:
        result = told(error)
    write_json(place / "result.json", result)
