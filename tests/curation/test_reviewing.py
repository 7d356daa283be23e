"""People's part of a round on a real database: what is said while collecting, and a database that was made anew."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curation import reviewing
from curation.config import Config
from curation.journal import read_journal
from curation.ledger import Ledger
from curation.plugin import sitting
from curation.plugin.decisions import REJECTED, decide_stages
from curation.records import Batch
from curation.schema import declare_review
from curation.store import Store
from generation.records import PictureLabel, SyntheticImage

IDS = [f"d{number:023x}" for number in range(7)]


def picture(request_id: str) -> SyntheticImage:
    label = PictureLabel(label="cone", xyxy=(0.1, 0.1, 0.5, 0.5), visible_share=1, source_id="s", added=True)
    return SyntheticImage(
        request_id=request_id, brief_id="b", finding_id="f", backend="paste", digest="d", path=f"{request_id}.jpg",
        width_px=100, height_px=100, labels=(label, label), source_ids=("s",), look=request_id[-1] * 16,
    )  # fmt: skip


PICTURES = [picture(request_id) for request_id in IDS]


class Desk:
    """What a review needs of the desk: a workspace, its database, and somebody who is told."""

    def __init__(self, store: Store) -> None:
        (store.root / "curate.yaml").write_text("")
        self.ledger, self.config, self.store = Ledger(store.root, lambda: 0.0), Config(), store
        self.said: list[str] = []
        self.warn = self.said.append

    def board(self) -> Store:
        return self.store


@pytest.fixture
def desk(store: Store) -> Any:
    declare_review(store.dataset)
    store.publish_pictures(PICTURES)
    return Desk(store)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        pytest.param(0, "", id="none"),
        pytest.param(1, f"1 picture tagged both accepted and rejected, where the later tag counts: {IDS[0]}", id="one"),
        pytest.param(
            7,
            f"7 pictures tagged both accepted and rejected, where the later tag counts: {', '.join(IDS[:5])} and more",
            id="more than are named",
        ),
    ],
)
def test_pictures_tagged_both_ways_are_listed_in_one_sentence(desk: Any, count: int, text: str) -> None:
    some = desk.store.dataset.select(IDS[:count])
    some.tag_samples("accepted")
    some.tag_samples("rejected")
    journal = reviewing.collect(desk, PICTURES)
    assert desk.said == ([text] if text else [])
    assert [said.accepted for said in journal.said.values()] == [False] * count


def test_a_review_in_a_database_that_was_made_anew_brings_back_pictures_as_people_left_them(
    desk: Any, tmp_path: Path
) -> None:
    folder = desk.ledger.open_round()
    batch = Batch(
        pictures=folder.save_lines("generate.pictures.jsonl", PICTURES),
        failures=folder.save_lines("generate.failures.jsonl", []),
        made=len(PICTURES),
        failed=0,
    )
    sitting.apply(desk.store.dataset, IDS[:1], decide_stages(REJECTED, reviewer="ann"))
    one = {"request_id": IDS[1]}
    desk.store.dataset._sample_collection.update_one(one, {"$pop": {"ground_truth.detections": 1}})
    known = reviewing.collect(desk, PICTURES)
    desk.store.dataset.clear()

    reviewed = reviewing.review(desk, SimpleNamespace(folder=folder), batch)  # type: ignore[arg-type]
    assert read_journal(tmp_path) == known
    left = reviewing.pictures_as_left(folder, batch, reviewed)
    assert [len(each.labels) for each in left] == [2, 1, 2, 2, 2, 2, 2]
    found = desk.store.dataset._sample_collection.find_one(one)
    assert len(found["ground_truth"]["detections"]) == 1
    shown = desk.store.dataset[IDS[0]]
    assert (shown.tags, shown.reviewer) == (["synthetic", "rejected"], "ann")
