"""Suspected labels without a browser: what is shown, what operators change in a real database, and how it is undone."""

import threading
from typing import Any

import numpy as np
import pytest

from curation import schema, session
from curation.edited import publish_suspicions, read_kept_labels
from curation.plugin import label_edits, sitting
from curation.plugin.label_edits import DELETE, KEEP, SUGGESTED, SUSPECTED
from curation.store import Store
from curation.suspect_cards import SuspectQueue, suspect_queue
from tests.curation.test_plugin import run
from training.boxes import BoxTable, ImageTable
from training.suspects import SUSPECT_KINDS, SuspectTable

CLASSES = ("cone", "$vest")
PHOTOS = [f"e{number:023x}" for number in range(4)]
LABELS = [f"a{number:023x}" for number in range(4)]
GHOST = "f" * 24
ANN, BOB = "ann", "$bob"

IMAGES = ImageTable(
    id=np.array(PHOTOS),
    path=np.array([f"data/{each}.jpg" for each in PHOTOS]),
    width_px=np.full(4, 320),
    height_px=np.full(4, 240),
    split=np.array(["train", "val", "test", "val"]),
)
TABLE = BoxTable(
    id=np.array(LABELS),
    image=np.array([0, 1, 2, 1]),
    label=np.array([0, 0, 0, 0]),
    xyxy=np.array([[0.1, 0.1, 0.3, 0.3]] * 3 + [[0.5, 0.5, 0.75, 0.75]]),
    score=np.ones(4),
)


def suspects(*rows: tuple[str, int, str, int, int, float]) -> SuspectTable:
    """Give suspicions: id, image row, kind, class, suggested class, score."""
    ids, image, kind, label, suggested, score = zip(*rows, strict=True)
    return SuspectTable(
        id=np.array(ids),
        image=np.array(image),
        kind=np.array([SUSPECT_KINDS.index(each) for each in kind], np.int8),
        label=np.array(label),
        suggested=np.array(suggested),
        score=np.array(score),
        xyxy=np.tile([0.1, 0.1, 0.3, 0.3], (len(ids), 1)),
        row=np.arange(len(ids)),
    )


FOUND = suspects(
    (GHOST, 0, "unlabelled", 1, 1, 0.7),
    (LABELS[0], 0, "other class", 0, 1, 0.6),
    (LABELS[1], 1, "other class", 0, 1, 0.9),
    (LABELS[3], 1, "duplicate label", 0, -1, 0.95),
    (LABELS[2], 2, "duplicate label", 0, -1, 0.99),
)
QUEUE = suspect_queue(FOUND, images=IMAGES, classes=CLASSES)


