"""Memory of what people decided about pictures, findings and labels. The database can be made anew, but not this."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from curation.decisions import Journal
from curation.documents import Boxes
from curation.records import FindingEdit, FindingEdits, PersonSaid
from training.errors import DamagedFile
from training.files import write_json

NAME, EDITS, SETTLED = "decisions.json", "finding_edits.json", "settled_labels.json"
EMPTY: dict[str, object] = {EDITS: {}, SETTLED: []}
LOST = "restore it, or move it aside: what FiftyOne holds is read anew"
T = TypeVar("T")
_EDITS: TypeAdapter[dict[str, FindingEdits]] = TypeAdapter(dict[str, FindingEdits])
_IDS: TypeAdapter[list[str]] = TypeAdapter(list[str])
_SAID = TypeAdapter(dict[str, PersonSaid])
_BOXES = TypeAdapter(dict[str, Boxes])


def read_journal(root: Path) -> Journal:
    """Give what a workspace knows of people's decisions; nothing where nobody has decided yet."""
    path = root / NAME
    if not path.is_file():
        return Journal(said={}, boxes={})
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Journal(said=_SAID.validate_python(stored["pictures"]), boxes=_BOXES.validate_python(stored["boxes"]))
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path} cannot be read", hint=LOST) from error


def known_edits(root: Path, number: int) -> FindingEdits:
    """Give what people said about the findings of a round, as far as it was collected."""
    return _read(root / EDITS, _EDITS).get(str(number), FindingEdits())


def note_edits(root: Path, number: int, found: Sequence[FindingEdit]) -> FindingEdits:
    """Keep what people said about the findings of a round, beside what is known of it, and give all of it."""
    stored = _read(root / EDITS, _EDITS)
    known = {each.fingerprint(): each for each in [*stored.get(str(number), FindingEdits()).edits, *found]}
    edits = FindingEdits(edits=tuple(sorted(known.values(), key=lambda each: each.at)))
    if edits.edits:
        write_json(root / EDITS, {key: each.plain() for key, each in stored.items()} | {str(number): edits.plain()})
    return edits


def note_settled(root: Path, found: Collection[str]) -> tuple[str, ...]:
    """Keep the ids of labels that people settled, beside those that are known, and give all."""
    settled = sorted({*_read(root / SETTLED, _IDS), *found})
    if settled:
        write_json(root / SETTLED, settled)
    return tuple(settled)


def _read(path: Path, kind: "TypeAdapter[T]") -> T:
    """Read one of the files; an empty one where there is none."""
    try:
        return kind.validate_json(path.read_bytes()) if path.is_file() else kind.validate_python(EMPTY[path.name])
    except ValidationError as error:
        raise DamagedFile(f"{path} cannot be read", hint=LOST) from error


def write_journal(root: Path, journal: Journal) -> None:
    """Keep what people decided; one file, moved into place. What they took back is gone from it, be it all of it."""
    if journal.said or journal.boxes or (root / NAME).is_file():
        pictures = {key: each.plain() for key, each in sorted(journal.said.items())}
        boxes = {key: [label.plain() for label in each] for key, each in sorted(journal.boxes.items())}
        write_json(root / NAME, {"pictures": pictures, "boxes": boxes})
