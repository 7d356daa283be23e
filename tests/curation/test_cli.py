"""The command line: quick to start, the help is the manual, errors are sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.cli import app

HEAVY = ("torch", "fiftyone", "ultralytics", "diffusers", "openai", "sklearn", "numpy")
COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["status", "-C", "FOLDER"]])
def test_nothing_heavy_is_loaded_for_help_and_status(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "curate.yaml").write_text("")
    words = [str(tmp_path) if word == "FOLDER" else word for word in arguments]
    program = (
        "import sys\nfrom curation.cli import app\n"
        f"try: app({words!r}, standalone_mode=False)\nexcept SystemExit: pass\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(command: str) -> None:
    said = CliRunner().invoke(app, [command, "--help"]).output
    assert f"curate {command}" in said.split("Examples:")[1]
    assert max(map(len, said.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["statu"], 2, "Did you mean 'status'"),
        (["status", "--jsn"], 2, "No such option"),
        (["status"], 2, "is not a workspace"),
        (["evaluate", "-C", "nowhere"], 2, "is not a workspace"),
        (["init", "ws", "--from", "nowhere"], 2, "nowhere"),
        (["init", "ws", "--from", ".", "--model", "no.pt"], 2, "no.pt is no file"),
        (["review", "--auto", "--collect"], 2, "--auto and --collect do not go together"),
        (["review"], 2, "is not a workspace"),
        (["add"], 2, "it is not clear what to add"),
        (["select", "--pool", "photos"], 2, "is not a workspace"),
        (["select", "--pool", "photos", "--selection", "1"], 2, "--selection does not go with --pool"),
        (["report"], 2, "is not a workspace"),
    ],
)
def test_a_mistake_is_one_sentence_with_a_remedy(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    curate = Path(sys.executable).with_name("curate")
    done = subprocess.run([curate, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ws").exists()


def test_the_doctor_gives_a_line_a_check_and_the_fix_for_what_is_not_well(tmp_path: Path) -> None:
    curate = Path(sys.executable).with_name("curate")
    own = {name: value for name, value in os.environ.items() if name != "FIFTYONE_DATABASE_URI"}
    done = subprocess.run([curate, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False, env=own)
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, blank, following = done.stdout.splitlines()
    assert (blank, following) == ("", "next: curate demo")
    assert all(line.startswith("ok ") for line in lines)
    for what in ("mongod", "torch", "language model", "disk"):
        assert any(what in line for line in lines)
    nowhere = {**os.environ, "FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"}
    done = subprocess.run([curate, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False, env=nowhere)
    assert done.returncode == 4
    assert done.stdout.splitlines()[-1] == "next: curate doctor"
    assert any(line.startswith("NOT") and "database" in line and " – " in line for line in done.stdout.splitlines())
