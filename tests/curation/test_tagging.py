"""Tags: what is kept of them, and that columns come back from what was stored."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation.tagging import (
    Tagging,
    Tags,
    TagsReply,
    TagTable,
    attribute_columns,
    check_tags,
    tag_table,
)
from generation.form import strict_schema
from training.tables import load_table, save_table

VALUES = ("clean", "dirty")
IDS = tuple(f"A{number}" for number in range(1, 11))


def reply(*tags: tuple[str, str]) -> TagsReply:
    return TagsReply.model_validate_json(json.dumps({"tags": [{"id": i, "value": v} for i, v in tags]}))


@pytest.mark.parametrize(
    ("name", "tags", "codes", "cannot_tell", "dropped"),
    [
        ("as asked", [("A1", "clean"), ("A2", "dirty")], [0, 1], 0, {}),
        ("in another order", [("A2", "dirty"), ("A1", "clean")], [0, 1], 0, {}),
        ("another case", [("A1", " Clean\n"), ("A2", "DIRTY")], [0, 1], 0, {}),
        ("cannot tell", [("A1", "cannot tell"), ("A2", "dirty")], [-1, 1], 1, {}),
        ("one is missing", [("A2", "dirty")], [-1, 1], 0, {}),
        ("nothing", [], [-1, -1], 0, {}),
        ("not offered", [("A1", "wet"), ("A2", "dirty")], [-1, 1], 0, {"tags not offered": 1}),
        ("the first counts", [("A1", "clean"), ("A1", "dirty")], [0, -1], 0, {"tags said twice": 1}),
    ],
)
def test_tags_are_numbers_of_offered_values(
    name: str, tags: list[tuple[str, str]], codes: list[int], cannot_tell: int, dropped: dict[str, int]
) -> None:
    kept = check_tags(reply(*tags), values=VALUES, ids=IDS)
    assert kept.codes.tolist() == [*codes, *[-1] * 8]
    assert (kept.cannot_tell, dict(kept.dropped), kept.failure) == (cannot_tell, dropped, "")


@pytest.mark.parametrize(("unknown", "fails"), [(0, False), (2, False), (3, True)])
def test_more_than_a_fifth_of_unknown_ids_fails_the_question(unknown: int, fails: bool) -> None:
    tags = [(crop, "dirty") for crop in IDS[:8]] + [(f"Z{number}", "dirty") for number in range(unknown)]
    kept = check_tags(reply(*tags), values=VALUES, ids=IDS)
    assert kept.dropped["tags of unknown ids"] == unknown
    assert bool(kept.failure) == fails
    assert (kept.codes >= 0).sum() == (0 if fails else 8)


@pytest.mark.parametrize(
    ("name", "codes", "flaw"),
    [
        ("both values", [0, 1, -1], ""),
        ("never weak", [0, 0, -1], "none of 2 tagged crops is 'dirty'"),
        ("always weak", [1, 1], "every of 2 tagged crops is 'dirty'"),
        ("no tag", [-1, -1], "no crop could be tagged"),
    ],
)
def test_tags_that_cannot_test_the_value_say_why(name: str, codes: list[int], flaw: str) -> None:
    tagging = Tagging("state", VALUES, tuple(map(str, range(len(codes)))), tuple(codes))
    assert tagging.flaw("dirty") == flaw


def test_columns_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    first = Tagging("state", VALUES, ("d", "a", "c"), (1, 0, -1), cannot_tell=1)
    answer = Tags.unusable(1, "no reply")
    second = Tagging("pose", ("lies", "stands", "leans"), ("b",), (2,)).with_answer(("a",), answer)
    ref = save_table(tmp_path / "tags.npz", tag_table([first, second]))
    stored = load_table(tmp_path / "tags.npz", TagTable, ref)
    ids = np.array(["c", "b", "d", "a", "e"])
    records = [first.record(), second.record()]
    state, pose = attribute_columns(records, stored, ids)
    assert (state.name, state.values, state.source) == ("state", VALUES, "attribute")
    assert state.codes.tolist() == [-1, -1, 1, 0, -1]
    assert len(stored) == 3, "crops without a tag take no room"
    assert pose.codes.tolist() == [-1, 2, -1, -1, -1]
    assert [(r.asked, r.tagged, r.cannot_tell) for r in records] == [(3, 2, 1), (2, 1, 0)]


def test_an_attribute_without_tags_is_an_empty_column() -> None:
    nothing = Tagging("state", VALUES, ("a",), (-1,))
    (column,) = attribute_columns([nothing.record()], tag_table([nothing]), np.array(["a", "b"]))
    assert column.codes.tolist() == [-1, -1]


def test_tags_of_other_objects_are_refused() -> None:
    tagging = Tagging("state", VALUES, ("z",), (1,))
    with pytest.raises(ValueError, match="does not hold"):
        attribute_columns([tagging.record()], tag_table([tagging]), np.array(["a", "b"]))


def test_the_form_can_be_said_in_a_strict_schema_without_unions() -> None:
    text = json.dumps(strict_schema(TagsReply))
    assert "anyOf" not in text
    assert "oneOf" not in text
