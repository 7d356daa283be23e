"""Models listed, chosen and exported."""

import json
from pathlib import Path

import pytest
import yaml

from curation import lineage_shell, models_shell, versions
from curation.champion import base_of, champion_of
from curation.version_lines import MAX_LINES, choice_lines, export_lines, versions_lines
from curation.wording import cells_of
from tests.curation.small_rounds import GIVEN, SmallRounds, model, score
from training.errors import CurateError, DamagedFile, UsageError
from training.records import ModelVersion


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallRounds:
    monkeypatch.setattr("os.fsync", lambda _: None)
    root = tmp_path / "ws"
    root.mkdir()
    made = SmallRounds(root)
    made.bring(drawn=False)
    return made


def listed(world: SmallRounds) -> dict[str, versions.Version]:
    return {each.model.model_id: each for each in versions.versions_of(world.ledger).versions}


# --- listing


def test_every_model_is_listed_with_its_first_score_and_the_champion_is_marked(world: SmallRounds) -> None:
    candidate = world.play()
    found = listed(world)
    assert len(found) == 5
    assert [each.model.model_id for each in found.values() if each.is_champion] == [candidate.model_id]
    assert (found[GIVEN.model_id].split, found[GIVEN.model_id].judged_in) == ("test", 1)
    assert found[candidate.model_id].mean_ap == score(0.5)
    world.begin(candidate)
    assert listed(world)[candidate.model_id].split == "test", "what val says of it later does not go before test"


def test_a_model_that_test_has_not_seen_is_told_by_val_and_one_that_nobody_judged_by_nothing(
    world: SmallRounds,
) -> None:
    world.begin(GIVEN)
    other = world.keep(model("other"))
    found = listed(world)
    assert (found[GIVEN.model_id].split, found[GIVEN.model_id].mean_ap) == ("val", score(0.4))
    assert (found[other.model_id].split, found[other.model_id].mean_ap) == (None, None)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_list_fits_a_screen_and_counts_what_it_leaves_out(world: SmallRounds, width: int) -> None:
    world.play()
    few = versions_lines(versions.versions_of(world.ledger), width)
    assert sum("candidate" in line for line in few) == 2
    many = versions.versions_of(world.ledger)
    row = many.versions[-1].model_copy(update={"is_champion": False})
    mark = many.versions[0].model_copy(update={"is_champion": True})
    lines = versions_lines(many.model_copy(update={"versions": (mark, *[row] * 50)}), width)
    assert len(lines) <= MAX_LINES
    assert max(map(cells_of, lines)) <= width
    assert sum(line.startswith("* ") and "champion;" not in line for line in lines) == 1, "the champion is always shown"
    shown = sum("control" in line for line in lines) + 1
    assert f"and {51 - shown} earlier models in models --json"[:39] in "\n".join(lines)


def test_the_lines_of_a_model_hold_its_interval_and_how_many_photos_it_rests_on(world: SmallRounds) -> None:
    candidate = world.play()
    (line,) = [line for line in versions_lines(versions.versions_of(world.ledger), 120) if line.startswith("*  ")]
    for part in (candidate.model_id[:12], "0.500 [0.450, 0.550]", "test, 60 photos", str(candidate.trained_on)[:12]):
        assert part in line


def test_a_workspace_without_a_model_says_where_one_comes_from(tmp_path: Path) -> None:
    assert "no model yet" in versions_lines(versions.Versions(champion=None, versions=()), 80)[0]


# --- choosing


def test_going_back_makes_the_next_round_begin_with_it(world: SmallRounds) -> None:
    candidate = world.play()
    choice = versions.use(world.ledger, GIVEN.model_id[:6], yes=False)
    assert (choice.champion, choice.before, choice.moved) == (GIVEN.model_id, candidate.model_id, ())
    assert base_of(world.ledger) == champion_of(world.ledger) == GIVEN.model_id
    assert f"champion {GIVEN.model_id[:12]}, it was {candidate.model_id[:12]}" in choice_lines(choice, 100)


def test_choosing_the_champion_changes_nothing_and_says_so(world: SmallRounds) -> None:
    candidate = world.play()
    choice = versions.use(world.ledger, candidate.model_id, yes=False)
    assert not (world.root / "choices.json").exists()
    assert choice_lines(choice, 80) == [f"{candidate.model_id[:12]} is the champion already"]


def test_a_round_that_has_begun_is_not_pulled_away_without_a_word(world: SmallRounds) -> None:
    candidate = world.play()
    folder = world.begin(candidate)
    with pytest.raises(UsageError, match=f"round 2 has begun with {candidate.model_id[:12]}") as caught:
        versions.use(world.ledger, GIVEN.model_id, yes=False)
    assert "curate run" in caught.value.hint
    assert "--yes" in caught.value.hint
    assert (champion_of(world.ledger), base_of(world.ledger)) == (candidate.model_id, candidate.model_id)
    choice = versions.use(world.ledger, GIVEN.model_id, yes=True)
    assert choice.moved == ("champion", "evaluate", "analyze")
    assert folder.finished("freeze")
    assert not folder.finished("champion")
    assert champion_of(world.ledger) == GIVEN.model_id
    assert "moved aside: champion, evaluate, analyze" in choice_lines(choice, 80)


