"""The round folder: made once, refused when changed, damage noticed, one writer, nothing half done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.ledger import CONFIG_NAME, STEPS, Ledger, RoundFolder
from curation.records import Batch, Decision
from curation.status import status_lines, status_of
from training.errors import CurateError, DamagedFile, StepChanged, UsageError, WorkspaceBusy
from training.files import TEMPORARY_PREFIX, write_json
from training.records import FileRef, Interval, Record


class Photos(Record):
    names: tuple[str, ...] = ("a.jpg",)


class Settings(Record):
    batch: int = 16


class Made(Record):
    value: float
    words: str = ""


class Clock:
    """Time that goes on only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    (tmp_path / CONFIG_NAME).touch()
    return Ledger(tmp_path, clock)


@pytest.fixture
def folder(ledger: Ledger) -> RoundFolder:
    return ledger.open_round()


def never() -> Made:
    raise AssertionError("a finished step was made again")


def finish(folder: RoundFolder, *steps: str) -> None:
    """Finish steps with a side file each."""
    for step in steps:
        folder.once(step, Made, lambda step=step: Made(value=len(folder.save_lines(f"{step}.list.jsonl", []).name)))


# --- once


def test_a_step_is_made_once_and_its_record_given_ever_after(folder: RoundFolder) -> None:
    made = folder.once("evaluate", Made, lambda: Made(value=0.1 + 0.2, words="Straße − \u2028"), Photos(), Settings())
    assert folder.once("evaluate", Made, never, Photos(), Settings()) == made
    assert folder.read("evaluate", Made) == made
    assert folder.finished("evaluate")


def test_a_step_that_is_not_finished_reads_as_none(folder: RoundFolder) -> None:
    assert folder.read("evaluate", Made) is None
    assert folder.peek("evaluate") is None
    assert not folder.finished("evaluate")


