"""Looking at a pool: resumed where it was, nothing looked at twice, and what may not be selected is counted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import scouting
from curation.acquisition import MIN_FAINT_SCORE, PoolTable
from curation.clusters import Vectors
from curation.scouting import LINKS, MAX_NEAR_BITS, exclude, home_of, near_any, photo_vectors, prelabels_of, scout
from training.boxes import BoxTable, Floats, ImageTable, Ints
from training.errors import CurateError, DamagedFile, DataError
from training.files import digest_of
from training.records import ModelVersion
from training.source import FoundPhoto

CLASSES = ("cone", "person")
MIN_SCORE = 0.25
CHUNK = 4


class Killed(BaseException):
    """What ends a run from outside."""


class FakeView:
    """Predicts and embeds from the bytes of the files that it is shown, and remembers whom it looked at."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.predicted: list[list[str]] = []
        self.flipped: list[list[str]] = []
        self.embedded: list[list[str]] = []
        self.sides_px: list[int] = []
        self.dies_at: int | None = None

    def predict(
        self, models: Sequence[ModelVersion], images: ImageTable, rows: Ints, classes: Sequence[str], *, flipped: bool
    ) -> list[BoxTable]:
        ids = images.id[rows].tolist()
        seen = self.flipped if flipped else self.predicted
        if not flipped and len(seen) + 1 == self.dies_at:
            raise Killed
        seen.append(ids)
        scores = [(0.9, 0.4, 0.1, 0.01), (0.8, 0.1)][flipped]
        found = [
            (row, score)
            for row, path in zip(rows, images.path[rows], strict=True)
            for score in scores[: self._many(path)]
        ]
        shift = [self._size(images.path[row]) for row, _ in found]
        corner = np.array(shift) / 1000
        return [
            BoxTable(
                id=np.array(
                    [digest_of([models[0].model_id, str(images.id[row]), score]) for row, score in found], "<U24"
                ),
                image=np.array([row for row, _ in found], np.int64),
                label=np.zeros(len(found), np.int64),
                xyxy=np.stack([corner, corner, corner + 0.2, corner + 0.2], axis=1),
                score=np.array([score for _, score in found]),
            )
        ]

    def embed(self, model: ModelVersion, images: ImageTable, boxes: BoxTable, *, side_px: int) -> Vectors:
        assert (boxes.xyxy == [0, 0, 1, 1]).all(), "whole photos"
        self.embedded.append(images.id[boxes.image].tolist())
        self.sides_px.append(side_px)
        sizes = [self._size(path) for path in images.path[boxes.image]]
        return np.array([[size, 1, 2] for size in sizes], np.float32)

    def _size(self, path: str) -> int:
        return (self.root / path).stat().st_size

    def _many(self, path: str) -> int:
        """Give how many boxes a photo gets: every third has none."""
        return 0 if self._size(path) % 3 == 0 else 4


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scouting, "CHUNK", CHUNK)


def model_of(model_id: str = "m" * 24) -> ModelVersion:
    return ModelVersion(
        model_id=model_id, classes=CLASSES, origin="given", parent=None, round=0, trained_on=None, history=""
    )


def pool_of(root: Path, count: int) -> list[FoundPhoto]:
    """Give photos outside the workspace; each file has its own size, by which the fake knows it."""
    root.mkdir(parents=True)
    photos = []
    for number in range(count):
        path = root / f"p{number}.JPG"
        path.write_bytes(b"x" * (number + 1))
        photos.append(found(number, path=path))
    return photos


def found(number: int, *, look: int | None = None, split: Any = None, path: Path = Path("/p.jpg")) -> FoundPhoto:
    return FoundPhoto(
        path=path,
        photo_id=digest_of(["photo", number]),
        width_px=100 + number,
        height_px=80,
        split=split,
        group="",
        look=digest_bits(number) if look is None else look,
        boxes=(),
    )


def digest_bits(number: int) -> int:
    return int(digest_of(["look", number])[:16], 16)


