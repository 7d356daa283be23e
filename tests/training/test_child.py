"""The door to processes: what a child inherits, how each of its ends is told, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training import fits
from training import child
from training.child import SWITCHES, hardened_environment, run_child
from training.errors import ChildError, CurateError, Diverged, OutOfMemory

HERE = Path(__file__).parent
SECRETS = {
    "OPENAI_API_KEY": "sk-1", "openai_api_key": "sk-2", "HF_TOKEN": "hf", "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_SESSION_TOKEN": "t", "DB_PASSWORD": "p", "PGPASSWORD": "p", "MYSQL_PASSWD": "p",
    "GOOGLE_APPLICATION_CREDENTIALS": "f", "FIFTYONE_DATABASE_URI": "mongodb://somebody:letmein@db.example:27017/?tls=true",
    "HTTPS_PROXY": "http://somebody:pw@proxy:8080",
}  # fmt: skip
PLAIN = {
    "PATH": "/usr/bin", "HOME": "/home/somebody", "LANG": "de_DE.UTF-8", "CUDA_VISIBLE_DEVICES": "0",
    "NO_PROXY": "http://localhost:8080/a@b", "MONGO": "mongodb://127.0.0.1:27017",
}  # fmt: skip


def test_secrets_are_dropped_and_the_rest_is_kept() -> None:
    made = hardened_environment(Path("/ws/home"), trusted=False, inherited=SECRETS | PLAIN)
    assert not SECRETS.keys() & made.keys()
    assert made.items() >= PLAIN.items()


def test_switches_are_set_whatever_was_inherited() -> None:
    inherited = dict.fromkeys(SWITCHES, "other") | {
        "ULTRALYTICS_SAFE_LOAD": "0",
        "YOLO_CONFIG_DIR": "/home/somebody/.config",
    }
    made = hardened_environment(Path("/ws/home"), trusted=False, inherited=inherited)
    assert made.items() >= SWITCHES.items()
    assert (made["ULTRALYTICS_SAFE_LOAD"], made["YOLO_CONFIG_DIR"]) == ("1", "/ws/home")
    for name in ("YOLO_OFFLINE", "HF_HUB_OFFLINE", "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS"):
        assert made[name] == "1"
    assert made["YOLO_AUTOINSTALL"] == "0"


def test_only_trust_switches_safe_loading_off() -> None:
    assert hardened_environment(Path("h"), trusted=True, inherited={})["ULTRALYTICS_SAFE_LOAD"] == "0"


@pytest.fixture
def jobs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)


pytestmark = pytest.mark.usefixtures("jobs_are_found")


def run(job: str, folder: Path, *, max_silence_s: float = 60.0, **request: Any) -> tuple[dict[str, Any], list[Any]]:
    said: list[Any] = []
    result = run_child(
        job,
        request,
        folder,
        home=folder / "home",
        trusted=False,
        progress=lambda *note: said.append(note),
        max_silence_s=max_silence_s,
        module="child_jobs",
    )
    return result, said


def test_a_job_gives_its_result_and_tells_how_far_it_is(tmp_path: Path) -> None:
    result, said = run("works", tmp_path / "job", numbers=[1, 2, 3])
    assert result == {"sum": 6}
    assert said == [(1, 3, "Straße"), (2, 3, "Straße"), (3, 3, "Straße")]


def test_stray_lines_on_its_output_are_passed_over(tmp_path: Path) -> None:
    assert run("chatters", tmp_path) == ({"fine": True}, [(1, 1, "done")])


def test_a_bug_in_a_progress_bar_is_not_taken_for_a_stray_line(tmp_path: Path) -> None:
    def broken(done: int, total: int, note: str) -> None:
        raise ValueError("broken bar")

    with pytest.raises(ValueError, match="broken bar"):
        run_child(
            "works", {"numbers": []}, tmp_path, home=tmp_path, trusted=False, progress=broken, max_silence_s=60,
            module="child_jobs",
        )  # fmt: skip


ENDS = {
    # job: message, hint, what the log holds
    "refuses": ("'refuses' failed: best.pt cannot be loaded", "bring another one", ""),
    "raises": ("'raises' ended with code 1", "log.txt and run the command again", "a bug inside a library"),
    "kills_itself": ("'kills_itself' was killed by signal 9", "it may have run out of memory", ""),
    "crashes": ("'crashes' was killed by signal 11", "log.txt and run the command again", ""),
    "dies_and_leaves_a_helper": ("'dies_and_leaves_a_helper' was killed by signal 9", "memory", ""),
}


@pytest.mark.parametrize("job", ENDS)
def test_a_job_that_ends_badly_is_told_with_its_reason_and_a_remedy(tmp_path: Path, job: str) -> None:
    message, hint, logged = ENDS[job]
    with pytest.raises(ChildError) as caught:
        run(job, tmp_path)
    assert caught.value.message == message
    assert hint in caught.value.hint
    assert logged in (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "result.json").exists() or job == "refuses"


KINDS = {"wants_memory": OutOfMemory, "diverges": Diverged, "refuses": ChildError}


@pytest.mark.parametrize("job", KINDS)
def test_an_error_that_the_parent_acts_upon_comes_back_as_what_it_was(tmp_path: Path, job: str) -> None:
    with pytest.raises(CurateError, match=f"'{job}' failed: ") as caught:
        run(job, tmp_path)
    assert type(caught.value) is KINDS[job]


COUNTS = {
    # what stood in the kernel's file before, and what a kill by signal 9 then means
    "one more was killed for want of memory": ("oom_kill 3\n", OutOfMemory),
    "none was killed for want of memory": ("oom_kill 4\n", ChildError),
    "a kernel that does not count": ("pgfault 3\n", ChildError),
    "no such file": (None, ChildError),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_kill_means_want_of_memory_only_where_the_kernel_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kind = COUNTS[name]
    counts = tmp_path / "counts"
    if before is not None:
        counts.write_text(before)
    monkeypatch.setattr(child, "KERNEL_COUNTS", counts)
    with pytest.raises(ChildError, match="was killed by") as caught:
        run("is_killed_by_the_kernel", tmp_path / "job", counts=str(counts))
    assert type(caught.value) is kind
    assert "training.imgsz" in caught.value.hint


@pytest.mark.parametrize("job", ["hangs", "hangs_after_closing_its_output"])
def test_a_job_that_falls_silent_is_stopped(tmp_path: Path, job: str) -> None:
    with pytest.raises(ChildError, match=f"'{job}' made no progress for 1.5 s and was stopped") as caught:
        run(job, tmp_path, max_silence_s=1.5)
    assert "log.txt" in caught.value.hint


@pytest.mark.parametrize("job", ["hangs", "dies_and_leaves_a_helper"])
def test_what_a_job_started_ends_with_it(tmp_path: Path, job: str) -> None:
    with pytest.raises(ChildError):
        run(job, tmp_path, max_silence_s=5)
    assert ends(int((tmp_path / "helper").read_text()))


def test_an_interrupted_parent_ends_the_job_and_what_it_started(tmp_path: Path) -> None:
    def interrupted(done: int, total: int, note: str) -> None:
        appears(tmp_path / "helper")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(
            "hangs", {}, tmp_path, home=tmp_path, trusted=False, progress=interrupted, max_silence_s=60,
            module="child_jobs",
        )  # fmt: skip
    assert ends(int((tmp_path / "helper").read_text()))


def test_an_old_result_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    run("works", tmp_path, numbers=[1])
    with pytest.raises(ChildError):
        run("raises", tmp_path)


def test_a_job_runs_in_a_session_of_its_own_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    result, _ = run("tells_its_environment", tmp_path)
    assert not SECRETS.keys() & result["environment"].keys()
    assert result["environment"].items() >= SWITCHES.items()
    assert result["session"] == result["pid"] != os.getsid(0)


def test_modules_that_lie_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training.py").write_text("raise SystemExit('the wrong training')")
    (tmp_path / "child_jobs.py").write_text("raise SystemExit('the wrong jobs')")
    monkeypatch.chdir(tmp_path)
    assert run("works", tmp_path / "job", numbers=[2])[0] == {"sum": 2}


PARENT = """
import sys
from pathlib import Path
from training.child import run_child
run_child(
    sys.argv[1], {}, Path(sys.argv[2]), home=Path(sys.argv[2]), trusted=False, progress=print, max_silence_s=600,
    module="child_jobs",
)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("job", ["waits_for_ever", "late_to_ask"])
def test_nothing_of_a_job_survives_the_kill_of_its_parent(tmp_path: Path, job: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, job, str(tmp_path)]) as parent:
        child = int(appears(tmp_path / "pid"))
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
    assert ends(child)


