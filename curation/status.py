"""What is done and what comes next: a fold over the proofs in the workspace, read without a lock."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from curation.champion import champion_of
from curation.columns import Column, table
from curation.ledger import STEPS, Ledger, RoundFolder
from curation.wording import NOTHING, count_text, duration_text, fit, printable, short, wrap

MAX_LINES = 22  # a screen of 24 lines, less two for the next command
GAP = "  "


def status_of(ledger: Ledger) -> dict[str, Any]:
    """Give the state of a workspace as `curate status --json` shows it."""
    rounds = [_round(folder) for folder in ledger.rounds()]
    waits = bool(rounds) and rounds[-1]["steps"]["review"] == "waiting"
    waiting_for = "review" if waits else None
    return {
        "champion": champion_of(ledger),
        "rounds": rounds,
        "waiting_for": waiting_for,
        "to_label": _to_label(ledger.root),
    }


def _to_label(root: Path) -> int:
    """Count the photos that were selected for people to label and have not come back; what is damaged counts for 0."""
    selected: int = sum(sum(each.get("shares", {}).values()) for each in _records(root / "selections"))
    back: int = sum((each.get("returned") or {}).get("photos", 0) for each in _records(root / "data" / "imports"))
    return max(0, selected - back)


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for path in folder.glob("[0-9][0-9][0-9].json"):
        with suppress(ValueError):
            yield json.loads(path.read_text(encoding="utf-8"))


def _round(folder: RoundFolder) -> dict[str, Any]:
    steps: dict[str, str | None] = {step: "done" if folder.finished(step) else None for step in STEPS}
    running = folder.running_step()
    if running:
        steps[running] = "running"
    elif not folder.finished("review") and (folder.peek("generate") or {}).get("made"):
        steps["review"] = "waiting"
    decision = folder.peek("decide")
    outcome = decision["outcome"] if decision else None
    return {"round": folder.number, "steps": steps, "decision": outcome, "elapsed_s": folder.elapsed_s()}


def status_lines(status: Mapping[str, Any], width: int) -> list[str]:
    """Give the state of a workspace from the dict of `curate status --json`: rounds, then steps of the latest."""
    rounds: Sequence[Mapping[str, Any]] = status["rounds"]
    champion = short(str(status["champion"])) if status["champion"] else "none yet"
    asked = [f"{count_text(status['to_label'], 'selected photo')} to be labelled"] if status["to_label"] else []
    asked += [f"waiting for {status['waiting_for']}"] if status["waiting_for"] else []
    head = ", ".join([f"champion {champion}", *asked])
    lines = wrap(head, width)
    if not rounds:
        return [*lines, "no round has been started"]
    steps = _step_lines(rounds[-1], width)[: MAX_LINES - len(lines) - 3]
    room = max(1, MAX_LINES - len(lines) - len(steps) - 2)
    if len(rounds) > room:
        lines.append(fit(f"{count_text(len(rounds) - room, 'earlier round')} in status --json", width))
    return [*lines, *(_round_line(each, width) for each in rounds[-room:]), *steps]


def _round_line(each: Mapping[str, Any], width: int) -> str:
    decision = each["decision"] or "open"
    time = duration_text(sum(each["elapsed_s"].values()))
    return fit(f"round {each['round']:>3}  {decision:<12}  {time}", width)


def _step_lines(each: Mapping[str, Any], width: int) -> list[str]:
    names = [printable(name) for name in each["steps"]]
    states = [state or NOTHING for state in each["steps"].values()]
    times = [duration_text(each["elapsed_s"][name]) if name in each["elapsed_s"] else "" for name in each["steps"]]
    rows = table([Column("", names), Column("", states), Column("", times, right=True)], width=width - len(GAP))
    return [GAP + row for row in rows[1:]]
