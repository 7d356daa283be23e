"""Selections on disk: what was written reads back, and what is damaged is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from curation.selections import FOLDER, picks_of, selected_of, selections_of, tables_of
from tests.curation.small_selections import selected
from training.errors import DamagedFile


def test_what_was_selected_reads_back_oldest_first(tmp_path: Path) -> None:
    for number in (1, 2):
        selected(tmp_path, number=number, first_seed=500 + 50 * number)
    first, second = selected_of(tmp_path)
    assert (first.selection.number, second.selection.number) == (1, 2)
    assert [pick.photo_id for pick in first.picks] == first.images.id.tolist() != second.images.id.tolist()
    assert np.unique(first.prelabels.image).tolist() == list(range(6))
    assert set(first.images.split.tolist()) == {""}
    assert first.picks == picks_of(tmp_path, first.selection)


def test_a_workspace_without_a_selection_has_none(tmp_path: Path) -> None:
    assert selections_of(tmp_path) == ()


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        pytest.param("001.json", lambda path: path.write_text("{}"), "does not hold a selection", id="another record"),
        pytest.param("001.json", lambda path: path.write_bytes(b"\xff{"), "does not hold a selection", id="no text"),
        pytest.param("001.picks.jsonl", lambda path: path.write_text(""), "missing or has changed", id="picks emptied"),
        pytest.param("001.picks.jsonl", Path.unlink, "missing or has changed", id="picks lost"),
        pytest.param("001.images.npz", Path.unlink, "missing or has changed", id="photos lost"),
        pytest.param("001.prelabels.npz", lambda path: path.write_bytes(b"x"), "missing or has", id="boxes damaged"),
    ],
)
def test_a_damaged_selection_is_named_with_what_to_do(
    tmp_path: Path, name: str, change: Callable[[Path], object], said: str
) -> None:
    selected(tmp_path)
    change(tmp_path / FOLDER / name)
    with pytest.raises(DamagedFile, match=said) as caught:
        selected_of(tmp_path)
    assert name in caught.value.message
    assert "select again" in caught.value.hint


def test_tables_are_those_of_the_selection(tmp_path: Path) -> None:
    given = selected(tmp_path, count=3, bare=1)
    images, prelabels = tables_of(tmp_path, given.selection)
    assert len(images) == 3
    assert prelabels.image.tolist() == [0, 0, 1, 1]