CHANGES: dict[str, tuple[tuple[Record, ...], tuple[Record, ...], list[str]]] = {
    "another content": ((Photos(), Settings()), (Photos(), Settings(batch=8)), ["Settings"]),
    "all of them": ((Photos(), Settings()), (Photos(names=()), Settings(batch=8)), ["Photos", "Settings"]),
    "one more": ((Photos(),), (Photos(), Settings()), ["Settings"]),
    "one less": ((Photos(), Settings()), (Settings(),), ["Photos"]),
    "the second of a kind": ((Settings(), Settings(batch=1)), (Settings(), Settings(batch=2)), ["Settings 2"]),
    "two of a kind, swapped": (
        (Settings(), Settings(batch=1)), (Settings(batch=1), Settings()), ["Settings", "Settings 2"],
    ),
    "the third of a kind": ((Settings(),) * 2, (Settings(),) * 3, ["Settings 3"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changed_inputs_are_refused_with_their_kinds_and_both_ways_out(folder: RoundFolder, name: str) -> None:
    before, now, kinds = CHANGES[name]
    folder.once("evaluate", Made, lambda: Made(value=1), *before)
    with pytest.raises(StepChanged) as caught:
        folder.once("evaluate", Made, never, *now)
    assert caught.value.message == (
        f"step 'evaluate' of round 1 is finished but was made from another {' and another '.join(kinds)}"
    )
    assert "put that back" in caught.value.hint
    assert "--redo evaluate" in caught.value.hint
    assert folder.once("evaluate", Made, never, *before) == Made(value=1)


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # name: settings before and now, the words for it
    "another value": ({"batch": 16}, {"batch": 8}, "with other settings (training.batch: 16 → 8)"),
    "two values": (
        {"batch": 16, "lr0": 0.001}, {"batch": 8, "lr0": 0.002},
        "with other settings (training.batch: 16 → 8, training.lr0: 0.001 → 0.002)",
    ),
    "a value that was left open": ({"seed": None}, {"seed": 3}, "with other settings (training.seed: nothing → 3)"),
}  # fmt: skip


class Training(Record):
    batch: int = 16
    lr0: float = 0.001
    seed: int | None = None
    names: tuple[str, ...] = ("a", "b")


@pytest.mark.parametrize("name", SETTINGS)
def test_changed_settings_are_refused_with_their_keys_and_values(folder: RoundFolder, name: str) -> None:
    before, now, words = SETTINGS[name]
    folder.once("mix", Made, lambda: Made(value=1), Photos(), training=Training(**before))
    assert folder.once("mix", Made, never, Photos(), training=Training(**before)) == Made(value=1)
    with pytest.raises(StepChanged) as caught:
        folder.once("mix", Made, never, Photos(), training=Training(**now))
    assert caught.value.message == f"step 'mix' of round 1 is finished but was made {words}"
    assert "--redo mix" in caught.value.hint


def test_changed_records_and_settings_are_named_together(folder: RoundFolder) -> None:
    folder.once("mix", Made, lambda: Made(value=1), Photos(), training=Training())
    with pytest.raises(
        StepChanged, match=r"made from another Photos and with other settings \(training\.batch: 16 → 8\)"
    ):
        folder.once("mix", Made, never, Photos(names=()), training=Training(batch=8))


def test_a_section_that_is_no_longer_used_is_a_change(folder: RoundFolder) -> None:
    folder.once("mix", Made, lambda: Made(value=1), training=Training())
    with pytest.raises(StepChanged, match=r"training\.batch: 16 → nothing"):
        folder.once("mix", Made, never)


def test_kinds_may_come_in_any_order(folder: RoundFolder) -> None:
    folder.once("evaluate", Made, lambda: Made(value=1), Photos(), Settings())
    assert folder.once("evaluate", Made, never, Settings(), Photos()) == Made(value=1)


def test_an_error_in_a_step_leaves_no_proof_and_it_is_made_the_next_time(folder: RoundFolder) -> None:
    def failing() -> Made:
        raise CurateError("no")

    with pytest.raises(CurateError):
        folder.once("evaluate", Made, failing)
    assert not folder.finished("evaluate")
    assert folder.running_step() is None
    assert folder.once("evaluate", Made, lambda: Made(value=2)) == Made(value=2)


def changed(text: str, **changes: Any) -> str:
    return json.dumps(json.loads(text) | changes)


DAMAGE: dict[str, Callable[[str], str | bytes]] = {
    "empty": lambda text: "",
    "cut": lambda text: text[:-20],
    "not text": lambda text: b"\xff\xfe\x00",
    "a list": lambda text: "[]",
    "no record": lambda text: changed(text, record=None),
    "another number": lambda text: text.replace("0.25", "0.75"),
    "another input": lambda text: changed(text, inputs={"Settings": "0" * 24}),
    "no digest": lambda text: json.dumps({"inputs": json.loads(text)["inputs"], "record": json.loads(text)["record"]}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_proof_is_noticed_and_never_made_again_in_silence(folder: RoundFolder, name: str) -> None:
    folder.once("evaluate", Made, lambda: Made(value=0.25), Settings())
    path = folder.path / "evaluate.json"
    damaged = DAMAGE[name](path.read_text())
    path.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    for look in (
        lambda: folder.once("evaluate", Made, never, Settings()),
        lambda: folder.read("evaluate", Made),
        lambda: folder.peek("evaluate"),
    ):
        with pytest.raises(DamagedFile) as caught:
            look()
        assert str(path) in caught.value.message
        assert "--redo evaluate" in caught.value.hint


def test_proofs_of_two_steps_cannot_be_swapped(folder: RoundFolder) -> None:
    for step, value in (("control", 1), ("candidate", 2)):
        folder.once(step, Made, lambda value=value: Made(value=value), Settings())
    control, candidate = folder.path / "control.json", folder.path / "candidate.json"
    text = control.read_text()
    control.write_text(candidate.read_text())
    candidate.write_text(text)
    with pytest.raises(DamagedFile):
        folder.read("control", Made)


def test_a_record_of_another_kind_is_an_error_with_a_hint(folder: RoundFolder) -> None:
    folder.once("evaluate", Made, lambda: Made(value=1))
    with pytest.raises(DamagedFile, match="does not hold a Photos") as caught:
        folder.read("evaluate", Photos)
    assert "--redo" in caught.value.hint


# --- lists beside a proof


def test_lists_come_back_in_order_with_any_text(folder: RoundFolder) -> None:
    records = [
        Made(value=k, words=words) for k, words in enumerate(["", "a\nb\r", "\u2028 \u2029 \x85 \x0b \x1c", "Ü"])
    ]
    ref = folder.save_lines("generate.pictures.jsonl", records)
    assert folder.load_lines(ref, Made) == tuple(records)
    assert ref.name == "generate.pictures.jsonl"
    assert folder.load_lines(folder.save_lines("generate.none.jsonl", []), Made) == ()


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_list_is_noticed(folder: RoundFolder, damage: str) -> None:
    ref = folder.save_lines("review.verdicts.jsonl", [Made(value=1)])
    path = folder.path / ref.name
    path.unlink()
    if damage == "changed":
        path.write_text('{"value":2.0,"words":""}\n')
    with pytest.raises(DamagedFile, match=r"review\.verdicts\.jsonl is missing or has changed"):
        folder.load_lines(ref, Made)


def test_a_list_of_other_records_is_an_error_with_a_hint(folder: RoundFolder) -> None:
    ref = folder.save_lines("review.verdicts.jsonl", [Made(value=1)])
    with pytest.raises(DamagedFile, match="does not hold a FileRef"):
        folder.load_lines(ref, FileRef)


READ_BACK = """
import sys
from pathlib import Path
from curation.ledger import Ledger
from curation.records import Difference
folder = Ledger(Path(sys.argv[1]), lambda: 0.0).rounds()[0]
print(ascii(folder.read("decide", Difference).of))
"""


def test_a_workspace_is_read_alike_under_any_locale(ledger: Ledger) -> None:
    from curation.records import Difference

    nothing = Interval(value=0, low=0, high=0, photos=1)
    ledger.open_round().once(
        "decide", Difference, lambda: Difference(of="candidate − control", mean_ap=nothing, classes={})
    )
    plain = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, str(ledger.root)], env=plain, check=True, capture_output=True, text=True
    )
    assert done.stdout == "'candidate \\u2212 control'\n"


# --- redo


def test_redo_moves_a_step_and_all_after_it_aside_and_nothing_before(folder: RoundFolder) -> None:
    finish(folder, "freeze", "champion", "generate", "review", "decide")
    folder.save_lines("mix.half.jsonl", [])  # of a step that was not finished
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    assert folder.redo("generate") == ("generate", "review", "decide")
    kept = {"freeze.json", "freeze.list.jsonl", "champion.json", "champion.list.jsonl", "times.json"}
    moved = {path.name for path in (folder.path / "aside-1").iterdir()}
    assert {path.name for path in folder.path.iterdir()} == kept | {"aside-1"}
    assert moved == before.keys() - kept
    for path in [*folder.path.glob("*.*"), *(folder.path / "aside-1").iterdir()]:
        assert path.read_bytes() == before[path.name]
    finish(folder, "generate")


def test_each_redo_has_a_folder_of_its_own_and_overwrites_nothing(folder: RoundFolder) -> None:
    for _ in range(3):
        finish(folder, "review")
        folder.redo("review")
    (folder.path / "aside-1" / "review.json").unlink()
    (folder.path / "aside-1" / "review.list.jsonl").unlink()
    (folder.path / "aside-1").rmdir()
    finish(folder, "review")
    folder.redo("review")
    assert sorted(path.name for path in folder.path.glob("aside-*/review.json")) == ["review.json"] * 3
    assert (folder.path / "aside-1").is_dir()


def test_redo_of_what_was_never_done_moves_nothing(folder: RoundFolder) -> None:
    finish(folder, "freeze")
    assert folder.redo("review") == ()
    assert list(folder.path.glob("aside-*")) == []


def test_redo_of_an_unknown_step_lists_the_steps(folder: RoundFolder) -> None:
    finish(folder, "freeze")
    with pytest.raises(UsageError, match="no step 'evaluat'") as caught:
        folder.redo("evaluat")
    assert all(step in caught.value.hint for step in STEPS)
    assert folder.finished("freeze")


def test_an_interrupted_redo_leaves_the_beginning_of_a_round(
    folder: RoundFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(folder, *STEPS)
    rename, count = Path.rename, 0

    def interrupted(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == 6:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder.redo("evaluate")
    monkeypatch.undo()
    done = [folder.finished(step) for step in STEPS]
    assert done == sorted(done, reverse=True), "a later step is finished and an earlier one is not"
    assert not folder.finished("decide")
    folder.redo("evaluate")
    assert [step for step in STEPS if folder.finished(step)] == ["freeze", "champion"]


# --- rounds and status


def decision(champion: str = "c" * 24) -> Decision:
    return Decision(
        outcome="promoted", sentence="Better.", better=None, pictures_did_it=None,
        attributed="cannot tell", attribution="", classes=(),
        settle="", openings=1, champion=champion, models={},
    )  # fmt: skip


def test_a_folder_without_a_configuration_is_no_workspace(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(UsageError, match="is not a workspace") as caught:
        Ledger(tmp_path, clock)
    assert "curate init" in caught.value.hint


def test_the_first_step_after_a_decision_opens_the_next_round(ledger: Ledger) -> None:
    first = ledger.open_round()
    assert ledger.open_round() == first
    first.once("decide", Decision, decision)
    second = ledger.open_round()
    assert (second.number, second.path.name) == (2, "002")
    assert [folder.number for folder in ledger.rounds()] == [1, 2]
    assert ledger.decisions() == (decision(),)


@pytest.mark.parametrize(
    ("selected", "back", "waiting"),
    [
        ([20], [], {1: 20}),
        ([20, 5], [{1: 18}], {1: 2, 2: 5}),
        ([20, 20, 20], [{1: 20}, {2: 15, 3: 20}], {2: 5}),
        ([20], [{1: 18}, {1: 2}], {}),
    ],
    ids=["new", "some", "of several at once", "all"],
)
def test_status_counts_selected_photos_that_have_not_come_back(
    ledger: Ledger, selected: list[int], back: list[dict[int, int]], waiting: dict[int, int]
) -> None:
    for number, count in enumerate(selected, start=1):
        record = {"number": number, "shares": {"random": 2, "cone": count - 2}}
        write_json(ledger.root / "selections" / f"{number:03d}.json", record)
    for number, of in enumerate([{}, *back], start=1):
        returned = {"selections": [*of], "photos": sum(of.values()), "photos_of": [*of.values()]} if of else None
        write_json(ledger.root / "data" / "imports" / f"{number:03d}.json", {"returned": returned, "model_id": None})
    status = status_of(ledger)
    assert {each["selection"]: each["photos"] for each in status["to_label"]} == waiting
    (line, *_) = status_lines(status, 100)
    which = ("selections " if len(waiting) > 1 else "selection ") + ", ".join(map(str, waiting))
    said = f"champion none yet, {sum(waiting.values())} selected photos of {which} to be labelled"
    assert line == (said if waiting else "champion none yet")


def test_many_waiting_selections_are_counted(ledger: Ledger) -> None:
    waiting = [{"selection": number, "photos": 1} for number in range(1, 31)]
    (line, *_) = status_lines(status_of(ledger) | {"to_label": waiting}, 120)
    assert "30 selected photos of selections 1, 2, 3, 4, 5, 6 and 24 more to be labelled" in line


def test_status_of_a_fresh_workspace_is_empty(ledger: Ledger) -> None:
    assert status_of(ledger) == {"champion": None, "rounds": [], "waiting_for": None, "to_label": []}


def batch(*, made: int) -> Batch:
    lines = FileRef(name="lines", digest="d")
    return Batch(pictures=lines, failures=lines, made=made, failed=0)


def test_a_batch_without_pictures_waits_for_nobody(ledger: Ledger) -> None:
    ledger.open_round().once("generate", Batch, lambda: batch(made=0))
    assert status_of(ledger)["waiting_for"] is None


def test_an_interrupted_run_keeps_its_aim_and_a_finished_one_sets_a_new_one(ledger: Ledger) -> None:
    assert ledger.aim(3) == 3
    ledger.open_round().once("decide", Decision, decision)
    assert ledger.aim(3) == 3
    assert ledger.aim(1) == 2, "another wish is another aim"
    ledger.arrive()
    assert ledger.aim(3) == 4


def test_status_has_the_promised_shape(ledger: Ledger, clock: Clock) -> None:
    folder = ledger.open_round()

    def slow() -> Made:
        clock.now_s += 2.5
        return Made(value=1)

    folder.once("freeze", Made, slow)
    folder.once("generate", Batch, lambda: batch(made=8))
    none_yet = dict.fromkeys(STEPS)
    assert status_of(ledger) == {
        "champion": None,
        "rounds": [
            {
                "round": 1,
                "steps": none_yet | {"freeze": "done", "generate": "done", "review": "waiting"},
                "decision": None,
                "elapsed_s": {"freeze": 2.5, "generate": 0.0},
            }
        ],
        "waiting_for": "review",
        "to_label": [],
    }
    finish(folder, "review")
    folder.once("decide", Decision, decision)
    status = status_of(ledger)
    assert (status["champion"], status["waiting_for"]) == ("c" * 24, None)
    assert status["rounds"][0]["decision"] == "promoted"
    assert json.loads(json.dumps(status)) == status


def test_times_are_of_finished_steps_and_never_negative(folder: RoundFolder, clock: Clock) -> None:
    def clock_goes_back() -> Made:
        clock.now_s -= 3600
        return Made(value=1)

    folder.once("freeze", Made, clock_goes_back)
    finish(folder, "champion")
    assert folder.elapsed_s() == {"freeze": 0.0, "champion": 0.0}
    folder.redo("champion")
    assert folder.elapsed_s() == {"freeze": 0.0}


def test_a_step_runs_while_it_is_made(ledger: Ledger) -> None:
    folder, seen = ledger.open_round(), []

    def looks_at_itself() -> Made:
        seen.append(status_of(ledger)["rounds"][0]["steps"]["evaluate"])
        return Made(value=1)

    folder.once("evaluate", Made, looks_at_itself)
    assert seen == ["running"]
    assert status_of(ledger)["rounds"][0]["steps"]["evaluate"] == "done"


# --- one writer


def test_a_writer_clears_what_an_interrupted_one_left(ledger: Ledger) -> None:
    for name in ("rounds", "models", "data", "pictures", "cutouts"):
        (ledger.root / name / "deep").mkdir(parents=True)
        (ledger.root / name / "deep" / f"{TEMPORARY_PREFIX}x").touch()
    with ledger.writing("curate run"):
        assert list(ledger.root.rglob(f"{TEMPORARY_PREFIX}*")) == []


def test_what_is_left_beside_the_configuration_is_cleared_once_it_is_old(ledger: Ledger, clock: Clock) -> None:
    """`report` writes there without the lock: what is new may be its own."""
    (ledger.root / "db").mkdir()
    old, new = ledger.root / f"{TEMPORARY_PREFIX}old", ledger.root / "db" / f"{TEMPORARY_PREFIX}new"
    clock.now_s = 1_000_000.0
    for path, age_s in ((old, 7200), (new, 60)):
        path.touch()
        os.utime(path, (clock.now_s - age_s,) * 2)
    with ledger.writing("curate run"):
        assert not old.exists()
        assert new.exists()
    clock.now_s += 7200
    with ledger.writing("curate run"):
        assert not new.exists()


def test_the_holder_is_noted_while_it_writes_and_gone_afterwards(ledger: Ledger) -> None:
    with ledger.writing("curate run"):
        holder = json.loads((ledger.root / "holder.json").read_text())
        assert (holder["pid"], holder["command"]) == (os.getpid(), "curate run")
    assert not (ledger.root / "holder.json").exists()
    with pytest.raises(RuntimeError, match="bug"), ledger.writing("curate run"):
        raise RuntimeError("bug")
    with ledger.writing("curate run"):
        pass


def test_a_workspace_that_cannot_be_locked_is_an_error_with_a_hint(ledger: Ledger) -> None:
    (ledger.root / "lock").mkdir()
    with pytest.raises(WorkspaceBusy, match="cannot be locked") as caught, ledger.writing("curate run"):
        pass
    assert caught.value.hint


HOLDER = """
import sys, time
from pathlib import Path
from curation.ledger import Ledger
from training.records import FileRef

ledger = Ledger(Path(sys.argv[1]), time.time)

def endless():
    ledger.open_round().save_lines("generate.pictures.jsonl", [])
    print("holding", flush=True)
    time.sleep(600)

with ledger.writing("curate generate"):
    ledger.open_round().once("generate", FileRef, endless)
"""
SECOND = """
import sys, time
from pathlib import Path
from curation.ledger import Ledger
from training.errors import WorkspaceBusy

waits = []
time.sleep = waits.append
try:
    with Ledger(Path(sys.argv[1]), time.time).writing("curate retrain"):
        print("works")
except WorkspaceBusy as error:
    print(error.exit_code, waits, error.message, error.hint, sep="|")
"""


@pytest.fixture
def holder(ledger: Ledger) -> Any:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(ledger.root)], stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == "holding\n"
        yield held
        held.kill()


def second(ledger: Ledger) -> str:
    done = subprocess.run([sys.executable, "-c", SECOND, str(ledger.root)], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_second_writer_is_refused_at_once_with_the_holders_name(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    code, waits, message, hint = second(ledger).split("|")
    assert (code, waits) == ("4", "[]")
    assert f"is in use by 'curate generate' (process {holder.pid} on " in message
    assert "wait" in hint


def test_readers_take_no_lock(ledger: Ledger, holder: subprocess.Popen[str]) -> None:
    assert status_of(ledger)["rounds"][0]["steps"]["generate"] == "running"
    assert ledger.decisions() == ()
    assert "in use" in second(ledger), "reading set the writer's lock free"


def test_after_the_holder_was_killed_the_next_starts_at_once_and_nothing_half_done_counts(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    folder = ledger.rounds()[0]
    assert status_of(ledger)["rounds"][0]["steps"]["generate"] is None
    assert folder.running_step() is None
    assert not folder.finished("generate")
    assert second(ledger) == "works"
    with ledger.writing("curate run"):
        assert folder.once("generate", Made, lambda: Made(value=1)) == Made(value=1)


def test_a_running_note_of_a_dead_process_says_nothing(ledger: Ledger) -> None:
    folder = ledger.open_round()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    write_json(folder.path / "running.json", {"step": "generate", "pid": ended.pid, "started_at": time.monotonic()})
    assert folder.running_step() is None


def test_a_number_that_was_given_to_another_process_since_is_not_the_writer(ledger: Ledger) -> None:
    folder, notes = ledger.open_round(), []

    def looks_at_its_note() -> Made:
        notes.append(json.loads((folder.path / "running.json").read_text()))
        return Made(value=1)

    folder.once("generate", Made, looks_at_its_note)
    (note,) = notes
    write_json(folder.path / "running.json", note)
    assert folder.running_step() == "generate", "this very process"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_json(folder.path / "running.json", note | {"pid": other.pid})
        assert folder.running_step() is None, "a living process that was born later"
        other.communicate(b"\n")


def test_a_note_without_a_birth_is_believed_while_its_number_is_taken(ledger: Ledger) -> None:
    folder = ledger.open_round()
    write_json(folder.path / "running.json", {"step": "generate", "pid": os.getpid(), "started_at": 0.0})
    assert folder.running_step() == "generate"
