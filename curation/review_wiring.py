"""Bind a review to FiftyOne: the App on what people look at, and what they decided there."""

from collections.abc import Iterator
from contextlib import contextmanager

from curation.desk import Desk, Frozen, findings_of
from curation.edited import publish_suspicions
from curation.finding_cards import finding_queue
from curation.journal import note_edits, note_settled
from curation.ledger import Ledger
from curation.progress import waiting
from curation.records import Briefs, FindingEdits, Sitting
from curation.reviewing import ToReview, collect, made_in, sitting_of
from curation.selections import picks_of, selections_of
from curation.session import Session, open_session
from curation.store import Store
from curation.suspect_cards import suspect_queue
from curation.wiring import desk_of
from training.errors import UsageError
from training.suspects import SuspectTable
from training.tables import load_table


@contextmanager
def on_pictures(desk: Desk, given: ToReview, *, reviewer: str, port: int | None) -> Iterator[Session]:
    """Open the App on pictures; its server is ended with the block."""
    with waiting("opening the App"):
        session = open_session(
            _store(desk),
            given.queue.ids,
            what="pictures",
            reviewer=reviewer,
            stories=given.stories,
            at_random=[each for each in given.queue.at_random if given.made.ruled[each].accepted],
            port=port,
        )
    with _closing(session):
        yield session


@contextmanager
def on_findings(desk: Desk, frozen: Frozen, *, reviewer: str, port: int | None) -> Iterator[Session]:
    """Open the App on the evidence of a round's findings; its server is ended with the block."""
    folder = frozen.folder
    found = findings_of(folder)
    assert found is not None  # the round was analysed
    queue = finding_queue(found, folder.read("brief", Briefs), images=frozen.images, labels=frozen.labels)
    with waiting("opening the App"):
        session = open_session(
            _store(desk),
            queue.photo_ids,
            what="findings",
            reviewer=reviewer,
            stories=queue.stories,
            about={"round": folder.number, "findings": list(queue.cards)},
            port=port,
        )
    with _closing(session):
        yield session


@contextmanager
def on_labels(desk: Desk, frozen: Frozen, *, reviewer: str, port: int | None) -> Iterator[Session]:
    """Open the App on suspected labels of train and val; raises `UsageError` where there are none."""
    found, store = findings_of(frozen.folder), _store(desk)
    left: tuple[str, ...] = ()
    if found and found.suspects:
        ref = found.suspects.table
        table = load_table(frozen.folder.path / ref.name, SuspectTable, ref)
        queue = suspect_queue(table, images=frozen.images, classes=frozen.image_set.classes)
        left = publish_suspicions(store.dataset, queue.suspicions)
    if not left:
        raise UsageError("no label is suspected", hint="curate generate")
    with waiting("opening the App"):
        session = open_session(store, left, what="labels", reviewer=reviewer, port=port)
    with _closing(session):
        yield session


@contextmanager
def on_photos(desk: Desk, *, reviewer: str, port: int | None) -> Iterator[Session]:
    """Open the App on the selected photos that wait for labels; raises `UsageError` where there are none."""
    store, root = _store(desk), desk.ledger.root
    waits = store.waiting_for_labels()
    picks = [pick for each in selections_of(root) for pick in picks_of(root, each)]
    reasons = {pick.photo_id: pick.reason for pick in picks if pick.photo_id in waits}
    if not reasons:
        raise UsageError("no selected photo waits for labels", hint="curate select --n 100 --to fiftyone")
    with waiting("opening the App"):
        session = open_session(store, list(reasons), what="photos", reviewer=reviewer, stories=reasons, port=port)
    with _closing(session):
        yield session


def labelled(desk: Desk) -> int:
    """Count the selected photos that are labelled and not taken in yet."""
    return len(_store(desk).read_labelled())


def collect_edits(desk: Desk, number: int) -> FindingEdits:
    """Keep what people said about the findings of a round in the workspace, and give it."""
    return note_edits(desk.ledger.root, number, desk.board().finding_edits(number))


def collect_settled(desk: Desk) -> int:
    """Keep in the workspace which labels people settled, and give their number; the next round goes by it."""
    return len(note_settled(desk.ledger.root, desk.board().settled_labels()))


def collect_now(ledger: Ledger) -> Sitting:
    """Copy what people decided on the pictures of the last round; joins the database where a session has it open."""
    with desk_of(ledger, may_ask=False) as desk:
        rounds = ledger.rounds()
        if not rounds:
            raise UsageError("no round has begun, so there is nothing to collect", hint="curate generate")
        collect_edits(desk, rounds[-1].number)
        collect_settled(desk)
        made = made_in(desk, rounds[-1])
        sitting, _ = sitting_of(desk, made, collect(desk, made.pictures))
    return sitting


@contextmanager
def _closing(session: Session) -> Iterator[None]:
    try:
        yield
    finally:
        session.close()


def _store(desk: Desk) -> Store:
    store = desk.board()
    assert isinstance(store, Store)  # a session needs FiftyOne itself
    return store
