"""Which model the next round begins with: that of the last decision, or one that a person chose after it.

`choices.json` lists what people chose, oldest first. A choice names the round and the digest of the decision that it
follows, and holds until another decision is made; so a decision that is made again is not overruled by an old choice.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from curation.ledger import Ledger, RoundFolder
from training.errors import DamagedFile
from training.files import digest_of, write_json

CHOICES = "choices.json"


@dataclass(frozen=True)
class _Ending:
    """How the last decided round ended; number 0 and nothing else before the first decision."""

    number: int
    digest: str | None
    model_id: str | None


def base_of(ledger: Ledger) -> str | None:
    """Give the id of the model that the next round begins with; None before anything was decided or chosen."""
    ending = _last_ending(ledger)
    place = {"after_round": ending.number, "decision": ending.digest}
    chosen = [str(choice["model_id"]) for choice in _choices(ledger.root) if place.items() <= choice.items()]
    return chosen[-1] if chosen else ending.model_id


def champion_of(ledger: Ledger) -> str | None:
    """Give the id of the champion: that of the open round, if it has begun; else what the next begins with.

    Before the first round that is the model that was brought, None where none was.
    """
    begun = begun_round(ledger)
    record = begun.peek("champion") if begun else None
    return str(record["model_id"]) if record else base_of(ledger) or _brought(ledger.root)


def begun_round(ledger: Ledger) -> RoundFolder | None:
    """Give the open round, if its champion is settled."""
    rounds = ledger.rounds()
    is_open = bool(rounds) and not rounds[-1].finished("decide")
    return rounds[-1] if is_open and rounds[-1].finished("champion") else None


def choose(ledger: Ledger, model_id: str) -> None:
    """Let the next round begin with a model; one file, moved into place."""
    ending = _last_ending(ledger)
    choice = {"after_round": ending.number, "decision": ending.digest, "model_id": model_id}
    write_json(ledger.root / CHOICES, [*_choices(ledger.root), choice])


def _last_ending(ledger: Ledger) -> _Ending:
    for folder in reversed(ledger.rounds()):
        if decision := folder.peek("decide"):
            return _Ending(folder.number, digest_of(decision), str(decision["champion"]))
    return _Ending(0, None, None)


def _choices(root: Path) -> list[dict[str, str | int | None]]:
    path = root / CHOICES
    try:
        choices = json.loads(path.read_text(encoding="utf-8"))
        return [{key: choice[key] for key in ("after_round", "decision", "model_id")} for choice in choices]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(
            f"{path} cannot be read: {error}",
            hint="restore it, or remove it: then the last decision names the champion",
        ) from error


def _brought(root: Path) -> str | None:
    """Give the model of the first import."""
    path = root / "data" / "imports" / "001.json"
    model_id = json.loads(path.read_text(encoding="utf-8")).get("model_id") if path.is_file() else None
    return None if model_id is None else str(model_id)
