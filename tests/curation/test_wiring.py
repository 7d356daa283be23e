"""Making a workspace and opening its dataset: under the lock, and told while it takes long."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from curation import wiring
from curation.imports import imports_of
from curation.lock import holding
from tests.training.photo_folders import lay_out, yolo
from training.errors import CurateError, UsageError, WorkspaceBusy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "source", yolo())


def test_a_folder_that_another_command_holds_is_not_written_to(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "ws"
    folder.mkdir()
    with holding(folder, "curate init", time.monotonic), pytest.raises(WorkspaceBusy, match="'curate init'"):
        wiring.init(folder, str(source), format=None)
    assert not (folder / "curate.yaml").exists()
    wiring.init(folder, str(source), format=None)
    assert [item.number for item in imports_of(folder)] == [1]


def test_a_workspace_is_made_once_and_its_settings_stay(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "ws"
    wiring.init(folder, str(source), format=None)
    (folder / "curate.yaml").write_text("training: {batch: 4}\n")
    with pytest.raises(UsageError, match="is a workspace already"):
        wiring.init(folder, str(source), format=None)
    assert (folder / "curate.yaml").read_text() == "training: {batch: 4}\n"


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CurateError, match="cannot write") as caught:
        wiring.init(tmp_path / "file" / "ws", str(source), format=None)
    assert caught.value.hint


def test_opening_the_dataset_is_told_and_publishes_each_import(
    tmp_path: Path, source: Path, database_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", database_uri)
    folder = tmp_path / "ws"
    wiring.init(folder, str(source), format=None)
    capsys.readouterr()
    with ExitStack() as stack:
        store = wiring._board(folder, imports_of(folder), stack)
        assert capsys.readouterr().err == "opening FiftyOne\n"
        assert len(store.dataset) == 12
        assert store.published_imports() == {1}
        store.dataset.delete()
