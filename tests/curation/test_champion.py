"""Which model the next round begins with: a fold over decisions and over what people chose after them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.champion import CHOICES, base_of, begun_round, champion_of, choose
from curation.ledger import Ledger
from tests.curation.small_rounds import GIVEN, SmallRounds
from training.errors import DamagedFile
from training.files import write_json

A, B, C = "a" * 24, "b" * 24, "c" * 24


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr("os.fsync", lambda _: None)
    return SmallRounds(tmp_path).ledger


@pytest.fixture
def world(tmp_path: Path, ledger: Ledger) -> SmallRounds:
    assert ledger
    return SmallRounds(tmp_path)


def test_before_anything_is_known_there_is_none_then_the_one_that_was_brought(world: SmallRounds) -> None:
    assert (base_of(world.ledger), champion_of(world.ledger)) == (None, None)
    world.bring(drawn=False)
    assert (base_of(world.ledger), champion_of(world.ledger)) == (None, GIVEN.model_id)


def test_the_last_decision_names_it(world: SmallRounds) -> None:
    candidate = world.play()
    assert base_of(world.ledger) == champion_of(world.ledger) == candidate.model_id


def test_a_later_choice_goes_before_a_decision_and_the_last_choice_before_others(world: SmallRounds) -> None:
    world.play()
    for chosen in (A, B, A):
        choose(world.ledger, chosen)
        assert base_of(world.ledger) == champion_of(world.ledger) == chosen
    assert [choice["after_round"] for choice in json.loads((world.root / CHOICES).read_text())] == [1, 1, 1]


def test_a_choice_before_the_first_decision_holds_until_there_is_one(world: SmallRounds) -> None:
    choose(world.ledger, A)
    assert base_of(world.ledger) == A
    candidate = world.play()
    assert base_of(world.ledger) == candidate.model_id


def test_a_decision_that_is_made_anew_is_not_overruled_by_the_choice_after_the_old_one(world: SmallRounds) -> None:
    world.play()
    choose(world.ledger, A)
    (folder,) = world.ledger.rounds()
    folder.redo("mix")
    assert (base_of(world.ledger), champion_of(world.ledger)) == (None, GIVEN.model_id), "the round is open again"
    world.learn(folder, GIVEN, promoted=False)
    assert base_of(world.ledger) == GIVEN.model_id
    folder.redo("mix")
    world.learn(folder, GIVEN)
    assert base_of(world.ledger) == A, "the same decision again: what was chosen after it holds"


def test_a_round_that_has_begun_shows_its_own_champion_whatever_the_next_begins_with(world: SmallRounds) -> None:
    candidate = world.play()
    assert begun_round(world.ledger) is None
    folder = world.begin(GIVEN)
    assert begun_round(world.ledger) == folder
    assert (champion_of(world.ledger), base_of(world.ledger)) == (GIVEN.model_id, candidate.model_id)
    folder.redo("champion")
    assert begun_round(world.ledger) is None
    assert champion_of(world.ledger) == candidate.model_id


DAMAGE = {
    "cut": '[{"after_round": 1',
    "no list": "5",
    "no model": '[{"after_round": 1, "decision": null}]',
    "empty": "",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_choices_are_a_sentence_and_never_a_champion(world: SmallRounds, name: str) -> None:
    (world.root / CHOICES).write_text(DAMAGE[name])
    with pytest.raises(DamagedFile, match=r"choices\.json cannot be read") as caught:
        base_of(world.ledger)
    assert caught.value.hint


def test_a_choice_that_cannot_be_written_leaves_the_old_ones(
    world: SmallRounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(world.ledger, A)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", fails)
        with pytest.raises(KeyboardInterrupt):
            choose(world.ledger, B)
    assert base_of(world.ledger) == A


def test_status_may_ask_without_pydantic_and_numpy(tmp_path: Path) -> None:
    (tmp_path / "curate.yaml").touch()
    write_json(tmp_path / CHOICES, [{"after_round": 0, "decision": None, "model_id": C}])
    program = (
        "import sys\nfrom pathlib import Path\nfrom curation.champion import champion_of\n"
        "from curation.ledger import Ledger\n"
        f"assert champion_of(Ledger(Path({str(tmp_path)!r}), lambda: 0.0)) == {C!r}\n"
        "assert not {'numpy', 'pydantic', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