class World:
    """A workspace and a pool beside it."""

    def __init__(self, folder: Path, count: int = 10) -> None:
        self.root = folder / "workspace"
        self.folder = self.root / "scratch" / "pool"
        self.photos = pool_of(folder / "photos", count)
        self.matched: list[tuple[list[str], list[float]]] = []

    def scout(self, view: FakeView, photos: Sequence[FoundPhoto] | None = None, **changed: Any) -> PoolTable:
        settings: dict[str, Any] = {"model": model_of(), "classes": CLASSES, "min_score": MIN_SCORE, "key": "k"}
        settings |= {"root": self.root, "folder": self.folder, "view": view, "match": self.match}
        return scout(self.photos if photos is None else photos, **(settings | changed))

    def match(self, images: ImageTable, boxes: BoxTable) -> Floats:
        self.matched.append((images.id.tolist(), boxes.score.tolist()))
        return np.stack([np.bincount(boxes.image, minlength=len(images)) / 10, images.width_px / 1000], axis=1)

    def prelabels(self, ids: Sequence[str], **changed: Any) -> BoxTable:
        settings: dict[str, Any] = {"model": model_of(), "classes": CLASSES, "min_score": MIN_SCORE, "key": "k"}
        return prelabels_of(self.folder, ids, **(settings | changed))

    def view(self) -> FakeView:
        return FakeView(self.root)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def assert_equal(first: PoolTable, second: PoolTable) -> None:
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name), err_msg=name)


def test_every_photo_is_a_row_by_id_with_all_that_was_seen_of_it(world: World) -> None:
    view = world.view()
    table = world.scout(view, name_of=lambda photo: f"cam/{photo.path.name}")
    by_id = sorted(world.photos, key=lambda photo: photo.photo_id)
    sizes = [photo.path.stat().st_size for photo in by_id]
    assert table.id.tolist() == [photo.photo_id for photo in by_id]
    assert table.name.tolist() == [f"cam/{photo.path.name}" for photo in by_id]
    assert table.look.tolist() == [photo.look for photo in by_id]
    assert table.width_px.tolist() == [photo.width_px for photo in by_id]
    assert table.vector.tolist() == [[size, 1, 2] for size in sizes]
    assert table.vector.dtype == np.float32
    assert table.firm.tolist() == [0 if size % 3 == 0 else 2 for size in sizes]
    np.testing.assert_allclose(table.match, [[0 if size % 3 == 0 else 0.3, (99 + size) / 1000] for size in sizes])
    assert ((table.entropy > 0) == (table.firm > 0)).all()
    assert set(view.sides_px) == {scouting.WHOLE_SIDE_PX}


def test_photos_are_seen_some_at_a_time_as_links_that_go_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    view, shown = world.view(), []
    sees = view.predict

    def noted(models: Any, images: ImageTable, rows: Ints, classes: Any, *, flipped: bool) -> list[BoxTable]:
        shown.extend(images.path.tolist())
        assert len(list((world.root / LINKS).iterdir())) == len(images)
        return sees(models, images, rows, classes, flipped=flipped)

    monkeypatch.setattr(view, "predict", noted)
    world.scout(view)
    assert [len(ids) for ids in view.predicted] == [4, 4, 2]
    assert view.predicted == view.flipped == view.embedded
    assert all(path.startswith(f"{LINKS}/") and path.endswith(".jpg") for path in shown)
    assert not (world.root / LINKS).exists()
    assert all(photo.path.read_bytes() == b"x" * (n + 1) for n, photo in enumerate(world.photos)), "untouched"


def test_matches_are_asked_of_predictions_that_are_no_noise(world: World) -> None:
    world.scout(world.view())
    scores = {score for _, found in world.matched for score in found}
    assert scores == {0.9, 0.4, 0.1}
    assert MIN_FAINT_SCORE > 0.01


def test_a_run_that_was_killed_goes_on_where_it_was(world: World, tmp_path: Path) -> None:
    killed, second = world.view(), world.view()
    killed.dies_at = 3
    with pytest.raises(Killed):
        world.scout(killed)
    assert not (world.root / LINKS).exists()
    told: list[tuple[int, int]] = []
    resumed = world.scout(second, progress=lambda done, total, _note: told.append((done, total)))
    assert [len(ids) for ids in second.predicted] == [2], "finished chunks are read"
    assert told == [(8, 10), (10, 10)]
    undisturbed = World(tmp_path / "other")
    assert_equal(resumed, undisturbed.scout(undisturbed.view()))


