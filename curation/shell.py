"""What every command does alike: hold the workspace, show a record, and end with the right code and one sentence."""

import json
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from typer.exceptions import Abort, TyperException

from training.errors import CurateError, UsageError

if TYPE_CHECKING:
    from curation.desk import Desk
    from curation.ledger import Ledger, RoundFolder
    from curation.loop import Until
    from curation.stopping import Stop
    from training.records import Record

R = TypeVar("R", bound="Record")
INTERRUPTED, TERMINATED = 130, 143  # 128 and the number of the signal
COMMAND_IN_HINT = re.compile(r"\bcurate [a-z]+")
WITHOUT_PLACE = ("demo", "init")  # they name the workspace themselves


def leave_with(command: Callable[[], object]) -> None:
    """Run a command and exit with its code; every error that we know is a sentence and a hint."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = command()
        if code == INTERRUPTED:  # typer makes this of Ctrl-C
            code = _interrupted("interrupted", INTERRUPTED)
    except CurateError as error:
        _print_error(error)
        code = error.exit_code
    except TyperException as error:
        sys.stderr.write(
            f"error: {error.format_message()}\n       curate --help lists the commands and their options\n"
        )
        code = error.exit_code
    except (KeyboardInterrupt, Abort):
        code = _interrupted("interrupted", INTERRUPTED)
    except Terminated:
        code = _interrupted("ended by a signal", TERMINATED)
    sys.exit(code if isinstance(code, int) and not isinstance(code, bool) else 0)


class Terminated(BaseException):
    """SIGTERM arrived: leave through every `finally`, as on Ctrl-C."""


def _terminate(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends at once
    raise Terminated


def _interrupted(what: str, code: int) -> int:
    sys.stderr.write(f"\n{what}: finished work is kept; run the same command again to go on\n")
    return code


def ledger_in(folder: Path) -> "Ledger":
    """Give the workspace's rounds; this is the one place where the clock enters."""
    from curation.ledger import Ledger

    return Ledger(folder.resolve(), time.time)  # noqa: TID251


def workspace_in(folder: Path, command: str) -> "Ledger":
    """Give the rounds of a workspace with photos; raises `UsageError` where there are none."""
    from curation.cold_folder import refuse_cold

    ledger = ledger_in(folder)
    refuse_cold(ledger.root, command)
    return ledger


@contextmanager
def locked(folder: Path, command: str) -> Iterator["Ledger"]:
    """Hold the workspace before anything heavy is imported, so that a second command is told at once."""
    ledger = workspace_in(folder, command)
    with hints_for(folder), ledger.writing(f"curate {command}"):
        yield ledger


@contextmanager
def hints_for(folder: Path) -> Iterator[None]:
    """Let the commands that a hint names carry the `-C` of this one."""
    try:
        yield
    except CurateError as error:
        error.hint = COMMAND_IN_HINT.sub(lambda found: placed(folder, found[0]), error.hint)
        raise


def placed(folder: Path, command: str) -> str:
    """Give a command line with the workspace behind the command's name."""
    name, *options = command.removeprefix("curate ").split(" ")
    here = folder == Path() or name in WITHOUT_PLACE
    place = [] if here else ["-C", shlex.quote(str(folder))]
    return " ".join(["curate", name, *place, *options])


@contextmanager
def writing(
    folder: Path, command: str, *, redo: str | None = None, yes: bool = False, may_ask: bool = True, **allowed: bool
) -> Iterator["Desk"]:
    """Hold the workspace and bind everything that a round needs; `redo` first moves steps aside.

    `may_ask` false leaves the language model out; `allowed` are `painters.Permissions`.
    """
    with locked(folder, command) as ledger:
        from curation import wiring
        from curation.painters import Permissions

        with wiring.desk_of(ledger, may_ask=may_ask, allowed=Permissions(**allowed)) as desk:
            if redo:  # only now, since the configuration has been read and found good
                _redo(ledger, redo, yes=yes)
            yield desk


def _redo(ledger: "Ledger", step: str, *, yes: bool) -> None:
    from curation.ledger import steps_from

    rounds = ledger.rounds()
    moved = [name for name in steps_from(step) if rounds and rounds[-1].finished(name)]
    if not moved:
        raise UsageError(f"step '{step}' is not finished, so there is nothing to redo", hint="leave --redo out")
    if not yes:
        raise UsageError(
            f"--redo {step} moves {', '.join(moved)} of round {rounds[-1].number} aside", hint="add --yes to do it"
        )
    rounds[-1].redo(step)


def advance(desk: "Desk", until: "Until", *, may_review: bool) -> "RoundFolder":
    """Do what is not done of the open round, up to a step."""
    from curation.loop import play

    return play(desk, until, may_review=may_review)


def advance_rounds(desk: "Desk", until_round: int) -> "tuple[RoundFolder, Stop | None]":
    """Finish rounds up to a number; give the last one, and why there are no more where that is so."""
    from curation.loop import play_rounds

    return play_rounds(desk, until_round)


def take_step(folder: Path, until: "Until", kind: type[R], *, redo: str | None, yes: bool, **allowed: bool) -> R:
    """Do a round up to a step and give that step's record; `allowed` are `painters.Permissions`."""
    with writing(folder, until, redo=redo, yes=yes, **allowed) as desk:
        record = advance(desk, until, may_review=until == "review").read(until, kind)
    assert record is not None
    return record


def write_report(folder: Path) -> Path:
    """Write the report of the last round and give its path."""
    from curation import wiring

    with hints_for(folder):
        return wiring.write_report(workspace_in(folder, "report"))


def show_record(record: "Record", lines: Sequence[str], as_json: bool, folder: Path, following: str) -> None:
    """Print a record as JSON, or as lines and the next command."""
    if as_json:
        say(json.dumps(record.plain(), indent=2, ensure_ascii=False))
    else:
        say("\n".join(lines))
        say_next(folder, following)


def next_command(state: dict[str, Any]) -> str:
    """Give the command that does the first step that is not done."""
    if not state["rounds"] or state["rounds"][-1]["decision"]:
        return "run"
    steps = state["rounds"][-1]["steps"]
    waiting = (("evaluate", "evaluate"), ("analyze", "analyze"), ("generate", "generate"), ("review", "review"))
    return next((command for step, command in waiting if steps[step] != "done"), "retrain")


def following(folder: Path) -> str:
    """Give the command that goes on with a workspace, or where there is none, the one that shows what a round is."""
    from curation.cold_folder import ColdFolder, state_of
    from curation.cold_folder import next_command as next_cold_command
    from curation.ledger import CONFIG_NAME
    from curation.status import status_of

    if (cold := ColdFolder(folder)).is_there:
        return next_cold_command(state_of(cold))
    return next_command(status_of(ledger_in(folder))) if (folder / CONFIG_NAME).is_file() else "demo"


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text + "\n")


def say_now(text: str) -> None:
    """Print what somebody is to act on before the command ends."""
    say(text)
    sys.stdout.flush()


def say_next(folder: Path, command: str) -> None:
    """Print the next command to type; before that of a review, the one that goes without a person."""
    alone = f"without a person: {placed(folder, 'review --auto')}\n" if command == "review" else ""
    say(f"\n{alone}next: {placed(folder, command)}")


def _print_error(error: CurateError) -> None:
    sys.stderr.write(f"error: {error.message}\n" + (f"       {error.hint}\n" if error.hint else ""))


def columns() -> int:
    """Give the width to write for: the terminal's, at most 120 columns."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120)
