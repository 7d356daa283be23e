"""Numbers and names become few values in words, by what val shows; what tells nothing apart is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from curation.coding import MAX_VALUES, Measure, Names, Numbers, columns_of, named, yes_no
from curation.diagnose import Column


def coded(measure: Measure, *, photo: ArrayLike | None = None, is_val: ArrayLike | None = None) -> Column | None:
    """Code one measure; each object is in a photo of its own, and all are of val, unless said otherwise."""
    count = len(measure.values) if isinstance(measure, Numbers) else len(measure.codes)
    found = columns_of(
        [measure],
        photo=np.arange(count) if photo is None else np.asarray(photo),
        is_val=np.ones(count, np.bool_) if is_val is None else np.asarray(is_val, np.bool_),
    )
    return found[0] if found else None


def numbers(values: ArrayLike, **words: object) -> Numbers:
    return Numbers("light", np.asarray(values, np.float64), "object", **words)  # type: ignore[arg-type]


def texts(values: list[str]) -> Names:
    return named("camera", np.array(values), "field", rows=np.arange(len(values)))


def in_words(column: Column | None) -> list[str]:
    assert column is not None
    return [column.values[code] if code >= 0 else "unknown" for code in column.codes.tolist()]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(np.arange(30) / 100, ("low (< 0.1)", "medium (0.1–0.2)", "high (≥ 0.2)"), id="thirds"),
        pytest.param([0] * 30 + [*range(1, 11)] * 3, ("low (< 1)", "medium (1–3)", "high (≥ 4)"), id="mostly zero"),
        pytest.param([0] * 25 + [3] * 5, ("low (< 3)", "high (≥ 3)"), id="two values"),
        pytest.param([2021] * 10 + [2022] * 10 + [2023] * 10, ("low (< 2022)", "medium (2022)", "high (≥ 2023)"),
                     id="years keep their digits"),
        pytest.param(np.arange(101, 131), ("low (< 111)", "medium (111–120)", "high (≥ 121)"), id="110 is far off"),
        pytest.param(np.arange(1, 31) * 1e-6, ("low (< 0.000011)", "medium (0.000011–0.000021)", "high (≥ 0.000021)"),
                     id="tiny"),
        pytest.param(np.arange(30) * 1e6, ("low (< 10000000)", "medium (10000000–19999999)", "high (≥ 20000000)"),
                     id="huge"),
        pytest.param([-5] * 15 + [5] * 15, ("low (< 5)", "high (≥ 5)"), id="negative"),
    ],
)  # fmt: skip
def test_numbers_become_thirds_as_nearly_as_ties_allow(values: ArrayLike, words: tuple[str, ...]) -> None:
    column = coded(numbers(values))
    assert column is not None
    assert column.values == words


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="nothing"),
        pytest.param([4.0] * 30, id="constant"),
        pytest.param([np.nan] * 30, id="unknown"),
        pytest.param([0] * 28 + [1, 2], id="the rest lies in two photos"),
        pytest.param([1, 2, 3, 4], id="four photos"),
    ],
)
def test_numbers_that_tell_nothing_apart_are_left_out(values: ArrayLike) -> None:
    assert coded(numbers(values)) is None


def test_the_words_and_the_unit_are_those_of_the_measure() -> None:
    column = coded(numbers(np.arange(30) + 10, words=("short", "medium", "long"), unit=" px"))
    assert column is not None
    assert column.values == ("short (< 20 px)", "medium (20–29 px)", "long (≥ 30 px)")


def test_what_is_not_known_or_not_finite_is_unknown() -> None:
    column = coded(numbers([*np.arange(30), np.nan, np.inf, -np.inf]))
    assert column is not None
    assert column.codes[-3:].tolist() == [-1, -1, -1]
    assert (column.codes[:-3] >= 0).all()


def test_bins_are_those_of_val_and_hold_for_train() -> None:
    values, is_val = [*range(30), *range(100, 140)], [True] * 30 + [False] * 40
    column = coded(numbers(values), is_val=is_val)
    assert column is not None
    assert column.values[-1] == "high (≥ 20)"
    assert in_words(column)[30:] == ["high (≥ 20)"] * 40


def test_many_objects_of_few_photos_make_no_bin() -> None:
    values, photo = np.arange(60.0), np.repeat(np.arange(4), 15)
    assert coded(numbers(values), photo=photo) is None
    assert coded(numbers(values), photo=np.repeat(np.arange(10), 6)) is not None


def bounds(word: str, *, whole: bool) -> tuple[float, float]:
    """Read a bin's words as a person would: from (included) and to (not included)."""
    told = word[word.index("(") + 1 : -1]
    if told.startswith("< "):
        return float("-inf"), float(told[2:])
    if told.startswith("≥ "):
        return float(told[2:]), float("inf")
    first, _, last = told.partition("–")
    return float(first), float(last or first) + whole


