"""What is done and what comes next: a fold over the proofs in the workspace, read without a lock."""

import json
from typing import Any

from curation.ledger import STEPS, Ledger, RoundFolder


def status_of(ledger: Ledger) -> dict[str, Any]:
    """Give the state of a workspace as `curate status --json` shows it."""
    rounds = [_round(folder) for folder in ledger.rounds()]
    waits = bool(rounds) and rounds[-1]["steps"]["review"] == "waiting"
    return {"champion": _champion(ledger), "rounds": rounds, "waiting_for": "review" if waits else None}


def _round(folder: RoundFolder) -> dict[str, Any]:
    steps: dict[str, str | None] = {step: "done" if folder.finished(step) else None for step in STEPS}
    running = folder.running_step()
    if running:
        steps[running] = "running"
    elif folder.finished("generate") and not folder.finished("review"):
        steps["review"] = "waiting"
    decision = folder.peek("decide")
    outcome = decision["outcome"] if decision else None
    return {"round": folder.number, "steps": steps, "decision": outcome, "elapsed_s": folder.elapsed_s()}


def _champion(ledger: Ledger) -> str | None:
    """Give the champion after the last decision, else what the first round starts from, else what was brought."""
    for folder in reversed(ledger.rounds()):
        for step, key in (("decide", "champion"), ("champion", "model_id")):
            record = folder.peek(step)
            if record:
                return str(record[key])
    brought = ledger.root / "data" / "imports" / "001.json"
    return json.loads(brought.read_text()).get("model_id") if brought.is_file() else None
