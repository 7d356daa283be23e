"""The plugin without a browser: operators on a real mongod, what they write, and what is collected from it."""

import os
import threading
from collections.abc import Callable
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import review_shell, schema, session
from curation.collected import Collected, collect, read_edits
from curation.plugin import sitting
from curation.plugin.decisions import ACCEPTED, BY_TAG, REASONS, REJECTED, UNDONE, decide_stages, standing, undo_stages
from curation.schema import offer_annotation
from curation.store import Store
from generation.records import PictureLabel, SyntheticImage, Verdict
from training.errors import CurateError

IDS = [f"d{number:023x}" for number in range(5)]
ANN, BOB = "ann", "$bob"  # a name that a database could take for an expression


def picture(request_id: str) -> SyntheticImage:
    labels = [
        PictureLabel(label=name, xyxy=(left, 0.2, left + 0.3, 0.5), visible_share=1, source_id="", added=True)
        for name, left in (("cone", 0.1), ("vest", 0.6))
    ]
    return SyntheticImage(
        request_id=request_id,
        brief_id="brief",
        finding_id="finding",
        backend="paste",
        digest="0" * 24,
        path=f"pictures/{request_id}.jpg",
        width_px=320,
        height_px=240,
        labels=tuple(labels),
        source_ids=(),
        look="0" * 16,
    )


PICTURES = [picture(request_id) for request_id in IDS]


