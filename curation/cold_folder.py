"""The folder of a cold start: what lies where, and how far it is; read without a lock and without anything heavy.

workspace/
├── curate.yaml                a copy of the configuration that it started from
├── models/                    weights, by the digest of their content
└── cold/start.json            what it started from: presence means that this is a cold start
         plan.json             what is asked for; its requests, one a line, in requests.jsonl
         images/, labels/, …   pictures and label files, as `generation.batch` writes them
         drawn.json            what came of the requests
         model.json, model.pt  the first model, and the list of its pictures, first.jsonl
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.columns import Column, table
from curation.wording import NOTHING, count_text, fit, printable, short, wrap
from training.errors import DamagedFile, UsageError

COLD = "cold"
MAX_LINES = 21  # a screen of 24 lines, less the next command
FIRST_LOOK = "generate --images 75000 --dry-run"


@dataclass(frozen=True)
class ColdFolder:
    """Where a cold start keeps its things."""

    root: Path

    @property
    def path(self) -> Path:
        """Give the folder that holds all but weights and configuration."""
        return self.root / COLD

    @property
    def requests(self) -> Path:
        """Give the file of requests."""
        return self.path / "requests.jsonl"

    @property
    def weights(self) -> Path:
        """Give the copy of the first model's weights."""
        return self.path / "model.pt"

    def record(self, name: str) -> Path:
        """Give the path of a record: `start`, `plan`, `drawn` or `model`."""
        return self.path / f"{name}.json"

    @property
    def is_there(self) -> bool:
        """Say whether this is a cold start."""
        return self.record("start").is_file()

    @property
    def manifests(self) -> list[Path]:
        """Give the manifests of finished batches and shards."""
        return sorted(self.path.glob("manifest*.jsonl"))

    def peek(self, name: str) -> dict[str, Any] | None:
        """Give a record as plain values, unchecked, for showing; None where it is not there."""
        path = self.record(name)
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise DamagedFile(f"{path} cannot be read: {error}", hint="restore it from a backup") from error


def refuse_cold(root: Path, command: str) -> None:
    """Raise `UsageError` where a command needs photos and there are none."""
    if ColdFolder(root).is_there:
        raise UsageError(
            f"{root} is a cold start without photos, and {command} needs some",
            hint="make a workspace of your photos: curate init DIR --from PATH",
        )


def state_of(cold: ColdFolder) -> dict[str, Any]:
    """Give the state of a cold start as `curate status --json` shows it."""
    start, plan, drawn, model = (cold.peek(name) for name in ("start", "plan", "drawn", "model"))
    assert start is not None  # it makes the folder a cold start
    finished = sum(1 for _ in cold.path.glob("images/*/*.json"))
    found: dict[str, Any] = {
        "from": start["source"],
        "planned": plan["count"] if plan else None,
        "drawn": finished,
        "is_finished": bool(cold.manifests),
        "refused": sum(drawn["refused"].values()) if drawn else None,
        "verified": drawn["verified"] if drawn else None,
        "model": model["model_id"] if model else None,
        "note": model["note"] if model else None,
        "weights": str(cold.weights) if model else None,
        "label_first": _label_first(start, plan, drawn),
    }
    return {COLD: found}


def _label_first(
    start: Mapping[str, Any], plan: Mapping[str, Any] | None, drawn: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Give which photos to label first: the classes of which the judge refused most, for least is known of them."""
    pictures = plan["pictures"] if plan else {}
    refused = drawn["refused"] if drawn else {}
    wanted = dict.fromkeys(("val", "test"), start["min_photos"])
    classes = plan["classes"] if plan else start["classes"]
    rows = [{"label": name, **wanted, "planned": pictures.get(name), "refused": refused.get(name)} for name in classes]
    return sorted(rows, key=lambda row: -(row["refused"] or 0) / (row["planned"] or 1))


def state_lines(state: Mapping[str, Any], width: int) -> list[str]:
    """Give the state of a cold start from the dict of `curate status --json`."""
    cold = state[COLD]
    head = f"cold start from {printable(cold['from'])}: "
    if cold["planned"] is None:
        head += "no pictures are planned"
    else:
        head += f"{count_text(cold['planned'], 'picture')} planned, {cold['drawn']:,} drawn"
    if cold["refused"]:
        head += f", {cold['refused']:,} refused by the judge"
    model = f"model {short(cold['model'])}: {cold['note']}" if cold["model"] else "no model is trained"
    lines = [*wrap(head, width), fit(model, width), "real photos to label first, and how many that hold each class:"]
    rows = _photo_lines(cold["label_first"], width)
    room = MAX_LINES - len(lines)
    return lines + (rows if len(rows) <= room else [*rows[: room - 1], "  more in status --json"])


def _photo_lines(wanted: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    columns = [
        Column("  class", [f"  {printable(row['label'])}" for row in wanted], stretch=True),
        Column("val", [str(row["val"]) for row in wanted], right=True),
        Column("test", [str(row["test"]) for row in wanted], right=True),
        Column("pictures refused", [_refused(row) for row in wanted], right=True, rank=1),
    ]
    return table(columns, width=width)


def _refused(row: Mapping[str, Any]) -> str:
    return NOTHING if row["refused"] is None else f"{row['refused']:,} of {row['planned']:,}"


def next_command(state: Mapping[str, Any]) -> str:
    """Give the command that does what is not done."""
    cold = state[COLD]
    if cold["model"]:
        return first_import_command(cold["weights"])
    if cold["planned"] is None:
        return FIRST_LOOK
    return "retrain" if cold["is_finished"] and cold["drawn"] else f"generate --images {cold['planned']}"


def first_import_command(weights: str) -> str:
    """Give the command that makes a workspace of real photos, with the first model as its champion."""
    return f"init WS --from YOUR_PHOTOS --model {shlex.quote(weights)}"
