"""What `curate select` hands over: any selection that is kept, and none that could be lost on the way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curation import handoff, select_shell, shell
from curation.config import parse_config
from curation.selection import Selection
from tests.curation.small_selections import selected
from training.errors import CurateError, UsageError


class Desk(SimpleNamespace):
    """The desk of a workspace with two selections and a pool that nobody should read again."""

    def __init__(self, root: Path) -> None:
        super().__init__(ledger=SimpleNamespace(root=root), config=parse_config({}, name="curate.yaml"))
        self.said: list[str] = []
        self.pools_read: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)

    def read_pool(self, source: str) -> None:
        self.pools_read.append(source)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path / "ws")
    for number in (1, 2):
        selected(desk.ledger.root, number=number, first_seed=500 + 50 * number)

    @contextmanager
    def writing(folder: Path, command: str) -> Iterator[Desk]:
        with shell.hints_for(folder):
            yield desk

    monkeypatch.setattr(shell, "writing", writing)
    return desk


def run(to: Path | None = None, **asked: Any) -> None:
    given: dict[str, Any] = {"pool": None, "count": None, "number": None, "as_json": True}
    select_shell.run(Path("ws"), to=str(to) if to else None, **given | asked)


@pytest.mark.parametrize(("asked", "number"), [({"number": 1}, 1), ({"number": 2}, 2), ({}, 2)])
def test_any_selection_can_be_handed_over_and_the_last_by_default(
    desk: Desk, tmp_path: Path, asked: dict[str, int], number: int
) -> None:
    run(tmp_path / "out", **asked)
    assert f"(selection {number})" in (tmp_path / "out" / "README.txt").read_text()


def test_an_earlier_selection_is_shown_with_the_command_that_hands_it_over(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    run(number=1)
    assert json.loads(capsys.readouterr().out)["number"] == 1
    run(number=1, as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "next: curate select -C ws --selection 1 --to to-label"


@pytest.mark.parametrize(
    ("asked", "said", "hint"),
    [
        pytest.param({"number": 3}, "there is no selection 3", "the last one is 2", id="unknown"),
        pytest.param({"number": 1, "pool": "photos"}, "does not go with --pool", "leave one", id="with a pool"),
        pytest.param({"number": 1, "count": 5}, "does not go with --pool or --n", "leave one", id="with a number"),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(desk: Desk, asked: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        run(**asked)
    assert hint in caught.value.hint


def test_a_folder_in_use_is_refused_before_anything_is_chosen(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    with pytest.raises(UsageError, match="used is there and not empty"):
        run(tmp_path / "used", pool="photos", count=5)
    assert desk.pools_read == []


def choose_a_third(desk: Any, _found: Any, *, pool: str, count: int) -> Selection:
    return selected(desk.ledger.root, number=3, first_seed=900).selection


@pytest.fixture
def chosen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk at which the next choice is selection 3."""
    monkeypatch.setattr("curation.selecting.choose_photos", choose_a_third)
    return desk


def break_off(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fill(*_: Any) -> None:
        raise error

    monkeypatch.setattr(handoff, "_fill", fill)


def test_a_hand_off_that_fails_says_that_the_selection_is_kept_and_it_is_handed_over_later(
    chosen: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        break_off(full, OSError(28, "no space left on device"))
        with pytest.raises(CurateError, match="cannot write") as caught:
            run(tmp_path / "to label", pool="photos", count=6)
    again = f"selection 3 is kept, so go on with curate select -C ws --selection 3 --to '{tmp_path}/to label'"
    assert caught.value.hint.endswith(again)

    run(tmp_path / "to label", number=3)
    assert "(selection 3)" in (tmp_path / "to label" / "README.txt").read_text()
    assert chosen.pools_read == ["photos"]


@pytest.mark.parametrize("signal", [KeyboardInterrupt, shell.Terminated])
def test_a_hand_off_that_is_interrupted_says_so_too(
    chosen: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: type[BaseException]
) -> None:
    break_off(monkeypatch, signal())
    with pytest.raises(signal):
        run(tmp_path / "out", pool="photos", count=6)
    (said,) = chosen.said
    assert said == f"selection 3 is kept, so go on with curate select -C ws --selection 3 --to {tmp_path}/out"
