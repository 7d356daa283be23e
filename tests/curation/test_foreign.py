"""A dataset of somebody else's FiftyOne, read with their settings in a process of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.connection import connect
from curation.foreign import read_paths, read_rows
from curation.imports import publish, take_in
from curation.store import Store
from training.dataset import read_paths as read_pool
from training.dataset import read_rows as read_photos
from training.errors import DataError
from training.splits import SplitPlan


@pytest.fixture
def yard(database_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a dataset of three photos, one of them missing on disk."""
    connect(database_uri, plugins_dir=tmp_path / "plugins")
    import fiftyone as fo

    dataset = fo.Dataset("yard", persistent=True, overwrite=True)
    for number, tag in enumerate(("train", "validation", "train")):
        path = tmp_path / f"{number}.png"
        if number < 2:
            cv2.imwrite(str(path), np.full((60, 80, 3), 40 * number, np.uint8))
        boxes = [fo.Detection(label="cone", bounding_box=[0.1, 0.2, 0.3, 0.4])]
        boxes += [fo.Detection(label="cone", bounding_box=[0.5, 0.5, 0, 0.1])] if number == 1 else []
        dataset.add_sample(
            fo.Sample(
                str(path),
                tags=[tag, "night", "test-2"],
                camera="c1",
                hour=6 + number,
                lux=[0.5, float("nan"), None][number],
                wet=number == 0,
                notes=["x"],
                ground_truth=fo.Detections(detections=boxes),
                guess=fo.Classification(label="cone"),
            )
        )
    dataset.evaluate_detections("ground_truth", gt_field="ground_truth", eval_key="old")
    return "yard"


def test_photos_labels_splits_and_fields_come_over_and_what_is_bad_is_listed(yard: str) -> None:
    source = read_photos(read_rows(yard))
    assert [(photo.split, photo.group, len(photo.boxes)) for photo in source.photos] == [
        ("train", "camera=c1", 1),
        ("val", "camera=c1", 1),
    ]
    assert source.photos[0].boxes[0].xyxy == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert source.photos[0].fields == {"camera": "c1", "hour": 6, "lux": 0.5, "wet": True}
    assert source.photos[1].fields == {"camera": "c1", "hour": 7, "wet": False}
    assert [photo.tags for photo in source.photos] == [("night", "test-2")] * 2, "splits are no tags"
    assert source.classes == ("cone",)
    assert [(refusal.lost, refusal.kind) for refusal in source.refusals] == [
        ("label", "box without an area"),
        ("photo", "cannot be read"),
    ]


def test_a_dataset_that_is_not_there_is_a_sentence_with_those_that_are(yard: str) -> None:
    with pytest.raises(DataError, match="no dataset 'yart'") as caught:
        read_rows("yart")
    assert "yard" in caught.value.hint


def test_the_photos_of_a_dataset_without_labels_can_be_read(database_uri: str, tmp_path: Path) -> None:
    connect(database_uri, plugins_dir=tmp_path / "plugins")
    import fiftyone as fo

    paths = [str(tmp_path / name) for name in ("b.png", "a.png", "gone.png")]
    for path in paths[:2]:
        cv2.imwrite(path, np.zeros((60, 80, 3), np.uint8))
    fo.Dataset("bare", persistent=True, overwrite=True).add_samples([fo.Sample(path) for path in paths])
    named = read_paths("bare")
    assert named == paths
    pool = read_pool(named)
    assert [str(photo.path) for photo in pool.photos] == paths[:2]
    assert [(refusal.lost, refusal.kind) for refusal in pool.refusals] == [("photo", "cannot be read")]


def test_fields_and_tags_come_through_the_workspace_into_its_own_dataset(
    yard: str, store: Store, tmp_path: Path
) -> None:
    store.dataset.info.pop("imports", None)
    known, plan = set(store.dataset.get_field_schema()), SplitPlan(splits=("train", "val"), notes=())
    source = read_photos(read_rows(yard))
    brought = take_in(tmp_path, source, plan, earlier=(), dataset="test", name=yard, drawn=False, model=None)
    publish(tmp_path, [brought], store)
    read = store.read_photos()
    by_split = np.argsort(read.images.split)
    found = {name: values[by_split].tolist() for name, values in read.fields.items()}
    np.testing.assert_array_equal(found.pop("lux"), [0.5, np.nan])
    assert found == {
        "camera": ["c1", "c1"],
        "hour": [6, 7],
        "wet": ["yes", "no"],
        "tag night": ["yes", "yes"],
        "tag test-2": ["yes", "yes"],
    }
    store.dataset.delete_sample_fields([*set(store.dataset.get_field_schema()) - known])