def test_a_finished_look_is_not_repeated(world: World) -> None:
    first, again = world.scout(world.view()), world.view()
    world.matched.clear()
    assert_equal(first, world.scout(again))
    assert again.predicted == again.flipped == again.embedded == world.matched == []


def test_only_new_photos_of_a_pool_that_has_changed_are_looked_at(world: World) -> None:
    world.scout(world.view(), world.photos[:7])
    view = world.view()
    table = world.scout(view, world.photos[2:])
    assert {photo_id for ids in view.predicted for photo_id in ids} == {p.photo_id for p in world.photos[7:]}
    fresh = World(world.root.parent / "fresh", count=0)
    assert_equal(table, fresh.scout(fresh.view(), world.photos[2:]))


CHANGES: dict[str, dict[str, Any]] = {
    "another model": {"model": model_of("n" * 24)},
    "another key": {"key": "l"},
    "another operating point": {"min_score": 0.5},
    "other classes": {"classes": ("person", "cone")},
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_question_is_another_look(name: str, world: World) -> None:
    world.scout(world.view())
    view = world.view()
    world.scout(view, **CHANGES[name])
    assert sum(map(len, view.predicted)) == 10
    assert world.prelabels([world.photos[0].photo_id], **CHANGES[name]).image.tolist()


def files(world: World, pattern: str) -> list[Path]:
    home = home_of(world.folder, model=model_of(), classes=CLASSES, min_score=MIN_SCORE, key="k")
    return sorted(home.glob(pattern))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


HARMS: dict[str, tuple[str, Any]] = {
    "a table cut off": ("*.pool.npz", cut),
    "a table gone": ("*.pool.npz", Path.unlink),
    "a table changed": ("*.pool.npz", flip_a_bit),
    "predictions cut off": ("*.firm.npz", cut),
    "predictions gone": ("*.firm.npz", Path.unlink),
    "a note cut off": ("*.json", cut),
    "a note gone": ("*.json", Path.unlink),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_broken_chunk_is_made_again_and_no_other(name: str, world: World) -> None:
    pattern, harm = HARMS[name]
    whole = world.scout(world.view())
    harm(files(world, pattern)[1])
    view = world.view()
    assert_equal(whole, world.scout(view))
    assert len(view.predicted) == 1
    assert len(files(world, "*.json")) == 3


def test_exact_duplicates_are_one_row(world: World) -> None:
    view = world.view()
    twin = replace(world.photos[3], path=world.photos[3].path.with_name("twin.jpg"))
    table = world.scout(view, [*world.photos, twin])
    assert len(table) == sum(map(len, view.predicted)) == 10
    assert "p3.JPG" in table.name


def test_a_pool_without_photos_is_a_sentence(world: World) -> None:
    with pytest.raises(DataError, match="no photo to look at") as caught:
        world.scout(world.view(), [])
    assert caught.value.hint


def test_a_photo_that_has_gone_since_is_a_sentence_and_the_rest_stays(world: World) -> None:
    last = max(world.photos, key=lambda photo: photo.photo_id)
    last.path.unlink()
    with pytest.raises(CurateError, match="cannot read"):
        world.scout(world.view())
    view = world.view()
    world.scout(view, [photo for photo in world.photos if photo is not last])
    assert [len(ids) for ids in view.predicted] == [1]


def test_prelabels_come_in_the_order_that_is_asked_for(world: World) -> None:
    world.scout(world.view())
    ids = [world.photos[number].photo_id for number in (9, 1, 2, 4, 0)]
    boxes = world.prelabels(ids)
    assert boxes.image.tolist() == [0, 0, 1, 1, 3, 3, 4, 4], "the third has none"
    np.testing.assert_allclose(boxes.xyxy[:, 0] * 1000, [10, 10, 2, 2, 5, 5, 1, 1], err_msg="of their own photos")
    assert boxes.score.tolist() == [0.9, 0.4] * 4, "nothing below the operating point"
    assert len({*boxes.id.tolist()}) == 8
    assert len(world.prelabels([])) == 0


def test_prelabels_of_a_photo_that_was_not_looked_at_are_an_error(world: World) -> None:
    world.scout(world.view(), world.photos[:5])
    with pytest.raises(DamagedFile, match="1 of 2 photos") as caught:
        world.prelabels([world.photos[0].photo_id, world.photos[8].photo_id])
    assert caught.value.hint


def test_vectors_of_train_are_in_the_order_of_the_rows_and_made_once(world: World) -> None:
    world.scout(world.view())
    (world.root / "data").mkdir(parents=True)
    for number in range(9):
        (world.root / "data" / f"{number}.jpg").write_bytes(b"x" * (number + 1))
    images = ImageTable(
        id=np.array([digest_of(["train", number]) for number in range(9)], "<U24"),
        path=np.array([f"data/{number}.jpg" for number in range(9)]),
        width_px=np.full(9, 10),
        height_px=np.full(9, 10),
        split=np.full(9, "train"),
    )
    view, rows = world.view(), np.array([7, 2, 3, 8, 5])
    vectors = photo_vectors(view, model_of(), images, rows, folder=world.folder)
    assert vectors[:, 0].tolist() == [8, 3, 4, 9, 6]
    assert [len(ids) for ids in view.embedded] == [4, 1]
    again = world.view()
    assert photo_vectors(again, model_of(), images, np.array([2, 0]), folder=world.folder)[:, 0].tolist() == [3, 1]
    assert again.embedded == [[str(images.id[0])]]
    other = world.view()
    photo_vectors(other, model_of("n" * 24), images, rows, folder=world.folder)
    assert sum(map(len, other.embedded)) == 5, "another model sees otherwise"
    assert photo_vectors(view, model_of(), images, rows[:0], folder=world.folder).shape == (0, 0)


def flipped_bits(look: int, *places: int) -> int:
    for place in places:
        look ^= 1 << place
    return look


def test_what_may_not_be_selected_is_counted_by_why() -> None:
    look = digest_bits(100)
    placed = [
        found(0, split="train"),
        found(1, split="val"),
        found(2, split="test"),
        found(100, split="test", look=look),
        found(101, split="train", look=0),
    ]
    photos = [
        *(found(number) for number in (0, 1, 2, 2, 3, 4, 5, 5)),
        found(6, look=flipped_bits(look, 0, 63)),
        found(7, look=flipped_bits(look, 1, 2, 3)),
        found(8, look=0),
        found(9, look=look),
    ]
    kept, why = exclude(photos, placed=placed, before={photos[5].photo_id, "f" * 24})
    assert [photo.photo_id for photo in kept] == [found(number).photo_id for number in (3, 5, 7, 8)]
    assert why == {
        "in train": 1,
        "in val": 1,
        "in test": 2,
        "selected before": 1,
        "there twice": 1,
        "like one of val or test": 2,
    }


def test_what_looks_like_a_drawn_photo_that_is_not_back_may_not_be_selected() -> None:
    drawn, scored = found(0), found(1)
    copies = [found(2, look=flipped_bits(drawn.look, 3)), found(3, look=flipped_bits(scored.look, 3))]
    photos, before = [drawn, scored, *copies], {drawn.photo_id, scored.photo_id}
    kept, why = exclude(photos, placed=[], before=before, drawn={drawn.photo_id})
    assert kept == copies[1:]
    assert why == {"selected before": 2, "like one of val or test": 1}
    kept, _ = exclude(photos, placed=[replace(drawn, split="train")], before=before, drawn={drawn.photo_id})
    assert kept == copies, "it came back, and went into train"


def test_without_a_workspace_everything_may_be_selected() -> None:
    photos = [found(number) for number in range(3)]
    assert exclude(photos, placed=[], before=()) == (photos, {})
    assert exclude([], placed=photos, before=()) == ([], {})


LOOKS = st.integers(0, 2**64 - 1)


def near_looks(look: int) -> Iterator[int]:
    return (flipped_bits(look, *places) for places in [(), (5,), (5, 6), (5, 6, 7), (63,), (0, 63), (0, 31, 63)])


@given(looks=st.lists(LOOKS, max_size=8), others=st.lists(LOOKS, max_size=8))
def test_near_looks_are_those_that_counting_bits_of_all_pairs_finds(looks: list[int], others: list[int]) -> None:
    looks = [*looks, *(near for other in others for near in near_looks(other))]
    found = near_any(np.array(looks, np.uint64), np.array(others, np.uint64))
    assert found.tolist() == [any((a ^ b).bit_count() <= MAX_NEAR_BITS for b in others) for a in looks]
