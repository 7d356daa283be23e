"""Findings without a browser: the cards that people see, what they say in the panel, and what is read from it."""

from typing import Any

import numpy as np
import pytest

from curation import schema, session
from curation.edited import read_finding_edits
from curation.edits import Wish, wishes_of
from curation.finding_cards import MAX_CARDS, figures_of, finding_queue
from curation.plugin import keys, sitting
from curation.plugin.finding_edits import FINDING_EDITS, add_edit, edits_of, told
from curation.plugin.markdown import plain_text
from curation.records import Action, Briefs, Findings
from curation.store import Store
from tests.curation.test_brief import finding, shortage
from training.boxes import BoxTable, ImageTable

PHOTOS = [f"c{number:023x}" for number in range(4)]
LABELS = [f"b{number:023x}" for number in range(5)]
ANN, BOB = "ann", "$bob"

IMAGES = ImageTable(
    id=np.array(PHOTOS),
    path=np.array([f"data/{each}.jpg" for each in PHOTOS]),
    width_px=np.full(4, 320),
    height_px=np.full(4, 240),
    split=np.array(["val", "val", "test", "train"]),
)
TABLE = BoxTable(
    id=np.array(LABELS),
    image=np.array([0, 1, 1, 2, 3]),
    label=np.zeros(5, int),
    xyxy=np.array(
        [[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.7, 0.7], [0.2] * 2 + [0.4] * 2, [0, 0, 1, 1]]
    ),
    score=np.ones(5),
)
CONE = finding("cone", "small", gain=0.3, evidence=(LABELS[2], LABELS[1], LABELS[3]), view="round 1: small cone")
UNSURE = finding("vest", gain=0.1, status="open", objects_to_settle=120, evidence=(LABELS[0], LABELS[1]))
RARE = shortage("hat", evidence=(LABELS[4],), gain=0.05)
REFUTED = finding("tent", gain=0.9, status="refuted", evidence=(LABELS[0],))
FOUND = Findings(findings=(REFUTED, CONE, UNSURE), split="val", min_effect=0.1, max_q=0.05, shortages=(RARE,))
PLANNED = Briefs(
    actions=(
        Action(finding_id=CONE.finding_id, action="generate", pictures=60, share=0.6, reason="small_cone: recall"),
        Action(finding_id=UNSURE.finding_id, action="nothing", pictures=0, share=0, reason="open"),
    ),
    briefs=(),
    note="",
)
QUEUE = finding_queue(FOUND, PLANNED, images=IMAGES, labels=TABLE)