def test_damaged_weights_are_refused_before_anything_is_moved(world: SmallRounds) -> None:
    candidate = world.play()
    folder = world.begin(candidate)
    (world.root / "models" / GIVEN.model_id / "weights.pt").write_bytes(b"cut")
    with pytest.raises(DamagedFile, match=r"weights\.pt is missing or has changed"):
        versions.use(world.ledger, GIVEN.model_id, yes=True)
    assert folder.finished("champion")
    assert champion_of(world.ledger) == candidate.model_id


NAMES = {
    # name: text, what is said
    "nobody's": ("0badc0de", "there is no model '0badc0de'"),
    "too few digits": ("aaa", "there is no model 'aaa'"),
    "of two": ("aaaa", "the ids of 2 models begin with 'aaaa'"),
    "nothing": ("", "there is no model ''"),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_one_model_is_a_sentence(name: str) -> None:
    text, said = NAMES[name]
    models = {each: GIVEN.model_copy(update={"model_id": each}) for each in ("aaaa1" + "0" * 19, "aaaa2" + "0" * 19)}
    with pytest.raises(UsageError, match=said) as caught:
        versions.find(models, text)
    assert caught.value.hint
    assert versions.find(models, "AAAA1").model_id.startswith("aaaa1")


# --- exporting


def exported(world: SmallRounds, out: Path, version: ModelVersion) -> versions.Export:
    return versions.export(world.ledger, version.model_id, out)


def test_an_export_holds_weights_classes_in_the_models_order_and_a_card(world: SmallRounds, tmp_path: Path) -> None:
    turned = world.keep(model("turned", classes=("square", "disc: \u2028 é", "- yes")))
    done = exported(world, tmp_path / "a" / "b", turned)
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["README.md", "data.yaml", "weights.pt"]
    assert (tmp_path / "a" / "b" / "weights.pt").read_bytes() == world.registry.weights(turned.model_id).read_bytes()
    told = yaml.safe_load((tmp_path / "a" / "b" / "data.yaml").read_text(encoding="utf-8"))
    assert told == {"names": {0: "square", 1: "disc: \u2028 é", 2: "- yes"}}
    assert "written to" in export_lines(done, 200)[0]


def test_no_path_of_this_machine_leaves_it(world: SmallRounds, tmp_path: Path) -> None:
    exported(world, tmp_path / "out", world.play())
    for name in ("README.md", "data.yaml"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text(encoding="utf-8")


def test_an_empty_folder_will_do_and_one_that_holds_anything_is_refused(world: SmallRounds, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    exported(world, tmp_path / "empty", GIVEN)
    with pytest.raises(UsageError, match="is not empty"):
        exported(world, tmp_path / "empty", GIVEN)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        exported(world, tmp_path / "file", GIVEN)


def test_an_export_that_is_cut_short_leaves_nothing_that_looks_like_one(
    world: SmallRounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(CurateError, match=r"cannot write .*weights\.pt"):
        exported(world, tmp_path / "out", GIVEN)
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.undo()
    exported(world, tmp_path / "out", GIVEN)


def test_damaged_weights_are_not_exported(world: SmallRounds, tmp_path: Path) -> None:
    (world.root / "models" / GIVEN.model_id / "weights.pt").write_bytes(b"cut")
    with pytest.raises(DamagedFile):
        exported(world, tmp_path / "out", GIVEN)
    assert not (tmp_path / "out").exists()


# --- as commands


MIXED = {
    # name: options, what is said
    "two things at once": ({"use": "a", "export": "b"}, "do not go together"),
    "an export to nowhere": ({"export": "a"}, "--export needs --out"),
    "a place alone": ({"out": Path("x")}, "--out goes with --export"),
    "a yes alone": ({"yes": True}, "--yes goes with --use"),
}


@pytest.mark.parametrize("name", MIXED)
def test_options_that_do_not_go_together_are_named_with_the_way_out(name: str) -> None:
    options, said = MIXED[name]
    with pytest.raises(UsageError, match=said) as caught:
        models_shell.refuse_mixed(**{"use": None, "export": None, "out": None, "yes": False} | options)  # type: ignore[arg-type]
    assert caught.value.hint


def test_commands_print_a_screen_that_ends_in_the_next_command_or_the_record(
    world: SmallRounds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = world.play()
    models_shell.list_models(world.root, False)
    assert f"next: curate why -C {world.root} {candidate.model_id}" in capsys.readouterr().out
    models_shell.list_models(world.root, True)
    assert json.loads(capsys.readouterr().out)["champion"] == candidate.model_id
    lineage_shell.why(world.root, candidate.model_id, False)
    assert capsys.readouterr().out.startswith(f"model {candidate.model_id}\n")
    models_shell.export(world.root, candidate.model_id, tmp_path / "out", False)
    assert "README.md is its card" in capsys.readouterr().out
    models_shell.use(world.root, GIVEN.model_id, yes=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["before"] == candidate.model_id
    with pytest.raises(UsageError) as caught:
        models_shell.use(world.root, "0badc0de", yes=False, as_json=False)
    assert f"curate models -C {world.root}" in caught.value.hint
