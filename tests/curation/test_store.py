"""The store against the real FiftyOne and mongod: nothing twice, nothing lost, evaluations that FiftyOne reads."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curation.connection import connect, safe_uri
from curation.documents import SYNTHETIC
from curation.mongod import running
from curation.store import Store, open_dataset
from generation.records import PictureLabel, SyntheticImage, Verdict
from training.boxes import BoxTable, ImageTable
from training.errors import CurateError, DatabaseError, DataError
from training.matching import Errors, Matches, error_kinds, match
from training.records import ERROR_KINDS, Split

CLASSES = ("cone", "$hat", "vest.red")  # names that a database could take for an expression


def hex_id(kind: str, number: int) -> str:
    return kind + f"{number:023x}"


def photos(count: int, *, split: Split = "val") -> ImageTable:
    ids = [hex_id("a", number) for number in range(count)]
    return ImageTable(
        id=np.array(ids),
        path=np.array([f"data/{photo}.jpg" for photo in ids]),
        width_px=np.full(count, 640),
        height_px=np.full(count, 480),
        split=np.full(count, split),
    )


def boxes(kind: str, image: "np.ndarray[Any, Any]", rng: np.random.Generator) -> BoxTable:
    count = len(image)
    corner, size = rng.uniform(0, 0.7, (count, 2)), rng.uniform(0.05, 0.3, (count, 2))
    return BoxTable(
        id=np.array([hex_id(kind, number) for number in range(count)], "<U24"),
        image=np.asarray(image, np.int64),
        label=rng.integers(0, len(CLASSES), count),
        xyxy=np.hstack([corner, corner + size]),
        score=np.ones(count),
    )


def predictions_of(labels: BoxTable, rng: np.random.Generator) -> BoxTable:
    """Boxes near the labels, some of another class, some twice, some far off."""
    rows = rng.integers(0, len(labels), 2 * len(labels))
    moved = np.clip(labels.xyxy[rows] + rng.normal(0, 0.02, (len(rows), 4)), 0, 1)
    good = (moved[:, :2] + 0.01 < moved[:, 2:]).all(axis=1)
    rows, moved = rows[good], moved[good]
    return BoxTable(
        id=np.array([hex_id("c", number) for number in range(len(rows))], "<U24"),
        image=labels.image[rows],
        label=np.where(rng.random(len(rows)) < 0.8, labels.label[rows], rng.integers(0, len(CLASSES), len(rows))),
        xyxy=moved,
        score=rng.random(len(rows)),
    )


def picture(number: int) -> SyntheticImage:
    request_id = hex_id("d", number)
    label = PictureLabel(
        label="cone", xyxy=(0.1, 0.2, 0.3, 0.5), visible_share=0.9, source_id=hex_id("b", 1), added=True
    )
    return SyntheticImage(
        request_id=request_id,
        brief_id="brief",
        finding_id="finding",
        backend="paste",
        digest="0" * 24,
        path=f"pictures/{request_id}.jpg",
        width_px=320,
        height_px=240,
        labels=(label, label),
        source_ids=(hex_id("a", 0), hex_id("a", 1)),
        look="0" * 16,
    )


def verdict(number: int, *, accepted: bool, reviewer: str = "rule") -> Verdict:
    reason = "" if accepted else "$too small"
    return Verdict(request_id=hex_id("d", number), accepted=accepted, reason=reason, reviewer=reviewer)


def everything(store: Store) -> list[dict[str, Any]]:
    return list(store.dataset._sample_collection.find().sort("_id", 1))


def filled(store: Store, count: int = 6) -> tuple[ImageTable, BoxTable]:
    images, labels = photos(count), boxes("b", np.repeat(np.arange(count), 4), np.random.default_rng(1))
    store.publish_photos(images, labels, CLASSES)
    return images, labels


def evaluated(store: Store, images: ImageTable, labels: BoxTable, *, min_score: float = 0.3) -> tuple[BoxTable, Errors]:
    predictions = predictions_of(labels, np.random.default_rng(2))
    matches = match(predictions, labels)
    errors = error_kinds(predictions, labels, matches, min_score=min_score)
    publish(store, images, labels, predictions, matches, errors)
    return predictions, errors


def publish(
    store: Store, images: ImageTable, labels: BoxTable, predictions: BoxTable, matches: Matches, errors: Errors
) -> None:
    store.publish_evaluation(
        "ours",
        images=images,
        labels=labels,
        predictions=predictions,
        matches=matches,
        errors=errors,
        classes=CLASSES,
        split="val",
        mean_ap=0.25,
    )


# --- photos ---


def counted(store: Store) -> tuple[int, int]:
    """Photos and synthetic pictures, counted and not estimated."""
    pictures = store.dataset._sample_collection.count_documents({"request_id": {"$ne": None}})
    return store.dataset._sample_collection.count_documents({}) - pictures, pictures


def test_photos_and_labels_come_back_as_they_were(store: Store) -> None:
    images, labels = filled(store)
    read = store.read_photos()
    assert read.classes == CLASSES
    assert read.skipped == ()
    for column in ("id", "path", "width_px", "height_px", "split"):
        assert getattr(read.images, column).tolist() == getattr(images, column).tolist()
    for column in ("id", "image", "label", "score"):
        assert getattr(read.labels, column).tolist() == getattr(labels, column).tolist()
    np.testing.assert_allclose(read.labels.xyxy, labels.xyxy, atol=1e-15)


def test_what_was_read_reads_the_same_after_the_database_is_rebuilt_from_it(store: Store) -> None:
    filled(store)
    first = store.read_photos()
    store.dataset.clear()
    store.publish_photos(first.images, first.labels, first.classes)
    assert store.read_photos().labels.xyxy.tobytes() == first.labels.xyxy.tobytes()


def test_publishing_twice_changes_nothing(store: Store) -> None:
    images, labels = filled(store)
    before = everything(store)
    assert store.publish_photos(images, labels, CLASSES) == 0
    assert everything(store) == before
    assert counted(store) == (6, 0)


def test_an_interrupted_publication_is_completed(store: Store) -> None:
    images, labels = photos(6), boxes("b", np.repeat(np.arange(6), 4), np.random.default_rng(1))
    assert store.publish_photos(images.take(np.arange(2)), labels.of_images(np.arange(2)), CLASSES) == 2
    assert store.publish_photos(images, labels, CLASSES) == 4
    assert store.read_photos().labels.id.tolist() == labels.id.tolist()


def test_more_photos_than_one_write_holds_all_arrive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.store.CHUNK", 4)
    images, labels = filled(store, count=10)
    read = store.read_photos()
    assert read.images.id.tolist() == images.id.tolist()
    assert read.labels.image.tolist() == labels.image.tolist()


def test_a_reviewers_edits_survive_a_second_publication(store: Store) -> None:
    import fiftyone as fo

    images, labels = filled(store)
    sample = store.dataset[images.id[0]]
    kept, moved, _deleted, renamed = sample.ground_truth.detections
    moved.bounding_box = [0.5, 0.5, 0.25, 0.25]
    renamed.label = "barrow"
    drawn = fo.Detection(label="cone", bounding_box=[0.1, 0.1, 0.2, 0.2])
    sample.ground_truth.detections = [drawn, renamed, moved, kept]
    sample.save()

    store.publish_photos(images, labels, CLASSES)
    read = store.read_photos()
    here = read.labels.of_images(np.array([0]))
    assert set(here.id.tolist()) == {drawn.id, renamed.id, moved.id, kept.id}
    assert here.xyxy[here.id == moved.id].tolist() == [[0.5, 0.5, 0.75, 0.75]]
    assert read.classes == (*CLASSES, "barrow")
    assert here.label[here.id == renamed.id].tolist() == [3]


def test_a_class_keeps_its_number_when_another_is_invented_later(store: Store) -> None:
    images, _ = filled(store)
    for name in ("zebra", "ape"):
        sample = store.dataset[images.id[0]]
        sample.ground_truth.detections[0].label = "cone"
        sample.ground_truth.detections[1].label = name
        sample.save()
        read = store.read_photos()
    assert read.classes == (*CLASSES, "zebra", "ape")


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        pytest.param({"bounding_box": [0.2, 0.2, 0.0, 0.1]}, False, id="no width"),
        pytest.param({"bounding_box": [0.2, 0.2, 0.1, -0.1]}, False, id="negative height"),
        pytest.param({"bounding_box": [float("nan"), 0.2, 0.1, 0.1]}, False, id="NaN"),
        pytest.param({"bounding_box": [0.2, 0.2, float("inf"), 0.1]}, False, id="infinite"),
        pytest.param({"bounding_box": [1.2, 0.2, 0.1, 0.1]}, False, id="outside"),
        pytest.param({"bounding_box": [0.2, 0.2, 0.1]}, False, id="three numbers"),
        pytest.param({"bounding_box": None}, False, id="no box"),
        pytest.param({"label": None}, False, id="no class"),
        pytest.param({"bounding_box": [-0.1, 0.9, 0.5, 0.5]}, True, id="sticks out: clipped"),
        pytest.param({"bounding_box": [0, 0, 1, 1]}, True, id="whole numbers"),
    ],
)
def test_a_box_without_area_or_class_is_listed_and_skipped(store: Store, change: dict[str, Any], is_kept: bool) -> None:
    _, labels = filled(store, count=1)
    fields = {f"ground_truth.detections.0.{name}": value for name, value in change.items()}
    store.dataset._sample_collection.update_one({}, {"$set": fields})
    read = store.read_photos()
    assert read.skipped == (() if is_kept else (labels.id[0],))
    assert len(read.labels) == len(labels) - (not is_kept)


def test_a_photo_without_any_labels_is_read(store: Store) -> None:
    filled(store, count=2)
    store.dataset._sample_collection.update_one({}, {"$set": {"ground_truth": None}})
    assert store.read_photos().labels.image.tolist() == [1] * 4


def test_no_photos_at_all_read_as_empty_tables(store: Store) -> None:
    read = store.read_photos()
    assert (len(read.images), len(read.labels), read.classes) == (0, 0, ())


def test_a_photo_from_elsewhere_is_refused_by_name(store: Store) -> None:
    filled(store, count=1)
    store.dataset._sample_collection.update_one({}, {"$set": {"filepath": "/elsewhere/x.jpg"}})
    with pytest.raises(DataError, match=r"/elsewhere/x\.jpg") as caught:
        store.read_photos()
    assert "curate add" in caught.value.hint


def test_a_moved_workspace_is_followed(store: Store, tmp_path: Path) -> None:
    images, labels = filled(store)
    moved = open_dataset(store.dataset.name, root=tmp_path / "$moved (2)")
    assert moved.read_photos().images.path.tolist() == images.path.tolist()
    assert everything(moved)[0]["filepath"] == str(tmp_path / "$moved (2)" / images.path[0])
    assert moved.publish_photos(images, labels, CLASSES) == 0


def test_the_split_and_the_origin_cannot_be_edited(store: Store) -> None:
    filled(store)
    for field in ("split", "request_id", "finding_id", "source_ids"):
        assert store.dataset.get_field(field).read_only
    with pytest.raises(ValueError, match="read-only"):
        store.dataset.set_values("split", ["train"] * 6)


def test_the_same_file_cannot_enter_under_two_ids(store: Store) -> None:
    images, _ = filled(store, count=1)
    other = ImageTable(**{**vars(images), "id": np.array([hex_id("f", 1)])})
    with pytest.raises(DatabaseError):
        store.publish_photos(other, BoxTable.empty(), CLASSES)


# --- what people say of photos ---


@pytest.fixture
def with_fields(store: Store) -> Iterator[Store]:
    """The store, with the fields that a test declares taken away after it."""
    before = set(store.dataset.get_field_schema())
    yield store
    fields = store.dataset.get_field_schema()
    store.dataset.delete_sample_fields([name for name in fields if name not in before and not fields[name].read_only])


def test_fields_and_tags_that_photos_bring_come_back(with_fields: Store) -> None:
    images, labels = photos(4), boxes("b", np.repeat(np.arange(4), 2), np.random.default_rng(1))
    fields = {
        "camera": np.array(["gate", "", "yard", "gate"]),
        "hour": np.array([7, np.nan, 22.5, 3]),
        "tag night": np.array(["no", "no", "yes", "yes"]),
        "tag val": np.array(["yes"] * 4),
        "tag synthetic": np.array(["yes"] * 4),
        "tag accepted": np.array(["yes"] * 4),
    }
    with_fields.publish_photos(images, labels, CLASSES, fields)
    assert with_fields.dataset.values("camera") == ["gate", None, "yard", "gate"], "FiftyOne has them, too"
    assert with_fields.dataset.values("tags") == [["val"], ["val"], ["val", "night"], ["val", "night"]]
    read = with_fields.read_photos()
    assert read.images.id.tolist() == images.id.tolist()
    assert list(read.fields) == ["camera", "hour", "tag night"]
    for name, values in read.fields.items():
        np.testing.assert_array_equal(values, fields[name])


def test_what_people_add_in_fiftyone_is_read_and_what_is_ours_is_not(with_fields: Store) -> None:
    import fiftyone as fo

    images, labels = filled(with_fields)
    evaluated(with_fields, images, labels)
    dataset = with_fields.dataset
    for name, kind in (("wet", fo.BooleanField), ("count", fo.IntField), ("site", fo.StringField)):
        dataset.add_sample_field(name, kind)
    dataset.add_sample_field("seen_at", fo.DateTimeField)
    dataset.add_sample_field("notes", fo.ListField, subfield=fo.StringField)
    sample = dataset[images.id[2]]
    sample["wet"], sample["count"], sample["site"], sample["notes"] = False, 4, "north", ["a"]
    sample.tags = ["fog", "val"]
    sample.save()
    read = with_fields.read_photos()
    assert list(read.fields) == ["count", "site", "wet", "tag fog"]
    assert read.fields["wet"].tolist() == ["", "", "no", "", "", ""]
    assert read.fields["tag fog"].tolist() == ["no", "no", "yes", "no", "no", "no"]
    np.testing.assert_array_equal(read.fields["count"], [np.nan, np.nan, 4, np.nan, np.nan, np.nan])


def test_fields_of_photos_and_of_pictures_stay_apart(with_fields: Store) -> None:
    images, labels = photos(3), boxes("b", np.arange(3), np.random.default_rng(1))
    with_fields.publish_photos(images, labels, CLASSES, {"camera": np.array(["a", "b", "c"])})
    with_fields.publish_pictures([picture(1)])
    assert with_fields.read_photos().fields["camera"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name", ["split", "verdict", "filepath", "id", "metadata", "ground_truth", "save", "media_type"]
)
def test_a_field_whose_name_has_a_meaning_here_is_left_out(with_fields: Store, name: str) -> None:
    images, labels = photos(2), boxes("b", np.arange(2), np.random.default_rng(1))
    with_fields.publish_photos(images, labels, CLASSES, {name: np.array(["train", "x"])})
    read = with_fields.read_photos()
    assert read.images.split.tolist() == ["val", "val"]
    assert read.fields == {}
    assert with_fields.dataset.first().filepath.endswith(f"{images.id[0]}.jpg")


def test_a_field_of_another_type_than_before_is_left_out(with_fields: Store) -> None:
    images, labels = photos(4), boxes("b", np.arange(4), np.random.default_rng(1))
    for rows, values in ((np.arange(2), np.array([1.0, 2.0])), (np.arange(2, 4), np.array(["one", "two"]))):
        part = labels.of_images(rows)
        moved = BoxTable(**{**vars(part), "image": part.image - rows[0]})
        with_fields.publish_photos(images.take(rows), moved, CLASSES, {"lux": values})
    np.testing.assert_array_equal(with_fields.read_photos().fields["lux"], [1, 2, np.nan, np.nan])


# --- pictures and verdicts ---


def test_pictures_carry_where_they_came_from_and_enter_once(store: Store) -> None:
    assert store.publish_pictures([picture(number) for number in range(3)]) == 3
    before = everything(store)
    assert store.publish_pictures([picture(number) for number in range(4)]) == 1
    assert everything(store)[:3] == before
    sample = store.dataset[picture(0).request_id]
    assert sample.tags == [SYNTHETIC]
    assert (sample.request_id, sample.brief_id, sample.finding_id) == (picture(0).request_id, "brief", "finding")
    assert (sample.backend, sample.source_ids) == ("paste", list(picture(0).source_ids))
    first, second = sample.ground_truth.detections
    assert (first.label, first.visible_share, first.added, first.source_id) == ("cone", 0.9, True, hex_id("b", 1))
    assert first.id != second.id
    np.testing.assert_allclose(first.bounding_box, [0.1, 0.2, 0.2, 0.3])


def test_pictures_are_no_photos(store: Store) -> None:
    filled(store)
    store.publish_pictures([picture(0)])
    by_hand = {"split": "train", "tags": [SYNTHETIC, "train"]}
    store.dataset._sample_collection.update_one({"request_id": picture(0).request_id}, {"$set": by_hand})
    assert counted(store) == (6, 1)
    assert len(store.read_photos().images) == 6


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_synthetic_picture_in_val_or_test_is_an_error(store: Store, split: str) -> None:
    filled(store)
    store.publish_pictures([picture(0)])
    sample = store.dataset[picture(0).request_id]
    sample.tags.append(split)
    sample.save()
    with pytest.raises(CurateError, match="marked as val or test") as caught:
        store.read_photos()
    assert "take the tag" in caught.value.hint


def decided_in(store: Store) -> dict[str, bool]:
    """What people decided since, by request id."""
    found = store.collect([]).decisions
    rows = zip(found.sample_id.tolist(), found.verdict.tolist(), found.counts.tolist(), strict=True)
    return {sample_id: verdict == "accepted" for sample_id, verdict, counts in rows if counts}


def test_a_verdict_is_a_tag_and_a_reason(store: Store) -> None:
    store.publish_pictures([picture(0), picture(1)])
    store.publish_verdicts([verdict(0, accepted=True), verdict(1, accepted=False)])
    good, bad = (store.dataset[picture(number).request_id] for number in range(2))
    assert (good.tags, good.verdict, good.verdict_reason) == ([SYNTHETIC, "accepted"], "accepted", "")
    assert (bad.tags, bad.verdict, bad.verdict_reason) == ([SYNTHETIC, "rejected"], "rejected", "$too small")
    store.publish_verdicts([verdict(0, accepted=False)])
    good.reload()
    assert good.tags == [SYNTHETIC, "rejected"]
    assert decided_in(store) == {}


@pytest.mark.parametrize(
    ("published", "tags", "decided"),
    [
        pytest.param(None, ["accepted"], True, id="accepted before any verdict"),
        pytest.param(None, ["rejected"], False, id="rejected before any verdict"),
        pytest.param(None, ["accepted", "rejected"], False, id="both: the later"),
        pytest.param(None, ["rejected", "accepted"], True, id="both, the other way round"),
        pytest.param(None, [], None, id="no tag"),
        pytest.param(True, ["accepted"], None, id="as published"),
        pytest.param(True, ["rejected"], False, id="changed to rejected"),
        pytest.param(True, ["accepted", "rejected"], False, id="rejected added"),
        pytest.param(False, ["rejected", "accepted"], True, id="accepted added"),
        pytest.param(False, [], None, id="tag taken away"),
    ],
)
def test_what_people_decided_is_what_differs_from_the_verdict(
    store: Store, published: bool | None, tags: list[str], decided: bool | None
) -> None:
    store.publish_pictures([picture(0)])
    if published is not None:
        store.publish_verdicts([verdict(0, accepted=published)])
    sample = store.dataset[picture(0).request_id]
    sample.tags = [SYNTHETIC, *tags]
    sample.save()
    assert decided_in(store) == ({} if decided is None else {picture(0).request_id: decided})


def test_a_rule_does_not_override_a_person_who_was_not_collected_yet(store: Store) -> None:
    store.publish_pictures([picture(0), picture(1)])
    store.publish_verdicts([verdict(0, accepted=True)])
    for number in range(2):
        sample = store.dataset[picture(number).request_id]
        sample.tags.append("rejected")
        sample.save()
    store.publish_verdicts([verdict(number, accepted=True) for number in range(2)])
    assert list(decided_in(store).values()) == [False, False]
    store.publish_verdicts([verdict(number, accepted=False, reviewer="tag") for number in range(2)])
    assert list(decided_in(store).values()) == [False, False]
    store.dataset[picture(0).request_id].reload()
    assert store.dataset[picture(0).request_id].tags == [SYNTHETIC, "rejected"]


# --- evaluations and views ---


def test_an_evaluation_says_what_fiftyones_own_says(store: Store) -> None:
    images, labels = filled(store, count=12)
    evaluated(store, images, labels)
    dataset = store.dataset
    view = dataset.load_evaluation_view("ours")
    theirs = view.evaluate_detections(
        "pred_ours", "ground_truth", eval_key="theirs", classes=CLASSES, iou=0.5, classwise=True
    )
    ours = dataset.load_evaluation_results("ours", cache=False)
    for field in ("tp", "fp", "fn"):
        assert dataset.values(f"ours_{field}") == dataset.values(f"theirs_{field}")
    for field in ("pred_ours.detections", "ground_truth.detections"):
        assert dataset.values(f"{field}.ours") == dataset.values(f"{field}.theirs")
        assert dataset.values(f"{field}.ours_id") == dataset.values(f"{field}.theirs_id")
        ious = [dataset.values(f"{field}.{key}_iou", unwind=True) for key in ("ours", "theirs")]
        assert [value is None for value in ious[0]] == [value is None for value in ious[1]]
        np.testing.assert_allclose(*(np.array(values, float) for values in ious))
    assert sorted(zip(ours.ytrue_ids.tolist(), ours.ypred_ids.tolist(), strict=True), key=str) == sorted(
        zip(theirs.ytrue_ids.tolist(), theirs.ypred_ids.tolist(), strict=True), key=str
    )
    assert ours.report() == theirs.report()
    assert (ours.confusion_matrix() == theirs.confusion_matrix()).all()
    assert ours.config.serialize() == {**theirs.config.serialize(), "pred_field": "pred_ours"}


def test_only_predictions_that_count_are_shown_each_with_its_error(store: Store) -> None:
    images, labels = filled(store)
    predictions, errors = evaluated(store, images, labels, min_score=0.5)
    names = [*ERROR_KINDS, None]
    expected = {
        row_id: (names[kind], score)
        for row_id, kind, score in zip(
            predictions.id.tolist(), errors.prediction_kind.tolist(), predictions.score.tolist(), strict=True
        )
        if score >= 0.5
    }
    field = "pred_ours.detections"
    shown = store.dataset.values([f"{field}.id", f"{field}.ours_kind", f"{field}.confidence"], unwind=True)
    assert {row_id: (kind, score) for row_id, kind, score in zip(*shown, strict=True)} == expected
    kinds = store.dataset.values("ground_truth.detections.ours_kind", unwind=True)
    assert kinds == [names[kind] for kind in errors.label_kind.tolist()]


def test_an_evaluation_is_of_its_split_only(store: Store) -> None:
    filled(store, count=3)
    images, labels = photos(6), boxes("b", np.repeat(np.arange(6), 4), np.random.default_rng(1))
    images.split[3:] = "train"
    store.dataset.clear()
    store.publish_photos(images, labels, CLASSES)
    evaluated(store, images, labels.of_images(images.rows_of("val")))
    assert store.dataset.load_evaluation_view("ours").values("split") == ["val"] * 3
    assert store.dataset.exists("pred_ours").count() == 3
    assert store.dataset.exists("ours_tp").count() == 3


def test_an_evaluation_done_again_replaces_itself(store: Store) -> None:
    images, labels = filled(store)
    evaluated(store, images, labels, min_score=0.0)
    evaluated(store, images, labels, min_score=0.5)
    assert store.dataset.list_evaluations() == ["ours"]
    assert min(store.dataset.values("pred_ours.detections.confidence", unwind=True)) >= 0.5


def test_an_edit_made_while_an_evaluation_is_published_stays(store: Store) -> None:
    import fiftyone as fo

    images, labels = filled(store)
    sample = store.dataset[images.id[0]]
    first, second, _deleted, _also_deleted = sample.ground_truth.detections
    second.bounding_box = [0.5, 0.5, 0.25, 0.25]
    drawn = fo.Detection(label="cone", bounding_box=[0.1, 0.1, 0.2, 0.2])
    sample.ground_truth.detections = [drawn, second, first]
    sample.save()
    modified = sample.last_modified_at
    evaluated(store, images, labels)  # of the labels as they were before
    sample.reload()
    assert [box.id for box in sample.ground_truth.detections] == [drawn.id, second.id, first.id]
    assert sample.ground_truth.detections[1].bounding_box == [0.5, 0.5, 0.25, 0.25]
    assert not sample.ground_truth.detections[0].has_field("ours")
    assert {box["ours"] for box in sample.ground_truth.detections[1:]} <= {"tp", "fn"}
    assert sample.last_modified_at > modified, "an editor that holds the old state must be refused"


def test_the_evaluation_panel_reads_it(store: Store) -> None:
    from plugins.panels.model_evaluation import EvaluationPanel

    images, labels = filled(store)
    evaluated(store, images, labels)
    panel = EvaluationPanel()
    state = SimpleNamespace(get_state=lambda name: {"key": "ours"})
    ctx = SimpleNamespace(dataset=store.dataset, panel=state, params={})
    data = panel.get_evaluation_data(ctx)
    assert data["metrics"]["tp"] == sum(store.dataset.values("ours_tp")) > 0
    assert data["metrics"]["fn"] == sum(store.dataset.values("ours_fn"))
    assert data["custom_metrics"]["curate_mean_ap"]["value"] == 0.25
    assert set(data["per_class_metrics"]) >= set(CLASSES)


def test_evaluation_patches_can_be_browsed(store: Store) -> None:
    images, labels = filled(store)
    evaluated(store, images, labels)
    patches = store.dataset.to_evaluation_patches("ours")
    counts = [sum(store.dataset.values(f"ours_{kind}")) for kind in ("tp", "fp", "fn")]
    assert patches.count() == sum(counts)


def test_a_view_of_labels_shows_just_these_and_is_replaced(store: Store) -> None:
    images, labels = filled(store)
    for rows in ([0, 1, 2], [0, 5]):
        store.save_view("finding", label_ids=labels.id[rows].tolist(), description="small cone")
    assert store.dataset.list_saved_views() == ["finding"]
    view = store.dataset.load_saved_view("finding")
    assert view.values("ground_truth.detections.id", unwind=True) == labels.id[[0, 5]].tolist()
    assert view.values("id") == images.id[[0, 1]].tolist()


# --- the connection ---


@contextmanager
def own_database(folder: Path, name: str) -> Iterator[tuple[Store, int]]:
    """A store on a mongod of its own, and that mongod's process id."""
    import json

    with running(folder / "db") as uri:
        connect(uri.replace("TimeoutMS=5000", "TimeoutMS=500"), plugins_dir=folder / "plugins")
        yield open_dataset(name, root=folder), json.loads((folder / "db" / "server.json").read_text())["pid"]


