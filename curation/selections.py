"""Memory of what was selected for labelling: a record each, with its list and tables beside it."""

import json
from pathlib import Path

from pydantic import ValidationError

from curation.returned import Selected
from curation.selection import Pick, Selection
from training.boxes import BoxTable, ImageTable
from training.errors import DamagedFile
from training.files import canonical_json, digest_of_file, refuse_changed, write_json, write_text
from training.records import FileRef
from training.tables import load_table, save_table

FOLDER = "selections"
LOST = "restore it from a backup, or move the folder selections aside and select again"


def selections_of(root: Path) -> tuple[Selection, ...]:
    """Give the selections of a workspace, oldest first; raises `DamagedFile` where one cannot be read."""
    return tuple(_read(path) for path in sorted((root / FOLDER).glob("[0-9][0-9][0-9].json")))


def keep_selection(root: Path, selection: Selection) -> None:
    """Write the record of a selection, whose list and tables are written already."""
    write_json(root / FOLDER / f"{selection.number:03d}.json", selection.plain())


def keep_picks(root: Path, number: int, picks: tuple[Pick, ...]) -> FileRef:
    """Write the picks of a selection, in their order."""
    path = root / FOLDER / f"{number:03d}.picks.jsonl"
    write_text(path, "".join(canonical_json(pick.plain()) + "\n" for pick in picks))
    return FileRef(name=path.name, digest=digest_of_file(path))


def keep_tables(root: Path, number: int, images: ImageTable, prelabels: BoxTable) -> tuple[FileRef, FileRef]:
    """Write the photos of a selection, in the order of its picks, and what the champion sees in them."""
    folder = root / FOLDER
    return (
        save_table(folder / f"{number:03d}.images.npz", images),
        save_table(folder / f"{number:03d}.prelabels.npz", prelabels),
    )


def picks_of(root: Path, selection: Selection) -> tuple[Pick, ...]:
    """Read the picks of a selection; raises `DamagedFile` where the file is not the one that was written."""
    path = root / FOLDER / selection.picks.name
    refuse_changed(path, selection.picks.digest, hint=LOST)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        return tuple(Pick.model_validate(json.loads(line)) for line in lines)
    except ValueError as error:
        raise DamagedFile(f"{path} does not hold picks", hint=LOST) from error


def tables_of(root: Path, selection: Selection) -> tuple[ImageTable, BoxTable]:
    """Read the photos of a selection and their pre-labels; raises `DamagedFile` as `picks_of` does."""
    for ref in (selection.images, selection.prelabels):
        refuse_changed(root / FOLDER / ref.name, ref.digest, hint=LOST)
    folder = root / FOLDER
    images = load_table(folder / selection.images.name, ImageTable, selection.images)
    return images, load_table(folder / selection.prelabels.name, BoxTable, selection.prelabels)


def selected_of(root: Path) -> tuple[Selected, ...]:
    """Give every selection with its list and tables, oldest first."""
    return tuple(
        Selected(selection, picks_of(root, selection), *tables_of(root, selection)) for selection in selections_of(root)
    )


def _read(path: Path) -> Selection:
    try:
        return Selection.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{path} does not hold a selection", hint=LOST) from error
