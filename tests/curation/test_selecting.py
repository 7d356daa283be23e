"""A selection from top to bottom: what is left out, what it is for, what is kept, and what a run does by itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curation.champion import choose
from curation.loop import play
from curation.selecting import choose_after, choose_photos
from curation.selections import picks_of, selections_of, tables_of
from tests.curation.test_loop import World, photos
from training.boxes import BoxTable, ImageTable, Ints
from training.errors import DataError, UsageError
from training.files import write_bytes
from training.records import ModelVersion
from training.source import FoundPhoto, Refusal
from training.unlabelled import KnownPhotos, Unlabelled

POOL = 40
WITH_SQUARE = 10
"""So many photos of the pool, the first ones, show what the champion takes for a square, faintly."""


def unlabelled(folder: Path, count: int = POOL) -> Unlabelled:
    """Photos that look unlike each other; a look of each is a line of a random matrix."""
    looks = np.random.default_rng(1).integers(0, 2**63, count).tolist()
    found = []
    for number, look in enumerate(looks):
        path = folder / f"{number}.jpg"
        write_bytes(path, bytes([number]))
        found.append(
            FoundPhoto(
                path=path, photo_id=f"b{number:023x}", width_px=200, height_px=200, split=None, group="", look=look,
                boxes=(),
            )
        )  # fmt: skip
    known = KnownPhotos.of([])
    return Unlabelled(root=folder, photos=tuple(found), refusals=(), seen_count=count, known=known)


class Yard(World):
    """A world with a pool beside it; the champion finds discs in all of its photos, and faint squares in some."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.looked_at = 0
        (root / "data" / "imports").mkdir(parents=True)

    def predict(
        self, models: Sequence[ModelVersion], images: ImageTable, rows: Ints, classes: Sequence[str], *,
        flipped: bool = False,
    ) -> list[BoxTable]:  # fmt: skip
        if not str(images.path[0]).startswith("scratch/"):
            return super().predict(models, images, rows, classes)
        self.looked_at += len(rows)
        numbers = np.array([int(photo_id[1:], 16) for photo_id in images.id[rows].tolist()])
        squares = rows[numbers < WITH_SQUARE]
        image, label = np.concatenate([rows, squares]), np.repeat([0, 1], [len(rows), len(squares)])
        return [
            BoxTable(
                id=np.array([f"{number:024x}" for number in range(len(image))], "<U24"),
                image=image,
                label=label,
                xyxy=np.array([[0.1, 0.2, 0.35, 0.45], [0.6, 0.2, 0.85, 0.45]])[label],
                score=np.array([0.9, 0.2])[label],
            )
        ]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def selected(yard: Yard, count: int = 10, pool: Unlabelled | None = None, **config: Any) -> Any:
    desk = yard.desk(config)
    return choose_photos(desk, pool or unlabelled(yard.ledger.root / "pool"), pool="pool", count=count)


def test_photos_with_what_is_weak_are_picked_and_kept_with_reasons_and_prelabels(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)

    chosen = selected(yard)

    root = yard.ledger.root
    picks = picks_of(root, chosen)
    images, prelabels = tables_of(root, chosen)
    weak = [pick for pick in picks if pick.kind == "finding"]
    assert len(picks) == 10
    assert weak
    assert all(int(pick.photo_id[1:], 16) < WITH_SQUARE for pick in weak)
    assert all("square" in pick.reason and pick.finding_id for pick in weak)
    assert [pick.kind for pick in picks].count("random") == 1
    assert images.id.tolist() == [pick.photo_id for pick in picks]
    assert sorted(prelabels.image.tolist()) == list(range(10)), "one disc each: a square at 0.2 is below the bar"
    assert all((root / pick.path).is_file() for pick in picks)
    assert sum(chosen.shares.values()) == 10
    assert chosen.shares["square"] == len(weak)


def test_nothing_is_selected_twice_and_a_pool_that_is_used_up_is_said(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)

    first = selected(yard, 30)
    second = selected(yard, 30)

    ids = [pick.photo_id for each in (first, second) for pick in picks_of(yard.ledger.root, each)]
    assert len(set(ids)) == len(ids) == POOL
    assert second.excluded == {"selected before": 30}
    assert second.notes == ("30 photos were asked for, the pool has 10 to label",)
    with pytest.raises(DataError, match="pool holds nothing to label: 40 selected before"):
        selected(yard)


def test_another_selection_in_the_same_round_looks_at_no_photo_again(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    selected(yard)
    seen = yard.looked_at

    selected(yard)

    assert yard.looked_at == seen


def test_the_same_selection_is_made_in_another_folder(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, reasons = Yard(tmp_path / "other"), []
    for each in (yard, other):
        play(each.desk(), "analyze", may_review=False)
        reasons.append([(pick.photo_id, pick.reason) for pick in picks_of(each.ledger.root, selected(each))])
    assert reasons[0] == reasons[1]


def test_without_findings_there_is_nothing_to_select_by(yard: Yard) -> None:
    with pytest.raises(UsageError, match="nothing is known of the champion's weaknesses"):
        selected(yard)


def test_a_champion_that_does_not_know_the_class_says_so_and_others_get_its_share(yard: Yard) -> None:
    play(yard.desk(), "decide", may_review=True)
    choose(yard.ledger, "another")
    other: Any = SimpleNamespace(get=lambda model_id: yard.version(model_id, ("disc", "box")))

    found = unlabelled(yard.ledger.root / "pool")
    chosen = choose_photos(replace(yard.desk(), registry=other), found, pool="pool", count=10)

    assert chosen.model_id == "another"
    assert any("the champion does not know the class square" in note for note in chosen.notes)
    assert sum(chosen.shares.values()) == 10


def test_unreadable_photos_are_listed(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    broken = Refusal(file="half.jpg", line=None, reason="not a whole picture: it ends early", lost="photo")

    chosen = selected(yard, pool=replace(unlabelled(yard.ledger.root / "pool"), refusals=(broken,)))

    assert [each.file for each in chosen.refused] == ["half.jpg"]


def test_a_run_selects_once_a_round_from_the_configured_pool(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    yard.read_pool = lambda _: unlabelled(yard.ledger.root / "pool")  # type: ignore[method-assign]
    desk = yard.desk({"select": {"pool": "pool", "photos": 7}})

    choose_after(desk, 1)
    choose_after(desk, 1)

    (only,) = selections_of(yard.ledger.root)
    assert (only.round, only.asked, sum(only.shares.values())) == (1, 7, 7)
    assert "photos of pool to label next: 7" in yard.said[-1]


def test_a_pool_that_is_gone_stops_no_run(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)

    choose_after(yard.desk({"select": {"pool": "gone"}}), 1)

    assert selections_of(yard.ledger.root) == ()
    assert "no photos were selected for labelling: gone is not there" in yard.said[-1]


def test_photos_of_the_workspace_have_other_ids_than_the_pool() -> None:
    assert not set(photos().images.id.tolist()) & {f"b{number:023x}" for number in range(POOL)}