def test_the_detectors_door_runs_as_a_child_and_refuses_an_unknown_file(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match=r"'inspect' failed: .*gone\.pt is no file") as caught:
        run_child(
            "inspect", {"weights": str(tmp_path / "gone.pt")}, tmp_path / "job", home=tmp_path / "home", trusted=False,
            progress=lambda *note: None, max_silence_s=120,
        )  # fmt: skip
    assert caught.value.hint


@pytest.fixture
def ctrl_c_heard() -> Iterator[None]:
    """Let Ctrl-C interrupt, also where the tests were started in the background by a shell, which turns that off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_heard")
def test_a_fit_that_is_interrupted_and_killed_goes_on_from_its_seals(tmp_path: Path) -> None:
    """Ctrl-C in an early epoch, a kill two epochs later, then to the end: three children of the real ultralytics."""
    asked, ended = fits.request(tmp_path, epochs=20, imgsz=64), []

    def ctrl_c(done: int, total: int, note: str) -> None:
        if note.startswith("epoch 2/"):
            ended.append(total)
            signal.raise_signal(signal.SIGINT)

    def fit(job: str, module: str, progress: Any) -> dict[str, Any]:
        return run_child(
            job, asked, tmp_path, home=tmp_path / "home", trusted=False, progress=progress, max_silence_s=120,
            module=module,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        fit("fit", "training.yolo", ctrl_c)
    assert ended == [20]
    first = json.loads((tmp_path / "sealed.json").read_text())["epochs_done"] + 1
    assert 2 <= first < 20, "the child ended with its parent's work, not with its own"
    asked["dies_in"] = first + 1
    with pytest.raises(ChildError, match="killed by signal 9"):
        fit("fits_until_killed", "child_jobs", lambda *note: None)
    assert not list(tmp_path.glob("result.json"))
    result = fit("fit", "training.yolo", lambda *note: None)
    assert result["history"] == f"continued from epoch {first} and {first + 1} of 20"
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_fit_that_gets_no_memory_says_so(tmp_path: Path) -> None:
    """The limit is on address space (RLIMIT_AS), so it is torch's own allocation that fails."""
    asked = fits.request(tmp_path, epochs=1, imgsz=640, batch=8, count=16)
    with pytest.raises(OutOfMemory, match="too little memory") as caught:
        run("fits_in_little_memory", tmp_path, **asked)
    assert "imgsz" in caught.value.hint
    assert not (tmp_path / "weights.pt").exists()


def appears(path: Path) -> str:
    for _ in range(1000):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


def ends(pid: int) -> bool:
    for _ in range(500):
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
