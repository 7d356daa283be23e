"""The round folder: what is finished, what it was made from, and who is writing.

    workspace/
    ├── curate.yaml              the configuration
    ├── lock, holder.json        who is writing
    ├── data/                    photos (hard links) and what each import brought
    ├── models/                  weights, by the digest of their content
    ├── pictures/, cutouts/      made once, kept
    ├── db/                      mongod's folder: a picture of all this, and can be rebuilt
    └── rounds/001/STEP.json     written last and moved into place: presence means finished
              └── STEP.*         tables and lists that the step's record refers to

State is a fold over finished rounds; it is stored nowhere else.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from curation.alive import identity, is_alive
from training.errors import DamagedFile, StepChanged, UsageError
from training.files import canonical_json, digest_of, digest_of_file, refuse_changed, write_json, write_text

if TYPE_CHECKING:  # pydantic takes a third of a second, which `status` does not need
    from pydantic import TypeAdapter

    from curation.records import Decision
    from training.records import FileRef, Record

STEPS = (
    "freeze",
    "champion",
    "evaluate",
    "measure",
    "analyze",
    "consult",
    "card",
    "brief",
    "plan",
    "generate",
    "review",
    "pool",
    "mix",
    "train",
    "payoff",
    "compare",
    "decide",
)
CONFIG_NAME = "curate.yaml"
R = TypeVar("R", bound="Record")
T = TypeVar("T")


def steps_from(step: str) -> tuple[str, ...]:
    """Give a step and all after it, in order; raises `UsageError` for a name that is none."""
    if step not in STEPS:
        raise UsageError(f"there is no step {step!r}", hint=f"steps are: {', '.join(STEPS)}")
    return STEPS[STEPS.index(step) :]


@dataclass(frozen=True)
class RoundFolder:
    """One round: its finished steps, and the side files that they refer to."""

    path: Path
    number: int
    clock: Callable[[], float]

    def once(self, step: str, kind: type[R], make: Callable[[], R], *inputs: "Record", **settings: "Record") -> R:
        """Give the record of a finished step, or make it and write it last.

        The key is the fingerprints of exactly the records passed, and every value of the settings, named by their
        section of the configuration; so the step must read nothing else that can change. Raises `StepChanged` where the
        step is finished but was made from other inputs, naming them, settings with their values.
        """
        given = _named_fingerprints(inputs) | _dotted(settings)
        stored = self._stored(step)
        if stored is not None:
            self._refuse_other_inputs(step, stored["inputs"], given)
            return _parse(kind, stored["record"], self._proof(step))
        started = self.clock()
        write_json(self.path / "running.json", {"step": step, "started_at": started} | identity())
        try:
            record = make()
            self._note_time(step, max(0.0, self.clock() - started))
            proof = {"inputs": given, "record": record.plain()}
            write_json(self._proof(step), proof | {"digest": _digest_of_proof(step, proof)})
        finally:
            (self.path / "running.json").unlink(missing_ok=True)
        return record

    def finished(self, step: str) -> bool:
        """Say whether a step's proof is there."""
        return self._proof(step).is_file()

    def read(self, step: str, kind: type[R]) -> R | None:
        """Give the record of a finished step, None where it is not finished."""
        stored = self._stored(step)
        return None if stored is None else _parse(kind, stored["record"], self._proof(step))

    def peek(self, step: str) -> dict[str, Any] | None:
        """Give a finished step's record as plain values, unchecked, for showing."""
        stored = self._stored(step)
        return None if stored is None else dict(stored["record"])

    def save_lines(self, name: str, records: Iterable["Record"]) -> "FileRef":
        """Write records as JSON Lines beside the step's proof; `name` begins with the step's name."""
        from training.records import FileRef

        path = self.path / name
        write_text(path, "".join(canonical_json(record.plain()) + "\n" for record in records))
        return FileRef(name=name, digest=digest_of_file(path))

    def load_lines(self, ref: "FileRef", kind: "type[T] | TypeAdapter[T]") -> tuple[T, ...]:
        """Read records back; raises `DamagedFile` where the bytes are not those that the reference names."""
        path = self.path / ref.name
        refuse_changed(path, ref.digest, hint="restore it, or redo its step with --redo")
        # Not splitlines(): it also splits at characters that may stand in a class name, such as U+2028.
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        return tuple(_parse(kind, json.loads(line), path) for line in lines)

    def elapsed_s(self) -> dict[str, float]:
        """Give the seconds that each finished step took."""
        return {step: elapsed_s for step, elapsed_s in self._times_s().items() if self.finished(step)}

    def running_step(self) -> str | None:
        """Give the step that a living process is working on, None where there is none."""
        try:
            note = json.loads((self.path / "running.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return str(note["step"]) if is_alive(note) else None

    def redo(self, step: str) -> tuple[str, ...]:
        """Move a step and all after it aside, and give the names of those that were there.

        The last step goes first, and of each step its proof: what an interruption leaves is the beginning of a round.
        """
        names = steps_from(step)
        moved = tuple(name for name in names if self.finished(name))
        aside = next(path for number in count(1) if not (path := self.path / f"aside-{number}").exists())
        for name in reversed(names):
            for path in sorted(self.path.glob(f"{name}.*"), key=lambda path: path != self._proof(name)):
                aside.mkdir(exist_ok=True)
                path.rename(aside / path.name)
        return moved

    def _proof(self, step: str) -> Path:
        return self.path / f"{step}.json"

    def _stored(self, step: str) -> dict[str, Any] | None:
        path = self._proof(step)
        if not path.is_file():
            return None
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            proof = {"inputs": dict(stored["inputs"]), "record": dict(stored["record"])}
            if stored["digest"] != _digest_of_proof(step, proof):
                raise DamagedFile(f"{path} has changed since it was written", hint=f"restore it, or use --redo {step}")
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFile(f"{path} cannot be read: {error}", hint=f"restore it, or use --redo {step}") from error
        return proof

    def _refuse_other_inputs(self, step: str, before: dict[str, Any], given: dict[str, Any]) -> None:
        if changed := _changes(before, given):
            raise StepChanged(
                f"step '{step}' of round {self.number} is finished but was made {changed}",
                hint=f"put that back as it was, or do the step and all after it again: --redo {step}",
            )

    def _times_s(self) -> dict[str, float]:
        path = self.path / "times.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def _note_time(self, step: str, elapsed_s: float) -> None:
        write_json(self.path / "times.json", self._times_s() | {step: round(elapsed_s, 3)})


@dataclass(frozen=True)
class Ledger:
    """All rounds of a workspace."""

    root: Path
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        """Refuse a folder that is no workspace."""
        if not (self.root / CONFIG_NAME).is_file():
            raise UsageError(
                f"{self.root} is not a workspace: it has no {CONFIG_NAME}",
                hint="go to one, name one with -C DIR, or make one: curate init DIR --from PATH",
            )

    def rounds(self) -> tuple[RoundFolder, ...]:
        """Give all rounds that were begun, oldest first."""
        folders = sorted(path for path in (self.root / "rounds").glob("[0-9][0-9][0-9]") if path.is_dir())
        return tuple(RoundFolder(path, int(path.name), self.clock) for path in folders)

    def open_round(self) -> RoundFolder:
        """Give the round without a decision, or a new one after the last decision."""
        rounds = self.rounds()
        if rounds and not rounds[-1].finished("decide"):
            return rounds[-1]
        number = rounds[-1].number + 1 if rounds else 1
        path = self.root / "rounds" / f"{number:03d}"
        path.mkdir(parents=True, exist_ok=True)
        return RoundFolder(path, number, self.clock)

    def aim(self, rounds: int) -> int:
        """Give the number of the round that `rounds` more rounds end with; an interrupted aim of as many stays."""
        path = self.root / "run.json"
        note = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if note.get("rounds") == rounds:
            return int(note["until_round"])
        until_round = rounds + max((folder.number for folder in self.rounds() if folder.finished("decide")), default=0)
        write_json(path, {"rounds": rounds, "until_round": until_round})
        return until_round

    def arrive(self) -> None:
        """Forget the aim: all of it is done."""
        (self.root / "run.json").unlink(missing_ok=True)

    def decisions(self) -> tuple["Decision", ...]:
        """Give the decisions so far, oldest first."""
        from curation.records import Decision

        found = (folder.read("decide", Decision) for folder in self.rounds())
        return tuple(decision for decision in found if decision is not None)

    def writing(self, command: str) -> AbstractContextManager[None]:
        """Hold the workspace as its one writer; raises `WorkspaceBusy`, naming the holder, at once."""
        from curation.lock import holding

        return holding(self.root, command, self.clock)


def _parse(kind: "type[T] | TypeAdapter[T]", value: Any, path: Path) -> T:
    from pydantic import TypeAdapter

    try:
        return (TypeAdapter(kind) if isinstance(kind, type) else kind).validate_python(value)
    except ValueError as error:
        name = kind.__name__ if isinstance(kind, type) else "line of its kind"
        raise DamagedFile(
            f"{path} does not hold a {name}: {' '.join(str(error).split()[:40])}",
            hint="it may be from another version: restore it, or redo its step with --redo",
        ) from error


def _digest_of_proof(step: str, proof: dict[str, Any]) -> str:
    return digest_of([step, proof["inputs"], proof["record"]])


def _named_fingerprints(inputs: Sequence["Record"]) -> dict[str, str]:
    """Name each input by its kind; a second one of a kind gets a number."""
    named: dict[str, str] = {}
    for record in inputs:
        kind = type(record).__name__
        before = sum(1 for name in named if name.split()[0] == kind)
        named[f"{kind} {before + 1}" if before else kind] = record.fingerprint()
    return named


def _dotted(settings: "Mapping[str, Record]") -> dict[str, Any]:
    """Give the values of settings by the dotted keys of the configuration."""
    return {f"{section}.{key}": value for section, record in settings.items() for key, value in record.plain().items()}


def _changes(before: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Say what differs, as it goes on after `made`; empty where nothing does."""
    changed = sorted(name for name in before.keys() | given.keys() if before.get(name) != given.get(name))
    records = [name for name in changed if "." not in name]
    values = [f"{name}: {_text(before.get(name))} → {_text(given.get(name))}" for name in changed if "." in name]
    parts = [f"from another {' and another '.join(records)}"] if records else []
    parts += [f"with other settings ({', '.join(values)})"] if values else []
    return " and ".join(parts)


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)