@pytest.fixture
def board(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Five pictures in a queue, in the reverse of their order, and a sitting of Ann's."""
    store.dataset.default_classes = ["cone", "vest"]
    store.publish_pictures(PICTURES)
    session.install_plugin(store.root / "plugins")
    schema.declare_review(store.dataset)
    session.publish_queue(store.dataset, "pictures", IDS[::-1])
    sitting.begin_sitting(store.dataset, {"_id": "s1", "what": "pictures", "reviewer": ANN})
    monkeypatch.setenv(sitting.ENV_SITTING, "s1")
    monkeypatch.setenv(sitting.ENV_REVIEWER, ANN)
    return store


def run(store: Store, name: str, **context: Any) -> Any:
    """Run an operator of the installed plugin, as FiftyOne does; give its result and what it triggers in the App."""
    import fiftyone.operators as foo

    done = foo.execute_operator(f"@curate/review/{name}", dataset=store.dataset, **context)
    asked = done.executor.to_json()["requests"]
    return done.result, {request["operator_uri"].rpartition("/")[2]: request["params"] for request in asked}


def sample(store: Store, request_id: str = IDS[0]) -> dict[str, Any]:
    found: dict[str, Any] = store.dataset._sample_collection.find_one({"request_id": request_id})
    return found


def shown(store: Store, request_id: str = IDS[0]) -> tuple[Any, ...]:
    """What people see: tags of ours, verdict, reason, reviewer."""
    found = sample(store, request_id)
    marks = [tag for tag in found["tags"] if tag in {ACCEPTED, REJECTED}]
    return marks, found.get("verdict"), found.get("verdict_reason"), found.get("reviewer")


def accept(store: Store, request_id: str = IDS[0], *, reviewer: str = ANN) -> None:
    sitting.apply(store.dataset, [request_id], decide_stages(ACCEPTED, reviewer=reviewer))


def reject(store: Store, request_id: str = IDS[0], *, reviewer: str = ANN, reason: str = REASONS[0]) -> None:
    sitting.apply(store.dataset, [request_id], decide_stages(REJECTED, reviewer=reviewer, reason=reason))


def undo(store: Store, request_id: str = IDS[0], *, reviewer: str = ANN) -> None:
    sitting.apply(store.dataset, [request_id], undo_stages(reviewer=reviewer))


def counting(found: Collected) -> dict[str, tuple[str, str]]:
    """The decision that counts of each sample: verdict and reviewer."""
    kept = found.decisions.take(found.decisions.counts)
    return {
        each: (verdict, reviewer)
        for each, verdict, reviewer in zip(
            kept.sample_id.tolist(), kept.verdict.tolist(), kept.reviewer.tolist(), strict=True
        )
    }


# --- operators ---


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        pytest.param("accept", {}, ([ACCEPTED], ACCEPTED, "", ANN), id="accept"),
        pytest.param("accept", {"reviewer": BOB}, ([ACCEPTED], ACCEPTED, "", BOB), id="by another"),
        pytest.param("reject", {"reason": "too small"}, ([REJECTED], REJECTED, "too small", ANN), id="reject"),
        pytest.param(
            "reject", {"reason": "other", "words": " $set "}, ([REJECTED], REJECTED, "$set", ANN), id="in words"
        ),
        pytest.param("reject", {"reason": "other", "words": " "}, ([REJECTED], REJECTED, "other", ANN), id="blank"),
        pytest.param("extra_object", {}, ([REJECTED], REJECTED, "extra object", ANN), id="extra object"),
    ],
)
def test_an_operator_decides_about_the_open_picture_and_opens_the_next(
    board: Store, name: str, params: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    result, asked = run(board, name, params=params, current_sample=IDS[4], selected=[IDS[0]])
    assert result == {"count": 1}
    assert shown(board, IDS[4]) == expected
    assert shown(board, IDS[0])[0] == [], "the open picture goes before the selection"
    assert asked["open_sample"]["id"] == IDS[3], "the queue's order, not that of the ids"


def test_the_app_is_told_what_the_open_picture_is_after_an_operator_wrote_on_it(board: Store) -> None:
    _, asked = run(board, "accept", current_sample=IDS[0])
    found, told = sample(board), asked["show_current"]
    modified = found["last_modified_at"].replace(tzinfo=UTC)
    assert told["modified_ms"] == modified.timestamp() * 1000, "else its own edits would be refused"
    assert (told["_id"], told["tags"], told["verdict"]) == (IDS[0], ["synthetic", ACCEPTED], ACCEPTED)
    boxes = found["ground_truth"]["detections"]
    assert told["boxes"] == [[str(box["_id"]), box["label"], box["bounding_box"]] for box in boxes]


def test_a_selection_is_decided_at_once_and_nothing_is_opened(board: Store) -> None:
    result, asked = run(board, "accept", selected=IDS[1:4])
    assert result == {"count": 3}
    assert [shown(board, each)[1] for each in IDS] == [None, ACCEPTED, ACCEPTED, ACCEPTED, None]
    assert "open_sample" not in asked


def test_without_an_open_or_selected_picture_nothing_is_decided(board: Store) -> None:
    result, asked = run(board, "accept")
    assert result == {"count": 0}
    assert "Open or select" in asked["notify"]["message"]
    assert not len(collect(board.dataset).decisions)


def test_next_skips_what_is_decided_and_starts_again_at_the_front(board: Store) -> None:
    for each in (IDS[3], IDS[2]):
        accept(board, each)
    assert run(board, "next", current_sample=IDS[4])[0] == {"opened": IDS[1]}
    assert run(board, "next", current_sample=IDS[0])[0] == {"opened": IDS[4]}
    board.dataset._sample_collection.update_one({"request_id": IDS[1]}, {"$push": {"tags": REJECTED}})
    assert run(board, "next", current_sample=IDS[4])[0] == {"opened": IDS[0]}, "a tag by hand decides, too"
    for each in IDS:
        accept(board, each)
    assert run(board, "next", current_sample=IDS[4])[0] == {"opened": None}


def test_undo_takes_back_the_reviewers_own_last_decision_on_the_picture(board: Store) -> None:
    accept(board)
    reject(board, reviewer=BOB)
    assert run(board, "undo", current_sample=IDS[0])[0] == {"count": 1}
    assert shown(board) == ([REJECTED], REJECTED, REASONS[0], BOB), "another's decision stays"
    run(board, "undo", current_sample=IDS[0], params={"reviewer": BOB})
    assert shown(board)[:2] == ([], None)


def test_undo_on_a_picture_without_own_decision_takes_back_the_last_of_all_and_opens_it(board: Store) -> None:
    accept(board, IDS[4])
    accept(board, IDS[3])
    reject(board, IDS[2], reviewer=BOB)
    result, asked = run(board, "undo", current_sample=IDS[2])
    assert (result, asked["open_sample"]["id"]) == ({"count": 1}, IDS[3])
    assert [shown(board, each)[1] for each in IDS[2:]] == [REJECTED, None, ACCEPTED]
    run(board, "undo", current_sample=IDS[2])
    assert run(board, "undo", current_sample=IDS[2])[0] == {"count": 0}


def test_the_end_of_a_session_is_noted_once_somebody_asks_for_it(board: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sitting.begin_sitting(board.dataset, {"_id": "s2", "what": "pictures"})
    assert run(board, "end_session")[0] == {"ended": True}
    ended = {each: sitting.sitting_of(board.dataset, each)["ended"] is not None for each in ("s1", "s2")}
    assert ended == {"s1": True, "s2": False}, "each session ends on its own"
    monkeypatch.delenv(sitting.ENV_SITTING)
    assert run(board, "end_session")[0] == {"ended": False}


def test_the_reject_form_offers_the_reasons_and_asks_for_words_only_for_another(board: Store) -> None:
    from fiftyone.operators.executor import ExecutionContext

    from curation.plugin.operators import Reject

    def form(**params: str) -> dict[str, Any]:
        asked = {"params": params, "dataset_name": board.dataset.name, "current_sample": IDS[0]}
        properties: dict[str, Any] = Reject().resolve_input(ExecutionContext(asked)).type.to_json()["properties"]
        return properties

    assert form()["reason"]["type"]["values"] == [*REASONS, "other"]
    assert form()["reviewer"]["default"] == ANN
    assert "words" not in form(reason=REASONS[1])
    assert "words" in form(reason="other")


def test_the_panel_tells_progress_precision_and_the_story_of_the_open_picture(board: Store) -> None:
    from fiftyone.operators.executor import ExecutionContext

    from curation.plugin.panel import CuratePanel

    def texts(**request: Any) -> str:
        rendered = CuratePanel().render(ExecutionContext({"dataset_name": board.dataset.name, **request}))
        return str(rendered.to_json())

    session.publish_stories(board.dataset, {IDS[0]: "**$small** cone is missed"})
    assert "0 of 5 decided" in texts()
    assert "precision" not in texts(), "nothing is known of nothing"
    for each in IDS[:3]:
        accept(board, each)
    reject(board, IDS[3])
    said = texts(current_sample=IDS[0])
    assert "4 of 5 decided" in said
    assert "**75.0 %** [30.1, 95.4], n = 4" in said
    assert "**$small** cone is missed" in said
    assert "Nothing is written" in texts(current_sample=IDS[1])
    assert "End the session" in said


def test_where_some_pictures_were_drawn_at_random_precision_is_of_them_alone(board: Store) -> None:
    session.publish_queue(board.dataset, "pictures", IDS, at_random=IDS[:2])
    for each in IDS[:3]:
        reject(board, each)
    accept(board, IDS[1], reviewer=BOB)
    found = sitting.progress_of(board.dataset, "pictures")
    assert (found.queued, found.accepted, found.rejected, found.drawn, found.right) == (5, 1, 2, 2, 1)


def test_a_story_that_is_the_same_touches_nothing(board: Store) -> None:
    session.publish_stories(board.dataset, {IDS[0]: "why"})
    before = sample(board)
    session.publish_stories(board.dataset, {IDS[0]: "why"})
    assert sample(board) == before
    session.publish_stories(board.dataset, {IDS[0]: "why not"})
    assert sample(board)["review"] == before["review"] | {"story": "why not"}


def test_a_queue_is_replaced_and_its_view_keeps_its_order(board: Store) -> None:
    session.publish_queue(board.dataset, "labels", IDS[:1])
    accept(board, IDS[4])
    assert session.publish_queue(board.dataset, "pictures", [IDS[1], IDS[3], IDS[0]]) == "to-review-pictures"
    view = board.dataset.load_saved_view("to review: pictures")
    assert view.values("id") == [IDS[1], IDS[3], IDS[0]]
    assert board.dataset.load_saved_view("to review: labels").values("id") == IDS[:1], "queues do not mix"
    assert shown(board, IDS[4])[0] == [ACCEPTED], "what left the queue keeps its decision"


# --- nothing is lost ---


def test_two_reviewers_at_once_lose_nothing(board: Store) -> None:
    def decide(reviewer: str, action: Callable[..., None]) -> None:
        for _ in range(20):
            action(board, reviewer=reviewer)

    threads = [threading.Thread(target=decide, args=each) for each in ((ANN, accept), (BOB, reject))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = sample(board)["decisions"]
    assert [entry["number"] for entry in entries] == list(range(40))
    assert sum(entry["reviewer"] == ANN for entry in entries) == 20
    assert shown(board)[1] == entries[-1]["verdict"]
    assert shown(board)[0] == [entries[-1]["verdict"]]


def test_every_write_moves_the_time_that_the_app_guards_its_edits_by(board: Store) -> None:
    times = [sample(board)["last_modified_at"]]
    for act in (accept, reject, undo, accept, undo):
        act(board)
        times.append(sample(board)["last_modified_at"])
    assert all(earlier < later for earlier, later in pairwise(times))


def test_decisions_survive_when_fiftyone_saves_the_sample(board: Store) -> None:
    accept(board)
    before = sample(board)
    opened = board.dataset[IDS[0]]
    opened.ground_truth.detections[0].label = "vest"
    written = opened.to_mongo_dict(include_id=True)  # the App replaces whole samples with this
    board.dataset._sample_collection.replace_one({"_id": opened._id}, written)
    for field in ("decisions", "review", "tags", "verdict"):
        assert sample(board)[field] == before[field]
    undo(board)
    assert shown(board)[:2] == ([], None)


def test_undo_gives_back_what_the_rule_had_said(board: Store) -> None:
    verdict = Verdict(request_id=IDS[0], accepted=False, reason="$too small", reviewer="rule")
    board.publish_verdicts([verdict])
    ruled = shown(board)
    accept(board)
    assert shown(board) == ([ACCEPTED], ACCEPTED, "", ANN)
    undo(board)
    assert shown(board) == ruled == ([REJECTED], REJECTED, "$too small", "rule")


def test_a_tag_set_by_hand_counts_and_is_taken_into_the_list_by_the_next_decision(board: Store) -> None:
    accept(board)
    board.dataset._sample_collection.update_one({"request_id": IDS[0]}, {"$push": {"tags": REJECTED}})
    found = collect(board.dataset)
    assert counting(found) == {IDS[0]: (REJECTED, BY_TAG)}
    assert found.tagged_both_ways == (IDS[0],)
    undo(board)
    assert shown(board)[:2] == ([REJECTED], REJECTED), "Ann's was taken back, the tag stays"
    assert [entry["verdict"] for entry in sample(board)["decisions"]] == [ACCEPTED, REJECTED, UNDONE]
    assert collect(board.dataset).tagged_both_ways == ()


@pytest.mark.parametrize(
    "order", [[ACCEPTED, REJECTED], [REJECTED, ACCEPTED]], ids=["rejected later", "accepted later"]
)
def test_of_two_tags_set_by_hand_the_later_counts_and_the_picture_is_listed(board: Store, order: list[str]) -> None:
    both = {"$push": {"tags": {"$each": order}}}
    board.dataset._sample_collection.update_one({"request_id": IDS[0]}, both)
    found = collect(board.dataset)
    assert (counting(found), found.tagged_both_ways) == ({IDS[0]: (order[-1], BY_TAG)}, (IDS[0],))
    assert sitting.progress_of(board.dataset, "pictures").decided == 1, "the panel says the same"
    undo(board, reviewer=BOB)  # who has decided nothing: only what the tags say is taken in
    assert shown(board)[:2] == ([order[-1]], order[-1])


ACTS: dict[str, Callable[..., None]] = {"accept": accept, "reject": reject, "undo": undo}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from([ANN, BOB])), max_size=7))
def test_what_people_see_is_what_plain_stacks_say(board_once: Store, acts: list[tuple[str, str]]) -> None:
    reset = {"$unset": {"decisions": "", "verdict": ""}, "$set": {"tags": ["synthetic"], "review": {}}}
    board_once.dataset._sample_collection.update_one({"request_id": IDS[0]}, reset)
    stack: list[tuple[str, str]] = []
    for name, reviewer in acts:
        ACTS[name](board_once, reviewer=reviewer)
        if name != "undo":
            stack.append(({"accept": ACCEPTED, "reject": REJECTED}[name], reviewer))
        elif mine := [place for place, entry in enumerate(stack) if entry[1] == reviewer]:
            del stack[mine[-1]]
    entries = sample(board_once).get("decisions", [])
    assert [(entry["verdict"], entry["reviewer"]) for entry in standing(entries)] == stack
    assert shown(board_once)[0] == [verdict for verdict, _ in stack[-1:]]
    assert counting(collect(board_once.dataset)) == ({IDS[0]: stack[-1]} if stack else {})


