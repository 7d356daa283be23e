"""Labels that come back as `curate add` takes them: from the folder that went out, and from the App."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curation.handoff import COCO_NAME, hand_off
from curation.imports import Import, imports_of, tables_of, take_in
from curation.ledger import CONFIG_NAME, Ledger
from curation.returned import Selected
from curation.schema import LABELS
from curation.select_wiring import add, add_labelled
from curation.store import Store
from tests.curation.small_selections import selected
from tests.training.photo_folders import lay_out, photo, yolo
from training.dataset import read_source
from training.errors import DataError
from training.files import digest_of_file
from training.source import Format
from training.splits import assign_splits


def workspace(root: Path) -> Ledger:
    """Make a workspace that holds one import."""
    source = read_source(lay_out(root / "first", yolo()))
    plan = assign_splits(source.photos)
    take_in(root, source, plan, earlier=(), dataset="test", name="first", drawn=False, model=None)
    (root / CONFIG_NAME).touch()
    return Ledger(root, lambda: 0.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return workspace(tmp_path)


@pytest.fixture
def given(ledger: Ledger) -> Selected:
    return selected(ledger.root, bare=1)


@pytest.fixture
def out(ledger: Ledger, given: Selected) -> Path:
    hand_off(ledger.root, given, ledger.root / "out")
    return ledger.root / "out"


def taken(ledger: Ledger, folder: Path, *, layout: Format | None = None, allow_bad: bool = False) -> Import:
    return add(ledger, str(folder), format=layout, allow_bad=allow_bad, by="Ada")


def prelabels(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / COCO_NAME).read_text())
    return found


def labels_by_photo(ledger: Ledger, brought: Import) -> dict[str, list[str]]:
    images, labels = tables_of(ledger.root, brought)
    return {
        str(photo_id): [brought.classes[label] for label in labels.label[labels.image == row]]
        for row, photo_id in enumerate(images.id)
    }


@pytest.mark.parametrize("layout", [None, "coco"])
def test_an_export_of_any_name_counts_and_the_boxes_of_the_champion_do_not(
    ledger: Ledger, given: Selected, out: Path, layout: Format | None
) -> None:
    export = prelabels(out)
    corrected = {each["id"] for each in export["images"][:2]}
    export["annotations"] = [each for each in export["annotations"] if each["image_id"] not in corrected]
    (out / "result.json").write_text(json.dumps(export))
    brought = taken(ledger, out, layout=layout)
    found = labels_by_photo(ledger, brought)
    assert brought.refused == ()
    assert [len(found[pick.photo_id]) for pick in given.picks] == [0, 0, 2, 2, 2, 0]


def test_what_two_people_labelled_differently_is_refused_and_the_rest_goes_in(
    ledger: Ledger, given: Selected, out: Path
) -> None:
    first, second = prelabels(out), prelabels(out)
    first["annotations"][0]["bbox"] = [1, 2, 3, 4]
    second["annotations"][1]["bbox"] = [1, 2, 3, 4]
    second["annotations"][2]["bbox"] = [1, 2, 3, 4]
    lay_out(
        out / "annotations",
        {"instances_a.json": json.dumps(first), "instances_b.json": json.dumps(second)},
    )
    brought = taken(ledger, out)
    found = labels_by_photo(ledger, brought)
    assert [pick.photo_id in found for pick in given.picks] == [False, False, True, True, True, True]
    assert any("labelled twice, differently" in note for note in brought.notes)


def test_a_category_that_its_file_does_not_name_refuses_its_photo(ledger: Ledger, given: Selected, out: Path) -> None:
    export = prelabels(out)
    export["annotations"][0]["category_id"] = 77
    (out / COCO_NAME).write_text(json.dumps(export))
    brought = taken(ledger, out)
    assert given.picks[0].photo_id not in labels_by_photo(ledger, brought)
    assert sum(brought.photos.values()) == 5
    (name,) = [path.name for path in (out / "images").iterdir() if digest_of_file(path) == given.picks[0].photo_id]
    assert any(note.endswith(f"does not name its class: {name}") for note in brought.notes)


def emptied(out: Path) -> Path:
    """Delete all labels, as people do for photos that show no object."""
    for path in (out / "labels").iterdir():
        path.write_text("")
    return out


def test_photos_without_any_object_come_back_when_it_is_said_that_this_is_right(
    ledger: Ledger, given: Selected, out: Path
) -> None:
    with pytest.raises(DataError, match="the 6 photos of selections came back without a single label") as caught:
        taken(ledger, emptied(out))
    assert "--allow-bad" in caught.value.hint
    assert len(imports_of(ledger.root)) == 1
    brought = taken(ledger, out, allow_bad=True)
    assert (sum(brought.photos.values()), brought.objects) == (6, 0)
    assert brought.returned is not None
    assert brought.returned.untouched == 0


def test_a_folder_without_labels_and_without_selected_photos_is_refused_as_ever(
    ledger: Ledger, given: Selected
) -> None:
    folder = lay_out(
        ledger.root / "bare", {"data.yaml": "train: images\nnames: [dog, cat]\n", "images/new.jpg": photo(900)}
    )
    with pytest.raises(DataError, match=r"no usable label in .*bare \(read as yolo\)"):
        taken(ledger, folder, allow_bad=True)


def test_photos_without_any_object_that_carry_the_tag_come_back_from_the_app(store: Store) -> None:
    for key in ("imports", "selections"):
        store.dataset.info.pop(key, None)
    store.dataset.save()
    ledger = workspace(store.root)
    store.publish_selection(selected(store.root, bare=1))
    for sample in store.dataset:
        sample[LABELS].detections = []
        sample.tags.append("labelled")
        sample.save()
    desk: Any = SimpleNamespace(ledger=ledger, board=lambda: store)
    brought = add_labelled(desk, by="Ada", allow_bad=False)
    assert (sum(brought.photos.values()), brought.objects) == (6, 0)
    assert brought.returned is not None
    assert brought.returned.by == "Ada"
