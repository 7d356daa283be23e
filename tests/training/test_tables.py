"""Tables on disk: what goes in comes out, equal content has equal bytes, damage is noticed, nothing is unpickled."""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.boxes import BoxTable, Ints, Table
from training.errors import DamagedFile
from training.files import digest_of_file
from training.records import FileRef
from training.tables import check_digest, load_table, save_table


def some_boxes(count: int, *, seed: int = 0) -> BoxTable:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.5, (count, 2))
    return BoxTable(
        id=np.array([f"{k:024x}" for k in range(count)], "<U24"),
        image=rng.integers(0, 9, count),
        label=rng.integers(0, 3, count),
        xyxy=np.hstack([corner, corner + rng.uniform(0.01, 0.5, (count, 2))]),
        score=rng.random(count),
    )


@given(count=st.integers(0, 30), seed=st.integers(0, 99))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, count: int, seed: int) -> None:
    boxes, path = some_boxes(count, seed=seed), tmp_path_factory.mktemp("tables") / "boxes.npz"
    loaded = load_table(path, BoxTable, save_table(path, boxes))
    for field in fields(BoxTable):
        before, after = getattr(boxes, field.name), getattr(loaded, field.name)
        np.testing.assert_array_equal(after, before)
        assert after.dtype == before.dtype


def test_equal_content_has_equal_bytes_whatever_its_layout_in_memory(tmp_path: Path) -> None:
    boxes = some_boxes(20)
    turned = {field.name: getattr(boxes, field.name) for field in fields(BoxTable)}
    turned |= {"xyxy": np.asfortranarray(boxes.xyxy), "score": np.repeat(boxes.score, 2)[::2]}
    refs = [save_table(tmp_path / name, table) for name, table in (("a.npz", boxes), ("b.npz", BoxTable(**turned)))]
    assert refs[0].digest == refs[1].digest
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_date_is_stored(tmp_path: Path) -> None:
    save_table(tmp_path / "a.npz", some_boxes(3))
    with zipfile.ZipFile(tmp_path / "a.npz") as stored:
        assert {entry.date_time[0] for entry in stored.infolist()} == {1980}


def test_the_reference_names_the_file_and_its_bytes(tmp_path: Path) -> None:
    ref = save_table(tmp_path / "freeze.labels.npz", some_boxes(3))
    assert ref == FileRef(name="freeze.labels.npz", digest=digest_of_file(tmp_path / "freeze.labels.npz"))


DAMAGE = {
    "a flipped bit": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    "cut": lambda data: data[:-10],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_noticed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "boxes.npz"
    ref = save_table(path, some_boxes(9))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for look in (lambda: load_table(path, BoxTable, ref), lambda: check_digest(path, ref)):
        with pytest.raises(DamagedFile, match="has changed") as caught:
            look()
        assert str(path) in caught.value.message
        assert "--redo" in caught.value.hint


def test_a_missing_table_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="missing") as caught:
        load_table(tmp_path / "gone.npz", BoxTable, FileRef(name="gone.npz", digest="0" * 24))
    assert "--redo" in caught.value.hint


@dataclass(frozen=True)
class Objects(Table):
    id: Ints


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a pickle was run",)


def test_a_pickle_is_refused_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bomb.npz"
    np.savez(path, id=np.array([Bomb()], object))
    with pytest.raises(DamagedFile, match="does not hold"):
        load_table(path, Objects, FileRef(name=path.name, digest=digest_of_file(path)))
    assert capsys.readouterr().out == ""


def test_a_table_of_another_kind_is_an_error_with_a_hint(tmp_path: Path) -> None:
    ref = save_table(tmp_path / "other.npz", Objects(id=np.arange(3)))
    with pytest.raises(DamagedFile, match="does not hold a BoxTable") as caught:
        load_table(tmp_path / "other.npz", BoxTable, ref)
    assert caught.value.hint