@pytest.fixture(scope="module")
def board_once(database_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A dataset of its own, for examples that share it."""
    from curation.connection import connect
    from curation.store import open_dataset

    root = tmp_path_factory.mktemp("once")
    connect(database_uri, plugins_dir=root / "plugins")
    opened = open_dataset("plugin_once", root=root)
    opened.publish_pictures(PICTURES)
    schema.declare_review(opened.dataset)
    return opened


# --- collecting ---


def test_collecting_gives_every_decision_in_columns_and_changes_nothing(board: Store) -> None:
    reject(board, reason="too small")
    undo(board)
    accept(board, reviewer=BOB)
    reject(board, IDS[1], reason="$other")
    before = list(board.dataset._sample_collection.find())
    found = collect(board.dataset).decisions
    assert found.sample_id.tolist() == [IDS[0]] * 3 + [IDS[1]]
    assert found.number.tolist() == [0, 1, 2, 0]
    assert found.verdict.tolist() == [REJECTED, UNDONE, ACCEPTED, REJECTED]
    assert found.reviewer.tolist() == [ANN, ANN, BOB, ANN]
    assert found.reason.tolist() == ["too small", "", "", "$other"]
    assert found.stands.tolist() == [False, False, True, True]
    assert found.counts.tolist() == [False, False, True, True]
    assert (np.diff(found.at[:3]) >= np.timedelta64(0)).all()
    assert list(board.dataset._sample_collection.find()) == before


def test_the_rules_verdicts_are_no_decisions_of_people(board: Store) -> None:
    board.publish_verdicts([Verdict(request_id=each, accepted=True, reason="", reviewer="rule") for each in IDS])
    found = collect(board.dataset)
    assert (len(found.decisions), found.tagged_both_ways) == (0, ())


@pytest.mark.parametrize(
    ("change", "is_changed"),
    [
        pytest.param({}, False, id="untouched"),
        pytest.param({"$set": {"ground_truth.detections.0.label": "vest"}}, True, id="class"),
        pytest.param({"$set": {"ground_truth.detections.1.bounding_box.2": 0.2}}, True, id="width"),
        pytest.param({"$pop": {"ground_truth.detections": 1}}, True, id="deleted"),
        pytest.param({"$set": {"ground_truth.detections": []}}, True, id="all deleted"),
        pytest.param({"$set": {"ground_truth.detections.0.confidence": 0.5}}, False, id="something else"),
    ],
)
def test_pictures_whose_boxes_were_changed_are_found(board: Store, change: dict[str, Any], is_changed: bool) -> None:
    if change:
        board.dataset._sample_collection.update_one({"request_id": IDS[2]}, change)
    edits = read_edits(board.dataset, PICTURES)
    assert edits.picture_ids == ((IDS[2],) if is_changed else ())
    stored = sample(board, IDS[2])["ground_truth"]["detections"]
    assert edits.boxes.id.tolist() == ([str(box["_id"]) for box in stored] if is_changed else [])


def test_an_edit_is_read_with_all_boxes_of_its_picture(board: Store) -> None:
    import fiftyone as fo

    opened = board.dataset[IDS[3]]
    opened.ground_truth.detections[1].bounding_box = [0.5, 0.25, 0.25, 0.5]
    added = fo.Detection(label="cone", bounding_box=[0.0, 0.0, 0.1, 0.1])
    opened.ground_truth.detections.insert(0, added)
    opened.save()
    edits = read_edits(board.dataset, PICTURES[::-1])
    assert edits.picture_ids == (IDS[3],)
    assert edits.boxes.name.tolist() == ["cone", "cone", "vest"]
    assert edits.boxes.image.tolist() == [0, 0, 0]
    assert edits.boxes.id.tolist()[0] == added.id
    np.testing.assert_allclose(edits.boxes.xyxy[2], [0.5, 0.25, 0.75, 0.75])


def test_boxes_in_another_order_are_the_same_boxes(board: Store) -> None:
    stored = sample(board)["ground_truth"]["detections"]
    swapped = {"$set": {"ground_truth.detections": stored[::-1]}}
    board.dataset._sample_collection.update_one({"request_id": IDS[0]}, swapped)
    assert read_edits(board.dataset, PICTURES).picture_ids == ()


# --- the session ---


def test_a_plugin_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("a file is in the way")
    with pytest.raises(CurateError, match="cannot write"):
        session.install_plugin(tmp_path / "plugins")


def test_a_port_that_is_taken_is_passed_over() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < session._free_port(port) <= port + session.TRIED_PORTS


def test_people_are_offered_the_datasets_classes_for_boxes(board: Store) -> None:
    offer_annotation(board.dataset)
    assert board.dataset.label_schemas["ground_truth"]["classes"] == ["cone", "vest"]
    assert board.dataset.active_label_schemas == ["ground_truth"]


@pytest.mark.parametrize("unknown", [KeyError, OSError])
def test_a_user_without_a_name_is_known_by_the_number(
    monkeypatch: pytest.MonkeyPatch, unknown: type[Exception]
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("CURATE_REVIEWER", raising=False)

    def nobody(_uid: int) -> Any:
        raise unknown("uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert sitting.login_name() == f"uid {os.getuid()}" == review_shell._reviewer()
    monkeypatch.setenv("LOGNAME", "ann")
    assert sitting.login_name() == "ann"
