"""How far a cold start is, what comes next, and which real photos come first."""

import json
from pathlib import Path

import pytest

from curation.cold_folder import ColdFolder, next_command, refuse_cold, state_lines, state_of
from training.errors import DamagedFile, UsageError

START = {"source": "ppe.yaml", "classes": ["person", "hat", "vest"], "min_photos": 50}
PLAN = {"count": 30, "classes": ["person", "hat", "vest"], "pictures": {"person": 10, "hat": 10, "vest": 10}}
DRAWN = {"refused": {"person": 0, "hat": 4, "vest": 7}, "verified": {"judged": 19}}
MODEL = {"model_id": "0123456789abcdef", "note": "not verified on real photos"}


@pytest.fixture
def cold(tmp_path: Path) -> ColdFolder:
    return write(ColdFolder(tmp_path / "my ws"), start=START)


def write(cold: ColdFolder, **records: dict) -> ColdFolder:
    cold.path.mkdir(parents=True, exist_ok=True)
    for name, record in records.items():
        cold.record(name).write_text(json.dumps(record))
    return cold


def test_the_next_command_does_what_is_not_done(cold: ColdFolder) -> None:
    assert next_command(state_of(cold)) == "generate --images 75000 --dry-run"
    write(cold, plan=PLAN)
    assert next_command(state_of(cold)) == "generate --images 30"
    (cold.path / "manifest-1-of-8.jsonl").touch()
    assert next_command(state_of(cold)) == "generate --images 30", "none of them gave a picture"
    (cold.path / "images" / "aa").mkdir(parents=True)
    (cold.path / "images" / "aa" / "aa.json").touch()
    assert next_command(state_of(cold)) == "retrain"
    write(cold, model=MODEL)
    assert next_command(state_of(cold)) == f"init WS --from YOUR_PHOTOS --model '{cold.weights}'"


def test_photos_of_the_classes_that_the_judge_refused_most_come_first(cold: ColdFolder) -> None:
    assert [row["label"] for row in state_of(cold)["cold"]["label_first"]] == ["person", "hat", "vest"]
    write(cold, plan=PLAN, drawn=DRAWN)
    state = state_of(cold)
    rows = state["cold"]["label_first"]
    assert [(row["label"], row["val"], row["test"]) for row in rows] == [
        ("vest", 50, 50),
        ("hat", 50, 50),
        ("person", 50, 50),
    ]
    assert "7 of 10" in "\n".join(state_lines(state, 80))
    assert "11 refused by the judge" in "\n".join(state_lines(state, 80))


def test_a_share_counts_and_not_a_number(cold: ColdFolder) -> None:
    uneven = PLAN | {"pictures": {"person": 100, "hat": 2, "vest": 10}}
    write(cold, plan=uneven, drawn={"refused": {"person": 9, "hat": 1, "vest": 3}, "verified": {}})
    assert [row["label"] for row in state_of(cold)["cold"]["label_first"]] == ["hat", "vest", "person"]


def test_pictures_are_counted_while_they_are_drawn_and_the_model_carries_its_mark(cold: ColdFolder) -> None:
    write(cold, plan=PLAN, model=MODEL)
    for name in ("aa", "ab"):
        (cold.path / "images" / name).mkdir(parents=True)
        (cold.path / "images" / name / f"{name}.json").touch()
        (cold.path / "images" / name / f"{name}.jpg").touch()
    said = "\n".join(state_lines(state_of(cold), 80))
    assert "30 pictures planned, 2 drawn" in said
    assert "model 0123456789ab: not verified on real photos" in said


def test_many_classes_fit_a_screen(cold: ColdFolder) -> None:
    write(cold, start=START | {"classes": [f"class {number}" for number in range(80)]})
    assert len(state_lines(state_of(cold), 80)) <= 21


def test_a_record_that_cannot_be_read_is_named(cold: ColdFolder) -> None:
    cold.record("plan").write_text("{")
    with pytest.raises(DamagedFile, match=r"plan\.json"):
        state_of(cold)


def test_a_command_that_needs_photos_names_the_way_out(cold: ColdFolder, tmp_path: Path) -> None:
    refuse_cold(tmp_path, "analyze")  # another folder
    with pytest.raises(UsageError, match="analyze needs some") as caught:
        refuse_cold(cold.root, "analyze")
    assert "curate init DIR --from PATH" in caught.value.hint