measured = st.lists(st.one_of(st.floats(-1e6, 1e6), st.integers(0, 5).map(float), st.just(float("nan"))), max_size=120)


@settings(deadline=None)  # machines are busy
@given(measured)
def test_every_bin_says_exactly_what_lies_in_it(values: list[float]) -> None:
    column = coded(numbers(values))
    if column is None:
        return
    assert 2 <= len(column.values) <= 3
    whole = all(value % 1 == 0 for value in values if not np.isnan(value))
    for number, word in enumerate(column.values):
        held = np.array(values)[column.codes == number]
        assert len(held) >= 5
        low, high = bounds(word, whole=whole)
        assert (held >= low).all(), word
        assert (held < high).all(), word
    assert ((column.codes == -1) == np.isnan(values)).all()


@settings(deadline=None)  # machines are busy
@given(st.lists(st.floats(0, 1), min_size=30, max_size=200, unique=True))
def test_numbers_without_ties_are_parted_nearly_evenly(values: list[float]) -> None:
    column = coded(numbers(values))
    assert column is not None
    shares = np.bincount(column.codes) / len(values)
    assert len(shares) == 3
    assert shares.min() > 1 / 3 - 0.1
    assert shares.max() < 1 / 3 + 0.1


def test_names_stand_by_how_frequent_they_are_and_rare_ones_are_other() -> None:
    column = coded(texts(["b"] * 6 + ["a"] * 6 + ["c"] * 9 + ["rare"] * 2 + ["odd"] + [""]))
    assert column is not None
    assert column.values == ("c", "a", "b", "other")
    assert in_words(column)[-4:] == ["other", "other", "other", "unknown"]


def test_the_thirteenth_name_is_other() -> None:
    column = coded(texts([f"gate {n:02d}" for n in range(20) for _ in range(6)]))
    assert column is not None
    assert column.values == (*(f"gate {n:02d}" for n in range(MAX_VALUES)), "other")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([f"photo {n}.jpg" for n in range(60)], id="file names"),
        pytest.param(["gate"] * 60, id="constant"),
        pytest.param([""] * 60, id="unknown"),
        pytest.param(["gate"] * 56 + ["a", "b", "c", "d"], id="all but four photos"),
        pytest.param([], id="nothing"),
    ],
)
def test_names_that_tell_nothing_apart_are_left_out(values: list[str]) -> None:
    assert coded(texts(values)) is None


def test_names_that_only_train_holds_are_other() -> None:
    column = coded(texts(["a"] * 6 + ["b"] * 6 + ["new"] * 9), is_val=[True] * 12 + [False] * 9)
    assert column is not None
    assert column.values == ("a", "b", "other")
    assert in_words(column)[12:] == ["other"] * 9


def test_a_name_that_reads_other_is_one_with_the_rest() -> None:
    column = coded(texts(["other"] * 9 + ["a"] * 6 + ["b"]))
    assert column is not None
    assert column.values == ("a", "other")
    assert in_words(column)[-1] == "other"


def test_long_names_are_cut_and_those_that_then_agree_are_one() -> None:
    column = coded(texts(["x" * 50 + str(n % 3) for n in range(9)] + ["y"] * 6))
    assert column is not None
    assert column.values == ("x" * 40, "y")


def test_objects_have_the_name_of_their_photo() -> None:
    measure = named("camera", np.array(["a", "", "b"]), "field", rows=np.array([2, 2, 1, 0]))
    assert [measure.values[code] if code >= 0 else "" for code in measure.codes] == ["b", "b", "", "a"]


def test_flags_are_yes_and_no_where_they_are_known() -> None:
    flags, known = np.array([True] * 8 + [False] * 12), np.array([True] * 19 + [False])
    column = coded(yes_no("at the border", flags, "object", known=known))
    assert in_words(column) == ["yes"] * 8 + ["no"] * 11 + ["unknown"]


@pytest.mark.parametrize("cells", [0, 20_000_000])
def test_photos_are_counted_alike_by_table_and_by_sorting(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.coding.MAX_CELLS", cells)
    photo = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    column = coded(texts(["a"] * 6 + ["b"] * 7), photo=photo)
    assert column is None, "six objects of one photo are one photo"
    assert coded(texts(["a"] * 6 + ["b"] * 7)) is not None