def test_a_killed_mongod_is_a_database_error_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with own_database(tmp_path, "killed") as (store, pid):
        images, labels = filled(store)
        before = everything(store)
        os.kill(pid, signal.SIGKILL)
        for call in (
            store.read_photos,
            lambda: store.publish_pictures([picture(0)]),
            lambda: evaluated(store, images, labels),
        ):
            with pytest.raises(DatabaseError, match="the database failed") as caught:
                call()
            assert "curate doctor" in caught.value.hint
    with own_database(tmp_path, "killed") as (store, _):
        assert everything(store) == before
        assert len(store.dataset) == 6
        assert store.publish_photos(images, labels, CLASSES) == 0


def test_a_second_connection_moves_to_another_database(tmp_path: Path, store: Store, database_uri: str) -> None:
    filled(store)
    open_dataset("passing", root=tmp_path).dataset.delete()  # what FiftyOne opens for this it keeps
    with own_database(tmp_path, store.dataset.name) as (other, _):
        assert counted(other) == (0, 0)
        open_dataset("passing", root=tmp_path).dataset.delete()
    connect(database_uri, plugins_dir=tmp_path)
    assert counted(open_dataset(store.dataset.name, root=tmp_path)) == (6, 0)


def test_fiftyone_tracks_nobody_and_listens_on_the_loopback(store: Store) -> None:
    import fiftyone as fo

    assert fo.config.do_not_track
    assert fo.config.default_app_address == "127.0.0.1"
    assert os.environ["FIFTYONE_DO_NOT_TRACK"] == "true"
    assert "journal=true" in os.environ["FIFTYONE_DATABASE_URI"]
    assert store.dataset._sample_collection.write_concern.document["j"] is True


def test_a_server_that_does_not_answer_is_a_database_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="the database failed"):
        connect("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", plugins_dir=tmp_path)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        pytest.param("mongodb://h:1", "mongodb://h:1/?journal=true&serverSelectionTimeoutMS=5000", id="bare"),
        pytest.param(
            "mongodb://u:p@a,b/x?w=2", "mongodb://u:p@a,b/x?w=2&journal=true&serverSelectionTimeoutMS=5000", id="full"
        ),
        pytest.param(
            "mongodb+srv://h/?JOURNAL=false", "mongodb+srv://h/?JOURNAL=false&serverSelectionTimeoutMS=5000", id="kept"
        ),
    ],
)
def test_a_database_uri_gets_safe_options_unless_it_says_otherwise(given: str, safe: str) -> None:
    assert safe_uri(given) == safe
