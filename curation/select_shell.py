"""What `curate select` does: choose photos to label, or take the last choice, and hand them over."""

import getpass
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from curation import shell
from training.errors import UsageError

if TYPE_CHECKING:
    from curation.desk import Desk
    from curation.imports import Import
    from curation.selection import Selection
    from training.source import Format

TO_APP = "fiftyone"


def run(folder: Path, pool: str | None, count: int | None, to: str | None, as_json: bool) -> None:
    """Select photos, hand them over where that is asked for, and say what they are."""
    with shell.writing(folder, "select") as desk:
        from curation import select_wiring
        from curation.handoff import hand_off
        from curation.select_lines import selection_lines

        selected = select_wiring.selected(desk, _selection(desk, pool, count))
        if to == TO_APP:
            select_wiring.show_selection(desk, selected)
        elif to:
            hand_off(desk.ledger.root, selected, Path(to))
    lines = selection_lines(selected.selection, selected.picks, shell.columns())
    shell.show_record(selected.selection, lines, as_json, folder, _following(to))


def add(
    folder: Path,
    source: str | None,
    *,
    labelled: bool,
    by: str | None,
    format: "Format | None",  # noqa: A002  # the word of the command line
    allow_bad: bool,
) -> "Import":
    """Bring labelled photos: from a folder or dataset, or those that were labelled in the App."""
    if labelled == (source is not None):
        raise UsageError(
            "it is not clear what to add", hint="give a folder, or --labelled for photos that were labelled in the App"
        )
    by = by or getpass.getuser()
    if labelled:
        with shell.writing(folder, "add") as desk:
            from curation import select_wiring

            return select_wiring.add_labelled(desk, by=by, allow_bad=allow_bad)
    with shell.locked(folder, "add") as ledger:
        from curation import select_wiring

        assert source is not None  # one of the two was given
        return select_wiring.add(ledger, source, format=format, allow_bad=allow_bad, by=by)


def _selection(desk: "Desk", pool: str | None, count: int | None) -> "Selection":
    """Give a new selection, or where nothing is said of pool and number, the last one."""
    from curation.selecting import choose_photos
    from curation.selections import selections_of

    settings, earlier = desk.config.select, selections_of(desk.ledger.root)
    if pool is None and count is None and earlier:
        return earlier[-1]
    source = pool or settings.pool
    if source is None:
        raise UsageError(
            "no pool of unlabelled photos is named", hint="name a folder: curate select --pool PATH --n 100 --to DIR"
        )
    return choose_photos(desk, desk.read_pool(source), pool=source, count=count or settings.photos)


def _following(to: str | None) -> str:
    if to is None:
        return "select --to to-label"
    return "review --what photos" if to == TO_APP else f"add {shlex.quote(to)}"
