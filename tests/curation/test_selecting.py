"""A selection from top to bottom: what is left out, what it is for, what is kept, and what a run does by itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curation import selecting
from curation.champion import choose
from curation.loop import play, play_rounds
from curation.selecting import choose_after, choose_photos
from curation.selections import picks_of, selections_of, tables_of
from tests.curation.test_loop import SMALL, World, photos
from training.boxes import BoxTable, ImageTable, Ints
from training.errors import DataError, UsageError
from training.files import write_bytes
from training.records import ModelVersion
from training.source import FoundPhoto, Refusal
from training.unlabelled import KnownPhotos, Unlabelled

POOL = 40
WITH_SQUARE = 10
"""So many photos of the pool, the first ones, show what the champion takes for a square, faintly."""


def unlabelled(folder: Path, count: int = POOL, *, first: int = 0) -> Unlabelled:
    """Photos that look unlike each other; a look of each is a line of a random matrix."""
    looks = np.random.default_rng(1).integers(0, 2**63, first + count).tolist()[first:]
    found = []
    for number, look in enumerate(looks, start=first):
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


@pytest.mark.parametrize(("asked", "picked"), [(20, 18), (25, 18), (18, 18)])
def test_copies_of_what_was_drawn_at_random_are_said_to_be_left_out(yard: Yard, asked: int, picked: int) -> None:
    play(yard.desk(), "analyze", may_review=False)
    pool = unlabelled(yard.ledger.root / "pool", 20)
    doubled = tuple(replace(photo, look=pool.photos[row // 2].look) for row, photo in enumerate(pool.photos))
    desk = replace(yard.desk(), embed=lambda _, __, boxes, **___: np.ones((len(boxes), 4), np.float32))

    chosen = choose_photos(desk, replace(pool, photos=doubled), pool="pool", count=asked)

    assert sum(chosen.shares.values()) == picked
    said = f"{asked} photos were asked for, the pool has 20 to label; 18 were picked: the others are copies of photos"
    assert [note.removesuffix(" drawn at random") for note in chosen.notes] == ([said] if asked > picked else [])


def test_a_copy_of_a_drawn_photo_that_is_not_back_is_not_selected(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    first, pool = selected(yard), unlabelled(yard.ledger.root / "pool")
    drawn = next(pick.photo_id for pick in picks_of(yard.ledger.root, first) if pick.kind == "random")
    of = next(photo for photo in pool.photos if photo.photo_id == drawn)
    copy = replace(of, photo_id="c" * 24, look=of.look ^ 1)

    second = selected(yard, 5, replace(pool, photos=(*pool.photos, copy)))

    assert second.excluded == {"selected before": 10, "like one of val or test": 1}


def test_another_selection_in_the_same_round_looks_at_no_photo_again(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    selected(yard)
    seen = yard.looked_at

    selected(yard)

    assert yard.looked_at == seen


@pytest.mark.parametrize("what", ["model that findings are about", "measures", "expected columns"])
def test_the_pool_is_looked_at_again_where_findings_may_match_other_photos(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    play(yard.desk(), "analyze", may_review=False)
    selected(yard)
    seen, standing = yard.looked_at, selecting._standing(yard.desk())
    folder, looks = standing.studied.frozen.folder.path, standing.studied.measured.looks
    (folder / "anew.npz").write_bytes((folder / looks.name).read_bytes())
    anew = looks.model_copy(update={"name": "anew.npz"})
    measured = standing.studied.measured.model_copy(update={"looks": anew})
    changed = {
        "model that findings are about": replace(standing, judged=yard.version("another")),
        "measures": replace(standing, studied=replace(standing.studied, measured=measured)),
        "expected columns": replace(standing, studied=replace(standing.studied, wanted=frozenset({"brightness"}))),
    }[what]
    monkeypatch.setattr(selecting, "_standing", lambda _: changed)

    selected(yard)

    assert yard.looked_at > seen


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


def test_another_pool_that_a_person_selected_from_does_not_stand_for_the_configured_one(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    pools = {name: unlabelled(yard.ledger.root / name, first=first) for name, first in (("other", 0), ("pool", POOL))}
    yard.read_pool = pools.__getitem__  # type: ignore[method-assign]
    choose_photos(yard.desk(), pools["other"], pool="other", count=5)

    choose_after(yard.desk({"select": {"pool": "pool", "photos": 7}}), 1)

    assert [(each.pool, each.asked) for each in selections_of(yard.ledger.root)] == [("other", 5), ("pool", 7)]
    assert "curate select --selection 2 --to DIR" in yard.said[-1]


def test_a_run_that_was_killed_before_it_selected_selects_when_it_goes_on(yard: Yard) -> None:
    yard.read_pool = lambda _: unlabelled(yard.ledger.root / "pool")  # type: ignore[method-assign]
    desk = yard.desk(SMALL | {"decide": {"min_photos": 61}, "select": {"pool": "pool", "photos": 7}})
    play(desk, "decide", may_review=True)

    play_rounds(desk, until_round=1)

    assert [each.round for each in selections_of(yard.ledger.root)] == [1]


def test_a_photo_that_vanishes_from_the_pool_stops_no_run_and_the_next_one_selects(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)
    pool = unlabelled(yard.ledger.root / "pool")
    yard.read_pool = lambda _: pool  # type: ignore[method-assign]
    desk, gone = yard.desk({"select": {"pool": "pool", "photos": 7}}), pool.photos[3].path
    gone.unlink()

    choose_after(desk, 1)

    assert "no photos were selected for labelling: cannot read" in yard.said[-1]
    write_bytes(gone, bytes([3]))
    choose_after(desk, 1)
    assert len(selections_of(yard.ledger.root)) == 1


def test_a_pool_that_is_gone_stops_no_run(yard: Yard) -> None:
    play(yard.desk(), "analyze", may_review=False)

    choose_after(yard.desk({"select": {"pool": "gone"}}), 1)

    assert selections_of(yard.ledger.root) == ()
    assert "no photos were selected for labelling: gone is not there" in yard.said[-1]


def test_photos_of_the_workspace_have_other_ids_than_the_pool() -> None:
    assert not set(photos().images.id.tolist()) & {f"b{number:023x}" for number in range(POOL)}
