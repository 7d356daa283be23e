"""What is done and what comes next: a fold over the proofs in the workspace, read without a lock."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from curation.champion import champion_of
from curation.columns import Column, table
from curation.ledger import STEPS, Ledger, RoundFolder
from curation.wording import NOTHING, count_text, duration_text, fit, printable, short, wrap

MAX_LINES = 22  # a screen of 24 lines, less two for the next command
MAX_NAMED = 6
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


def _to_label(root: Path) -> list[dict[str, int]]:
    """Count the photos of each selection that have not come back, where there are any; what is damaged counts for 0."""
    left = Counter[int]()
    for each in _records(root / "selections"):
        left[each.get("number", 0)] += sum(each.get("shares", {}).values())
    for each in _records(root / "data" / "imports"):
        back = each.get("returned") or {}
        photos = back.get("photos_of") or [back.get("photos", 0)]
        left.subtract(dict(zip(back.get("selections", ()), photos, strict=False)))
    return [{"selection": number, "photos": count} for number, count in sorted(left.items()) if count > 0]


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
    asked = _asked(status["to_label"])
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


def _asked(waiting: Sequence[Mapping[str, int]]) -> list[str]:
    """Say how many photos people have not labelled yet, and of which selections: any of them can be handed over."""
    if not waiting:
        return []
    numbers = [str(each["selection"]) for each in waiting]
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    named = f" of selection{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:MAX_NAMED])}{more}"
    return [f"{count_text(sum(each['photos'] for each in waiting), 'selected photo')}{named} to be labelled"]


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
