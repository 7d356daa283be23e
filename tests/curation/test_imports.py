"""Imports in a real database: each is published once, whole, and never again over what people did."""

from pathlib import Path

import numpy as np
import pytest

from curation.imports import Import, imports_of, publish, take_in
from curation.store import Store
from tests.training.photo_folders import lay_out, photo, yolo
from training.boxes import BoxTable, ImageTable
from training.dataset import read_source
from training.fields import Fields
from training.records import ModelVersion
from training.splits import assign_splits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with two imports of twelve and of three photos."""
    more = {name: data for name, data in yolo(count=3).items() if "/" not in name}
    for number in range(3):
        more[f"images/train/q{number}.jpg"] = photo(100 + number)
        more[f"labels/train/q{number}.txt"] = "0 0.5 0.5 0.3 0.3\n"
    for name, files in (("first", yolo()), ("second", more)):
        brought(tmp_path, lay_out(tmp_path / name, files))
    return tmp_path


def brought(root: Path, folder: Path, model: ModelVersion | None = None) -> Import:
    source = read_source(folder)
    return take_in(
        root, source, assign_splits(source.photos), earlier=imports_of(root), dataset="test", name=folder.name,
        drawn=False, model=model,
    )  # fmt: skip


@pytest.fixture
def shelf(store: Store) -> Store:
    store.dataset.info.pop("imports", None)
    store.dataset.save()
    return store


def test_a_photo_that_somebody_deleted_stays_deleted(root: Path, shelf: Store) -> None:
    publish(root, imports_of(root), shelf)
    assert len(shelf.dataset) == 15
    gone = shelf.dataset.values("id")[:2]
    shelf.dataset.delete_samples(gone)
    publish(root, imports_of(root), shelf)
    assert len(shelf.dataset) == 13
    shelf.dataset.reload()
    assert shelf.published_imports() == {1, 2}, "it is kept in the database"


class Interrupted:
    """The real shelf, until it breaks off in the middle of the second import."""

    def __init__(self, shelf: Store) -> None:
        self.shelf = shelf
        self.published_imports, self.remember_import = shelf.published_imports, shelf.remember_import

    def publish_photos(
        self, images: ImageTable, labels: BoxTable, classes: tuple[str, ...], fields: Fields | None = None
    ) -> int:
        if len(images) == 12:
            return self.shelf.publish_photos(images, labels, classes, fields)
        self.shelf.publish_photos(images.take(np.arange(1)), labels.of_images(np.arange(1)), classes)
        raise KeyboardInterrupt


def test_an_import_that_was_cut_short_is_completed_and_a_finished_one_left_alone(root: Path, shelf: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        publish(root, imports_of(root), Interrupted(shelf))
    assert len(shelf.dataset) == 13
    deleted = next(photo_id for photo_id in shelf.dataset.values("id") if photo_id in first_ids(root))
    shelf.dataset.delete_samples([deleted])
    publish(root, imports_of(root), shelf)
    assert len(shelf.dataset) == 14
    assert deleted not in shelf.dataset.values("id")


def first_ids(root: Path) -> set[str]:
    with np.load(root / "data" / "imports" / "001.images.npz") as images:
        return set(images["id"].tolist())


def test_a_database_that_was_made_again_gets_every_import(root: Path, shelf: Store) -> None:
    publish(root, imports_of(root), shelf)
    from curation.store import open_dataset

    shelf.dataset.delete()
    again = open_dataset("test", root=root)
    publish(root, imports_of(root), again)
    assert len(again.dataset) == 15


def given(*classes: str) -> ModelVersion:
    return ModelVersion(
        model_id="m", classes=classes, origin="given", parent=None, round=0, trained_on=None, history=""
    )


@pytest.mark.parametrize(
    ("model", "classes"),
    [
        pytest.param(None, ("dog", "cat"), id="no model"),
        pytest.param(given("cat", "dog"), ("cat", "dog"), id="the same classes"),
        pytest.param(given("cat", "dog", "cat"), ("dog", "cat"), id="one of them twice"),
        pytest.param(given("cat", "person"), ("dog", "cat"), id="other classes"),
    ],
)
def test_classes_are_counted_as_a_model_that_fits_counts_them(
    tmp_path: Path, model: ModelVersion | None, classes: tuple[str, ...]
) -> None:
    assert brought(tmp_path, lay_out(tmp_path / "source", yolo()), model).classes == classes
