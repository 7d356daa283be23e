"""Bind selections to the outside: labels that come back from people, and photos that they label in FiftyOne."""

import time
from datetime import UTC, datetime
from pathlib import Path

from curation.desk import Desk
from curation.handoff import changed_format, untouched_names
from curation.imports import Import, first_import, imports_of, placed, publish, take_in
from curation.ledger import Ledger
from curation.returned import Selected, settle
from curation.selection import Selection
from curation.selections import selected_of
from curation.store import Store
from curation.wiring import read_labelled
from training import dataset
from training.errors import DataError
from training.source import Format, Source, check_usable
from training.splits import assign_splits


def add(ledger: Ledger, source: str, *, format: Format | None, allow_bad: bool, by: str) -> Import:  # noqa: A002
    """Bring more photos: those without a split go into train, and by a fixed share into val and test.

    Photos of a selection are taken back by the rules of `curation.returned`; `by` is who labelled them.
    """
    first_import(ledger.root)
    folder = Path(source)
    found = read_labelled(
        source,
        format or changed_format(folder),
        allow_bad=allow_bad,
        left_out=untouched_names(folder),
        may_be_bare=_selected_ids(ledger.root),
    )
    return _take_in(ledger.root, found, name=folder.name, by=by, allow_untouched=allow_bad)


def add_labelled(desk: Desk, *, by: str, allow_bad: bool) -> Import:
    """Bring the photos of selections that were labelled in the App; raises `DataError` where there are none."""
    root, store = desk.ledger.root, _store(desk)
    rows = store.read_labelled()
    if not rows:
        raise DataError(
            "no selected photo carries the tag labelled",
            hint="label some first: curate review --what photos; then tag those that are done",
        )
    found = dataset.read_rows(rows, may_be_bare=_selected_ids(root))
    check_usable(found, allow_bad=allow_bad)
    brought = _take_in(root, found, name="labelled in FiftyOne", by=by, allow_untouched=True)  # the tag says so
    publish(root, imports_of(root), store)
    return brought


def selected(desk: Desk, selection: Selection) -> Selected:
    """Give a selection with its list and tables."""
    return next(each for each in selected_of(desk.ledger.root) if each.selection.number == selection.number)


def show_selection(desk: Desk, given: Selected) -> None:
    """Show the photos of a selection in FiftyOne, in a saved view."""
    _store(desk).publish_selection(given)


def _take_in(root: Path, found: Source, *, name: str, by: str, allow_untouched: bool) -> Import:
    earlier = imports_of(root)
    at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")  # noqa: TID251  # the front desk's clock
    there = placed(root, earlier)
    found, returned = settle(
        found,
        selected_of(root),
        classes=earlier[-1].classes,
        placed=there,
        by=by,
        at=at,
        allow_untouched=allow_untouched,
    )
    return take_in(
        root,
        found,
        assign_splits(found.photos, placed=there),
        earlier=earlier,
        dataset=earlier[0].dataset,
        name=name,
        drawn=False,
        model=None,
        returned=returned,
    )


def _selected_ids(root: Path) -> frozenset[str]:
    return frozenset(pick.photo_id for each in selected_of(root) for pick in each.picks)


def _store(desk: Desk) -> Store:
    store = desk.board()
    assert isinstance(store, Store)  # people look at FiftyOne itself
    return store
