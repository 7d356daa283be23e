"""A selection in the real FiftyOne: shown once, corrected by people, and back as photos of the workspace."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.documents import placed_update
from curation.imports import Returned, imports_of, placed, publish, take_in
from curation.labelling import view_of
from curation.returned import Selected, settle
from curation.schema import LABELS, user_fields
from curation.selections import selected_of
from curation.store import Store, open_dataset
from tests.curation.small_selections import CLASSES, selected
from tests.training.photo_folders import lay_out, yolo
from training.dataset import read_rows, read_source
from training.errors import DataError
from training.source import Source
from training.splits import assign_splits


@pytest.fixture
def fresh(store: Store) -> Store:
    """An empty dataset that has seen no import and no selection."""
    for key in ("imports", "selections"):
        store.dataset.info.pop(key, None)
    store.dataset.save()
    return store


@pytest.fixture
def given(fresh: Store) -> Selected:
    chosen = selected(fresh.root, bare=1)
    assert fresh.publish_selection(chosen) == 6
    return chosen


def raw(store: Store) -> list[dict[str, Any]]:
    return list(store.dataset._sample_collection.find().sort("_id", 1))


def import_of(root: Path, source: Source, returned: Returned | None = None) -> None:
    earlier = imports_of(root)
    plan = assign_splits(source.photos, placed=placed(root, earlier))
    take_in(root, source, plan, earlier=earlier, dataset="test", name="x", drawn=False, model=None, returned=returned)


# --- shown ---


def test_the_saved_view_has_the_photos_in_the_order_of_the_picks(fresh: Store, given: Selected) -> None:
    fresh.dataset.reload()
    view = fresh.dataset.load_saved_view(view_of(1))
    assert view.values("id") == [pick.photo_id for pick in given.picks]
    assert view.values("reason") == [pick.reason for pick in given.picks]
    assert view.values("picked_for") == [pick.kind for pick in given.picks]
    assert set(view.values("selection")) == {"1"}
    assert set(map(tuple, view.values("tags"))) == {("to label",)}
    assert all(Path(path).is_file() for path in view.values("filepath"))
    assert view.first().metadata.width == 40


def test_people_correct_the_boxes_of_the_champion(fresh: Store, given: Selected) -> None:
    view = fresh.dataset.load_saved_view(view_of(1))
    boxes = [sample[LABELS].detections for sample in view]
    assert [len(of_photo) for of_photo in boxes] == [2, 2, 2, 2, 2, 0]
    assert [box.label for box in boxes[0]] == ["dog", "cat"]
    np.testing.assert_allclose(boxes[3][0].bounding_box, [0.25, 0.25, 0.25, 0.5])
    assert fresh.dataset.default_classes == list(CLASSES)
    schema = fresh.dataset.label_schemas[LABELS]
    assert (schema["classes"], schema["attributes"]) == (list(CLASSES), [])
    assert fresh.dataset.active_label_schemas == [LABELS]


def test_no_round_reads_photos_that_wait_for_labels(fresh: Store, given: Selected) -> None:
    assert len(fresh.read_photos().images) == 0
    import_of(fresh.root, read_source(lay_out(fresh.root / "first", yolo())))
    publish(fresh.root, imports_of(fresh.root), fresh)
    photos = fresh.read_photos()
    assert len(photos.images) == 12
    assert not any("label" in name or "select" in name or name == "reason" for name in photos.fields)


def test_what_a_selection_writes_is_no_field_to_analyse(fresh: Store, given: Selected) -> None:
    assert not {"selection", "picked_for", "reason"} & set(user_fields(fresh.dataset))


def test_a_second_publication_changes_nothing(fresh: Store, given: Selected) -> None:
    sample = fresh.dataset[given.picks[0].photo_id]
    sample[LABELS].detections = []
    sample.save()
    fresh.dataset.delete_samples([given.picks[1].photo_id])
    before = raw(fresh)
    assert open_dataset("test", root=fresh.root).publish_selection(given) == 0
    assert raw(fresh) == before


def test_an_interrupted_publication_is_completed(fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = selected(fresh.root)
    monkeypatch.setattr("curation.labelling.CHUNK", 2)
    half = replace(chosen, images=chosen.images.take(np.arange(3)), picks=chosen.picks[:3])
    half = replace(half, prelabels=chosen.prelabels.of_images(np.arange(3)))
    fresh.publish_selection(half)
    fresh.dataset.info.pop("selections")
    assert fresh.publish_selection(chosen) == 3
    assert fresh.dataset.load_saved_view(view_of(1)).values("id") == [pick.photo_id for pick in chosen.picks]
    assert [len(each["ground_truth"]["detections"]) for each in raw(fresh)] == [2] * 6


def test_photos_that_brought_such_a_field_keep_it_and_it_is_said(fresh: Store) -> None:
    fresh.dataset.get_field("reason").read_only = False
    fresh.dataset.get_field("reason").save()
    try:
        assert "reason" in user_fields(fresh.dataset)
        with pytest.raises(DataError, match="'reason' of their own") as caught:
            fresh.publish_selection(selected(fresh.root))
        assert "rename_sample_field" in caught.value.hint
        assert raw(fresh) == []
    finally:
        fresh.dataset.get_field("reason").read_only = True
        fresh.dataset.get_field("reason").save()


# --- back ---


def test_only_photos_that_people_tagged_are_labelled(fresh: Store, given: Selected) -> None:
    import_of(fresh.root, read_source(lay_out(fresh.root / "first", yolo())))
    publish(fresh.root, imports_of(fresh.root), fresh)
    fresh.dataset.limit(18).tag_samples("labelled")
    assert len(fresh.read_labelled()) == 6, "photos with a split are labelled already"
    fresh.dataset.untag_samples("labelled")
    assert fresh.read_labelled() == []


def test_a_labelled_photo_reads_as_it_was_left(fresh: Store, given: Selected) -> None:
    import fiftyone as fo

    sample = fresh.dataset[given.picks[2].photo_id]
    sample[LABELS].detections = [fo.Detection(label="cat", bounding_box=[0.1, 0.2, 0.3, 0.4])]
    sample.tags += ["labelled", "blurred"]
    sample.save()
    (row,) = fresh.read_labelled()
    assert row["tags"] == ["blurred"]
    assert row["fields"] == {}
    source = read_rows([row])
    (photo,) = source.photos
    assert photo.photo_id == given.picks[2].photo_id
    assert [box.label for box in photo.boxes] == ["cat"]
    np.testing.assert_allclose(photo.boxes[0].xyxy, [0.1, 0.2, 0.4, 0.6])


def labelled_and_imported(store: Store, given: Selected) -> Returned:
    """Correct all photos in FiftyOne, tag them, and take them in."""
    import fiftyone as fo

    for sample in store.dataset.load_saved_view(view_of(1)):
        sample[LABELS].detections = [fo.Detection(label="cat", bounding_box=[0.1, 0.2, 0.3, 0.4])]
        sample.tags += ["labelled", "mine"]
        sample.save()
    source, returned = settle(
        read_rows(store.read_labelled()), selected_of(store.root), classes=CLASSES, placed=(), by="Ada", at="now"
    )
    assert returned is not None
    import_of(store.root, source, returned)
    publish(store.root, imports_of(store.root), store)
    return returned


def test_photos_labelled_in_the_app_become_photos_of_the_workspace(fresh: Store, given: Selected) -> None:
    import_of(fresh.root, read_source(lay_out(fresh.root / "first", yolo())))
    publish(fresh.root, imports_of(fresh.root), fresh)
    returned = labelled_and_imported(fresh, given)
    assert (returned.untouched, returned.photos) == (0, 6)
    photos = fresh.read_photos()
    assert len(photos.images) == 18
    assert {split: len(photos.images.rows_of(split)) for split in returned.into}["train"] >= 4
    by_id = dict(zip(photos.images.id.tolist(), photos.images.split.tolist(), strict=True))
    assert [by_id[pick.photo_id] for pick in given.picks][:4] == ["train"] * 4
    rows = np.flatnonzero(np.isin(photos.images.id, given.images.id))
    labels = photos.labels.of_images(rows)
    assert len(labels) == 6
    np.testing.assert_allclose(labels.xyxy, [[0.1, 0.2, 0.4, 0.6]] * 6)
    assert photos.fields["tag mine"].tolist().count("yes") == 6
    for sample in fresh.dataset.load_saved_view(view_of(1)):
        assert "to label" not in sample.tags
        assert {"labelled", "mine", sample.split} <= set(sample.tags)
        assert sample.reason
    assert fresh.read_labelled() == []


def test_an_import_leaves_every_photo_that_has_a_split_as_people_left_it(fresh: Store, given: Selected) -> None:
    labelled_and_imported(fresh, given)
    sample = fresh.dataset[given.picks[0].photo_id]
    sample[LABELS].detections = []
    sample.tags = ["to label", "kept"]
    sample.save()
    before = raw(fresh)
    fresh.dataset.info.pop("imports")
    publish(fresh.root, imports_of(fresh.root), fresh)
    assert raw(fresh) == before


def test_a_photo_that_gets_its_split_while_an_import_is_published_is_left_alone(fresh: Store, given: Selected) -> None:
    labelled_and_imported(fresh, given)
    before = raw(fresh)
    fresh._update([placed_update({"_id": each["_id"], "tags": ["val"], "split": "val"}) for each in before])
    assert raw(fresh) == before


def test_labels_from_a_folder_replace_the_boxes_that_waited(fresh: Store, given: Selected) -> None:
    files: dict[str, bytes | str] = {"data.yaml": "train: images\nnames: [dog, cat]\n"}
    for row, pick in enumerate(given.picks[:2]):
        files[f"images/q{row}.jpg"] = (fresh.root / pick.path).read_bytes()
        files[f"labels/q{row}.txt"] = "1 0.5 0.5 0.2 0.4\n"
    source, returned = settle(
        read_source(lay_out(fresh.root / "back", files)), [given], classes=CLASSES, placed=(), by="", at=""
    )
    import_of(fresh.root, source, returned)
    publish(fresh.root, imports_of(fresh.root), fresh)
    splits = {str(each["_id"]): (each.get("split"), len(each["ground_truth"]["detections"])) for each in raw(fresh)}
    assert [splits[pick.photo_id] for pick in given.picks] == [("train", 1)] * 2 + [(None, 2)] * 3 + [(None, 0)]


def test_a_database_that_was_made_again_shows_labelled_photos_as_photos(fresh: Store, given: Selected) -> None:
    labelled_and_imported(fresh, given)
    fresh.dataset.delete()
    again = open_dataset("test", root=fresh.root)
    publish(fresh.root, imports_of(fresh.root), again)
    assert again.publish_selection(given) == 0
    assert len(again.read_photos().images) == 6
    assert again.dataset.load_saved_view(view_of(1)).values("id") == [pick.photo_id for pick in given.picks]