@pytest.fixture
def board(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Four photos and a sitting of Ann's on the findings of round 3."""
    store.publish_photos(IMAGES, TABLE, ["cone"])
    session.install_plugin(store.root / "plugins")
    schema.declare_review(store.dataset)
    store.dataset._sample_collection.database[FINDING_EDITS].delete_many({})
    session.publish_queue(store.dataset, "findings", QUEUE.photo_ids)
    session.publish_stories(store.dataset, QUEUE.stories)
    about = {"round": 3, "findings": list(QUEUE.cards)}
    sitting.begin_sitting(store.dataset, {"_id": "s1", "what": "findings", "reviewer": ANN, **about})
    monkeypatch.setenv(sitting.ENV_SITTING, "s1")
    monkeypatch.setenv(sitting.ENV_REVIEWER, ANN)
    return store


def press(store: Store, method: str, *, finding_id: str = "", typed: dict[str, Any] | None = None) -> tuple[str, Any]:
    """Press a button of the panel, as the App does; give the panel as it is then, and what is asked of the App."""
    import fiftyone.operators as foo

    done = foo.execute_operator(
        "@curate/review/curate",
        dataset=store.dataset,
        params={
            "panel_id": "p",
            "panel_state": {"body": typed or {}},
            "__method__": method,
            "finding_id": finding_id,
        },
    )
    asked = {each["operator_uri"].rpartition("/")[2]: each["params"] for each in done.executor.to_json()["requests"]}
    return str(asked["show_panel_output"]), asked


# --- what is shown ---


def test_the_queue_is_the_photos_of_the_evidence_by_finding_and_never_of_test() -> None:
    assert QUEUE.photo_ids == (PHOTOS[1], PHOTOS[3], PHOTOS[0])
    assert [card["finding_id"] for card in QUEUE.cards] == [CONE.finding_id, RARE.finding_id, UNSURE.finding_id]
    assert QUEUE.cards[0]["photo_ids"] == [PHOTOS[1]]


def test_a_photo_tells_all_findings_that_it_is_evidence_for_with_the_tests_figures() -> None:
    lines = QUEUE.stories[PHOTOS[1]].splitlines()
    assert lines[0] == "**Evidence for**"
    assert lines[2] == (
        "- **small cone** (confirmed): recall 0.50 against 0.80, effect 0.30 [0.10, 0.50], n = 40, q = 0.010; "
        "2 missed here"
    )
    assert lines[3].startswith("- **vest** (open; about 120 objects would settle it): recall 0.50")
    assert QUEUE.stories[PHOTOS[3]].splitlines()[2] == "- **hat** (rare in train): recall 0.40, n = 30; 1 here"


def test_a_card_has_figures_with_interval_and_counts_and_what_is_planned() -> None:
    card = QUEUE.cards[0]
    assert "recall **0.50** against 0.80 of other classes" in card["text"]
    assert "effect 0.30 [0.10, 0.50], n = 40 on 20 photos, q = 0.010" in card["text"]
    assert "return +0.300 AP50" in card["text"]
    assert (card["action"], card["pictures"], card["why"]) == ("generate", 60, "small\\_cone: recall")
    assert "12 objects in train" in figures_of(RARE)
    assert QUEUE.cards[1]["action"] == "nothing", "nothing is planned yet"


def test_names_that_look_like_markdown_are_shown_as_they_are() -> None:
    named = finding("cone", words="small <b>_*#cone*_\n# x", claim="[a](b)", evidence=(LABELS[0],))
    (card,) = finding_queue(
        FOUND.model_copy(update={"findings": (named,), "shortages": ()}), None, images=IMAGES, labels=TABLE
    ).cards
    assert card["title"] == r"small \<b\>\_\*\#cone\*\_ \# x"
    assert r"\[a\](b)" in card["text"]
    assert plain_text("a-b c.d") == "a-b c.d"


def test_only_so_many_findings_are_shown() -> None:
    many = [finding(f"class {k}", gain=1 / (k + 1)) for k in range(MAX_CARDS + 5)]
    queue = finding_queue(FOUND.model_copy(update={"findings": tuple(many)}), None, images=IMAGES, labels=TABLE)
    assert len(queue.cards) == MAX_CARDS


# --- the panel ---


def test_findings_are_walked_through_one_at_a_time_and_around(board: Store) -> None:
    assert "Finding 1 of 3: small cone" in press(board, "on_load")[0]
    assert "Finding 2 of 3: hat" in press(board, "on_following")[0]
    assert "Finding 1 of 3" in press(board, "on_previous")[0]
    assert "Finding 3 of 3: vest" in press(board, "on_previous")[0]
    assert "Finding 1 of 3" in press(board, "on_following")[0]


def test_the_evidence_is_the_findings_own_view_else_its_photos(board: Store) -> None:
    asked = str(press(board, "on_evidence")[1]["set_view"]["view"])
    assert PHOTOS[1] in asked
    assert PHOTOS[0] not in asked
    assert all(label_id in asked for label_id in LABELS[1:3]), "other boxes are hidden"
    assert LABELS[3] not in asked, "of test"
    board.save_view(CONE.view, photo_ids=PHOTOS[:1])
    assert press(board, "on_evidence")[1]["set_view"]["name"] == CONE.view


SAID: dict[str, tuple[str, dict[str, Any], Wish | None]] = {
    # what: button, what was typed, the wish that follows
    "confirmed": ("on_confirm", {}, Wish(confirmed_by=ANN)),
    "dismissed": ("on_dismiss", {"reason_0": " $not ours "}, Wish(dismissed_by=ANN, reason="$not ours")),
    "dismissed without a word": ("on_dismiss", {}, Wish(dismissed_by=ANN)),
    "another action": ("on_change_plan", {"action_0": "label"}, Wish(action="label", action_by=ANN)),
    "more pictures": ("on_change_plan", {"pictures_0": 90}, Wish(pictures=90, pictures_by=ANN)),
    "none": ("on_change_plan", {"pictures_0": 0}, Wish(pictures=0, pictures_by=ANN)),
    "as planned": ("on_change_plan", {"action_0": "generate", "pictures_0": 60}, None),
    "left alone": ("on_change_plan", {}, None),
    "of another finding": ("on_change_plan", {"pictures_1": 90}, None),
    "no action": ("on_change_plan", {"action_0": "buy"}, None),
    "below none": ("on_change_plan", {"pictures_0": -1}, None),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_pressed_and_typed_becomes_an_edit(board: Store, name: str) -> None:
    method, typed, wish = SAID[name]
    press(board, method, finding_id=CONE.finding_id, typed=typed)
    assert wishes_of(read_finding_edits(board.dataset, 3)) == ({CONE.finding_id: wish} if wish else {})


def test_what_was_changed_can_be_changed_back_to_what_was_planned(board: Store) -> None:
    for pictures in (90, 90, 60):
        press(board, "on_change_plan", finding_id=CONE.finding_id, typed={"pictures_0": pictures})
    assert [edit.pictures for edit in read_finding_edits(board.dataset, 3)] == [90, 60], "the same is not said twice"


def test_a_button_is_about_the_finding_it_was_drawn_for_whatever_another_tab_shows(board: Store) -> None:
    press(board, "on_following")
    press(board, "on_confirm", finding_id=CONE.finding_id)
    assert [edit.finding_id for edit in read_finding_edits(board.dataset, 3)] == [CONE.finding_id]


def test_the_panel_tells_what_was_said_until_it_is_taken_back(board: Store) -> None:
    assert "Nobody has said anything" in press(board, "on_load")[0]
    assert "ann: confirmed" in press(board, "on_confirm", finding_id=CONE.finding_id)[0]
    add_edit(board.dataset, CONE.finding_id, round_number=3, reviewer=BOB, action="label", pictures=5)
    shown = press(board, "on_load")[0]
    assert "$bob: label, 5 pictures" in shown
    assert "ann: confirmed" in shown
    assert "Nobody has said anything" in press(board, "on_as_tested", finding_id=CONE.finding_id)[0]


def test_next_goes_through_the_evidence_and_keys_of_pictures_decide_nothing(board: Store) -> None:
    from tests.curation.test_plugin import run

    assert run(board, "next", current_sample=PHOTOS[1])[0] == {"opened": PHOTOS[3]}
    assert run(board, "next", current_sample=PHOTOS[0])[0] == {"opened": PHOTOS[1]}
    assert run(board, "accept", current_sample=PHOTOS[1])[0] == {"count": 0}
    assert run(board, "undo", current_sample=PHOTOS[1])[0] == {"count": 0}


# --- what is read ---


def test_edits_are_read_in_their_order_by_round_and_dataset(board: Store) -> None:
    for number, reviewer in ((3, ANN), (2, ANN), (3, BOB)):
        add_edit(board.dataset, CONE.finding_id, round_number=number, reviewer=reviewer, says="dismissed", reason="$x")
    edits = board.dataset._sample_collection.database[FINDING_EDITS]
    edits.insert_one({**edits.find_one({}, {"_id": 0}), "dataset": "another"})
    read = read_finding_edits(board.dataset, 3)
    assert [(edit.reviewer, edit.says, edit.reason) for edit in read] == [
        (ANN, "dismissed", "$x"),
        (BOB, "dismissed", "$x"),
    ]
    assert read[0].at <= read[1].at
    assert len(read[0].at) == len("2026-01-01T00:00:00.000")


def test_nothing_said_is_nothing_read(board: Store) -> None:
    assert read_finding_edits(board.dataset, 3) == ()
    assert told(edits_of(board.dataset, 3)) == []


# --- the session ---


@pytest.mark.parametrize("what", ["pictures", "findings", "labels"])
def test_a_session_says_what_to_press_for_what_it_is_about(what: session.What) -> None:
    nobody: Any = None
    text = session.Session(nobody, "s1", what, 5151, "http://127.0.0.1:5151", nobody).text
    assert keys.TEXTS[what] in text
    assert keys.END in text
