"""What `curate select` does: choose photos to label, or take an earlier choice, and hand them over."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from curation import shell
from training.errors import CurateError, UsageError

if TYPE_CHECKING:
    from curation.desk import Desk
    from curation.imports import Import
    from curation.selection import Selection
    from training.source import Format

TO_APP = "fiftyone"


def run(
    folder: Path, *, pool: str | None, count: int | None, number: int | None, to: str | None, as_json: bool
) -> None:
    """Select photos, or take selection `number`; hand them over where that is asked for, and say what they are."""
    if number is not None and (pool is not None or count is not None):
        raise UsageError(
            "--selection does not go with --pool or --n, which make a new selection", hint="leave one of them out"
        )
    with shell.writing(folder, "select") as desk:
        from curation import select_wiring
        from curation.handoff import hand_off, refuse_used
        from curation.select_lines import selection_lines

        if to and to != TO_APP:
            refuse_used(Path(to))  # before anything is chosen: no later selection takes these photos again
        given = _earlier(desk, number) if number else _selection(desk, pool, count)
        with _handing_over(desk, given, folder, to):
            selected = select_wiring.selected(desk, given)
            if to == TO_APP:
                select_wiring.show_selection(desk, selected)
            elif to:
                hand_off(desk.ledger.root, selected, Path(to))
    lines = selection_lines(given, selected.picks, shell.columns())
    shell.show_record(given, lines, as_json, folder, _following(given, to))


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
    if not by:
        from curation.plugin.sitting import login_name

        by = login_name()
    if labelled:
        with shell.writing(folder, "add") as desk:
            from curation import select_wiring

            return select_wiring.add_labelled(desk, by=by, allow_bad=allow_bad)
    with shell.locked(folder, "add") as ledger:
        from curation import select_wiring

        assert source is not None  # one of the two was given
        return select_wiring.add(ledger, source, format=format, allow_bad=allow_bad, by=by)


@contextmanager
def _handing_over(desk: "Desk", given: "Selection", folder: Path, to: str | None) -> Iterator[None]:
    """Say, where this ends early, that the photos are selected: the same command could choose others."""
    kept = f"selection {given.number} is kept, so go on with"
    again = f"curate select --selection {given.number} --to {shlex.quote(to or 'DIR')}"
    try:
        yield
    except CurateError as error:
        error.hint = f"{error.hint}; {kept} {again}"
        raise
    except (KeyboardInterrupt, shell.Terminated):
        desk.warn(f"{kept} {shell.placed(folder, again)}")
        raise


def _earlier(desk: "Desk", number: int) -> "Selection":
    from curation.selections import selections_of

    earlier = selections_of(desk.ledger.root)
    if found := next((each for each in earlier if each.number == number), None):
        return found
    hint = f"the last one is {earlier[-1].number}" if earlier else "make one: curate select --pool PATH --n 100"
    raise UsageError(f"there is no selection {number}", hint=hint)


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


def _following(given: "Selection", to: str | None) -> str:
    if to is None:
        return f"select --selection {given.number} --to to-label"
    return "review --what photos" if to == TO_APP else f"add {shlex.quote(to)}"
