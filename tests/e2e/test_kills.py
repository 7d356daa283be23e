"""Whatever is killed, and whenever: run again, and nothing is lost, painted twice or counted twice."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from curation.ledger import STEPS
from tests.e2e.conftest import CURATE, curate, own_environment


def test_a_run_killed_in_every_phase_ends_as_an_undisturbed_one(workspace: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    subprocess.run(["cp", "-a", str(workspace), str(undisturbed)], check=True)
    curate("run", "-C", undisturbed)
    painted_before: dict[str, int] = {}
    for phase, delay_s in (("generate", 0.0), ("train", 4.0), ("compare", 1.0)):
        _kill_in(workspace, phase, delay_s)
        painted_before |= {path.name: path.stat().st_mtime_ns for path in (workspace / "pictures").rglob("*.jpg")}
    curate("run", "-C", workspace)
    done = {step for step in STEPS if (undisturbed / "rounds" / "001" / f"{step}.json").is_file()}
    assert {"generate", "pool", "mix", "train", "payoff", "compare", "decide"} <= done
    for step in STEPS:
        if step in done:
            assert _proof(workspace, step) == _proof(undisturbed, step), step
        else:
            assert not (workspace / "rounds" / "001" / f"{step}.json").exists(), step
    now = {path.name: path.stat().st_mtime_ns for path in (workspace / "pictures").rglob("*.jpg")}
    assert painted_before
    assert {name: now[name] for name in painted_before} == painted_before
    assert not list(workspace.rglob(".writing-*"))


def test_ctrl_c_and_sigterm_leave_cleanly_and_say_how_to_go_on(workspace: Path) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        running = _start(workspace)
        _wait_for(workspace, "champion", running)
        running.send_signal(number)
        _, said = running.communicate(timeout=30)
        assert running.returncode == code, said
        assert "run the same command again" in said
        assert "Traceback" not in said


def test_a_second_writer_is_told_at_once_who_holds_the_workspace(workspace: Path) -> None:
    running = _start(workspace)
    try:
        _wait_for(workspace, "champion", running)
        said = curate("analyze", "-C", workspace, expect=4)
        assert "curate run" in said
        assert str(running.pid) in said
        assert json.loads(curate("status", "-C", workspace, "--json"))["rounds"][0]["steps"]["champion"] == "running"
    finally:
        running.kill()
        running.wait()


def _start(workspace: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*CURATE, "run", "-C", str(workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=own_environment(),
        preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  # no other thread runs here
    )


def _heed_ctrl_c() -> None:
    """A shell starts background jobs with Ctrl-C ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _kill_in(workspace: Path, phase: str, delay_s: float) -> None:
    running = _start(workspace)
    _wait_for(workspace, phase, running)
    time.sleep(delay_s)
    running.kill()
    running.communicate()
    _wait_until(lambda: not _alive_children(workspace))


def _wait_for(workspace: Path, phase: str, running: "subprocess.Popen[str]") -> None:
    note = workspace / "rounds" / "001" / "running.json"

    def is_there() -> bool:
        if running.poll() is not None:
            pytest.fail(f"ended before {phase}: {running.communicate()}")
        try:
            return json.loads(note.read_text())["step"] == phase
        except (FileNotFoundError, ValueError):
            return False

    _wait_until(is_there)


def _wait_until(is_so, limit_s: float = 400.0) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive_children(workspace: Path) -> list[int]:
    """Give the processes that work in the workspace: detector jobs and mongod."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(workspace) in command and state != "Z":
                found.append(int(entry.name))
    return found


def _proof(workspace: Path, step: str) -> dict:
    return json.loads((workspace / "rounds" / "001" / f"{step}.json").read_text())