@pytest.fixture
def board(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Four photos, three with suspected labels, one of these of test; Ann's sitting."""
    store.publish_photos(IMAGES, TABLE, CLASSES)
    session.install_plugin(store.root / "plugins")
    schema.declare_review(store.dataset)
    store.dataset._sample_collection.database[label_edits.LABEL_EDITS].delete_many({})
    publish(store, QUEUE)
    sitting.begin_sitting(store.dataset, {"_id": "s1", "what": "labels", "reviewer": ANN})
    monkeypatch.setenv(sitting.ENV_SITTING, "s1")
    monkeypatch.setenv(sitting.ENV_REVIEWER, ANN)
    return store


def publish(store: Store, queue: SuspectQueue) -> None:
    session.publish_queue(store.dataset, "labels", publish_suspicions(store.dataset, queue.suspicions))


def sample(store: Store, photo: int) -> dict[str, Any]:
    found: dict[str, Any] = store.dataset[PHOTOS[photo]].to_mongo_dict(include_id=True)
    return found


def labels(store: Store, photo: int) -> dict[str, str]:
    return {str(box["_id"]): box["label"] for box in sample(store, photo)["ground_truth"]["detections"]}


def suspected(store: Store, photo: int) -> list[str]:
    return [box["label_id"] for box in (sample(store, photo).get(SUSPECTED) or {"detections": []})["detections"]]


# --- what is shown ---


def test_photos_come_by_how_strong_a_suspicion_is_among_its_kind_and_never_from_test() -> None:
    assert QUEUE.photo_ids == (PHOTOS[0], PHOTOS[1])
    told = suspect_queue(FOUND.take(np.array([1, 2, 4])), images=IMAGES, classes=CLASSES)
    assert told.photo_ids == (PHOTOS[1], PHOTOS[0]), "the stronger contradiction first"


def test_a_suspicion_says_what_is_suspected_in_words() -> None:
    ghost, contradicted = QUEUE.suspicions[PHOTOS[0]]
    assert "detector is sure of **$vest** (confidence 0.70)" in ghost["words"]
    assert (ghost["own"], ghost["suggested"]) == (None, "$vest")
    assert "labelled **cone**, but it looks like **$vest**" in contradicted["words"]
    twin = next(each for each in QUEUE.suspicions[PHOTOS[1]] if each["kind"] == "duplicate label")
    assert "**cone** is labelled twice (IoU 0.95" in twin["words"]


def test_suspicions_are_boxes_of_their_own_beside_the_labels(board: Store) -> None:
    boxes = sample(board, 1)[SUSPECTED]["detections"]
    assert {box["label"] for box in boxes} == {"other class", "duplicate label"}
    assert not {str(box["_id"]) for box in boxes} & set(LABELS)
    for box in boxes:
        np.testing.assert_allclose(box["bounding_box"], [0.092, 0.092, 0.216, 0.216], err_msg="around the label's")
    assert suspected(board, 2) == [], "test is not looked at"
    assert labels(board, 1) == {LABELS[1]: "cone", LABELS[3]: "cone"}


def test_publishing_again_replaces_and_leaves_out_what_was_settled_or_is_gone(board: Store) -> None:
    run(board, "keep_label", current_sample=PHOTOS[0])
    board.dataset._sample_collection.update_one(
        {"_id": board.dataset[PHOTOS[1]]._id}, {"$pop": {"ground_truth.detections": 1}}
    )
    before = sample(board, 0)
    assert publish_suspicions(board.dataset, QUEUE.suspicions) == QUEUE.photo_ids
    assert (suspected(board, 0), suspected(board, 1)) == ([LABELS[0]], [LABELS[1]])
    assert sample(board, 0) == before, "what is the same is not touched"
    publish(board, suspect_queue(FOUND.take(np.array([2])), images=IMAGES, classes=CLASSES))
    assert (suspected(board, 0), suspected(board, 1)) == ([], [LABELS[1]])


# --- operators ---


def test_keeping_a_label_changes_nothing_but_the_suspicion_and_marks_the_next_one(board: Store) -> None:
    before = labels(board, 1)
    result, asked = run(board, "keep_label", current_sample=PHOTOS[1])
    assert result == {"count": 1}
    assert labels(board, 1) == before
    (left,) = suspected(board, 1)
    assert asked["set_selected_labels"]["labels"][0]["sample_id"] == PHOTOS[1]
    assert read_kept_labels(board.dataset) == {LABELS[1], LABELS[3]} - {left}
    assert "open_sample" not in asked, "the photo has one more"
    assert run(board, "keep_label", current_sample=PHOTOS[1])[1]["open_sample"]["id"] == PHOTOS[0]


def select(store: Store, photo: int, label_id: str, *, box: bool = True) -> list[dict[str, str]]:
    """Give what the App says of a selected box: the suspicion's own, or the label's."""
    found = [each for each in sample(store, photo)[SUSPECTED]["detections"] if each["label_id"] == label_id]
    return [{"label_id": str(found[0]["_id"]) if box else label_id, "sample_id": PHOTOS[photo], "field": SUSPECTED}]


@pytest.mark.parametrize("box", [True, False])
def test_the_selected_box_is_the_one_in_question(board: Store, box: bool) -> None:
    chosen = select(board, 1, LABELS[3], box=box)
    run(board, "delete_label", current_sample=PHOTOS[1], selected_labels=chosen)
    assert labels(board, 1) == {LABELS[1]: "cone"}
    assert suspected(board, 1) == [LABELS[1]]


def test_the_suggested_class_is_set_and_nothing_else_of_the_label(board: Store) -> None:
    before = sample(board, 1)["ground_truth"]["detections"]
    run(board, "set_suggested", current_sample=PHOTOS[1], selected_labels=select(board, 1, LABELS[1]))
    after = sample(board, 1)["ground_truth"]["detections"]
    changed = [box | {"label": "$vest"} if str(box["_id"]) == LABELS[1] else box for box in before]
    assert after == changed
    assert LABELS[1] in read_kept_labels(board.dataset), "somebody looked at it"


def test_a_missing_label_is_added_where_the_detector_sees_the_object(board: Store) -> None:
    run(board, "set_suggested", current_sample=PHOTOS[0], selected_labels=select(board, 0, GHOST))
    (added,) = [box for box in sample(board, 0)["ground_truth"]["detections"] if str(box["_id"]) != LABELS[0]]
    assert added["label"] == "$vest"
    np.testing.assert_allclose(added["bounding_box"], [0.1, 0.1, 0.2, 0.2])
    frozen = board.read_photos().labels
    assert str(added["_id"]) in frozen.id, "the next freeze reads it"


@pytest.mark.parametrize(
    ("name", "photo", "label_id"),
    [
        pytest.param("delete_label", 0, GHOST, id="no label to delete"),
        pytest.param("set_suggested", 1, LABELS[3], id="nothing suggested"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(board: Store, name: str, photo: int, label_id: str) -> None:
    before = sample(board, photo)
    chosen = select(board, photo, label_id)
    result, asked = run(board, name, current_sample=PHOTOS[photo], selected_labels=chosen)
    assert result == {"count": 0}
    assert "keep" in asked["notify"]["message"]
    assert sample(board, photo) == before


def test_selected_photos_are_settled_with_all_their_suspicions(board: Store) -> None:
    assert run(board, "keep_label", selected=PHOTOS[:2])[0] == {"count": 4}
    assert read_kept_labels(board.dataset) == {GHOST, LABELS[0], LABELS[1], LABELS[3]}
    assert sitting.count_open(board.dataset, "labels") == (0, 2)


def test_keys_of_pictures_do_nothing_to_photos_and_those_of_labels_nothing_to_pictures(board: Store) -> None:
    result, asked = run(board, "accept", current_sample=PHOTOS[0])
    assert (result, asked["notify"]["message"]) == ({"count": 0}, "This session is about something else")
    assert "decisions" not in sample(board, 0) or not sample(board, 0)["decisions"]
    sitting.begin_sitting(board.dataset, {"_id": "s1", "what": "pictures"})
    assert run(board, "keep_label", current_sample=PHOTOS[0])[0] == {"count": 0}
    assert suspected(board, 0) == [GHOST, LABELS[0]]


# --- nothing is lost ---

ACTS = {
    "keep": ("keep_label", 1, LABELS[1]),
    "set the class": ("set_suggested", 1, LABELS[1]),
    "add a label": ("set_suggested", 0, GHOST),
    "delete": ("delete_label", 1, LABELS[3]),
}


@pytest.mark.parametrize("act", ACTS)
def test_undo_gives_back_labels_and_suspicion_as_they_were(board: Store, act: str) -> None:
    name, photo, label_id = ACTS[act]
    before = sample(board, photo)
    run(board, name, current_sample=PHOTOS[photo], selected_labels=select(board, photo, label_id))
    assert label_id not in suspected(board, photo)
    assert run(board, "undo", current_sample=PHOTOS[photo])[0] == {"count": 1}
    after = sample(board, photo)
    for field in ("ground_truth", SUSPECTED):
        by_id = [sorted(each[field]["detections"], key=lambda box: str(box["_id"])) for each in (before, after)]
        assert by_id[0] == by_id[1]
    assert after["last_modified_at"] > before["last_modified_at"]
    assert not read_kept_labels(board.dataset)
    assert run(board, "undo", current_sample=PHOTOS[photo])[0] == {"count": 0}


def test_undo_takes_back_ones_own_last_edit_and_opens_its_photo(board: Store) -> None:
    run(board, "keep_label", current_sample=PHOTOS[0])
    run(board, "keep_label", current_sample=PHOTOS[1], params={"reviewer": BOB})
    result, asked = run(board, "undo", current_sample=PHOTOS[1])
    assert (result, asked["open_sample"]["id"]) == ({"count": 1}, PHOTOS[0])
    assert len(read_kept_labels(board.dataset)) == 1, "another's stays"


def test_a_deleted_label_is_in_the_record_with_all_it_had(board: Store) -> None:
    before = sample(board, 1)["ground_truth"]["detections"]
    run(board, "delete_label", current_sample=PHOTOS[1], selected_labels=select(board, 1, LABELS[3]))
    (edit,) = label_edits.standing_edits(board.dataset)
    assert edit["before"] in before
    assert (edit["what"], edit["reviewer"], edit["label_id"], edit["done"]) == (DELETE, ANN, LABELS[3], True)


def test_two_who_settle_the_same_suspicion_do_not_both_do_it(board: Store) -> None:
    (_, suspicion), *_ = label_edits.open_suspicions(board.dataset, [PHOTOS[0]])
    results: list[bool] = []

    def add(reviewer: str) -> None:
        results.append(label_edits.settle(board.dataset, PHOTOS[0], suspicion, SUGGESTED, reviewer=reviewer))

    threads = [threading.Thread(target=add, args=(each,)) for each in (ANN, BOB) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 5 + [True]
    assert len(labels(board, 0)) == 2
    assert len(label_edits.standing_edits(board.dataset)) == 1


def test_a_record_without_its_change_leaves_the_suspicion_open(board: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    (_, suspicion), *_ = label_edits.open_suspicions(board.dataset, [PHOTOS[1]])
    collection = type(board.dataset._sample_collection)
    with monkeypatch.context() as patch:
        patch.setattr(collection, "update_one", _dies_on(board, die))
        with pytest.raises(Killed):
            label_edits.settle(board.dataset, PHOTOS[1], suspicion, KEEP, reviewer=ANN)
    assert suspicion["label_id"] in suspected(board, 1)
    assert not read_kept_labels(board.dataset)
    assert label_edits.settle(board.dataset, PHOTOS[1], suspicion, KEEP, reviewer=ANN)


def _dies_on(store: Store, die: Any) -> Any:
    """Let updates of samples die, and others pass."""
    collection = store.dataset._sample_collection
    passing = type(collection).update_one

    def update(self: Any, *args: Any, **given: Any) -> Any:
        return die() if self.name == collection.name else passing(self, *args, **given)

    return update


def test_edits_survive_when_fiftyone_saves_the_photo(board: Store) -> None:
    opened = board.dataset[PHOTOS[1]]
    opened.ground_truth.detections[0].bounding_box = [0.0, 0.0, 0.5, 0.5]
    opened.save()
    assert len(suspected(board, 1)) == 2
    run(board, "keep_label", current_sample=PHOTOS[1], selected_labels=select(board, 1, LABELS[1]))
    assert board.dataset[PHOTOS[1]].ground_truth.detections[0].bounding_box == [0.0, 0.0, 0.5, 0.5]


def test_the_panel_lists_what_is_suspected_and_how_far_the_session_is(board: Store) -> None:
    from fiftyone.operators.executor import ExecutionContext

    from curation.plugin.panel import CuratePanel

    def text(**request: Any) -> str:
        asked = {"dataset_name": board.dataset.name, **request}
        return str(CuratePanel().render(ExecutionContext(asked)).to_json())

    assert "0 of 2 photos looked at" in text()
    assert "it looks like **$vest**" in text(current_sample=PHOTOS[0])
    run(board, "keep_label", selected=[PHOTOS[0]])
    assert "1 of 2 photos looked at" in text()
    assert "Nothing is suspected here any more" in text(current_sample=PHOTOS[0])
