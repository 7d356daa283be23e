"""What samples say besides labels: kept as columns, whole through the disk, and nothing that is no simple value."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import DamagedFile
from training.fields import MAX_FIELDS, MAX_TAGS, fields_of, load_fields, save_fields, simple_value
from training.records import FileRef


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(" gate 2 ", "gate 2", id="text"),
        pytest.param(True, True, id="flag"),
        pytest.param(17, 17, id="whole number"),
        pytest.param(-0.5, -0.5, id="number"),
        pytest.param("", None, id="empty"),
        pytest.param("   ", None, id="space"),
        pytest.param("x" * 201, None, id="long"),
        pytest.param("a\x1b[31m", None, id="does not print"),
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param(2**60, None, id="a number that is a name"),
        pytest.param(10**400, None, id="no float holds it"),
        pytest.param(None, None, id="nothing"),
        pytest.param(["x"], None, id="list"),
        pytest.param({"x": 1}, None, id="mapping"),
    ],
)
def test_only_simple_values_are_kept(value: object, kept: object) -> None:
    found = simple_value(value)
    assert found == kept
    assert type(found) is type(kept)


def test_fields_are_columns_with_a_value_for_every_photo() -> None:
    found = fields_of(
        [{"camera": "gate", "hour": 7, "wet": True}, {}, {"hour": 7.5, "wet": False, "mixed": 3}, {"mixed": "three"}],
        [["night", "fog"], [], ["fog"], []],
    )
    assert list(found) == ["camera", "hour", "mixed", "wet", "tag fog", "tag night"]
    assert found["camera"].tolist() == ["gate", "", "", ""]
    np.testing.assert_array_equal(found["hour"], [7, np.nan, 7.5, np.nan])
    assert found["mixed"].tolist() == ["", "", "3", "three"]
    assert found["wet"].tolist() == ["yes", "", "no", ""]
    assert found["tag fog"].tolist() == ["yes", "no", "yes", "no"]


@pytest.mark.parametrize("name", ["_id", "a.b", "$where", "", "two words", "1st"])
def test_names_that_a_database_could_take_for_something_else_are_left_out(name: str) -> None:
    assert fields_of([{name: "x", "fine": "y"}], [[]]).keys() == {"fine"}


def test_of_too_many_the_most_frequent_stay() -> None:
    often = {"often": "x"}
    photos = [often | {f"f{n}": n for n in range(100)}, often]
    tags = [[f"t{n}" for n in range(100)] + ["often", "\x07"], ["often"]]
    found = fields_of(photos, tags)
    assert len(found) == MAX_FIELDS + MAX_TAGS
    assert {"often", "tag often"} <= found.keys()


def test_no_photos_have_no_fields() -> None:
    assert fields_of([], []) == {}


values = st.one_of(st.text(max_size=8), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, width=32))
names = st.sampled_from(["file", "names", "allow_pickle", "column_0", "größe", "hour"])


@settings(deadline=None)  # machines are busy
@given(photos=st.lists(st.dictionaries(names, values), max_size=5))
def test_fields_come_back_from_disk_as_they_were(tmp_path_factory: pytest.TempPathFactory, photos: list[dict]) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("fields") / "x.fields.npz"
    fields = fields_of(photos, [["night / day"]] * len(photos))
    ref = save_fields(path, fields)
    found = load_fields(path, ref)
    assert list(found) == list(fields)
    for name, column in fields.items():
        np.testing.assert_array_equal(found[name], column)
        assert found[name].dtype == column.dtype
    assert save_fields(path.with_name("y.npz"), fields).digest == ref.digest, "the same bytes for the same content"


def test_a_file_that_holds_no_fields_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, other=np.zeros(3))
    from training.files import digest_of_file

    with pytest.raises(DamagedFile, match="does not hold fields"):
        load_fields(path, FileRef(name="x.npz", digest=digest_of_file(path)))
    with pytest.raises(DamagedFile, match="has changed"):
        load_fields(path, FileRef(name="x.npz", digest="0" * 24))
