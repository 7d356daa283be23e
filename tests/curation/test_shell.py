"""What commands do alike: hints and next commands that can be typed as they stand."""

from pathlib import Path

import pytest

from curation.shell import following, hints_for, next_command, placed, say_next
from training.errors import CurateError

WS = Path("my ws")
HINTS = {
    # name: the folder of this command, a hint, what is printed
    "in the workspace": (Path(), "curate review --auto", "curate review --auto"),
    "elsewhere": (Path("ws"), "curate review --auto", "curate review -C ws --auto"),
    "a folder with a blank": (WS, "curate review --auto", "curate review -C 'my ws' --auto"),
    "within a sentence": (
        Path("ws"), "add photos: curate add PATH; or see `curate doctor`.",
        "add photos: curate add -C ws PATH; or see `curate doctor -C ws`.",
    ),
    "a command that names the workspace itself": (
        Path("ws"), "make one: curate init DIR --from PATH", "make one: curate init DIR --from PATH",
    ),
    "two commands": (
        Path("ws"), "curate review, or without a person: curate review --auto",
        "curate review -C ws, or without a person: curate review -C ws --auto",
    ),
    "no command": (Path("ws"), "free some space", "free some space"),
    "an option alone": (Path("ws"), "leave --redo out; curate --help", "leave --redo out; curate --help"),
}  # fmt: skip


@pytest.mark.parametrize("name", HINTS)
def test_commands_in_hints_carry_the_workspace_of_this_command(name: str) -> None:
    folder, hint, printed = HINTS[name]
    with pytest.raises(CurateError) as caught, hints_for(folder):
        raise CurateError("no", hint=hint)
    assert caught.value.hint == printed


@pytest.mark.parametrize(
    ("command", "line"),
    [("status", "curate status -C ws"), ("review --auto", "curate review -C ws --auto"), ("demo", "curate demo")],
)
def test_a_command_line_names_the_workspace_behind_the_command(command: str, line: str) -> None:
    assert placed(Path("ws"), command) == line


def test_people_are_told_to_review_and_in_a_line_before_how_to_go_on_without_a_person(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = dict.fromkeys(("evaluate", "analyze", "generate"), "done") | {"review": "waiting"}
    command = next_command({"rounds": [{"decision": None, "steps": waits}]})
    say_next(Path("ws"), command)
    assert capsys.readouterr().out.splitlines() == [
        "", "without a person: curate review -C ws --auto", "next: curate review -C ws",
    ]  # fmt: skip
    say_next(Path("ws"), "review --auto")
    assert capsys.readouterr().out == "\nnext: curate review -C ws --auto\n"


def test_what_follows_a_check_is_the_first_step_or_the_demonstration(tmp_path: Path) -> None:
    assert following(tmp_path) == "demo"
    (tmp_path / "curate.yaml").touch()
    assert following(tmp_path) == "run"
