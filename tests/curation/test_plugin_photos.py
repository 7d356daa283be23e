"""Selected photos in a session, without a browser: what is left to do, and what a key says about a photo."""

from typing import Any

import pytest
from bson import ObjectId

from curation import session
from curation.labelling import waiting_ids
from curation.plugin import sitting
from curation.returned import Selected
from curation.store import Store
from tests.curation.small_selections import selected
from tests.curation.test_plugin import run


@pytest.fixture
def given(store: Store, monkeypatch: pytest.MonkeyPatch) -> Selected:
    """A selection in FiftyOne, and a session about it."""
    store.dataset.info.pop("selections", None)
    session.install_plugin(store.root / "plugins")
    session.declare_review(store.dataset)
    chosen = selected(store.root)
    store.publish_selection(chosen)
    session.publish_queue(store.dataset, "photos", [pick.photo_id for pick in chosen.picks])
    sitting.begin_sitting(store.dataset, {"_id": "now", "what": "photos", "reviewer": "ann"})
    monkeypatch.setenv(sitting.ENV_SITTING, "now")
    return chosen


def tags_of(store: Store, photo_id: str) -> list[str]:
    return list(store.dataset[photo_id].tags)


def press(store: Store, name: str, photo_id: str) -> dict[str, Any]:
    _, triggered = run(store, name, current_sample=photo_id)
    return dict(triggered)


def test_a_labelled_photo_is_tagged_and_the_next_pick_is_opened(store: Store, given: Selected) -> None:
    first, second = given.picks[0].photo_id, given.picks[1].photo_id
    assert press(store, "labelled", first)["open_sample"]["id"] == second
    assert tags_of(store, first) == ["labelled"]
    assert sitting.count_open(store.dataset, "photos") == (5, 6)
    assert [row["filepath"].split("/")[-1].split(".")[0] for row in store.read_labelled()] == [first]


def test_undo_lets_a_photo_wait_again(store: Store, given: Selected) -> None:
    first = given.picks[0].photo_id
    press(store, "labelled", first)
    press(store, "undo", first)
    assert tags_of(store, first) == ["to label"]
    assert store.read_labelled() == []


def test_undo_takes_back_the_photo_that_was_labelled_last_and_opens_it(store: Store, given: Selected) -> None:
    first, second, third = (pick.photo_id for pick in given.picks[:3])
    press(store, "labelled", second)
    press(store, "labelled", first)
    result, triggered = run(store, "undo", current_sample=third)
    assert result == {"count": 1}
    assert triggered["open_sample"]["id"] == first
    assert [tags_of(store, each) for each in (first, second, third)] == [["to label"], ["labelled"], ["to label"]]
    assert "open_sample" not in press(store, "undo", second), "it is open already"


def test_undo_of_several_counts_only_those_that_were_labelled(store: Store, given: Selected) -> None:
    first, second = (pick.photo_id for pick in given.picks[:2])
    press(store, "labelled", first)
    result, _ = run(store, "undo", selected=[first, second])
    assert result == {"count": 1}
    assert [tags_of(store, each) for each in (first, second)] == [["to label"], ["to label"]]


def test_without_a_labelled_photo_undo_takes_nothing_back_and_says_so(store: Store, given: Selected) -> None:
    first, second = (pick.photo_id for pick in given.picks[:2])
    press(store, "labelled", first)
    store.dataset._sample_collection.update_one({"_id": ObjectId(first)}, {"$set": {"split": "train"}})
    result, triggered = run(store, "undo", current_sample=second)
    assert result == {"count": 0}
    assert triggered["notify"]["message"] == "No photo is labelled"
    assert tags_of(store, first) == ["labelled"], "it was taken in"


def test_pressed_twice_a_photo_has_one_tag_and_those_of_people_stay(store: Store, given: Selected) -> None:
    first = given.picks[0].photo_id
    sample = store.dataset[first]
    sample.tags.append("dusty")
    sample.save()
    for _ in range(2):
        press(store, "labelled", first)
    assert sorted(tags_of(store, first)) == ["dusty", "labelled"]


def test_next_passes_over_what_is_labelled(store: Store, given: Selected) -> None:
    first, second, third = (pick.photo_id for pick in given.picks[:3])
    press(store, "labelled", second)
    assert press(store, "next", first)["open_sample"]["id"] == third


def test_pictures_cannot_be_decided_in_such_a_session(store: Store, given: Selected) -> None:
    result, _ = run(store, "accept", current_sample=given.picks[0].photo_id)
    assert result == {"count": 0}
    assert tags_of(store, given.picks[0].photo_id) == ["to label"]


def test_what_was_taken_in_waits_no_more(store: Store, given: Selected) -> None:
    first = given.picks[0].photo_id
    assert first in waiting_ids(store.dataset)
    store.dataset._sample_collection.update_one({"_id": ObjectId(first)}, {"$set": {"split": "train"}})
    assert first not in waiting_ids(store.dataset)
    assert sitting.count_open(store.dataset, "photos") == (5, 6)
