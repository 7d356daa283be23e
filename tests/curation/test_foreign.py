"""A dataset of somebody else's FiftyOne, read with their settings in a process of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.connection import connect
from curation.foreign import read_rows
from training.dataset import read_rows as read_photos
from training.errors import DataError


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
            fo.Sample(str(path), tags=[tag, "night"], camera="c1", ground_truth=fo.Detections(detections=boxes))
        )
    return "yard"


def test_photos_labels_splits_and_fields_come_over_and_what_is_bad_is_listed(yard: str) -> None:
    source = read_photos(read_rows(yard))
    assert [(photo.split, photo.group, len(photo.boxes)) for photo in source.photos] == [
        ("train", "camera=c1", 1),
        ("val", "camera=c1", 1),
    ]
    assert source.photos[0].boxes[0].xyxy == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert source.classes == ("cone",)
    assert [(refusal.lost, refusal.kind) for refusal in source.refusals] == [
        ("label", "box without an area"),
        ("photo", "cannot be read"),
    ]


def test_a_dataset_that_is_not_there_is_a_sentence_with_those_that_are(yard: str) -> None:
    with pytest.raises(DataError, match="no dataset 'yart'") as caught:
        read_rows("yart")
    assert "yard" in caught.value.hint
