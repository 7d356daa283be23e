"""What steps read and keep besides their records: people's decisions, looks at test, splits that hold nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from curation import reviewing, steps
from curation.decisions import Collected
from curation.documents import Photos
from curation.ledger import Ledger
from generation.records import SyntheticImage
from tests.curation.said import collected
from training.boxes import BoxTable, ImageTable
from training.errors import DataError


class Board:
    """Remembers tags and verdicts as FiftyOne would: a decision is read until the verdict says the same."""

    def __init__(self) -> None:
        self.tags: dict[str, bool] = {}
        self.verdicts: dict[str, bool] = {}

    def collect(self, pictures: Sequence[SyntheticImage]) -> Collected:
        new = {name: tag for name, tag in self.tags.items() if self.verdicts.get(name) != tag}
        return collected(new, there=[picture.request_id for picture in pictures])

    def publish_pictures(self, pictures: Sequence[SyntheticImage], journal: object) -> int:
        return 0

    def publish_verdicts(self, verdicts: list) -> None:
        for verdict in verdicts:
            self.tags[verdict.request_id] = self.verdicts[verdict.request_id] = verdict.accepted


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "curate.yaml").write_text("")
    return Ledger(tmp_path, lambda: 0.0)


def desk_with(ledger: Ledger, board: object) -> SimpleNamespace:
    from curation.config import Config

    return SimpleNamespace(ledger=ledger, config=Config(), board=lambda: board)


LOOKS = {"a": "0" * 16, "b": "f" * 16}


def picture(name: str) -> SyntheticImage:
    label = {"label": "cone", "xyxy": (0.1, 0.1, 0.5, 0.5), "visible_share": 1, "source_id": "s", "added": True}
    return SyntheticImage.model_validate(
        {"request_id": name, "brief_id": "b", "finding_id": "f", "backend": "paste", "digest": "d", "path": "p",
         "width_px": 100, "height_px": 100, "labels": [label], "source_ids": ["s"], "look": LOOKS[name]}
    )  # fmt: skip


def test_what_a_person_decided_survives_a_review_that_is_cut_after_publishing_and_done_again(ledger: Ledger) -> None:
    folder, board = ledger.open_round(), Board()
    frozen = SimpleNamespace(folder=folder)
    pictures = [picture("a"), picture("b")]
    from curation.records import Batch

    batch = Batch(
        pictures=folder.save_lines("generate.pictures.jsonl", pictures),
        failures=folder.save_lines("generate.failures.jsonl", []),
        made=2,
        failed=0,
    )
    board.tags["b"] = False
    first = reviewing.review(desk_with(ledger, board), frozen, batch)
    assert (first.accepted, first.rejected, first.reasons) == (1, 1, {"by hand": 1})
    assert first.sitting is not None
    assert [(said.request_id, said.accepted) for said in first.sitting.said] == [("b", False)]
    assert not len(board.collect(pictures).decisions), "nothing new to read: the journal has it"
    assert reviewing.review(desk_with(ledger, board), frozen, batch) == first
    board.tags["b"] = True
    assert reviewing.review(desk_with(ledger, board), frozen, batch).accepted == 2, "a newer decision counts"


def test_looks_at_test_are_counted_in_all_rounds_and_in_steps_that_were_moved_aside(ledger: Ledger) -> None:
    for place, photos in (("001", "x"), ("002/aside-1", "x"), ("002", "x"), ("003", "other")):
        path = ledger.root / "rounds" / place / "compare.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"record": {"test_photos": photos}}))
    assert steps.openings_of(ledger, "x") == 3


@pytest.mark.parametrize("empty", ["train", "val", "test"])
def test_a_split_without_a_labelled_object_is_refused_before_anything_is_trained(empty: str, ledger: Ledger) -> None:
    splits = [split for split in ("train", "val", "test") if split != empty]
    images = ImageTable(
        id=np.array(["a" * 24, "b" * 24]),
        path=np.array(["a.jpg", "b.jpg"]),
        width_px=np.array([10, 10]),
        height_px=np.array([10, 10]),
        split=np.array(splits),
    )
    labels = BoxTable(
        id=np.array(["c" * 24, "d" * 24]),
        image=np.array([0, 1]),
        label=np.array([0, 0]),
        xyxy=np.array([[0.1, 0.1, 0.5, 0.5]] * 2),
        score=np.ones(2),
    )
    board = SimpleNamespace(
        settled_labels=frozenset,
        read_photos=lambda: Photos(images=images, labels=labels, classes=("cone",), skipped=()),
    )
    with pytest.raises(DataError, match=f"{empty} holds no labelled object") as caught:
        steps.freeze(desk_with(ledger, board), ledger.open_round())
    assert "curate add" in caught.value.hint
