"""Jobs for the tests of `run_child`: `python -m child_jobs JOB FOLDER` behaves well, badly, or not at all."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from training.child import die_with_parent
from training.errors import ModelError
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
    except ModelError as error:
        result = {"error": error.message, "hint": error.hint}
    write_json(place / "result.json", result)
