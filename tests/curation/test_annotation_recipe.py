"""The lines of docs/labelling.md, run as they stand: only the tool behind FiftyOne's annotation API is a stand-in."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest

from curation.connection import connect, disconnect
from curation.imports import imports_of, placed, publish, take_in
from curation.labelling import view_of
from curation.mongod import running
from curation.returned import Selected, settle
from curation.store import open_dataset
from tests.curation.fake_annotation import CLASSES, TASKS
from tests.curation.small_selections import selected
from tests.training.photo_folders import lay_out, yolo
from training.boxes import BoxTable, ImageTable
from training.dataset import read_rows, read_source
from training.splits import assign_splits

PAGE = Path(__file__).parents[2] / "docs" / "labelling.md"
BEGIN, SEND, FETCH = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(params=["cvat", "labelstudio"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a tool, behind which FiftyOne's configuration has the stand-in."""
    place = {"config_cls": "tests.curation.fake_annotation.FakeBackendConfig", "url": "http://127.0.0.1:1"}
    monkeypatch.setitem(fo.annotation_config.backends, request.param, place)
    return str(request.param)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Selected]:
    """A workspace `ws` with an import and a selection, both shown in FiftyOne."""
    root = tmp_path / "ws"
    take(root, read_source(lay_out(tmp_path / "first", yolo())))
    chosen = selected(root, bare=1)
    monkeypatch.chdir(tmp_path)
    with running(root / "db") as uri:  # stays, so that what follows joins it
        connect(uri, plugins_dir=root / "plugins")
        store = open_dataset("recipe", root=root)
        publish(root, imports_of(root), store)
        store.publish_selection(chosen)
        yield chosen
        disconnect()


def take(root: Path, source: Any, **rest: Any) -> None:
    earlier = imports_of(root)
    plan = assign_splits(source.photos, placed=placed(root, earlier))
    take_in(root, source, plan, earlier=earlier, dataset="recipe", name="x", drawn=False, model=None, **rest)


def people_work(given: Selected) -> None:
    """Move a dog, delete its cat, call another dog a cat, and draw one where nothing was seen."""
    ((_, task),) = TASKS.items()
    first, second, last = (task[given.picks[row].photo_id] for row in (0, 1, 5))
    dog, cat = first
    first[dog].bounding_box = [0.3, 0.3, 0.2, 0.2]
    del first[cat]
    next(iter(second.values())).label = "cat"
    drawn = fo.Detection(label="dog", bounding_box=[0.1, 0.1, 0.2, 0.2])
    last[drawn.id] = drawn


def test_the_recipe_brings_back_what_people_did_in_their_tool(backend: str, given: Selected) -> None:
    root = Path("ws").resolve()
    lines: dict[str, Any] = {}
    exec(BEGIN, lines)
    assert lines["VIEW"] == view_of(1)
    exec(SEND.replace('"cvat"', f'"{backend}"'), lines)
    assert list(TASKS["selection_1"]) == [pick.photo_id for pick in given.picks], "in the order of the view"
    assert CLASSES["selection_1"] == ["dog", "cat"]
    people_work(given)
    exec(FETCH, lines)

    # what `curate add --labelled` does
    with running(root / "db") as uri:
        connect(uri, plugins_dir=root / "plugins")
        store = open_dataset("recipe", root=root)
        source, returned = settle(
            read_rows(store.read_labelled()), [given], classes=("dog", "cat"), placed=(), by="Ada", at="now"
        )
        take(root, source, returned=returned)
        publish(root, imports_of(root), store)
        photos = store.read_photos()

    assert returned is not None
    assert (returned.photos, returned.prelabels, returned.untouched, returned.untouched_photos) == (6, 10, 7, 3)
    assert len(photos.images) == 18
    assert named(photos.images, photos.labels, given.picks[0].photo_id) == [("dog", [0.3, 0.3, 0.5, 0.5])]
    assert [name for name, _ in named(photos.images, photos.labels, given.picks[1].photo_id)] == ["cat", "cat"]
    assert named(photos.images, photos.labels, given.picks[5].photo_id) == [("dog", [0.1, 0.1, 0.3, 0.3])]


def named(images: ImageTable, labels: BoxTable, photo_id: str) -> list[tuple[str, list[float]]]:
    own = labels.of_images(np.flatnonzero(images.id == photo_id))
    corners = own.xyxy.round(6).tolist()
    return [(("dog", "cat")[label], box) for label, box in zip(own.label, corners, strict=True)]


@pytest.fixture(autouse=True)
def _no_tasks() -> Iterator[None]:
    TASKS.clear()
    yield
    TASKS.clear()
